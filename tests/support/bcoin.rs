//! bcoin on regtest: sha256d, one process, no peer needed, everything in memory. Templates are
//! without segwit up to height 431.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Node, NodeLogin, NodeWays};
use mpos_stratum::node::rpc::{Call, Rpc};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::free_port;

/// How long the daemon may take to answer its first call.
const START_MAX: Duration = Duration::from_secs(60);
/// The height from which on templates demand segwit.
pub const SEGWIT_HEIGHT: u64 = 432;

/// A running daemon.
pub struct Bcoin {
    child: Child,
    _dir: TempDir,
    node: Node,
    rpc: Rpc,
}

impl Drop for Bcoin {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Installs it where it is not; only the first time needs the network.
fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/bcoin.sh");
        let status = Command::new(script).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{script} failed");
    });
}

impl Bcoin {
    /// Starts it and waits for its first answer.
    pub async fn start() -> Self {
        install();
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let log = std::fs::File::create(dir.path().join("stderr")).unwrap();
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bcoin/node_modules/bcoin/bin/node"))
            .args(["--network=regtest", "--memory=true", "--http-host=127.0.0.1", "--api-key=pool-secret"])
            .args(["--listen=false", "--no-wallet=true", "--log-console=false"])
            .arg(format!("--prefix={}", dir.path().display()))
            .arg(format!("--http-port={port}"))
            .env("NODE_BACKEND", "js")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("node cannot be started: apt-get install nodejs npm");
        let login = NodeLogin::Password { user: "pool".into(), password: Secret::new("pool-secret") };
        let node = Node {
            name: "bcoin".into(),
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
        tokio::time::timeout(START_MAX, up).await.expect("bcoin does not answer");
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

    /// An address that bcoin's regtest accepts; nobody has its key.
    pub fn new_address(&self) -> String {
        let hrp = bech32::Hrp::parse("rb").unwrap();
        bech32::segwit::encode_v0(hrp, &[0x11; 20]).unwrap()
    }

    /// Mines blocks and returns their hashes.
    pub async fn generate(&self, count: u64) -> Vec<String> {
        let hashes = self.rpc("generatetoaddress", json!([count, self.new_address()])).await;
        serde_json::from_value(hashes).unwrap()
    }
}
