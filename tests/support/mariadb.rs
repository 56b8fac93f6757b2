//! A private MariaDB server: own data directory, own socket, a free port, gone when dropped.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Endpoint, Mpos};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder};

use super::ports::free_port;

/// How long the server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. User `root` has no password.
pub struct MariaDb {
    dir: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

/// A row of `shares`, as text where MPOS compares text; the difficulty as exact number.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRow {
    pub id: u64,
    pub rem_host: String,
    pub username: String,
    pub our_result: String,
    pub upstream_result: Option<String>,
    pub reason: Option<String>,
    pub solution: String,
    pub difficulty: f64,
    /// Unix seconds.
    pub time: u64,
}

/// The server that the tests of one binary share while any of them runs.
static SHARED: Mutex<Weak<MariaDb>> = Mutex::new(Weak::new());

impl MariaDb {
    /// Starts a server of one's own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server of one's own with further options, such as `--sql-mode=`.
    pub fn start_with(options: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("mpos-db-").tempdir().unwrap();
        let data = dir.path().join("data");
        run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(initialised_data()).arg(&data));
        let options = options.iter().map(|option| (*option).to_string()).collect();
        let mut server = Self { dir, port: free_port(), options, process: None };
        server.run();
        server
    }

    /// A server shared with the other tests of this binary: use a database of your own on it, and
    /// change nothing global.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts the process and waits until it takes connections.
    fn run(&mut self) {
        assert!(self.process.is_none(), "already running");
        let _ = std::fs::remove_file(self.socket());
        let mut command = Command::new("mariadbd");
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.dir.path().join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.dir.path().join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--character-set-server=utf8mb4"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--performance-schema=OFF"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir.path().join("log")).unwrap());
        if is_root() {
            command.arg("--user=root");
        }
        self.process = Some(command.spawn().expect("mariadbd must be installed"));
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(self.socket()).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "mariadbd did not start:\n{}", log());
            sleep(Duration::from_millis(10));
        }
    }

    /// Ends the server as a power cut would; [`MariaDb::restart`] starts it again.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Ends the server in order; [`MariaDb::restart`] starts it again.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        self.signal(process.id(), "TERM");
        let deadline = Instant::now() + PATIENCE;
        while process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "mariadbd did not stop");
            sleep(Duration::from_millis(10));
        }
    }

    /// Starts the server again, on the same port, with the same data; ends it first if it runs.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// The same with other options than before.
    pub fn restart_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_string()).collect();
        self.restart();
    }

    /// Freezes the server: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal(self.process.as_ref().unwrap().id(), "STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(self.process.as_ref().unwrap().id(), "CONT");
    }

    fn signal(&self, pid: u32, signal: &str) {
        run(Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()));
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Configuration for one database that holds everything, over the unix socket.
    pub fn mpos(&self, database: &str) -> Mpos {
        Mpos {
            endpoint: Endpoint::Socket(self.socket()),
            user: "root".into(),
            password: Secret::new(""),
            database: database.into(),
            accounts_database: database.into(),
            workers_database: database.into(),
            failover: Vec::new(),
            ca_file: None,
            allow_myisam: false,
        }
    }

    /// A connection in no or in one database.
    pub async fn conn(&self, database: Option<&str>) -> Conn {
        let socket = self.socket();
        let opts: Opts = OptsBuilder::default()
            .socket(Some(socket.to_str().unwrap()))
            .user(Some("root"))
            .db_name(database)
            .client_found_rows(true)
            .into();
        Conn::new(opts).await.unwrap()
    }

    /// Runs one statement.
    pub async fn run_sql(&self, database: &str, sql: &str) {
        let mut conn = self.conn(Some(database)).await;
        conn.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        conn.disconnect().await.unwrap();
    }

    /// Runs one query.
    pub async fn query<T: FromRow + Send + 'static>(&self, database: &str, sql: &str) -> Vec<T> {
        let mut conn = self.conn(Some(database)).await;
        let rows = conn.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        conn.disconnect().await.unwrap();
        rows
    }

    /// Runs the statements of a file, given from the root of the source tree.
    pub async fn load(&self, database: &str, file: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        self.run_sql(database, &text).await;
    }

    /// Creates a database with MPOS's tables and ours.
    pub async fn create_database(&self, name: &str) {
        let mut conn = self.conn(None).await;
        conn.query_drop(format!("CREATE DATABASE `{}`", name.replace('`', "``"))).await.unwrap();
        conn.disconnect().await.unwrap();
        self.load(name, "schema/mpos-tables.sql").await;
        self.load(name, "schema/mpos-stratum.sql").await;
    }

    /// Adds an account; returns its id.
    pub async fn add_account(&self, database: &str, name: &str, locked: u8) -> i64 {
        let mut conn = self.conn(Some(database)).await;
        let sql = "INSERT INTO accounts (username, pass, pin, is_locked) VALUES (?, '', '', ?)";
        conn.exec_drop(sql, (name, locked)).await.unwrap();
        let id = conn.last_insert_id().unwrap();
        conn.disconnect().await.unwrap();
        id.try_into().unwrap()
    }

    /// Adds a worker to an account.
    pub async fn add_worker(&self, database: &str, account: i64, name: &str, password: Option<&str>) {
        let mut conn = self.conn(Some(database)).await;
        let sql = "INSERT INTO pool_worker (account_id, username, password) VALUES (?, ?, ?)";
        conn.exec_drop(sql, (account, name, password)).await.unwrap();
        conn.disconnect().await.unwrap();
    }

    /// All rows of `shares`, by id.
    pub async fn rows(&self, database: &str) -> Vec<ShareRow> {
        type Row = (u64, String, String, String, Option<String>, Option<String>, String, f64, u64);
        let sql = "SELECT id, rem_host, username, our_result, upstream_result, reason, solution, difficulty + 0e0, \
                   UNIX_TIMESTAMP(time) FROM shares ORDER BY id";
        let rows: Vec<Row> = self.query(database, sql).await;
        rows.into_iter()
            .map(|(id, rem_host, username, our_result, upstream_result, reason, solution, difficulty, time)| ShareRow {
                id,
                rem_host,
                username,
                our_result,
                upstream_result,
                reason,
                solution,
                difficulty,
                time,
            })
            .collect()
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A data directory fresh from `mariadb-install-db`, made once and kept under `target/`.
fn initialised_data() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let version = Command::new("mariadbd").arg("--version").output().expect("mariadbd must be installed");
    let version: String =
        String::from_utf8_lossy(&version.stdout).chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    // Cargo names the folder for tests and benches, but not for the demo.
    let parent = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp"));
    std::fs::create_dir_all(parent).expect("the folder for the database must be writable");
    let ready = parent.join(format!("mariadb-{version}"));
    if ready.exists() {
        return ready;
    }
    // Made under another name and moved in one step: another test binary may be doing the same.
    let making = tempfile::Builder::new().prefix("mariadb-new-").tempdir_in(parent).unwrap();
    let data = making.path().join("data");
    let mut command = Command::new("mariadb-install-db");
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    command.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"]);
    if is_root() {
        command.arg("--user=root");
    }
    run(&mut command);
    let _ = std::fs::rename(&data, &ready);
    ready
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
