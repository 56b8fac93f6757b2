//! A running daemon with its control socket, and commands as an operator types them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
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

/// A daemon at a fake node.
pub struct Office {
    pub daemon: Daemon,
    pub node: FakeNode,
    pub db: Arc<MariaDb>,
    pub database: &'static str,
    pub port: SocketAddr,
    pub home: tempfile::TempDir,
}

impl Office {
    /// One with further tables in front of its coin.
    pub async fn open(database: &'static str, tables: &str, port_keys: &str) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        stage::create_database(&db, database).await;
        let mut coin = Coin::fake(&node, &db, database);
        coin.ports = vec![format!("{}\n{port_keys}", stage::port(stage::SHA256D_SOME))];
        let config = stage::configuration(&[&coin]).replace("[[coin]]", &format!("{tables}\n[[coin]]"));
        let home = tempfile::tempdir().unwrap();
        let daemon = Daemon::start_in(home.path(), &config).unwrap();
        let port = daemon.port(coin.name).await.unwrap();
        Self { daemon, node, db, database, port, home }
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("state").join("control.sock")
    }

    /// A miner that is logged in from an address of this machine, and its job.
    pub async fn miner_from(&self, last: u8, worker: &str) -> (Miner, Job) {
        let from = Ipv4Addr::new(127, 0, 0, last);
        let mut miner = Miner::connect_from(from, self.port, Algorithm::Sha256d).await.unwrap();
        miner.subscribe().await.unwrap();
        assert!(miner.authorize(worker, PASSWORD).await.unwrap().is_true());
        let job = miner.wait_for_job().await.unwrap();
        (miner, job)
    }

    /// A share that counts.
    pub async fn share(miner: &mut Miner, job: &Job, worker: &str) {
        let share = miner.mine(job, Wanted::Share).unwrap();
        assert!(miner.submit(worker, &share).await.unwrap().is_true());
    }

    /// A command of ours.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(arguments).arg("--socket").arg(self.socket());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The same, which must succeed; what it prints.
    pub async fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.told(&arguments).await).unwrap()
    }

    /// The status once it is as wanted.
    pub async fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut caller = self.caller().await;
        let look = async {
            loop {
                let status = caller.ask(r#"{"version":1,"command":"status"}"#).await["status"].take();
                if wanted(&status) {
                    return status;
                }
            }
        };
        timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{what} does not come"))
    }

    /// A connection to the socket.
    pub async fn caller(&self) -> Caller {
        Caller { stream: BufReader::new(UnixStream::connect(self.socket()).await.unwrap()) }
    }
}

/// A connection to the control socket.
pub struct Caller {
    pub stream: BufReader<UnixStream>,
}

impl Caller {
    /// Says a line and reads the answer.
    pub async fn ask(&mut self, line: &str) -> Value {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.hear().await.expect("the daemon hangs up")
    }

    /// The next line; none: the daemon has hung up.
    pub async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match timeout(PATIENCE, self.stream.read_line(&mut line)).await.expect("no answer") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }
}
