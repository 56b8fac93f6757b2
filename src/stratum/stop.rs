//! How far the stop of the daemon has come, as its ports and connections see it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Time between two connections that are told to go while others still mine: all at once would come back at once.
const TURN: Duration = Duration::from_millis(2);

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Nothing of the kind.
    #[default]
    No,
    /// Nobody is accepted any more, and those go, in turns, whose connection cannot go over to the next life of
    /// the daemon. The others mine.
    Parting,
    /// Nothing more is read.
    Now,
}

/// Who goes when.
#[derive(Debug, Default)]
pub struct Departures(AtomicU32);

impl Departures {
    /// Ready when it is the caller's turn to go, or all go.
    pub async fn wait(&self, mut stop: watch::Receiver<Stop>) {
        reached(&mut stop, Stop::Parting).await;
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = sleep(TURN * turn) => {}
            () = reached(&mut stop, Stop::Now) => {}
        }
    }
}

/// Ready when the stop has come so far.
pub async fn reached(stop: &mut watch::Receiver<Stop>, stage: Stop) {
    // If the sender is gone, the daemon is too.
    let _ = stop.wait_for(|at| *at >= stage).await;
}
