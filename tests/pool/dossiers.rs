//! A daemon at a fake node that lets blocks be found, killed and started again, and the dossiers it leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::config::{self, Config};
use mpos_stratum::service::blocks::dossier::{Dossier, What};
use mpos_stratum::service::spool_dir;
use rustix::process::Signal;

use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::{FakeNode, Fault, SubmitAnswer};
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Miner, PATIENCE, Wanted};

/// A network target that every second hash meets.
pub const EASY_BITS: u32 = 0x207f_ffff;

/// Files below a daemon's folder that end so, in the folders of found blocks.
pub fn block_files(home: &Path, extension: &str) -> Vec<PathBuf> {
    let list = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let in_blocks = list(home.join("state/spool")).flat_map(|spool| list(spool.join("blocks")));
    let mut files: Vec<PathBuf> = in_blocks.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    files.sort();
    files
}

/// The dossiers once they are as wanted, by height.
pub async fn dossiers_when(home: &Path, what: &str, wanted: impl Fn(&[Dossier]) -> bool) -> Vec<Dossier> {
    let mut dossiers = Vec::new();
    let poll = async {
        loop {
            dossiers = block_files(home, "json").iter().map(|path| Dossier::read(path).unwrap()).collect();
            if wanted(&dossiers) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let late = tokio::time::timeout(PATIENCE, poll).await.is_err();
    assert!(!late, "{what} did not come; the dossiers are {dossiers:#?}");
    dossiers
}

/// The only dossier once it has a step.
pub async fn dossier_with(home: &Path, what: &str, wanted: impl Fn(&What) -> bool) -> Dossier {
    let has = |dossiers: &[Dossier]| dossiers.len() == 1 && dossiers[0].steps.iter().any(|step| wanted(&step.what));
    dossiers_when(home, what, has).await.remove(0)
}

/// A pool at a fake node, which can be killed and started again.
pub struct Mine {
    pub node: FakeNode,
    pub home: tempfile::TempDir,
    pub database: &'static str,
    config: String,
    daemon: Option<Daemon>,
}

impl Mine {
    /// One with a database on the shared server.
    pub async fn start(database: &'static str) -> (Self, Arc<MariaDb>) {
        let db = MariaDb::shared();
        (Self::start_at(&db, database, |_| {}).await, db)
    }

    /// One with something changed in its configuration.
    pub async fn start_at(db: &MariaDb, database: &'static str, change: impl FnOnce(&mut Coin)) -> Self {
        let node = FakeNode::start(Algorithm::Sha256d).unwrap();
        node.set_bits(EASY_BITS);
        stage::create_database(db, database).await;
        let mut coin = Coin::fake(&node, db, database);
        coin.ports = vec![stage::port(SHA256D_EASY)];
        change(&mut coin);
        let mut mine = Self {
            node,
            home: tempfile::tempdir().unwrap(),
            database,
            config: stage::configuration(&[&coin]),
            daemon: None,
        };
        mine.restart();
        mine
    }

    /// Its configuration, as the daemon reads it.
    pub fn config(&self) -> Config {
        config::load(&self.home.path().join("mpos-stratum.toml")).unwrap()
    }

    /// The directory of its spool.
    pub fn spool(&self) -> PathBuf {
        let config = self.config();
        spool_dir(&config.daemon.state_dir, &config.coins[0].mpos)
    }

    /// Starts the daemon.
    pub fn restart(&mut self) {
        self.daemon = Some(Daemon::start_in(self.home.path(), &self.config).unwrap());
    }

    /// Another configuration for the next start.
    pub fn reconfigure(&mut self, before: &str, after: &str) {
        assert!(self.config.contains(before), "{}", self.config);
        self.config = self.config.replacen(before, after, 1);
    }

    /// The running daemon.
    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.daemon.take().unwrap().kill().unwrap();
    }

    /// SIGTERM; returns the log of the life that ended.
    pub async fn stop(&mut self) -> Vec<String> {
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(Signal::TERM).unwrap();
        assert!(daemon.wait_for_end().await.unwrap().success());
        daemon.log()
    }

    /// Wakes a node that hangs or refuses, so that it takes blocks as it should.
    pub fn wake_node(&self) {
        self.node.set_submit_answer(SubmitAnswer::Accept);
        self.node.set_fault(Fault::None);
    }

    /// A miner with a block in its hands, which it has not handed in.
    pub async fn miner(&self) -> (Miner, crate::support::miner::Share) {
        let port = self.daemon().port("bitcoin").await.unwrap();
        let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        let share = miner.mine(&job, Wanted::Block).unwrap();
        (miner, share)
    }

    /// Finds a block; what the node says to it is another matter. Returns its hash.
    pub async fn find(&self) -> String {
        let (mut miner, share) = self.miner().await;
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
        share.block_hash()
    }
}

/// The one row, once it stands for this block with this verdict.
pub async fn only_row(db: &MariaDb, database: &str, hash: &str, upstream: &str) -> ShareRow {
    let is_there = |rows: &[ShareRow]| {
        let ours = |row: &ShareRow| row.solution == hash && row.upstream_result.as_deref() == Some(upstream);
        assert!(rows.len() < 2, "{rows:#?}");
        rows.iter().any(ours)
    };
    stage::rows_when(db, database, &format!("the block with {upstream}"), is_there).await.remove(0)
}

/// Our record of the only block.
pub async fn verdict_of(db: &MariaDb, database: &str) -> (String, String) {
    db.query(database, "SELECT verdict, reason FROM mpos_stratum_block").await.remove(0)
}
