//! Several miners that hand in shares without pause, and the rows that must come of it.

use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stage::{self, PASSWORD, SHA256D_SOME};
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Miner, PATIENCE, Problem, Wanted};

/// Workers of each miner. It uses them in turn, so its rows show their order, and any that is missing
/// or there twice.
const NAMES: usize = 8;

/// What a miner has done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Shares sent.
    sent: usize,
    /// Shares answered `true`.
    acknowledged: usize,
}

/// The miners at work, until the pool closes their connections.
pub struct Crew {
    hands: Vec<(watch::Receiver<Done>, JoinHandle<Problem>)>,
}

fn name(miner: usize, share: usize) -> String {
    format!("miner{miner}.w{}", share % NAMES)
}

/// The workers of so many miners.
pub async fn add_workers(db: &MariaDb, database: &str, miners: usize) {
    for miner in 0..miners {
        for share in 0..NAMES {
            stage::add_worker(db, database, &name(miner, share)).await;
        }
    }
}

impl Crew {
    /// Sets so many miners to work.
    pub fn start(port: SocketAddr, miners: usize) -> Self {
        let hand = |miner| {
            let (progress, done) = watch::channel(Done::default());
            let work = async move {
                match work(port, miner, &progress).await {
                    Ok(never) => match never {},
                    Err(problem) => problem,
                }
            };
            (done, tokio::spawn(work))
        };
        Self { hands: (0..miners).map(hand).collect() }
    }

    /// Waits until every miner has had so many more shares acknowledged.
    pub async fn go_on(&mut self, shares: usize) {
        for (done, _) in &mut self.hands {
            let goal = done.borrow().acknowledged + shares;
            let wait = done.wait_for(|done| done.acknowledged >= goal);
            tokio::time::timeout(PATIENCE, wait).await.expect("shares are not answered").expect("a miner gave up");
        }
    }

    /// Waits for the end of the connections.
    pub async fn ended(self) -> Vec<Done> {
        let mut all = Vec::new();
        for (done, task) in self.hands {
            let problem = tokio::time::timeout(PATIENCE, task).await.expect("the connection is not closed").unwrap();
            assert!(matches!(problem, Problem::Closed), "{problem}");
            all.push(*done.borrow());
        }
        all
    }
}

async fn work(port: SocketAddr, number: usize, progress: &watch::Sender<Done>) -> Result<std::convert::Infallible, Problem> {
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, &name(number, 0), PASSWORD).await?;
    for share in 1..NAMES {
        assert!(miner.authorize(&name(number, share), PASSWORD).await?.is_true());
    }
    for share in 0.. {
        let found = miner.mine(&job, Wanted::Share)?;
        progress.send_modify(|done| done.sent += 1);
        let reply = miner.submit(&name(number, share), &found).await?;
        assert!(reply.is_true(), "{}", reply.line);
        progress.send_modify(|done| done.acknowledged += 1);
        // The others have their turn, also when this machine has one processor.
        tokio::task::yield_now().await;
    }
    unreachable!("nobody has so many shares")
}

/// Every acknowledged share is one row, in order; the last one sent may have been accepted without
/// its answer getting through.
pub fn check(done: &[Done], rows: &[ShareRow]) {
    for (miner, done) in done.iter().enumerate() {
        let prefix = format!("miner{miner}.");
        let stored: Vec<_> = rows.iter().filter(|row| row.username.starts_with(&prefix)).map(stage::facts).collect();
        let expected: Vec<_> = (0..stored.len()).map(|share| stage::good(&name(miner, share), SHA256D_SOME)).collect();
        assert_eq!(stored, expected, "miner {miner}");
        assert!((done.acknowledged..=done.sent).contains(&stored.len()), "miner {miner}: {done:?}, {} rows", stored.len());
    }
    assert!(rows.is_sorted_by_key(|row| row.time), "times are in the order of acceptance");
}
