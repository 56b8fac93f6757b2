//! Many miners, who work on through restarts.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::house::House;
use crate::stage::{PASSWORD, SHA256D_EASY, rows_when};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// Miners in `make test`.
const MINERS: usize = 200;
/// Restarts.
const RESTARTS: usize = 3;
/// Time between two shares of a miner.
const PACE: Duration = Duration::from_millis(250);

fn name(miner: usize) -> String {
    format!("crew.hand{miner}")
}

async fn add_workers(db: &MariaDb, database: &str, miners: usize) {
    let account = db.add_account(database, "crew", 0).await;
    let rows: Vec<String> = (0..miners).map(|miner| format!("({account}, '{}', '{PASSWORD}')", name(miner))).collect();
    for some in rows.chunks(1000) {
        let sql = format!("INSERT INTO pool_worker (account_id, username, password) VALUES {}", some.join(","));
        db.run_sql(database, &sql).await;
    }
}

/// What a miner has seen at the end.
struct Seen {
    accepted: usize,
    /// The longest it waited for an answer.
    longest: Duration,
}

/// Mines until it is told to stop. Whatever the pool refuses, and its hanging up, fails the test.
async fn mine(port: SocketAddr, miner: usize, stop: Arc<AtomicBool>, progress: Arc<AtomicUsize>) -> Seen {
    let worker = name(miner);
    let (mut hand, _) = Miner::log_in(port, Algorithm::Sha256d, &worker, PASSWORD).await.unwrap();
    progress.fetch_add(1, Ordering::Relaxed);
    let mut seen = Seen { accepted: 0, longest: Duration::ZERO };
    while !stop.load(Ordering::Relaxed) {
        let job = hand.job().unwrap().clone();
        let share = hand.mine(&job, Wanted::Share).unwrap();
        let began = Instant::now();
        let reply = hand.submit(&worker, &share).await.unwrap_or_else(|problem| panic!("miner {miner}: {problem}"));
        seen.longest = seen.longest.max(began.elapsed());
        assert!(reply.is_true(), "miner {miner}: {}", reply.line);
        seen.accepted += 1;
        progress.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PACE).await;
    }
    seen
}

async fn more(progress: &AtomicUsize, by: usize) {
    let goal = progress.load(Ordering::Relaxed) + by;
    let reached = async {
        while progress.load(Ordering::Relaxed) < goal {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), reached).await.expect("miners do not go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w22_miners_work_on_through_restarts_and_every_acknowledged_share_is_one_row() {
    // More for measurements: LIFE_MINERS=5000.
    let miners = std::env::var("LIFE_MINERS").map_or(MINERS, |text| text.parse().unwrap());
    let house = House::new("life_restarts", SHA256D_EASY).await;
    add_workers(&house.db, house.database, miners).await;
    let mut daemon = house.run().await;
    let (stop, progress) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut crew = JoinSet::new();
    for miner in 0..miners {
        let (stop, progress) = (Arc::clone(&stop), Arc::clone(&progress));
        let port = house.port;
        crew.spawn(async move { (miner, mine(port, miner, stop, progress).await) });
    }
    more(&progress, 2 * miners).await;
    for _ in 0..RESTARTS {
        let began = Instant::now();
        assert!(daemon.stop().await.unwrap().success());
        let stopped = began.elapsed();
        daemon = house.run().await;
        tell(&format!("restart with {miners} miners: stopped in {stopped:?}, ready after {:?}\n", began.elapsed()));
        more(&progress, 2 * miners).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut accepted = vec![0; miners];
    let mut longest = Duration::ZERO;
    while let Some(done) = crew.join_next().await {
        let (miner, seen) = done.expect("a miner was not served as it should be");
        accepted[miner] = seen.accepted;
        longest = longest.max(seen.longest);
    }
    let all: usize = accepted.iter().sum();
    tell(&format!("{miners} miners: {all} shares, the longest wait for an answer {longest:?}\n"));
    let rows = rows_when(&house.db, house.database, "the last row", |rows| rows.len() >= all).await;
    let mut stored = vec![0; miners];
    for row in &rows {
        assert_eq!(row.our_result, "Y", "{row:?}");
        let miner: usize = row.username.strip_prefix("crew.hand").unwrap().parse().unwrap();
        stored[miner] += 1;
    }
    assert_eq!(stored, accepted);
}

fn tell(text: &str) {
    // Past the test harness, which keeps what a test that succeeds has printed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
