//! How many TLS handshakes are under way. Honest ones are short, so at the bound the oldest gives way
//! to the newest: whoever begins handshakes only to hold them open keeps nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::Handshakes as Bounds;

/// The handshakes of all ports.
#[derive(Debug)]
pub struct Handshakes {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bounds: Bounds,
    begun: u64,
    /// By age, the oldest first.
    under_way: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Handshakes {
    /// None yet.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { bounds, begun: 0, under_way: BTreeMap::new() }) })
    }

    /// How long one may take.
    pub fn timeout(&self) -> Duration {
        self.lock().bounds.timeout
    }

    /// Other bounds hold for those that begin from now on.
    pub fn change(&self, bounds: Bounds) {
        self.lock().bounds = bounds;
    }

    /// Begins one, if need be at the cost of the oldest.
    pub fn begin(self: &Arc<Self>) -> Turn {
        let (sender, lost) = oneshot::channel();
        let mut state = self.lock();
        if state.under_way.len() >= state.bounds.most {
            // Dropping its sender is what tells it.
            state.under_way.pop_first();
        }
        state.begun += 1;
        let number = state.begun;
        state.under_way.insert(number, sender);
        Turn { handshakes: Arc::clone(self), number, lost }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One handshake's turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    handshakes: Arc<Handshakes>,
    number: u64,
    lost: oneshot::Receiver<()>,
}

impl Turn {
    /// Ready once this handshake has to give way.
    pub async fn lost(&mut self) {
        // Nothing is ever sent: the sender is dropped.
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.handshakes.lock().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_to_the_newest() {
        let handshakes = Handshakes::new(Bounds { most: 2, timeout: Duration::from_secs(5) });
        let (mut one, two) = (handshakes.begin(), handshakes.begin());
        drop(two);
        let mut three = handshakes.begin();
        let mut four = handshakes.begin();
        one.lost().await;
        assert!(three.lost.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        let five = handshakes.begin();
        three.lost().await;
        drop((one, three, five));
        assert_eq!(handshakes.lock().under_way.len(), 1);
        assert!(four.lost.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
    }
}
