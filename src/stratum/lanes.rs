//! Strangers and miners live on runtimes of their own, so that no miner stands behind a crowd of strangers.
//!
//! A runtime handles whoever has something to do in the order in which it hears of it. Ten thousand connections that
//! all get new work, or a thousand that all send something, would be as many turns in front of a miner's share.
//! Strangers, of whom no share has counted yet, are therefore accepted, let in and served by a runtime whose threads
//! come last at the processor. A connection's first share that counts moves it to the miners' runtime for good.
//!
//! A thread that comes last may be interrupted anywhere, also while it holds a lock. So what is locked for more than
//! some instructions is never locked there: shares of strangers are written down by the miners' threads.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::counters::Counters;
use crate::work::board::JobBoard;

/// The two runtimes.
#[derive(Debug, Clone)]
pub struct Lanes {
    /// Of connections on which a share has counted, and of everything that is not a connection.
    pub miners: Handle,
    /// Of all other connections, and of the ports themselves.
    pub strangers: Handle,
}

impl Lanes {
    /// The coin's work as strangers hear of it, until the coin is gone. Whoever makes work wakes one task here, which
    /// wakes the crowd.
    pub fn tell_strangers(&self, mut board: watch::Receiver<Arc<JobBoard>>) -> watch::Receiver<Arc<JobBoard>> {
        let (strangers, news) = watch::channel(Arc::clone(&board.borrow()));
        self.strangers.spawn(async move {
            while board.changed().await.is_ok() {
                let snapshot = Arc::clone(&board.borrow_and_update());
                strangers.send_replace(snapshot);
            }
        });
        news
    }
}

/// A connection as it is counted, wherever it lives, until this is dropped.
#[derive(Debug)]
pub struct Presence {
    counters: Arc<Counters>,
    encrypted: bool,
    _attendance: Attendance,
}

impl Presence {
    /// Counts a connection.
    pub fn new(counters: &Arc<Counters>, attendance: &Attendance) -> Self {
        Counters::count(&counters.connections);
        Self { counters: Arc::clone(counters), encrypted: false, _attendance: attendance.clone() }
    }

    /// It is one in TLS.
    pub fn encrypt(&mut self) {
        if !std::mem::replace(&mut self.encrypted, true) {
            Counters::count(&self.counters.wire.encrypted);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        Counters::uncount(&self.counters.connections);
        if self.encrypted {
            Counters::uncount(&self.counters.wire.encrypted);
        }
    }
}

/// Each connection of a port has one.
#[derive(Debug, Clone)]
pub struct Attendance {
    _open: mpsc::Sender<Infallible>,
}

/// Who waits for the last connection of a port.
#[derive(Debug)]
pub struct Absence(mpsc::Receiver<Infallible>);

/// What says that connections are there, and what waits until none is.
pub fn attendance() -> (Attendance, Absence) {
    let (open, closed) = mpsc::channel(1);
    (Attendance { _open: open }, Absence(closed))
}

impl Absence {
    /// Ready when everything that says otherwise is dropped.
    pub async fn complete(mut self) {
        // Nothing is ever sent.
        let _ = self.0.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_the_last_connection_waits_for_that() {
        let (counters, (attendance, absence)) = (Arc::<Counters>::default(), attendance());
        let (first, mut last) = (Presence::new(&counters, &attendance), Presence::new(&counters, &attendance));
        let counted = || [&counters.connections, &counters.wire.encrypted].map(|count| count.load(Ordering::Relaxed));
        last.encrypt();
        last.encrypt();
        assert_eq!(counted(), [2, 1]);
        let waiting = tokio::spawn(absence.complete());
        drop((attendance, first));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && counted() == [1, 1]);
        drop(last);
        waiting.await.unwrap();
        assert_eq!(counted(), [0, 0]);
    }

    #[tokio::test]
    async fn strangers_hear_of_the_newest_work_and_of_the_end_of_the_coin() {
        let (board, seen) = watch::channel(Arc::<JobBoard>::default());
        let lanes = Lanes { miners: Handle::current(), strangers: Handle::current() };
        let mut news = lanes.tell_strangers(seen);
        for tip_seq in 1..=3 {
            board.send_replace(Arc::new(JobBoard { tip_seq, job: None }));
        }
        assert!(news.wait_for(|board| board.tip_seq == 3).await.is_ok());
        drop(board);
        assert!(news.changed().await.is_err());
    }
}
