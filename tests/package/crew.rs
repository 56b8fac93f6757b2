//! Many miners who go on mining whatever is done to the service, on a thread of their own: whoever works on the machine
//! meanwhile holds up his own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::miner::{Algorithm, Miner, Wanted};

/// Time between two shares of a miner.
const PACE: Duration = Duration::from_millis(1000);
/// How long all of them may need for their next shares. Only a safety net.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the miners tell while they work.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    shares: AtomicUsize,
    /// The longest that one of them waited for an answer since it was last asked, in microseconds.
    longest_us: AtomicU64,
}

/// The miners at work.
pub struct Crew {
    told: Arc<Told>,
    thread: JoinHandle<Vec<usize>>,
}

/// The name of a miner, from 0.
pub fn name(miner: usize) -> String {
    format!("crew.hand{miner}")
}

impl Crew {
    /// Has so many log in and mine.
    pub fn start(port: SocketAddr, password: &'static str, miners: usize) -> Self {
        let told = Arc::<Told>::default();
        let telling = Arc::clone(&told);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut crew = JoinSet::new();
                for miner in 0..miners {
                    let told = Arc::clone(&telling);
                    crew.spawn(async move { (miner, mine(port, miner, password, &told).await) });
                }
                let mut accepted = vec![0; miners];
                while let Some(done) = crew.join_next().await {
                    // A panic of one of them ends all.
                    let (miner, shares) = done.unwrap();
                    accepted[miner] = shares;
                }
                accepted
            })
        });
        Self { told, thread }
    }

    /// Waits until they have found so many further shares, all together.
    pub async fn more(&self, shares: usize) {
        let goal = self.told.shares.load(Ordering::Relaxed) + shares;
        let reached = async {
            while self.told.shares.load(Ordering::Relaxed) < goal {
                assert!(!self.thread.is_finished(), "a miner was not served as it should be: see above");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the miners do not go on");
    }

    /// The longest that one of them waited for an answer since this was last asked.
    pub fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.told.longest_us.swap(0, Ordering::Relaxed))
    }

    /// Ends it; the shares of each that were acknowledged.
    pub fn end(self) -> Vec<usize> {
        self.told.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a miner was not served as it should be")
    }
}

/// Mines until it is told to stop. Whatever the pool refuses, and its hanging up, fails the test.
async fn mine(port: SocketAddr, miner: usize, password: &str, told: &Told) -> usize {
    let worker = name(miner);
    let logged_in = Miner::log_in(port, Algorithm::Scrypt, &worker, password).await;
    let (mut hand, _) = logged_in.unwrap_or_else(|problem| panic!("miner {miner}: {problem}"));
    let mut accepted = 0;
    // All of them at the same moment would be a wave.
    tokio::time::sleep(PACE * u32::try_from(miner % 50).unwrap() / 50).await;
    while !told.stop.load(Ordering::Relaxed) {
        let job = hand.job().unwrap().clone();
        let share = hand.mine(&job, Wanted::Share).unwrap();
        let began = Instant::now();
        let reply = hand.submit(&worker, &share).await.unwrap_or_else(|problem| panic!("miner {miner}: {problem}"));
        let waited = u64::try_from(began.elapsed().as_micros()).unwrap();
        told.longest_us.fetch_max(waited, Ordering::Relaxed);
        assert!(reply.is_true(), "miner {miner}: {}", reply.line);
        accepted += 1;
        told.shares.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PACE).await;
    }
    accepted
}
