//! Three miners who really hash scrypt, slowly enough to watch.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::stage::PASSWORD;
use super::support::miner::{Algorithm, Miner, Problem, Wanted};

/// Whose miners they are.
pub const MINERS: [&str; 3] = ["alice.rig1", "alice.rig2", "bob.garage"];

/// Each miner hands in a share so often.
const PACE: Duration = Duration::from_millis(700);
/// One share in so many is a block: with all miners, one every few seconds.
const BLOCK_EVERY: u64 = 23;
/// One share in so many is handed in twice, to see it refused.
const TWICE_EVERY: u64 = 11;

/// What the pool has told a miner so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Worker name.
    pub worker: &'static str,
    /// Whether it is logged in.
    pub connected: bool,
    /// Shares answered `true`.
    pub accepted: u64,
    /// Shares refused.
    pub refused: u64,
    /// The last refusal's text.
    pub refusal: String,
    /// Hashes of the accepted shares that are blocks, oldest first.
    pub blocks: Vec<String>,
    /// Why it gave up, if it did.
    pub trouble: Option<String>,
}

/// The miners at work.
pub struct Crew {
    told: Vec<Arc<Mutex<Told>>>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Crew {
    /// Sets all to work at a port.
    pub fn start(port: SocketAddr) -> Crew {
        let (stop, stopped) = watch::channel(false);
        let mut crew = Crew { told: Vec::new(), tasks: JoinSet::new(), stop };
        for (number, worker) in (0u64..).zip(MINERS) {
            let told = Arc::new(Mutex::new(Told { worker, ..Told::default() }));
            crew.told.push(Arc::clone(&told));
            let stopped = stopped.clone();
            crew.tasks.spawn(async move {
                let ended = work(port, number, &told, stopped).await;
                let mut told = lock(&told);
                told.connected = false;
                told.trouble = ended.err().map(|problem| format!("{worker}: {problem}"));
            });
        }
        crew
    }

    /// What each was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.iter().map(|told| lock(told).clone()).collect()
    }

    /// Why a miner gave up, if one did.
    pub fn trouble(&self) -> Option<String> {
        self.told.iter().find_map(|told| lock(told).trouble.clone())
    }

    /// Ends the work; every share handed in has its answer by then.
    pub async fn stop(mut self) -> Vec<Told> {
        // Nobody listens any more only if all have ended already.
        let _told_to = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        self.told()
    }
}

/// Mines until told to stop. A miner reads while it waits, so it always knows the newest job.
async fn work(
    port: SocketAddr,
    number: u64,
    told: &Mutex<Told>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let worker = lock(told).worker;
    let (mut miner, _) = Miner::log_in(port, Algorithm::Scrypt, worker, PASSWORD).await?;
    lock(told).connected = true;
    // Not all at once, and not all with a block at once.
    let mut shares = number * BLOCK_EVERY / 3;
    let mut pace = tokio::time::interval(PACE + Duration::from_millis(50 * number));
    loop {
        tokio::select! {
            _ = stopped.changed() => return Ok(()),
            read = miner.read_message() => read?,
            _ = pace.tick() => {
                shares += 1;
                hand_in(&mut miner, told, worker, shares).await?;
            }
        }
    }
}

/// Searches one share on the newest job and hands it in.
async fn hand_in(miner: &mut Miner, told: &Mutex<Told>, worker: &str, shares: u64) -> Result<(), Problem> {
    let job = miner.wait_for_job().await?;
    let wanted = if shares.is_multiple_of(BLOCK_EVERY) { Wanted::Block } else { Wanted::Share };
    let share = miner.mine(&job, wanted)?;
    let times = if shares.is_multiple_of(TWICE_EVERY) { 2 } else { 1 };
    for _ in 0..times {
        let reply = miner.submit(worker, &share).await?;
        let mut told = lock(told);
        if reply.is_true() {
            told.accepted += 1;
            if share.meets_network_target {
                told.blocks.push(share.block_hash());
            }
        } else {
            told.refused += 1;
            reply.text().clone_into(&mut told.refusal);
        }
    }
    Ok(())
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
