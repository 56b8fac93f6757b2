//! A daemon with a database and a node of its own, whose miners find blocks now and then.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::crew::{self, Crew};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Miner};

/// One share of 1,024 is a block.
const BLOCK_BITS: u32 = 0x2000_3fff;
/// No share of a test is a block.
pub const HARD_BITS: u32 = 0x1d00_ffff;
/// How long the last row and the last verdict may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pool and what it stands on.
pub struct Pool {
    pub home: tempfile::TempDir,
    pub config: String,
    pub db: MariaDb,
    pub node: FakeNode,
    pub daemon: Option<Daemon>,
}

impl Pool {
    /// A pool that is not started yet, for so many miners. Its state is at home, or in the folder given.
    pub async fn new(miners: usize, state: Option<&Path>, change: impl FnOnce(&mut Coin)) -> Self {
        let (db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
        node.set_bits(BLOCK_BITS);
        stage::create_database(&db, "pool").await;
        crew::add_workers(&db, "pool", miners).await;
        let mut coin = Coin { ports: vec![stage::port(SHA256D_EASY)], ..Coin::fake(&node, &db, "pool") };
        change(&mut coin);
        let state = state.unwrap_or(Path::new("state")).display().to_string();
        let config =
            stage::configuration(&[&coin]).replace("state_dir = \"state\"", &format!("state_dir = \"{state}\""));
        Self { home: tempfile::tempdir().unwrap(), config, db, node, daemon: None }
    }

    /// Starts the daemon and tells the miners.
    pub async fn begin(&mut self, crew: &Crew) {
        self.runs(crew, Daemon::start_in(self.home.path(), &self.config).unwrap()).await;
    }

    /// The daemon that was started some other way, for the miners.
    pub async fn runs(&mut self, crew: &Crew, daemon: Daemon) {
        crew.pool_is_at(daemon.port("bitcoin").await.unwrap());
        self.daemon = Some(daemon);
    }

    /// The running daemon.
    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    /// The rows once a last share's row is there, which is behind all others, and every verdict.
    pub async fn rows(&mut self) -> Vec<ShareRow> {
        self.node.set_bits(HARD_BITS);
        self.node.new_tip();
        let port = self.daemon().port("bitcoin").await.unwrap();
        let (mut miner, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        let job = miner.wait_for_job_where("hard job", |job| job.bits == HARD_BITS).await.unwrap();
        let share = job.search(miner.fresh_choice(&job), |share| share.meets_share_target, 16).unwrap();
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
        let last = "SELECT COUNT(*) FROM shares WHERE username = 'alice.rig1'";
        let open = "SELECT COUNT(*) FROM shares WHERE solution <> '' AND upstream_result = 'N'";
        for (what, sql, wanted) in [("the last row", last, 1), ("a verdict", open, 0)] {
            let began = Instant::now();
            while self.db.query::<u64>("pool", sql).await != [wanted] {
                assert!(began.elapsed() < PATIENCE, "{what} does not come: {:#?}", self.open_blocks().await);
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
    pub async fn check_blocks(&self, rows: &[ShareRow]) {
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
