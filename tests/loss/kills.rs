//! Kills at random moments, under load.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::account::{self, Account};
use crate::crew::{self, Crew};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Miner};

/// Miners at work.
const MINERS: usize = 24;
/// Kills of each loop in `make test`.
const KILLS: usize = 5;
/// Its seed.
const SEED: u64 = 20_240_601;
/// One share of 4,096 is a block.
const BLOCK_BITS: u32 = 0x2000_0fff;
/// Most shares between two kills.
const SHARES_MAX: u64 = 3000;

/// A small generator: the same seed makes the same plan.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % sides
    }

    fn shares(&mut self) -> usize {
        usize::try_from(self.roll(SHARES_MAX)).unwrap()
    }
}

/// How often what was ended.
#[derive(Debug, Default, Clone, Copy)]
struct Ended {
    daemon_killed: usize,
    daemon_stopped: usize,
    database_killed: usize,
    both_killed: usize,
}

/// The pool and what it stands on.
struct Stage {
    home: tempfile::TempDir,
    config: String,
    db: MariaDb,
    node: FakeNode,
    daemon: Option<Daemon>,
    ended: Ended,
}

impl Stage {
    async fn start(durability: &str) -> Self {
        let (db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
        node.set_bits(BLOCK_BITS);
        stage::create_database(&db, "pool").await;
        crew::add_workers(&db, "pool", MINERS).await;
        let coin = Coin {
            ports: vec![stage::port(SHA256D_EASY)],
            ledger: format!("durability = \"{durability}\""),
            ..Coin::fake(&node, &db, "pool")
        };
        let (home, config) = (tempfile::tempdir().unwrap(), stage::configuration(&[&coin]));
        Self { home, config, db, node, daemon: None, ended: Ended::default() }
    }

    async fn begin(&mut self, crew: &Crew) {
        let daemon = Daemon::start_in(self.home.path(), &self.config).unwrap();
        crew.pool_is_at(daemon.port("bitcoin").await.unwrap());
        self.daemon = Some(daemon);
    }

    /// Ends something, lets the miners go on for a while where they can, starts it again.
    async fn strike(&mut self, crew: &mut Crew, dice: &mut Dice) {
        match dice.roll(10) {
            0..5 => {
                self.daemon.take().unwrap().kill().unwrap();
                self.ended.daemon_killed += 1;
                self.begin(crew).await;
            }
            5 => {
                let status = self.daemon.take().unwrap().stop().await.unwrap();
                assert!(status.success(), "{status}");
                self.ended.daemon_stopped += 1;
                self.begin(crew).await;
            }
            6..8 => {
                self.db.kill();
                self.ended.database_killed += 1;
                // Nobody is let in now, but who is there goes on.
                crew.go_on(dice.shares() / 4).await;
                tokio::task::block_in_place(|| self.db.restart());
            }
            _ => {
                self.db.kill();
                crew.go_on(dice.shares() / 4).await;
                self.daemon.take().unwrap().kill().unwrap();
                self.ended.both_killed += 1;
                self.begin(crew).await;
                tokio::task::block_in_place(|| self.db.restart());
            }
        }
    }

    /// The rows once a last share's row is there, which is behind all others.
    async fn rows(&mut self) -> Vec<ShareRow> {
        // No more blocks: the last share is to be an ordinary one.
        self.node.set_bits(0x1d00_ffff);
        self.node.new_tip();
        let port = self.daemon.as_ref().unwrap().port("bitcoin").await.unwrap();
        let (mut miner, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        let job = miner.wait_for_job_where("hard job", |job| job.bits == 0x1d00_ffff).await.unwrap();
        let share = job.share(miner.fresh_choice(&job));
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        let last = "SELECT COUNT(*) FROM shares WHERE username = 'alice.rig1'";
        let open = "SELECT COUNT(*) FROM shares WHERE solution <> '' AND upstream_result = 'N'";
        for (what, sql, wanted) in [("the last row", last, 1), ("a verdict", open, 0)] {
            let began = Instant::now();
            while self.db.query::<u64>("pool", sql).await != [wanted] {
                assert!(began.elapsed().as_secs() < 60, "{what} does not come: {:#?}", self.open_blocks().await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let mut rows = self.db.rows("pool").await;
        assert_eq!(rows.pop().unwrap().username, "alice.rig1", "behind all others");
        rows
    }

    /// Blocks without a verdict.
    async fn open_blocks(&self) -> Vec<(u64, String, String)> {
        let sql = "SELECT id, username, solution FROM shares WHERE solution <> '' AND upstream_result = 'N'";
        self.db.query("pool", sql).await
    }

    /// Each block reached the node, and each block of the node has its row and its record.
    async fn check_blocks(&self, rows: &[ShareRow]) {
        let mut submitted: Vec<String> = self.node.submissions().iter().map(|block| block.hash()).collect();
        submitted.sort();
        submitted.dedup();
        let mut found: Vec<(String, u64)> =
            rows.iter().filter(|row| !row.solution.is_empty()).map(|row| (row.solution.clone(), row.id)).collect();
        found.sort();
        assert_eq!(found.iter().map(|(hash, _)| hash).collect::<Vec<_>>(), submitted.iter().collect::<Vec<_>>());
        let sql = "SELECT hash, share_id FROM mpos_stratum_block WHERE verdict = 'accepted'";
        let mut recorded: Vec<(String, u64)> = self.db.query("pool", sql).await;
        recorded.sort();
        assert_eq!(recorded, found, "every block has one record, of its share");
    }
}

async fn kill_loop(durability: &str) {
    let kills = number("KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("SEED").unwrap_or(SEED);
    tell(&format!(
        "kill loop, {durability}: seed {seed}, {kills} kills; the same again: make kill-loop SEED={seed} KILLS={kills}\n"
    ));
    let began = Instant::now();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut stage = Stage::start(durability).await;
    let mut crew = Crew::new(MINERS);
    stage.begin(&crew).await;
    let (mut answered, mut working) = (0, Duration::ZERO);
    for _ in 0..kills {
        let (before, from) = (crew.answered(), Instant::now());
        crew.go_on(dice.shares()).await;
        answered += crew.answered() - before;
        working += from.elapsed();
        stage.strike(&mut crew, &mut dice).await;
    }
    crew.go_on(dice.shares()).await;
    let accounts: Vec<Account> = crew.stop().await;
    let rows = stage.rows().await;
    let counts = account::check(&accounts, &rows);
    account::check_order(&accounts, &rows);
    stage.check_blocks(&rows).await;
    let spool_bytes = bytes_below(stage.home.path());
    tell(&format!(
        "kill loop, {durability}: seed {seed}, {kills} kills in {:.0} s, {:.0} shares/s while they were let: {:?}, {counts:?}, {} rows, \
         {spool_bytes} bytes of spool\n",
        began.elapsed().as_secs_f64(),
        answered as f64 / working.as_secs_f64(),
        stage.ended,
        rows.len()
    ));
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() }
        })
        .sum()
}

fn tell(text: &str) {
    // Past the test harness, which keeps what a test that succeeds has printed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills_at_random() {
    kill_loop("process").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills_at_random_with_answers_behind_the_flush() {
    kill_loop("power").await;
}
