//! Everything a run needs: a private database, the fake node, the daemon with a fresh spool.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::connection::PASSWORD;
use crate::support::daemon::{Daemon, binary, cpu_time};
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::Algorithm;

/// The schema everything happens in.
const DATABASE: &str = "mpos";
/// Workers of one account; as many accounts as the workers need.
const WORKERS_PER_ACCOUNT: usize = 100;
/// The niceness that the unit in packaging/ gives the daemon.
const NICENESS: &str = "-15";
/// A port whose limits are out of the way.
const OPEN_PORT: &str = "connections_max = 12000\nmessages_per_sec = 1000000\nmessages_burst = 1000000";
/// The drain is given up when no row has landed for so long.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// How often rows are counted while the drain catches up.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// One measured daemon and its surroundings. Dropping it ends everything.
pub struct Stage {
    /// The daemon.
    pub daemon: Daemon,
    /// Its coin's node.
    pub node: FakeNode,
    /// Its stratum port.
    pub port: SocketAddr,
    database: MariaDb,
    _state: tempfile::TempDir,
}

/// User and system time used so far.
#[derive(Debug, Clone, Copy)]
pub struct CpuTimes {
    /// The daemon.
    pub daemon: Duration,
    /// The database server.
    pub database: Duration,
    /// This process: generator and fake node.
    pub generator: Duration,
}

impl Stage {
    /// Starts everything, with `workers` workers in the database and a port without limits.
    pub async fn start(algorithm: Algorithm, workers: usize) -> io::Result<Stage> {
        Self::start_with(algorithm, workers, OPEN_PORT).await
    }

    /// The same with a port of these keys.
    pub async fn start_with(algorithm: Algorithm, workers: usize, port_keys: &str) -> io::Result<Stage> {
        // MariaDB's own defaults, where the tests run it smaller.
        let database = MariaDb::start_with(&["--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M"]);
        database.create_database(DATABASE).await;
        add_workers(&database, workers).await;
        let node = FakeNode::start(algorithm)?;
        let state = tempfile::tempdir()?;
        let (name, config) = configuration(algorithm, &database, &node, state.path(), port_keys);
        let daemon = Daemon::start_by(as_the_unit_does()?, state.path(), &config, &[])?;
        let port = daemon.port(name).await?;
        Ok(Stage { daemon, node, port, database, _state: state })
    }

    /// The name of the nth worker, counted from 0.
    pub fn worker(nth: usize) -> String {
        format!("account{}.rig{}", nth / WORKERS_PER_ACCOUNT, nth % WORKERS_PER_ACCOUNT)
    }

    /// CPU times of all three.
    pub fn cpu_times(&self) -> io::Result<CpuTimes> {
        let pid = std::fs::read_to_string(self.database.socket().with_file_name("pid"))?;
        let pid = pid.trim().parse().map_err(io::Error::other)?;
        Ok(CpuTimes {
            daemon: self.daemon.cpu_time()?,
            database: cpu_time(pid)?,
            generator: cpu_time(std::process::id())?,
        })
    }

    /// Accepted shares that have landed.
    pub async fn rows(&self) -> u64 {
        let sql = "SELECT COUNT(*) FROM shares WHERE our_result = 'Y'";
        self.database.query::<u64>(DATABASE, sql).await.first().copied().unwrap_or(0)
    }

    /// Waits until `expected` rows have landed, or none has for a long time; says how many and when.
    pub async fn drained(&self, expected: u64) -> (u64, Instant) {
        let (mut rows, mut grown_at) = (0, Instant::now());
        loop {
            let now_there = self.rows().await;
            let now = Instant::now();
            if now_there > rows {
                (rows, grown_at) = (now_there, now);
            }
            if rows >= expected || now.duration_since(grown_at) > DRAIN_PATIENCE {
                return (rows, grown_at);
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }

    /// Adds an account with workers called `name.rigN`.
    pub async fn add_account(&self, name: &str, workers: usize) {
        let id = self.database.add_account(DATABASE, name, 0).await;
        let rows: Vec<String> = (0..workers).map(|nth| format!("({id}, '{name}.rig{nth}', '{PASSWORD}')")).collect();
        let sql = format!("INSERT INTO pool_worker (account_id, username, password) VALUES {}", rows.join(", "));
        self.database.run_sql(DATABASE, &sql).await;
    }

    /// Accepted shares that have landed, of all workers but those of one account.
    pub async fn rows_but_of(&self, account: &str) -> u64 {
        let sql = format!("SELECT COUNT(*) FROM shares WHERE our_result = 'Y' AND username NOT LIKE '{account}.%'");
        self.database.query::<u64>(DATABASE, &sql).await.first().copied().unwrap_or(0)
    }

    /// Stops the daemon in order and counts the rows that are there in the end.
    pub async fn finish(self) -> io::Result<u64> {
        let Stage { daemon, database, .. } = self;
        let status = daemon.stop().await?;
        if !status.success() {
            return Err(io::Error::other(format!("the daemon ended with {status}")));
        }
        let sql = "SELECT COUNT(*) FROM shares WHERE our_result = 'Y'";
        Ok(database.query::<u64>(DATABASE, sql).await.first().copied().unwrap_or(0))
    }
}

async fn add_workers(database: &MariaDb, workers: usize) {
    let mut rows = Vec::with_capacity(workers);
    for account in 0..workers.div_ceil(WORKERS_PER_ACCOUNT) {
        let id = database.add_account(DATABASE, &format!("account{account}"), 0).await;
        let nth = account * WORKERS_PER_ACCOUNT..workers.min((account + 1) * WORKERS_PER_ACCOUNT);
        rows.extend(nth.map(|nth| format!("({id}, '{}', '{PASSWORD}')", Stage::worker(nth))));
    }
    let sql = format!("INSERT INTO pool_worker (account_id, username, password) VALUES {}", rows.join(", "));
    database.run_sql(DATABASE, &sql).await;
}

/// The coin's name and the daemon's configuration.
fn configuration(
    algorithm: Algorithm,
    database: &MariaDb,
    node: &FakeNode,
    state: &std::path::Path,
    port_keys: &str,
) -> (&'static str, String) {
    // Addresses of a well-known hash; nothing is ever paid to them here.
    let (name, address) = match algorithm {
        Algorithm::Sha256d | Algorithm::Other(_) => ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        Algorithm::Scrypt => ("litecoin", "LUEweDxDA4WhvWiNXXSxjM9CYzHPJv4QQF"),
    };
    let config = format!(
        r#"[daemon]
state_dir = "{state}"

[[coin]]
name = "{name}"
preset = "{name}"
payout_address = "{address}"
fallback_worker = "{fallback}"

{node}
[coin.templates]
longpoll = true

[[coin.port]]
listen = "127.0.0.1:0"
difficulty = 0.000000000001
{port_keys}

[coin.mpos]
socket = "{socket}"
user = "root"
password = ""
database = "{DATABASE}"

[coin.workers]
check_password = true

[coin.ledger]
durability = "process"
"#,
        state = state.display(),
        fallback = Stage::worker(0),
        node = node.config(),
        socket = database.socket().display(),
    );
    (name, config)
}

/// The command that starts the daemon with the priority that its unit gives it.
fn as_the_unit_does() -> io::Result<Command> {
    let mut command = Command::new("nice");
    command.args(["-n", NICENESS]).arg(binary()?);
    Ok(command)
}
