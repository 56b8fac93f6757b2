//! A healthy pool: a database with MPOS's tables and our user's rights, a node, MPOS's wallet and its file, a spool
//! that is drained.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mpos_stratum::clock::{Clock, ManualClock};
use mpos_stratum::config::{self, Config};
use mpos_stratum::ledger::Ledger;
use mpos_stratum::ledger::inspect::SpoolFiles;
use mpos_stratum::ledger::record::Event;
use mpos_stratum::ledger::tokens::Tokens;
use mpos_stratum::mpos::share_sink::ShareSink;
use mpos_stratum::service::{place, spool_dir};
use serde_json::Value;

use crate::coin_node::{CoinNode, Says};
use crate::support::mariadb::MariaDb;
use crate::support::spool::{self, share};

/// The address that blocks pay, and somebody else's.
pub const POOL_ADDRESS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
pub const OTHER_ADDRESS: &str = "12c6DSiU4Rq3P4ZxziKxzrL5LmMBrzjrJX";
const DATABASE: &str = "pool";

/// Ids and severities of everything that is not fine.
pub type Found = BTreeSet<(String, String)>;

pub struct Pool {
    pub db: MariaDb,
    pub node: CoinNode,
    pub wallet: CoinNode,
    pub port: u16,
    /// Whether the doctor is told where MPOS's file is.
    pub names_mpos: bool,
    pub dir: tempfile::TempDir,
}

impl Pool {
    pub async fn healthy() -> Self {
        // Its data is not to survive anything: tables are altered dozens of times.
        let db = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"]);
        db.create_database(DATABASE).await;
        let grants = std::fs::read_to_string("schema/grants.sql").unwrap().replace(" mpos.", " pool.");
        db.run_sql(DATABASE, &grants).await;
        for worker in ["alice.rig", "bob.rig", "pool.fallback"] {
            let account = db.add_account(DATABASE, worker.split('.').next().unwrap(), 0).await;
            db.add_worker(DATABASE, account, worker, Some("x")).await;
        }
        db.run_sql(
            DATABASE,
            "INSERT INTO monitoring (name, type, value) VALUES ('findblock_status', 'message', '0'), \
             ('findblock_disabled', 'yesno', '0'), ('findblock_active', 'yesno', '0'), \
             ('findblock_endtime', 'date', UNIX_TIMESTAMP()), ('statistics_status', 'message', '0')",
        )
        .await;
        let owns = vec![POOL_ADDRESS.to_owned()];
        let node = CoinNode::start(Says::default()).await;
        let wallet = CoinNode::start(Says { owns, ..Says::default() }).await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pool = Self { db, node, wallet, port, names_mpos: true, dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(pool.dir.path().join("run")).unwrap();
        pool.write_config();
        pool.write_php("");
        pool.shares(&["alice.rig", "bob.rig", "alice.rig"], 100);
        pool.drain().await;
        pool
    }

    /// The configuration.
    pub fn write_config(&self) {
        let socket = self.db.socket().display().to_string();
        let (node, port) = (self.node.port(), self.port);
        let text = format!(
            "[daemon]\nstate_dir = \"state\"\nruntime_dir = \"run\"\nconnections_max = 100\n[[coin]]\nname = \"bitcoin\"\npreset = \"bitcoin\"\n\
             payout_address = \"{POOL_ADDRESS}\"\nfallback_worker = \"pool.fallback\"\n\
             [[coin.recipient]]\naddress = \"{OTHER_ADDRESS}\"\npercent = 1\n\
             [[coin.node]]\nurl = \"http://127.0.0.1:{node}\"\nuser = \"pool\"\npassword = \"pool-secret\"\nzmq = \"off\"\n\
             [[coin.port]]\nlisten = \"127.0.0.1:{port}\"\ndifficulty = 1024\n[coin.mpos]\nsocket = \"{socket}\"\n\
             user = \"mpos_stratum\"\npassword = \"change-me\"\ndatabase = \"{DATABASE}\"\n[coin.ledger]\nsegment_mib = 1\n\
             spool_mib_max = 4\n"
        );
        std::fs::write(self.config_path(), text).unwrap();
        self.chmod(0o600);
    }

    pub fn chmod(&self, mode: u32) {
        std::fs::set_permissions(self.config_path(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// MPOS's own file; later settings count.
    pub fn write_php(&self, more: &str) {
        let (wallet, port) = (self.wallet.port(), self.port);
        let text = format!(
            "<?php\n$config['algorithm'] = 'sha256d';\n$config['db']['name'] = '{DATABASE}';\n\
             $config['wallet']['host'] = '127.0.0.1:{wallet}';\n$config['wallet']['username'] = 'pool';\n\
             $config['wallet']['password'] = 'pool-secret';\n$config['gettingstarted']['stratumport'] = '{port}';\n\
             $config['payout_system'] = 'pplns';\n$config['confirmations'] = 120;\n{more}\n"
        );
        std::fs::write(self.php_path(), text).unwrap();
    }

    pub fn php_path(&self) -> PathBuf {
        self.dir.path().join("global.inc.php")
    }

    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("mpos-stratum.toml")
    }

    pub fn config(&self) -> Config {
        config::load(&self.config_path()).unwrap()
    }

    pub fn spool(&self) -> PathBuf {
        let config = self.config();
        spool_dir(&config.daemon.state_dir, &config.coins[0].mpos)
    }

    /// A ledger whose clock is so many seconds ahead.
    fn ledger(&self, spool: &Path, ahead_secs: i64) -> Arc<Ledger> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now.saturating_add_signed(ahead_secs)));
        Ledger::open(spool, &self.config().coins[0].ledger, clock).unwrap().ledger
    }

    /// Writes shares into the spool, as if that had been so many seconds ago.
    pub fn shares(&self, workers: &[&str], ago_secs: i64) {
        write(&self.ledger(&self.spool(), -ago_secs), workers);
    }

    /// Writes shares that come from the future.
    pub fn shares_at(&self, workers: &[&str], ahead_secs: i64) {
        write(&self.ledger(&self.spool(), ahead_secs), workers);
    }

    /// Writes shares into another spool, which is made.
    pub fn shares_in(&self, spool: &Path, workers: &[&str]) {
        write(&self.ledger(spool, 0), workers);
    }

    /// Fills the spool up to so much of its bound with shares that wait.
    pub async fn fill(&self, worker: &str, percent: u64) {
        let bytes = self.config().coins[0].ledger.spool_bytes_max * percent / 100;
        let ledger = self.ledger(&self.spool(), 0);
        while ledger.status().undrained_bytes < bytes {
            spool::fill(&ledger, worker, 1).await;
        }
        ledger.close();
    }

    /// Damages the last event that holds `text`.
    pub fn damage(&self, text: &[u8]) {
        let files = SpoolFiles::open(&self.spool()).unwrap();
        let path = files.segments().unwrap().pop().unwrap().path;
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(text.len()).rposition(|window| window == text).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    /// Drains the spool, as the daemon of this place.
    pub async fn drain(&self) {
        let ledger = self.ledger(&self.spool(), 0);
        let clock: Arc<dyn Clock> = Arc::new(mpos_stratum::clock::SystemClock::new());
        let tokens = Tokens::open(&self.spool(), ledger.spool()).unwrap();
        let sink =
            ShareSink::new(&self.config().coins[0].mpos, clock, place::of_spool(&self.spool())).with_tokens(tokens);
        spool::drain(ledger, sink).await;
    }

    /// As the database's administrator.
    pub async fn sql(&self, sql: &str) {
        self.db.run_sql(DATABASE, sql).await;
    }

    /// Runs the doctor, by a command that is continued with it if there is one.
    pub async fn doctor(&self, by: &[&str], arguments: &[&str]) -> Output {
        let binary = [env!("CARGO_BIN_EXE_mpos-stratum"), "doctor"];
        let line: Vec<&str> = by.iter().chain(&binary).chain(arguments).copied().collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).arg("--config").arg(self.config_path());
        if self.names_mpos {
            command.arg("--mpos").arg(self.php_path());
        }
        command.stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs `check --online`: its exit code, and what it says.
    pub async fn check_online(&self) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(["check", "--online", "--config"]).arg(self.config_path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// The exit code, everything that is not fine, and the whole answer.
    pub async fn found(&self) -> (i32, Found, Value) {
        self.found_by(&[]).await
    }

    /// The same of a doctor that is started by a command.
    pub async fn found_by(&self, by: &[&str]) -> (i32, Found, Value) {
        let output = self.doctor(by, &["--json"]).await;
        let code = output.status.code().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let all = value["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| (text(finding, "id"), text(finding, "severity")));
        let found = all.filter(|(_, severity)| severity != "fine").collect();
        (code, found, value)
    }
}

fn write(ledger: &Ledger, workers: &[&str]) {
    for worker in workers {
        ledger.append(&[Event::Share(share(worker))]).unwrap();
    }
    ledger.close();
}

/// A command that mounts what it wants where nobody else sees it, and goes on with what stands behind it.
pub fn apart(script: &str) -> Vec<&str> {
    let root: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    [&["unshare", "--mount"], root, &["sh", "-c", script, "sh"]].concat()
}
