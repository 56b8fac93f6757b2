//! The configuration as the daemon uses it: resolved, checked, with units in the names.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::levels::Levels;
use super::problem::Problem;
use super::rules::Rules;
use super::secret::Secret;
use super::transport::{Network, Transport};
use crate::chain::destination::Destination;
use crate::chain::due::Due;
use crate::coin::profile::Profile;
use crate::difficulty::Difficulty;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Settings of the process.
    pub daemon: Daemon,
    /// The coins, in the order of the file.
    pub coins: Vec<Arc<Coin>>,
    /// What is allowed but probably not meant, such as a file with passwords that everybody may read.
    pub warnings: Vec<Problem>,
    /// The files that it consists of and names: the daemon's user has to read each of them. Without credentials of the
    /// service manager.
    pub files: Vec<PathBuf>,
}

/// Settings of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Where spools live, one directory per `shares` table.
    pub state_dir: PathBuf,
    /// Where the sockets for `mpos-stratum notify` and for operators' commands are made.
    pub runtime_dir: PathBuf,
    /// Where lines of NOMP's `blocknotify` command are taken, always of the loopback; `None`: nowhere.
    pub nomp_listen: Option<SocketAddr>,
    /// Threads of the runtime; `None`: one per core.
    pub worker_threads: Option<usize>,
    /// Threads for costly hashes, those of all algorithms but cheap ones; `None`: cores less one, at least one.
    pub hasher_threads: Option<usize>,
    /// Least severity that is logged.
    pub log_level: Levels,
    /// A file for the log besides standard error; `None`: none.
    pub log_file: Option<PathBuf>,
    /// Most connections of all ports together; more are closed at once.
    pub connections_max: usize,
    /// TLS handshakes.
    pub handshakes: Handshakes,
    /// Where metrics are served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

/// Bounds of TLS handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshakes {
    /// Most at once, of all ports together; one more ends the oldest.
    pub most: usize,
    /// One that is not done by then is given up.
    pub timeout: Duration,
}

/// One coin: its chain, its nodes, its ports and its MPOS.
#[derive(Debug, Clone)]
pub struct Coin {
    /// Name for logs and file names: lower-case letters, digits, `-`.
    pub name: String,
    /// What the coin is.
    pub profile: Profile,
    /// The coin's nodes, in order of preference.
    pub nodes: Vec<Node>,
    /// How templates are fetched.
    pub templates: Templates,
    /// Address that earns the block reward, as it was written.
    pub payout_address: String,
    /// What it stands for.
    pub payout: Destination,
    /// Whom the coin's rules demand to be paid, and whom its nodes do not name.
    pub fixed_outputs: Vec<FixedOutput>,
    /// Who has a share of the reward.
    pub recipients: Vec<Recipient>,
    /// Text in the coinbase.
    pub coinbase_text: String,
    /// 0..=65535; keeps extranonces of several daemons on one payout address apart.
    pub instance: u16,
    /// Stored worker credited when a block candidate comes from nobody who is authorised.
    pub fallback_worker: String,
    /// So many confirmations end the watch over a found block.
    pub confirmations: u32,
    /// Whether the hash of every share goes into `solution`, not only that of block candidates.
    pub emit_invalid_block_hashes: bool,
    /// Who may say `mining.update_block` on its ports; `None`: nobody.
    pub update_block: Option<UpdateBlock>,
    /// Stratum ports.
    pub ports: Vec<Arc<Port>>,
    /// The MPOS database.
    pub mpos: Mpos,
    /// Who may mine.
    pub workers: Workers,
    /// The spool in front of the database.
    pub ledger: Ledger,
}

/// Somebody whom the coin's rules demand to be paid, and whom its nodes do not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedOutput {
    /// Destinations as they were written and what they stand for, one a block in turn: that of the height modulo their
    /// number. Never empty.
    pub to: Vec<(String, Destination)>,
    /// How much of the template's `coinbasevalue`.
    pub due: Due,
    /// In which blocks.
    pub heights: RangeInclusive<u32>,
    /// The members of a template, in lower case, by which newer nodes name the same payee themselves.
    pub members: Vec<String>,
}

/// Somebody with a share of every reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The destination as it was written.
    pub written: String,
    /// What it stands for.
    pub to: Destination,
    /// The share in millionths.
    pub share_ppm: u32,
}

/// Who may say `mining.update_block`, as stratum-mining's `blocknotify` script does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateBlock {
    /// SHA-256 of the password.
    pub password_sha256: [u8; 32],
    /// From where.
    pub from: Vec<Network>,
}

/// A coin daemon's RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name for logs: the address unless given.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// RPC port.
    pub port: u16,
    /// How to log in.
    pub login: NodeLogin,
    /// How long one call may take; a found block has half a minute at least.
    pub timeout: Duration,
    /// Its other connections and TLS.
    pub ways: NodeWays,
}

impl Node {
    /// Whether it is at the same address.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

/// Who vouches for a node behind HTTPS without `ca_file`: where Debian keeps the system's certificates.
pub const NODE_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Ways to a node beside plain RPC; without any, there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeWays {
    /// HTTPS: the PEM file of the certificates that may vouch for the node.
    pub tls_ca: Option<PathBuf>,
    /// The wallet that is asked about addresses, on a node that has several.
    pub wallet: Option<String>,
    /// Its peer-to-peer port.
    pub peer: Option<PeerWay>,
    /// Where it publishes new blocks by ZMQ.
    pub zmq: Zmq,
}

/// Where a node publishes new blocks by ZMQ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Zmq {
    /// Where it says itself that it does, if so.
    #[default]
    Asked,
    /// At this host and port.
    At(String, u16),
    /// It is not listened to.
    Off,
}

/// How to be a peer of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerWay {
    /// Host name or address.
    pub host: String,
    /// Peer-to-peer port.
    pub port: u16,
    /// The four bytes every message of the coin's network begins with.
    pub magic: [u8; 4],
    /// The protocol version we claim to speak.
    pub version: u32,
    /// Whether solved blocks are sent there too, beside `submitblock`.
    pub push_blocks: bool,
}

/// How to log in to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeLogin {
    /// RPC user and password.
    Password {
        /// `rpcuser`
        user: String,
        /// `rpcpassword`
        password: Secret,
    },
    /// The node's cookie file, read again at every connection.
    Cookie(PathBuf),
}

impl NodeLogin {
    /// Why the password is not known, if it is not.
    pub fn why_unread(&self) -> Option<&str> {
        match self {
            Self::Password { password, .. } => password.why_unread(),
            Self::Cookie(_) => None,
        }
    }
}

/// How templates are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// How often the tip is asked for.
    pub poll: Duration,
    /// How often a template is fetched although the tip is the same (new transactions).
    pub refresh: Duration,
    /// Whether BIP22 long polling is used beside polling.
    pub longpoll: bool,
    /// How long the template of a new tip may take before miners get work without transactions on it; `None`: they
    /// wait.
    pub empty_after: Option<Duration>,
    /// Age at which a template is too old to hand out: submits are refused until a node answers.
    pub stale_after: Duration,
}

/// A stratum port.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Difficulty a connection starts with.
    pub difficulty: Difficulty,
    /// Bounds within which it is adjusted; `None`: it is fixed.
    pub vardiff: Option<Vardiff>,
    /// Size of the miner's part of the extranonce, 2..=8 bytes.
    pub extranonce2_bytes: u8,
    /// Most connections at once; more are closed at once.
    pub connections_max: usize,
    /// Longest line a miner may send, without its newline.
    pub line_bytes_max: usize,
    /// A connection that has not subscribed by then is closed.
    pub subscribe_timeout: Duration,
    /// A connection that sends nothing for so long is closed.
    pub idle_timeout: Duration,
    /// A connection that leaves what is sent to it unread for so long is closed.
    pub write_timeout: Duration,
    /// Longest silence towards a miner: then its work is sent again.
    pub keepalive: Duration,
    /// Encryption, proxies, limits per address.
    pub transport: Transport,
    /// What is asked of its miners and granted to them.
    pub rules: Rules,
}

/// Bounds and aim of difficulty adjustment.
#[derive(Debug, Clone, PartialEq)]
pub struct Vardiff {
    /// Never below.
    pub min: Difficulty,
    /// Never above.
    pub max: Difficulty,
    /// Aim: one share in so long.
    pub target: Duration,
    /// Least time between two reductions.
    pub retarget: Duration,
    /// Dead band: no change while the rate is within this share of the aim, 0..1.
    pub variance: f64,
    /// Largest factor of one change, above 1; `None`: as far as the evidence goes.
    pub max_jump: Option<f64>,
    /// Whether the difficulty is only ever doubled or halved.
    pub double_steps: bool,
    /// Which difficulties are assigned.
    pub grid: Grid,
}

/// Which difficulties vardiff assigns; it rounds down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Any of two digits.
    Off,
    /// Whole numbers, above 1.
    Integer,
    /// Powers of two.
    PowerOfTwo,
}

/// An MPOS database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mpos {
    /// Server.
    pub endpoint: Endpoint,
    /// Database user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Schema that holds `shares` and our own tables.
    pub database: String,
    /// Schema that holds `accounts`; MPOS's `db.shared.accounts`.
    pub accounts_database: String,
    /// Schema that holds `pool_worker`; MPOS's `db.shared.workers`.
    pub workers_database: String,
    /// Servers to go on with, in this order, when the one in use is away. The operator vouches that
    /// each holds every transaction the one before it has committed.
    pub failover: Vec<Endpoint>,
    /// Certificates by which a server must prove itself; with them connections over TCP are encrypted, else not.
    pub ca_file: Option<PathBuf>,
    /// `allow_myisam = "at_least_once"`: write even if `shares` has no transactions. After a crash or
    /// a broken connection rows may then be stored twice, though never lost.
    pub allow_myisam: bool,
}

/// Where a database server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// Host and port.
    Tcp(String, u16),
    /// Unix socket.
    Socket(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp(host, port) => write!(f, "{host}:{port}"),
            Endpoint::Socket(path) => path.display().fmt(f),
        }
    }
}

/// Who may mine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workers {
    /// Whether the stratum password must equal the stored one.
    pub check_password: bool,
    /// Whether an unknown worker of a known account is stored on first sight.
    pub auto_create: bool,
    /// Whether accounts locked by an administrator (`is_locked = 2`) are refused.
    pub refuse_locked: bool,
    /// How long a positive answer is remembered without asking again.
    pub cache: Duration,
    /// How long a negative answer is remembered.
    pub negative_cache: Duration,
    /// How long a worker is known after the database last confirmed it, while it is away.
    pub remember: Duration,
    /// How often workers of open connections are looked up again; what is remembered is not asked for.
    pub recheck: Duration,
    /// What the column `pool_worker.difficulty` is for.
    pub pool_worker_difficulty: ColumnUse,
}

/// What the column `pool_worker.difficulty` is for: one of the two, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnUse {
    /// It shows the difficulty the worker has.
    Write,
    /// It says the difficulty the worker is to have; zero says nothing.
    Read,
    /// It is left alone.
    Off,
}

/// When a miner's answer may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After the write: survives a crash or kill of the daemon.
    Process,
    /// After fdatasync: survives a power cut.
    Power,
}

/// The spool in front of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// When a miner's answer may be sent.
    pub durability: Durability,
    /// Longest time between fdatasyncs while there is something to sync.
    pub sync_interval: Duration,
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// Bound on undrained bytes: at it, shares are refused; refused shares stop being recorded at
    /// nine tenths of it.
    pub spool_bytes_max: u64,
    /// How long drained segments stay as the audit log.
    pub keep_drained: Duration,
    /// Bound on drained bytes kept; the oldest go first.
    pub drained_bytes_max: u64,
    /// Most rows in one statement series of a transaction, outside a candidate's group.
    pub batch_rows_max: usize,
}
