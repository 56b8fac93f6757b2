//! A configuration, its database and node, and a spool that the test or the daemon writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::{Clock, ManualClock};
use mpos_stratum::config::{self, Config};
use mpos_stratum::ledger::Ledger;
use mpos_stratum::ledger::record::{CandidateFacts, Event, ShareRecord};
use mpos_stratum::ledger::tokens::Tokens;
use mpos_stratum::mpos::share_sink::ShareSink;
use mpos_stratum::service::spool_dir;
use serde_json::Value;

use crate::stage::{self, Coin};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::Algorithm;
use crate::support::spool::{self, share};

/// Everything for one coin.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub db: Arc<MariaDb>,
    pub database: &'static str,
    pub node: FakeNode,
    pub clock: Arc<ManualClock>,
    toml: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Every line of standard output as a JSON value.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Rig {
    pub async fn new(database: &'static str) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        stage::create_database(&db, database).await;
        let coin = Coin::fake(&node, &db, database);
        let dir = tempfile::tempdir().unwrap();
        let toml = stage::configuration(&[&coin]);
        let clock = Arc::new(ManualClock::at(stage::unix_secs() - 1800));
        std::fs::write(dir.path().join("mpos-stratum.toml"), &toml).unwrap();
        Self { dir, db, database, node, clock, toml }
    }

    pub fn start(&self) -> Daemon {
        Daemon::start_in(self.dir.path(), &self.toml).unwrap()
    }

    /// Names a second server with the database, to go on with when the first is away.
    pub fn add_server(&mut self, second: &MariaDb) {
        let key = format!("failover = [\"127.0.0.1:{}\"]\n", second.port());
        self.toml = self.toml.replacen("[coin.workers]", &format!("{key}[coin.workers]"), 1);
        std::fs::write(self.config_path(), &self.toml).unwrap();
    }

    fn config_path(&self) -> PathBuf {
        self.dir.path().join("mpos-stratum.toml")
    }

    fn config(&self) -> Config {
        config::load(&self.config_path()).unwrap()
    }

    pub fn spool(&self) -> PathBuf {
        let config = self.config();
        spool_dir(&config.daemon.state_dir, &config.coins[0].mpos)
    }

    /// The spool, opened by the test.
    pub fn ledger(&self) -> Arc<Ledger> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Ledger::open(&self.spool(), &self.config().coins[0].ledger, clock).unwrap().ledger
    }

    /// Writes events, each in its own second.
    pub fn write(&self, events: &[Event]) {
        let ledger = self.ledger();
        for event in events {
            self.clock.advance(Duration::from_secs(1));
            ledger.append(std::slice::from_ref(event)).unwrap();
        }
        ledger.close();
    }

    /// Drains what is in the spool.
    pub async fn drain(&self) {
        let ledger = self.ledger();
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let tokens = Tokens::open(&self.spool(), ledger.spool()).unwrap();
        let sink = ShareSink::new(&self.config().coins[0].mpos, clock, "test-host").with_tokens(tokens);
        spool::drain(ledger, sink).await;
    }

    pub async fn sql(&self, sql: &str) {
        self.db.run_sql(self.database, sql).await;
    }

    /// Workers of the rows, in the order of ids.
    pub async fn workers(&self) -> Vec<String> {
        self.db.rows(self.database).await.into_iter().map(|row| row.username).collect()
    }

    /// Runs a command with the configuration.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(&self.config_path(), arguments);
        Ended::of(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    }
}

/// The command, ready to be run.
pub fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    command
}

pub fn good(worker: &str) -> Event {
    Event::Share(share(worker))
}

/// A block candidate.
pub fn block(worker: &str, height: u32, hash: [u8; 32]) -> Event {
    let facts = CandidateFacts { hash, header_time: 1_700_000_000, coinbase_txid: [3; 32] };
    Event::Share(ShareRecord { height, solution: Some(hash), candidate: Some(facts), ..share(worker) })
}
