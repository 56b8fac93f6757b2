//! A pool on the machine: MPOS's database in the machine's own MariaDB, a coin's node, miners.

use std::net::SocketAddr;
use std::time::Duration;

use crate::crew;
use crate::life;
use crate::machine::Machine;
use crate::support::litecoind::Litecoin;
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Wanted};

/// The password of every worker.
pub const PASSWORD: &str = "worker-secret";
/// As in schema/grants.sql.
const DATABASE: &str = "mpos";
const DATABASE_PASSWORD: &str = "change-me";
/// Blocks there are before: a wallet needs some.
const BLOCKS_BEFORE: u64 = 110;
pub const WORKER: &str = "alice.rig1";
/// Where the daemon serves miners.
pub const LISTEN: &str = "127.0.0.1:3333";

/// The pool, and how many shares its miners were told are good.
pub struct Site<'a> {
    pub machine: &'a Machine,
    node: Litecoin,
    address: String,
    pub accepted: usize,
}

impl<'a> Site<'a> {
    /// Sets up database and node; the package is installed, so its own schema is used.
    pub async fn set_up(machine: &'a Machine) -> Self {
        machine.must(&["systemctl", "start", "mariadb"]);
        machine.must(&["mariadb", "-e", "CREATE DATABASE mpos"]);
        machine.feed(&["mariadb", DATABASE], include_bytes!("../../schema/mpos-tables.sql"));
        for file in ["mpos-stratum.sql", "grants.sql"] {
            machine.must(&["sh", "-c", &format!("mariadb mpos </usr/share/mpos-stratum/schema/{file}")]);
        }
        for worker in [WORKER, "pool.fallback"] {
            let account = worker.split('.').next().unwrap();
            let sql = format!(
                "INSERT INTO accounts (username, pass, pin, is_locked) VALUES ('{account}', '', '', 0); \
                 INSERT INTO pool_worker (account_id, username, password) VALUES (LAST_INSERT_ID(), '{worker}', '{PASSWORD}')"
            );
            machine.must(&["mariadb", DATABASE, "-e", &sql]);
        }
        // The long polls of daemons that were killed keep threads busy as long as the chain stands still.
        let node = Litecoin::start_with(&["-rpcthreads=32".to_owned()]).await;
        node.generate(BLOCKS_BEFORE).await;
        let address = node.rpc("getnewaddress", serde_json::json!(["", "legacy"])).await.as_str().unwrap().to_owned();
        Self { machine, node, address, accepted: 0 }
    }

    /// A good configuration; its passwords are credentials.
    pub fn configuration(&self) -> String {
        let (address, port) = (&self.address, self.node.rpc_config().port);
        format!(
            r#"
[[coin]]
name = "litecoin"
preset = "litecoin"
payout_address = "{address}"
fallback_worker = "pool.fallback"
[[coin.node]]
url = "http://127.0.0.1:{port}"
user = "pool"
password_file = "$CREDENTIALS_DIRECTORY/rpc-password"
[[coin.port]]
listen = "{LISTEN}"
difficulty = 0.0000152587890625
[coin.mpos]
socket = "/run/mysqld/mysqld.sock"
user = "mpos_stratum"
password_file = "$CREDENTIALS_DIRECTORY/mysql-password"
database = "{DATABASE}"
"#
        )
    }

    /// The same with one more port.
    pub fn configuration_with_port(&self, listen: &str) -> String {
        let port = format!("[[coin.port]]\nlisten = \"{listen}\"\ndifficulty = 0.0000152587890625\n[coin.mpos]");
        self.configuration().replace("[coin.mpos]", &port)
    }

    /// Gives so many more miners their names.
    pub fn hire(&self, miners: usize) {
        let rows: Vec<String> =
            (0..miners).map(|miner| format!("(LAST_INSERT_ID(), '{}', '{PASSWORD}')", crew::name(miner))).collect();
        let sql = format!(
            "INSERT INTO accounts (username, pass, pin, is_locked) VALUES ('crew', '', '', 0); \
             INSERT INTO pool_worker (account_id, username, password) VALUES {}",
            rows.join(",")
        );
        self.machine.feed(&["mariadb", DATABASE], sql.as_bytes());
    }

    /// Waits until every share that the hired were told is good is a row, and holds that no other is.
    pub async fn has_rows_of(&mut self, accepted: &[usize]) {
        self.accepted += accepted.iter().sum::<usize>();
        self.every_share_is_a_row().await;
        let sql = "SELECT username, COUNT(*) FROM shares WHERE our_result = 'Y' GROUP BY username";
        let counted = self.machine.must(&["mariadb", "-N", DATABASE, "-e", sql]);
        let row = |line: &str| {
            let (name, count) = line.split_once('\t').unwrap();
            (name.to_owned(), count.parse().unwrap())
        };
        life::compare(&counted.lines().map(row).collect(), accepted);
        assert_eq!(self.number("SELECT COUNT(*) FROM shares WHERE our_result = 'N'"), 0, "nothing was refused");
    }

    /// Puts the passwords where the drop-in of the examples loads them from.
    pub fn put_credentials(&self) {
        let machine = self.machine;
        machine.must(&["install", "-m", "0700", "-d", "/etc/mpos-stratum/credentials"]);
        machine.put("/etc/mpos-stratum/credentials/mysql-password", format!("{DATABASE_PASSWORD}\n").as_bytes());
        machine.put("/etc/mpos-stratum/credentials/rpc-password", b"pool-secret\n");
        machine.must(&["sh", "-c", "chmod 0600 /etc/mpos-stratum/credentials/*"]);
        let drop_in = "/etc/systemd/system/mpos-stratum.service.d";
        machine.must(&["mkdir", "-p", drop_in]);
        machine.must(&["cp", "/usr/share/doc/mpos-stratum/examples/credentials.conf", drop_in]);
        machine.must(&["systemctl", "daemon-reload"]);
    }

    /// A miner that is logged in, with its first work. A port that does not listen yet is tried again.
    pub async fn miner(&self) -> (Miner, Job) {
        let address: SocketAddr = LISTEN.parse().unwrap();
        let mut last = None;
        let logged_in = async {
            loop {
                match Miner::log_in(address, Algorithm::Scrypt, WORKER, PASSWORD).await {
                    Ok(logged_in) => return logged_in,
                    Err(problem) => last = Some(problem),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let logged_in = tokio::time::timeout(PATIENCE, logged_in).await;
        logged_in.unwrap_or_else(|_| panic!("nobody can log in: {last:?}"))
    }

    /// Has a miner find shares on its newest work, each of which has to be accepted.
    pub async fn shares(&mut self, miner: &mut Miner, count: usize) {
        for _ in 0..count {
            let job = miner.wait_for_job().await.unwrap();
            let share = miner.mine(&job, Wanted::Share).unwrap();
            let reply = miner.submit(WORKER, &share).await.unwrap();
            assert!(reply.is_true(), "{}", reply.line);
            self.accepted += 1;
        }
    }

    /// Has a miner find a block that the node takes; returns its hash.
    pub async fn block(&mut self, miner: &mut Miner) -> String {
        let job = miner.wait_for_job().await.unwrap();
        let share = miner.mine(&job, Wanted::Block).unwrap();
        let reply = miner.submit(WORKER, &share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
        self.accepted += 1;
        miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(self.node.rpc("getbestblockhash", serde_json::json!([])).await, share.block_hash());
        share.block_hash()
    }

    /// A number that the database gives.
    pub fn number(&self, sql: &str) -> usize {
        self.machine.must(&["mariadb", "-N", DATABASE, "-e", sql]).parse().unwrap()
    }

    /// Waits until every share that a miner was told is good is a row, and holds that no other is.
    pub async fn every_share_is_a_row(&self) {
        let rows = || self.number("SELECT COUNT(*) FROM shares WHERE our_result = 'Y'");
        let arrived = async {
            while rows() < self.accepted {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
        assert_eq!(rows(), self.accepted, "rows against accepted shares");
    }
}
