//! A daemon whose ports are what a test is about.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Problem, Wanted};

/// The first thing a miner says.
pub const SUBSCRIBE: &[u8] = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n";

/// A running daemon and what it needs.
pub struct Site {
    pub daemon: Daemon,
    pub node: FakeNode,
    pub db: Arc<MariaDb>,
    pub database: &'static str,
    /// The daemon's folder.
    pub home: tempfile::TempDir,
    ports: Vec<SocketAddr>,
}

/// A port of its own difficulty, by which it is found again, with further keys.
fn port(nth: usize, keys: &str) -> String {
    let listen = if keys.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"" };
    format!("{listen}\ndifficulty = {}\n{keys}", difficulty(nth))
}

/// What a share of a port is worth: every 16th hash is one, or a little more.
fn difficulty(nth: usize) -> f64 {
    stage::SHA256D_SOME / f64::from(1u32 << nth)
}

impl Site {
    /// A daemon with ports of these keys.
    pub async fn start(database: &'static str, ports: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), database, "", ports).await
    }

    /// The same in a prepared folder, with keys of `[daemon]`.
    pub async fn start_in(home: tempfile::TempDir, database: &'static str, keys: &str, ports: &[&str]) -> Self {
        let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
        stage::create_database(&db, database).await;
        let mut coin = Coin::fake(&node, &db, database);
        coin.ports = ports.iter().enumerate().map(|(nth, keys)| port(nth, keys)).collect();
        let own = format!("[daemon]\nlog_level = \"debug\"\nstate_dir = \"state\"\n{keys}\n");
        let config = stage::configuration(&[&coin]).replace("[daemon]\nstate_dir = \"state\"\n", &own);
        let daemon = Daemon::start_in(home.path(), &config).unwrap();
        let mut addresses = Vec::new();
        for nth in 0..ports.len() {
            addresses.push(daemon.port_with(coin.name, difficulty(nth)).await.unwrap());
        }
        Self { daemon, node, db, database, home, ports: addresses }
    }

    /// The address of a port, by its place among the keys.
    pub fn port(&self, nth: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[nth].port()))
    }

    /// A connection that has said something.
    pub async fn say(&self, nth: usize, bytes: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.port(nth)).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket
    }

    /// A miner that speaks through a proxy, which says `header` first.
    pub async fn behind(&self, nth: usize, header: &[u8]) -> Result<(Miner, Job), Problem> {
        let mut miner = Miner::connect(self.port(nth), Algorithm::Sha256d).await?;
        miner.send_raw(header).await?;
        miner.subscribe().await?;
        assert!(miner.authorize("alice.rig1", PASSWORD).await?.is_true());
        let job = miner.wait_for_job().await?;
        Ok((miner, job))
    }

    /// The address that is stored with a share of this miner; the row is the `nth` of all.
    pub async fn stored_address(&self, miner: &mut Miner, job: &Job, nth: usize) -> String {
        let share = miner.mine(job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        stage::rows_of(&self.db, self.database, nth).await[nth - 1].rem_host.clone()
    }

    /// The folder for what survives a restart.
    pub fn state(&self) -> std::path::PathBuf {
        state(self.home.path())
    }
}

/// The state folder of a daemon in `home`.
pub fn state(home: &Path) -> std::path::PathBuf {
    home.join("state")
}

/// Everything the pool says until it hangs up.
pub async fn last_words(socket: &mut TcpStream) -> Vec<u8> {
    let mut words = Vec::new();
    match timeout(PATIENCE, socket.read_to_end(&mut words)).await.expect("the pool does not hang up") {
        // It may hang up with something of ours unread.
        Ok(_) | Err(_) => words,
    }
}

/// The pool hangs up without a word.
pub async fn turned_away(mut socket: TcpStream) {
    let words = last_words(&mut socket).await;
    assert!(words.is_empty(), "{}", words.escape_ascii());
}

/// The pool answers the subscription as soon as it has a place: one that is given up is free a moment
/// after the log says so.
pub async fn served_in_the_end(site: &Site, nth: usize, bytes: &[u8]) {
    let again = async {
        loop {
            let mut start = [0; 8];
            if site.say(nth, bytes).await.read_exact(&mut start).await.is_ok() {
                return start;
            }
        }
    };
    let start = timeout(PATIENCE, again).await.expect("no place becomes free");
    assert!(start.starts_with(b"{\"id\":1,"), "{}", start.escape_ascii());
}

/// The pool answers the subscription.
pub async fn served(socket: &mut TcpStream) {
    let mut start = [0; 8];
    timeout(PATIENCE, socket.read_exact(&mut start)).await.expect("no answer").unwrap();
    assert!(start.starts_with(b"{\"id\":1,"), "{}", start.escape_ascii());
}
