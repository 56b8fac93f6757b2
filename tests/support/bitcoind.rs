//! A current Bitcoin Core on regtest, without a wallet: sha256d, no peer needed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Node, NodeLogin, NodeWays};
use mpos_stratum::node::rpc::{Call, Rpc};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::free_port;

/// Where `tests/setup/core.sh` puts it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/core/bitcoind");
/// How long the daemon may take to answer its first call.
const START_MAX: Duration = Duration::from_secs(60);

/// A running daemon.
pub struct Bitcoind {
    child: Child,
    _dir: TempDir,
    node: Node,
    rpc: Rpc,
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Bitcoind {
    /// Starts it and waits for its first answer.
    pub async fn start() -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is not there: run `make test-core`, which builds it");
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let log = std::fs::File::create(dir.path().join("stderr")).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["-regtest", "-server=1", "-listen=0", "-dnsseed=0", "-printtoconsole=0", "-connect=0"])
            .args(["-rpcuser=pool", "-rpcpassword=pool-secret", "-rpcallowip=127.0.0.1", "-rpcbind=127.0.0.1"])
            .arg(format!("-datadir={}", dir.path().display()))
            .arg(format!("-rpcport={port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let login = NodeLogin::Password { user: "pool".into(), password: Secret::new("pool-secret") };
        let node = Node {
            name: "core".into(),
            host: "127.0.0.1".into(),
            port,
            login,
            timeout: Duration::from_secs(20),
            ways: NodeWays::default(),
        };
        let rpc = Rpc::new(node.clone());
        let up = async {
            while rpc.call(Call::new("getblockcount"), json!([])).await.is_err() {
                let ended = child.try_wait().unwrap();
                assert_eq!(ended, None, "{}", std::fs::read_to_string(dir.path().join("stderr")).unwrap());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_MAX, up).await.expect("bitcoind does not answer");
        Self { child, _dir: dir, node, rpc }
    }

    /// How it is reached.
    pub fn rpc_config(&self) -> Node {
        self.node.clone()
    }

    /// Calls a method and returns its result.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let call = Call::new(method).bytes_max(64 << 20);
        self.rpc.call_as(call, &params).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Mines blocks to an address and returns their hashes.
    pub async fn generate(&self, count: u64, to: &str) -> Vec<String> {
        let hashes = self.rpc("generatetoaddress", json!([count, to])).await;
        serde_json::from_value(hashes).unwrap()
    }
}
