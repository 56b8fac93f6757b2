//! A daemon with a database and a node of its own, whose miners find blocks now and then.

use std::collections::HashMap;
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
        let open = "SELECT COUNT(*) FROM mpos_stratum_block WHERE verdict = 'pending'";
        for (what, sql, wanted) in [("the last row", last, 1), ("a verdict", open, 0)] {
            let began = Instant::now();
            while self.db.query::<u64>("pool", sql).await != [wanted] {
                assert!(began.elapsed() < PATIENCE, "{what} does not come: {:#?}", self.open_blocks("pending").await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let mut rows = self.db.rows("pool").await;
        assert_eq!(rows.pop().unwrap().username, "alice.rig1", "behind all others");
        rows
    }

    /// Blocks with this verdict: hash, and what their dossiers say.
    async fn open_blocks(&self, verdict: &str) -> Vec<(String, String)> {
        let sql = format!("SELECT hash FROM mpos_stratum_block WHERE verdict = '{verdict}' ORDER BY share_id");
        let hashes: Vec<String> = self.db.query("pool", &sql).await;
        let dossiers = dossiers(&self.home.path().join("state"));
        hashes.into_iter().map(|hash| (hash.clone(), dossiers.get(&hash).cloned().unwrap_or_default())).collect()
    }

    /// Each block reached the node, and each block of the node has its row and its record. Returns how many
    /// did not: a kill may come between the record of a block and its way to the node or into a file.
    /// Nothing else may keep it, and then the row says so.
    pub async fn check_blocks(&self, rows: &[ShareRow]) -> usize {
        let mut submitted: Vec<String> = self.node.submissions().iter().map(|block| block.hash()).collect();
        submitted.sort();
        submitted.dedup();
        let lost = self.open_blocks("rejected").await;
        for (hash, dossier) in &lost {
            let before = dossier.split("\"resumed\"").next().unwrap_or_default();
            let caught =
                before.len() < dossier.len() && !before.contains("\"submitted\"") && !before.contains("\"bytes_kept\"");
            assert!(caught, "block {hash} was rejected: {dossier}");
        }
        let is_lost = |hash: &str| lost.iter().any(|(one, _)| one == hash);
        let mut found: Vec<(String, u64)> = rows
            .iter()
            .filter(|row| !row.solution.is_empty() && !is_lost(&row.solution))
            .map(|row| (row.solution.clone(), row.id))
            .collect();
        found.sort();
        assert_eq!(found.iter().map(|(hash, _)| hash).collect::<Vec<_>>(), submitted.iter().collect::<Vec<_>>());
        let sql = "SELECT hash, share_id FROM mpos_stratum_block WHERE verdict = 'accepted'";
        let mut recorded: Vec<(String, u64)> = self.db.query("pool", sql).await;
        recorded.sort();
        assert_eq!(recorded, found, "every block has one record, of its share");
        lost.len()
    }
}

/// The dossiers below a folder, by the hash in their name.
fn dossiers(folder: &std::path::Path) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(dossiers(&path));
        } else if path.extension().is_some_and(|it| it == "json")
            && let Some((_, hash)) =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.split_once('-'))
        {
            // One that is being replaced is read when it is whole again.
            found.insert(hash.to_owned(), std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
    found
}
