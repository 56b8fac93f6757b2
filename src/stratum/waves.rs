//! New work for those who have not worked yet comes in waves.
//!
//! A connection whose shares have counted hears of new work at once. All others, which may be ten thousand
//! that only sit there, are woken some at a time, and between two waves whoever else has something to do has
//! his turn: neither an answer nor the work of a miner stands behind a crowd of strangers. On a machine that is
//! not busy the last of them hears of it some milliseconds later than it would otherwise.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::yield_now;

use crate::work::board::JobBoard;

/// Groups that newcomers are divided into.
const GROUPS: usize = 128;
/// Connections that are woken together, unless one group has more.
const WAVE: usize = 128;

/// What the newcomers of a coin wait for.
#[derive(Debug)]
pub struct Waves {
    groups: Vec<watch::Sender<Arc<JobBoard>>>,
}

impl Waves {
    /// Nobody waits yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { groups: (0..GROUPS).map(|_| watch::Sender::default()).collect() })
    }

    /// What one newcomer waits for; its number says in which group, and numbers are given one after another.
    pub fn join(&self, number: u64) -> watch::Receiver<Arc<JobBoard>> {
        let nth = usize::try_from(number % GROUPS as u64).unwrap_or(0);
        self.groups.get(nth).map_or_else(|| watch::Sender::default().subscribe(), watch::Sender::subscribe)
    }

    /// Passes the coin's work on until the coin is gone.
    pub async fn run(self: Arc<Self>, mut board: watch::Receiver<Arc<JobBoard>>) {
        while board.changed().await.is_ok() {
            let snapshot = Arc::clone(&board.borrow_and_update());
            let mut woken = 0;
            for group in self.groups.iter().filter(|group| group.receiver_count() > 0) {
                if woken > 0 && woken + group.receiver_count() > WAVE {
                    yield_now().await;
                    woken = 0;
                }
                group.send_replace(Arc::clone(&snapshot));
                woken += group.receiver_count();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn newcomers_hear_of_everything_and_others_have_their_turn_between() {
        let waves = Waves::new();
        let (sender, board) = watch::channel(Arc::<JobBoard>::default());
        let mut newcomers: Vec<_> = (0..1000).map(|number| waves.join(number)).collect();
        let passed_on = tokio::spawn(Arc::clone(&waves).run(board));
        for tip_seq in 1..=3 {
            sender.send_replace(Arc::new(JobBoard { tip_seq, job: None }));
            // This runtime has one thread: the first who hears of it looks before the last is told.
            newcomers[0].changed().await.unwrap();
            let told = newcomers.iter().filter(|newcomer| newcomer.borrow().tip_seq == tip_seq).count();
            assert!(told <= WAVE, "{told} at once");
            for newcomer in &mut newcomers {
                let heard = newcomer.wait_for(|board| board.tip_seq == tip_seq);
                assert!(heard.await.is_ok());
            }
        }
        drop(sender);
        passed_on.await.unwrap();
    }
}
