//! What the tests of the whole daemon stand on: its configuration, its workers, its rows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE};

/// The password of every worker.
pub const PASSWORD: &str = "worker-secret";
/// Workers that every database has.
pub const WORKERS: [&str; 4] = ["alice.rig1", "alice.rig2", "Bob.Garage", "pool.fallback"];
/// A scrypt difficulty that all but every 65,536th hash meets, exact in MPOS's column.
pub const SCRYPT_EASY: f64 = 1.0 / 65536.0;
/// The same for sha256d.
pub const SHA256D_EASY: f64 = 1.0 / 4_294_967_296.0;
/// A sha256d difficulty that every 16th hash meets: most hashes are too weak, yet a share is no work
/// for the test miner, which counts bit by bit.
pub const SHA256D_SOME: f64 = 1.0 / 268_435_456.0;

/// Where coins of a fake node are paid to: the address of Bitcoin's first block.
const FAKE_ADDRESS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";

/// A `[[coin]]` of the configuration. Tests change what they are about.
pub struct Coin {
    pub name: &'static str,
    pub preset: &'static str,
    pub address: String,
    /// Further keys of the coin itself.
    pub keys: String,
    /// `[[coin.node]]` tables.
    pub nodes: String,
    /// Keys of `[coin.templates]`.
    pub templates: String,
    /// Keys of each `[[coin.port]]`.
    pub ports: Vec<String>,
    /// Keys of `[coin.mpos]`.
    pub mpos: String,
    /// Keys of `[coin.workers]`.
    pub workers: String,
    /// Keys of `[coin.ledger]`.
    pub ledger: String,
}

impl Coin {
    /// Litecoin with its wallet's address, on a port where every hash is a share.
    pub async fn litecoin(node: &Litecoin, db: &MariaDb, database: &str) -> Self {
        let address = node.rpc("getnewaddress", serde_json::json!(["", "legacy"])).await;
        Self {
            name: "litecoin",
            preset: "litecoin",
            address: address.as_str().unwrap().to_owned(),
            nodes: node_table(node.rpc_config().port),
            ports: vec![port(SCRYPT_EASY)],
            ..Self::on(db, database)
        }
    }

    /// Bitcoin at bcoin, on a port where every hash is a share.
    pub fn bcoin(node: &Bcoin, db: &MariaDb, database: &str) -> Self {
        Self { address: node.new_address(), nodes: node_table(node.rpc_config().port), ..Self::on(db, database) }
    }

    /// A coin of sha256d at a fake node, whose blocks no test finds.
    pub fn fake(node: &FakeNode, db: &MariaDb, database: &str) -> Self {
        Self { nodes: node.config(), ports: vec![port(SHA256D_SOME)], ..Self::on(db, database) }
    }

    /// Bitcoin without a node.
    pub fn on(db: &MariaDb, database: &str) -> Self {
        let socket = db.socket().display().to_string();
        Self {
            name: "bitcoin",
            preset: "bitcoin",
            address: FAKE_ADDRESS.to_owned(),
            keys: String::new(),
            nodes: String::new(),
            templates: "poll_ms = 100".to_owned(),
            ports: vec![port(SHA256D_EASY)],
            mpos: format!("socket = \"{socket}\"\nuser = \"root\"\npassword = \"\"\ndatabase = \"{database}\""),
            workers: String::new(),
            ledger: String::new(),
        }
    }

    fn toml(&self) -> String {
        let Self { name, preset, address, keys, nodes, templates, ports, mpos, workers, ledger } = self;
        let ports: String = ports.iter().map(|port| format!("[[coin.port]]\n{port}\n")).collect();
        format!(
            "[[coin]]\nname = \"{name}\"\npreset = \"{preset}\"\npayout_address = \"{address}\"\n\
             fallback_worker = \"pool.fallback\"\n{keys}\n{nodes}\n[coin.templates]\n{templates}\n{ports}\n\
             [coin.mpos]\n{mpos}\n[coin.workers]\n{workers}\n[coin.ledger]\n{ledger}\n"
        )
    }
}

/// Keys of a port on any free number, at one difficulty for everybody.
pub fn port(difficulty: f64) -> String {
    format!("listen = \"127.0.0.1:0\"\ndifficulty = {difficulty}")
}

/// A node that the tests' real daemons are.
pub fn node_table(port: u16) -> String {
    format!("[[coin.node]]\nurl = \"http://127.0.0.1:{port}\"\nuser = \"pool\"\npassword = \"pool-secret\"\n")
}

/// A whole configuration. The spool is beside the file, so it lives as long as the folder that the
/// daemon is started in.
pub fn configuration(coins: &[&Coin]) -> String {
    let coins: String = coins.iter().map(|coin| coin.toml()).collect();
    format!("[daemon]\nstate_dir = \"state\"\n{coins}")
}

/// A database with MPOS's tables and the usual workers.
pub async fn create_database(db: &MariaDb, database: &str) {
    db.create_database(database).await;
    for worker in WORKERS {
        add_worker(db, database, worker).await;
    }
}

/// A worker with the usual password, and its account if that is new.
pub async fn add_worker(db: &MariaDb, database: &str, worker: &str) {
    let account = worker.split('.').next().unwrap();
    let known = db.query::<i64>(database, &format!("SELECT id FROM accounts WHERE username = '{account}'")).await;
    let account = match known.first() {
        Some(id) => *id,
        None => db.add_account(database, account, 0).await,
    };
    db.add_worker(database, account, worker, Some(PASSWORD)).await;
}

/// The rows of `shares` once they are as wanted.
pub async fn rows_when(
    db: &MariaDb,
    database: &str,
    what: &str,
    wanted: impl Fn(&[ShareRow]) -> bool,
) -> Vec<ShareRow> {
    let mut rows = Vec::new();
    let poll = async {
        loop {
            rows = db.rows(database).await;
            if wanted(&rows) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let late = tokio::time::timeout(PATIENCE, poll).await.is_err();
    assert!(!late, "{what} did not come; the rows are {rows:#?}");
    rows
}

/// The rows once there are so many.
pub async fn rows_of(db: &MariaDb, database: &str, count: usize) -> Vec<ShareRow> {
    let rows = rows_when(db, database, &format!("row {count}"), |rows| rows.len() >= count).await;
    assert_eq!(rows.len(), count, "{rows:#?}");
    rows
}

/// What of a row follows from what the miner was told: worker, `our_result`, `reason`, `solution`,
/// `difficulty`.
pub type Facts = (String, String, String, String, f64);

/// The facts of a row.
pub fn facts(row: &ShareRow) -> Facts {
    let reason = row.reason.clone().expect("no reason is an empty text, never NULL");
    (row.username.clone(), row.our_result.clone(), reason, row.solution.clone(), row.difficulty)
}

/// The facts of an accepted share that is no block.
pub fn good(worker: &str, difficulty: f64) -> Facts {
    (worker.into(), "Y".into(), String::new(), String::new(), difficulty)
}

/// The facts of a block.
pub fn block(worker: &str, hash: &str, difficulty: f64) -> Facts {
    (worker.into(), "Y".into(), String::new(), hash.into(), difficulty)
}

/// The facts of a refused share.
pub fn bad(worker: &str, reason: &str, difficulty: f64) -> Facts {
    (worker.into(), "N".into(), reason.into(), String::new(), difficulty)
}

/// The present second.
pub fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A daemon at a fake node of sha256d, with a database of its own on the shared server.
pub struct FakeStage {
    /// Ends with the stage.
    #[allow(dead_code, reason = "most tests only keep it alive")]
    pub daemon: Daemon,
    pub node: FakeNode,
    pub db: Arc<MariaDb>,
    pub database: &'static str,
    /// The first port.
    pub port: SocketAddr,
}

impl FakeStage {
    /// The usual one.
    pub async fn start(database: &'static str) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// One with something changed in its configuration.
    pub async fn start_with(database: &'static str, change: impl FnOnce(&mut Coin)) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        create_database(&db, database).await;
        let mut coin = Coin::fake(&node, &db, database);
        change(&mut coin);
        let daemon = Daemon::start(&configuration(&[&coin])).unwrap();
        let port = daemon.port(coin.name).await.unwrap();
        Self { daemon, node, db, database, port }
    }

    /// A miner that is logged in, and its first job.
    pub async fn miner(&self, worker: &str) -> (Miner, Job) {
        Miner::log_in(self.port, Algorithm::Sha256d, worker, PASSWORD).await.unwrap()
    }

    /// The rows once there are so many.
    pub async fn rows(&self, count: usize) -> Vec<ShareRow> {
        rows_of(&self.db, self.database, count).await
    }

    /// The facts of the rows once there are so many.
    pub async fn facts(&self, count: usize) -> Vec<Facts> {
        self.rows(count).await.iter().map(facts).collect()
    }
}
