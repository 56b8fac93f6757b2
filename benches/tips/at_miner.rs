//! The same at the socket of a miner: whole daemons, each of which hears of new blocks in one way only.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner};

/// How long the daemon has to show its first work, which its node's proof comes before.
const READY_MAX: Duration = Duration::from_secs(60);
/// Who says `mining.update_block`.
pub const UPDATE_PASSWORD: &str = "admin-secret";

/// A daemon and its only miner.
pub struct AtMiner {
    _daemon: Daemon,
    /// Changes with every tip of which the miner has read the work.
    pub tips: watch::Receiver<u64>,
}

/// Starts one whose port is at `port`. It polls so rarely that this brings nothing.
pub async fn start(litecoin: &Litecoin, db: &MariaDb, database: &str, port: SocketAddr, longpoll: bool) -> AtMiner {
    stage::create_database(db, database).await;
    let mut coin = Coin::litecoin(litecoin, db, database).await;
    coin.templates = format!("poll_ms = 60000\nrefresh_secs = 600\nstale_after_secs = 3600\nlongpoll = {longpoll}");
    coin.ports = vec![format!("listen = \"{port}\"\ndifficulty = {}", stage::SCRYPT_EASY)];
    if !longpoll {
        coin.ledger.push_str(&format!("\n[coin.update_block]\npassword = \"{UPDATE_PASSWORD}\"\n"));
    }
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    tokio::time::timeout(READY_MAX, daemon.port(coin.name)).await.expect("the daemon gets no work").unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let (seen, tips) = watch::channel(0);
    tokio::spawn(async move {
        // Ends with the daemon, or when there was no block for too long: then whoever measures says so.
        while let Ok(next) = miner.wait_for_new_tip(&job).await {
            job = next;
            seen.send_modify(|count| *count += 1);
        }
    });
    AtMiner { _daemon: daemon, tips }
}
