//! What is real: the database, the coin daemons, mpos-stratum between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Failure;
use super::crew::MINERS;
use super::support::daemon::Daemon;
use super::support::litecoind::Litecoin;
use super::support::mariadb::{MariaDb, ShareRow};
use super::support::ports::free_port;

/// The schema with MPOS's tables.
pub const DATABASE: &str = "mpos";
/// The worker for a real miner, and every worker's password.
pub const GUEST: &str = "guest.miner";
/// The password of every worker.
pub const PASSWORD: &str = "x";
/// Blocks there are before the show: coinbases mature after a hundred.
const BLOCKS_BEFORE: u64 = 110;

/// Everything the daemon works with.
pub struct Stage {
    /// mpos-stratum.
    daemon: Daemon,
    /// Where the simulated miners connect.
    pub port: SocketAddr,
    /// Where a real miner can, with `--keep`.
    pub guest_port: Option<SocketAddr>,
    /// Two litecoind.
    litecoin: Litecoin,
    database: MariaDb,
    _state: tempfile::TempDir,
}

impl Stage {
    /// Starts everything; `keep` opens a second port for real miners.
    pub async fn start(keep: bool) -> Result<Stage, Failure> {
        let database = MariaDb::start();
        database.create_database(DATABASE).await;
        for worker in MINERS.iter().chain([&GUEST, &"pool.fallback"]) {
            add_worker(&database, worker).await;
        }
        let litecoin = Litecoin::start_at(BLOCKS_BEFORE).await;
        let state = tempfile::tempdir()?;
        let guest_port = keep.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let address = litecoin.rpc("getnewaddress", json!(["", "legacy"])).await;
        let address = address.as_str().ok_or("litecoind gave no address")?;
        let rpc_port = litecoin.rpc_config().port;
        let config = configuration(state.path(), address, rpc_port, &database.socket(), guest_port);
        let daemon = Daemon::start(&config)?;
        let mut port = daemon.port("litecoin").await?;
        if Some(port) == guest_port {
            port = daemon.nth_port("litecoin", 1).await?;
        }
        Ok(Stage { daemon, port, guest_port, litecoin, database, _state: state })
    }

    /// The newest rows of `shares`, newest first.
    pub async fn newest_rows(&self, count: usize) -> Vec<ShareRow> {
        let mut rows = self.database.rows(DATABASE).await;
        rows.reverse();
        rows.truncate(count);
        rows
    }

    /// All rows of `shares`.
    pub async fn rows(&self) -> Vec<ShareRow> {
        self.database.rows(DATABASE).await
    }

    /// Waits until a condition on the rows holds, at most for `patience`; then gives the rows.
    pub async fn rows_when(&self, patience: Duration, wanted: impl Fn(&[ShareRow]) -> bool) -> Vec<ShareRow> {
        let deadline = Instant::now() + patience;
        loop {
            let rows = self.rows().await;
            if wanted(&rows) || Instant::now() > deadline {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The node's best block.
    pub async fn best_block(&self) -> String {
        self.litecoin.rpc("getbestblockhash", json!([])).await.as_str().unwrap_or_default().to_owned()
    }

    /// Height of a block in the node's best chain; `None` if it is not there.
    pub async fn height_of(&self, hash: &str) -> Option<u64> {
        let count = self.litecoin.rpc("getblockcount", json!([])).await.as_u64()?;
        // From the top down: what the show finds is among the newest. The call fails for a hash the
        // node does not know, so the chain is asked instead of the block.
        for height in (BLOCKS_BEFORE..=count).rev() {
            if self.litecoin.rpc("getblockhash", json!([height])).await == *hash {
                return Some(height);
            }
        }
        None
    }

    /// Stops the daemon in order.
    pub async fn stop(self) -> std::io::Result<ExitStatus> {
        self.daemon.stop().await
    }
}

async fn add_worker(database: &MariaDb, worker: &str) {
    let account = worker.split('.').next().unwrap_or_default();
    let sql = format!("SELECT id FROM accounts WHERE username = '{account}'");
    let id = match database.query::<i64>(DATABASE, &sql).await.first() {
        Some(id) => *id,
        None => database.add_account(DATABASE, account, 0).await,
    };
    database.add_worker(DATABASE, id, worker, Some(PASSWORD)).await;
}

/// The daemon's configuration. On the simulated miners' port every hash is a share, though only
/// every second one is a block; a real miner gets a difficulty it needs seconds for.
fn configuration(state: &Path, address: &str, rpc_port: u16, socket: &Path, guest_port: Option<SocketAddr>) -> String {
    let guest = guest_port.map_or_else(String::new, |listen| {
        format!(
            "[[coin.port]]\nlisten = \"{listen}\"\ndifficulty = 0.5\n\
             vardiff = {{ min = 0.01, max = 65536, target_secs = 5, retarget_secs = 15, variance_percent = 30 }}\n"
        )
    });
    format!(
        r#"[daemon]
state_dir = "{state}"

[[coin]]
name = "litecoin"
preset = "litecoin"
payout_address = "{address}"
fallback_worker = "pool.fallback"

[[coin.node]]
url = "http://127.0.0.1:{rpc_port}"
user = "pool"
password = "pool-secret"

[coin.templates]
longpoll = true

[[coin.port]]
listen = "127.0.0.1:0"
difficulty = 0.000000001

{guest}
[coin.mpos]
socket = "{socket}"
user = "root"
password = ""
database = "{DATABASE}"

[coin.workers]
check_password = true
"#,
        state = state.display(),
        socket = socket.display(),
    )
}
