//! A daemon under the made-up service manager, on ports that stay the same.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::stage::{self, Coin};
use crate::support::daemon::Daemon;
use crate::support::fake_manager::FakeManager;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::Algorithm;
use crate::support::ports::free_port;

/// The pool and what it stands on; the daemon is started by each test.
pub struct House {
    pub manager: FakeManager,
    pub node: FakeNode,
    pub db: Arc<MariaDb>,
    pub database: &'static str,
    pub coin: Coin,
    /// Keys of `[daemon]`.
    pub keys: &'static str,
    /// The coin's first port.
    pub port: SocketAddr,
    home: tempfile::TempDir,
}

impl House {
    /// One whose first port starts its miners at `difficulty`.
    pub async fn new(database: &'static str, difficulty: f64) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        stage::create_database(&db, database).await;
        let port = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let coin = Coin { ports: vec![port_at(port, difficulty)], ..Coin::fake(&node, &db, database) };
        let manager = FakeManager::start().unwrap();
        Self { manager, node, db, database, coin, keys: "", port, home: tempfile::tempdir().unwrap() }
    }

    /// Starts the daemon and waits until it is ready and its ports are open.
    pub async fn run(&self) -> Daemon {
        let daemon = self.begin().await;
        daemon.nth_port(self.coin.name, self.coin.ports.len() - 1).await.unwrap();
        daemon
    }

    /// Starts the daemon.
    pub fn try_to_begin(&self) -> Daemon {
        let config = stage::configuration(&[&self.coin]).replace("[daemon]\n", &format!("[daemon]\n{}\n", self.keys));
        self.manager.run(self.home.path(), &config).unwrap()
    }

    /// Starts the daemon and waits until it is ready; its coin may have no work yet.
    pub async fn begin(&self) -> Daemon {
        let daemon = self.try_to_begin();
        self.manager.wait_for("READY", |line| line == "READY=1").await.unwrap();
        daemon
    }

    /// The folder for what survives a restart.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }
}

/// Keys of a port at an address.
pub fn port_at(address: SocketAddr, difficulty: f64) -> String {
    format!("listen = \"{address}\"\ndifficulty = {difficulty}")
}

/// The name of a listening socket in the store.
pub fn kept_as(address: SocketAddr) -> String {
    format!("port-{}-{}", address.ip().to_string().replace(':', "_"), address.port())
}
