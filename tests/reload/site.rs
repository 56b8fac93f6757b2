//! A daemon whose configuration is changed under it.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Wanted};
use crate::support::ports::free_port;

pub const WORKER: &str = "alice.rig1";

/// The daemon and the file it was started with.
pub struct Site {
    pub daemon: Daemon,
    pub node: FakeNode,
    pub db: Arc<MariaDb>,
    /// Its coins as the file has them; the first one has `port`.
    pub coins: Vec<Coin>,
    /// Keys of `[daemon]`.
    pub keys: String,
    pub port: SocketAddr,
    home: tempfile::TempDir,
}

impl Site {
    /// One coin with one port and further keys of it.
    pub async fn open(database: &'static str, difficulty: f64, port_keys: &str) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        stage::create_database(&db, database).await;
        let port = free_address();
        let ports = vec![format!("{}\n{port_keys}", port_at(port, difficulty))];
        let coin = Coin { ports, ..Coin::fake(&node, &db, database) };
        let home = tempfile::tempdir().unwrap();
        let daemon = Daemon::start_in(home.path(), &stage::configuration(&[&coin])).unwrap();
        daemon.port(coin.name).await.unwrap();
        Self { daemon, node, db, coins: vec![coin], keys: String::new(), port, home }
    }

    /// The file as it would be written now.
    pub fn file(&self) -> String {
        let coins: Vec<&Coin> = self.coins.iter().collect();
        stage::configuration(&coins).replace("[daemon]\n", &format!("[daemon]\n{}\n", self.keys))
    }

    /// Writes the file and has it taken over.
    pub async fn try_reload(&self) -> Output {
        self.daemon.write_config(&self.file()).unwrap();
        self.command(&["reload"]).await
    }

    /// The same, which must succeed; what is printed.
    pub async fn reload(&self) -> String {
        let output = self.try_reload().await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, which must be refused; why.
    pub async fn refused(&self) -> String {
        let output = self.try_reload().await;
        assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// A command of ours.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(arguments).arg("--socket").arg(self.home.path().join("state/control.sock"));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The status once it is as wanted.
    pub async fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut stream =
            BufReader::new(UnixStream::connect(self.home.path().join("state/control.sock")).await.unwrap());
        let look = async {
            loop {
                stream.get_mut().write_all(b"{\"version\":1,\"command\":\"status\"}\n").await.unwrap();
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let status = serde_json::from_str::<Value>(&line).unwrap()["status"].take();
                if wanted(&status) {
                    return status;
                }
            }
        };
        timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{what} does not come"))
    }

    /// A miner at the first port.
    pub async fn miner(&self) -> (Miner, Job) {
        log_in(self.port).await
    }
}

pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Keys of a port at an address.
pub fn port_at(address: SocketAddr, difficulty: f64) -> String {
    format!("listen = \"{address}\"\ndifficulty = {difficulty}")
}

/// A miner whose program shows messages, and its job.
pub async fn log_in(port: SocketAddr) -> (Miner, Job) {
    let mut miner = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe_with(serde_json::json!(["cgminer/4.12"])).await.unwrap();
    assert!(miner.authorize(WORKER, PASSWORD).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    (miner, job)
}

/// A share of the connection's present job, which counts.
pub async fn share(miner: &mut Miner) {
    let job = miner.job().unwrap().clone();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    let reply = miner.submit(WORKER, &share).await.unwrap();
    assert!(reply.is_true(), "{reply:?}");
}
