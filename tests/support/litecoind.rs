//! Litecoin's daemon on regtest: scrypt, segwit, MWEB, a wallet. Two of them, because a node without
//! a peer gives no templates.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Node, NodeLogin, NodeWays, PeerWay};
use mpos_stratum::node::rpc::{Call, Rpc};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::free_port;

/// How long a daemon may take to answer its first call, or to have a peer.
const START_MAX: Duration = Duration::from_secs(60);
/// The height at which MWEB is active on regtest.
pub const MWEB_HEIGHT: u64 = 432;

/// One daemon with its data.
pub struct Daemon {
    child: Option<Child>,
    dir: TempDir,
    arguments: Vec<String>,
    node: Node,
    rpc: Rpc,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Daemon {
    fn new(name: &str, login: Option<NodeLogin>, more: &[String]) -> Self {
        let dir = TempDir::new().unwrap();
        let port = free_port();
        let mut arguments: Vec<String> = [
            "-regtest",
            "-server=1",
            "-listenonion=0",
            "-dnsseed=0",
            "-discover=0",
            "-upnp=0",
            "-printtoconsole=0",
            "-keypool=5",
            "-fallbackfee=0.001",
            "-rpcallowip=127.0.0.1",
            "-rpcbind=127.0.0.1",
        ]
        .map(String::from)
        .to_vec();
        arguments.push(format!("-datadir={}", dir.path().display()));
        arguments.push(format!("-rpcport={port}"));
        arguments.extend_from_slice(more);
        let login = login.unwrap_or_else(|| NodeLogin::Cookie(dir.path().join("regtest/.cookie")));
        let node = Node {
            name: name.into(),
            host: "127.0.0.1".into(),
            port,
            login,
            timeout: Duration::from_secs(20),
            ways: NodeWays::default(),
        };
        Self { child: None, dir, arguments, rpc: Rpc::new(node.clone()), node }
    }

    /// Starts the process and waits for its first answer.
    pub async fn run(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("stderr")).unwrap();
        let child = Command::new("litecoind").args(&self.arguments).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("litecoind cannot be started: apt-get install litecoind"));
        let up = async {
            while self.rpc.call(Call::new("getblockcount"), json!([])).await.is_err() {
                let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                assert_eq!(ended, None, "{}", std::fs::read_to_string(self.dir.path().join("stderr")).unwrap());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_MAX, up).await.expect("litecoind does not answer");
    }

    /// Stops the process in order: its chain is on disk afterwards.
    pub async fn stop(&mut self) {
        self.rpc("stop", json!([])).await;
        let mut child = self.child.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    }

    /// Kills the process; what it had not written is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// How the daemon is reached.
    pub fn rpc_config(&self) -> Node {
        self.node.clone()
    }

    /// Calls a method and returns its result.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let call = Call::new(method).bytes_max(64 << 20);
        self.rpc.call_as(call, &params).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Two connected daemons. The first has the wallet and a password; the second has a cookie and no
/// wallet.
pub struct Litecoin {
    /// The node with the wallet.
    pub main: Daemon,
    /// Its peer.
    pub peer: Daemon,
    /// The port of the first for peers.
    pub p2p_port: u16,
}

impl Litecoin {
    /// Starts both and waits until they know each other.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more on the first one's command line.
    pub async fn start_with(more: &[String]) -> Self {
        let login = NodeLogin::Password { user: "pool".into(), password: Secret::new("pool-secret") };
        let p2p_port = free_port();
        let p2p = format!("127.0.0.1:{p2p_port}");
        let own = ["-rpcuser=pool".into(), "-rpcpassword=pool-secret".into(), format!("-bind={p2p}")];
        let own = [&own[..], more].concat();
        let peers = ["-disablewallet".into(), "-listen=0".into(), format!("-connect={p2p}")];
        let mut this =
            Self { main: Daemon::new("main", Some(login), &own), peer: Daemon::new("peer", None, &peers), p2p_port };
        tokio::join!(this.main.run(), this.peer.run());
        // The last one: loaded again at every start.
        this.rpc("createwallet", json!(["pool", false, false, "", false, false, true])).await;
        this.connected().await;
        this
    }

    /// Waits until the two are connected, as after a restart.
    pub async fn connected(&self) {
        let connected = async {
            while self.rpc("getconnectioncount", json!([])).await == json!(0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_MAX, connected).await.expect("the two nodes do not connect");
    }

    /// The first as one to be a peer of, beside its RPC.
    pub fn peer_way(&self) -> PeerWay {
        let (magic, version) = ([0xfa, 0xbf, 0xb5, 0xda], 70_015);
        PeerWay { host: "127.0.0.1".into(), port: self.p2p_port, magic, version, push_blocks: true }
    }

    /// Waits until the first has so many connections of ours.
    pub async fn has_peers_of_ours(&self, count: usize) {
        let ours = |peer: &Value| peer["subver"].as_str().unwrap().contains("mpos-stratum");
        let counted = async || {
            let peers = self.rpc("getpeerinfo", json!([])).await;
            peers.as_array().unwrap().iter().filter(|peer| ours(peer)).count()
        };
        let enough = async {
            while counted().await < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_MAX, enough).await.expect("ours are not the node's peers");
    }

    /// Starts both with a chain that ends `height` blocks high; from [`MWEB_HEIGHT`] - 1 on, the
    /// next template has an extension block. Its activation block needs a payment into it.
    pub async fn start_at(height: u64) -> Self {
        let this = Self::start().await;
        this.generate(height.min(MWEB_HEIGHT - 1)).await;
        if height >= MWEB_HEIGHT {
            let inside = this.rpc("getnewaddress", json!(["", "mweb"])).await;
            this.rpc("sendtoaddress", json!([inside, 1])).await;
            this.generate(height - MWEB_HEIGHT + 1).await;
        }
        this
    }

    /// Calls a method of the main node.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.main.rpc(method, params).await
    }

    /// How the main node is reached.
    pub fn rpc_config(&self) -> Node {
        self.main.rpc_config()
    }

    /// An address of the main node's wallet.
    pub async fn new_address(&self) -> String {
        self.rpc("getnewaddress", json!([])).await.as_str().unwrap().to_owned()
    }

    /// Mines blocks to a new address and returns their hashes.
    pub async fn generate(&self, count: u64) -> Vec<String> {
        if count == 0 {
            return Vec::new();
        }
        let hashes = self.rpc("generatetoaddress", json!([count, self.new_address().await])).await;
        serde_json::from_value(hashes).unwrap()
    }
}
