//! Hostile clients, in a process of their own: `load --attack KINDS ADDRESS ROUND`. It attacks until its
//! standard input is closed, then says what it did.
//!
//! The attackers must not take from the daemon the processor that they would not have on the network, so their
//! process runs only while nothing else wants to. What they cost the daemon itself counts in full.

mod crowds;
mod floods;

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// The worker names of the attackers who log in, followed by a number.
pub const ACCOUNT: &str = "villain";
/// How many of these workers there are.
pub const WORKERS: usize = 100;
/// The only proxy that the daemon trusts; those who are to be banned come through it, for loopback never is.
pub const PROXY: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// Addresses of the botnet.
const ADDRESSES: usize = 64;
/// What the system keeps of what an attacker sends. His own machine would: here it is taken from the daemon's.
const SEND_BUFFER_BYTES: u32 = 32 * 1024;
/// Pause after a connection that was refused or broke, before the next.
const PAUSE: Duration = Duration::from_millis(10);

/// A way to be hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 5,000 connections that send a byte a second.
    Slowloris,
    /// Lines that are no JSON, until the connection is closed, and again.
    Garbage,
    /// Ten megabytes without the end of a line.
    Endless,
    /// 10,000 connections that log in and then do nothing.
    Idle,
    /// Connections that come, subscribe and go.
    Storm,
    /// One share again and again: upper case, longer fields, other times, version bits.
    Duplicates,
    /// Shares of next to no work.
    Weak,
    /// Authorisations of invented names and wrong passwords.
    Names,
    /// 1,000 connections that ask and never read.
    Deaf,
    /// Deep and huge JSON, broken UTF-8, NUL bytes, between lines that are good.
    Json,
    /// PROXY headers of somebody who is no proxy.
    Spoof,
}

/// All of them, by the names they are called.
pub const KINDS: [(&str, Kind); 11] = [
    ("slowloris", Kind::Slowloris),
    ("garbage", Kind::Garbage),
    ("endless", Kind::Endless),
    ("idle", Kind::Idle),
    ("storm", Kind::Storm),
    ("duplicates", Kind::Duplicates),
    ("weak", Kind::Weak),
    ("names", Kind::Names),
    ("deaf", Kind::Deaf),
    ("json", Kind::Json),
    ("spoof", Kind::Spoof),
];

impl Kind {
    /// Connections that are open at a time.
    fn connections(self) -> usize {
        match self {
            Self::Slowloris => 5_000,
            Self::Idle => 10_000,
            Self::Deaf => 1_000,
            _ => 2 * ADDRESSES,
        }
    }
}

/// The attacks that a name stands for; `all` is all of them at once.
pub fn kinds_of(name: &str) -> impl Iterator<Item = (&'static str, Kind)> {
    KINDS.into_iter().filter(move |(known, _)| name == "all" || name == *known)
}

/// Connections that an attack has open at a time.
pub fn connections_of(name: &str) -> usize {
    kinds_of(name).map(|(_, kind)| kind.connections()).sum()
}

/// What the attackers did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Deeds {
    /// Connections made.
    pub connections: u64,
    /// Connections that ended otherwise than by our own will.
    pub closed: u64,
    /// Lines sent, or what stands for one.
    pub lines: u64,
    /// Bytes sent.
    pub bytes: u64,
}

impl Deeds {
    /// Counts another round as well.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.closed += other.closed;
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// The counters of a running attack, and where it goes.
#[derive(Debug)]
struct Attack {
    port: SocketAddr,
    round: u8,
    connections: AtomicU64,
    closed: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl Attack {
    /// A connection from the nth address of the botnet.
    async fn connect(&self, nth: usize) -> io::Result<TcpStream> {
        self.connect_from(self.address(nth)).await
    }

    /// The nth address of the botnet. Every round has others: those of the last may be banned.
    fn address(&self, nth: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, 66, u8::try_from(nth % ADDRESSES).unwrap_or(0), 1 + self.round)
    }

    async fn connect_from(&self, address: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((address, 0).into())?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        let stream = socket.connect(self.port).await?;
        self.connections.fetch_add(1, Relaxed);
        Ok(stream)
    }

    fn sent(&self, lines: usize, bytes: usize) {
        self.lines.fetch_add(lines as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    fn deeds(&self) -> Deeds {
        Deeds {
            connections: self.connections.load(Relaxed),
            closed: self.closed.load(Relaxed),
            lines: self.lines.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

/// Whom to attack, how, and for the how manieth time.
pub struct Orders {
    kinds: Vec<Kind>,
    port: SocketAddr,
    round: u8,
}

/// Whether the command line is that of an attacker, and then what it says.
pub fn asked_for(words: &[String]) -> Option<Orders> {
    let [_, attack, kinds, port, round] = words else { return None };
    if attack != "--attack" {
        return None;
    }
    let kind = |name: &str| KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let kinds = kinds.split(',').filter_map(kind).collect();
    Some(Orders { kinds, port: port.parse().ok()?, round: round.parse().ok()? })
}

/// Attacks until standard input is closed.
pub async fn run(Orders { kinds, port, round }: Orders) -> io::Result<()> {
    let attack = Attack {
        port,
        round,
        connections: AtomicU64::new(0),
        closed: AtomicU64::new(0),
        lines: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let attack = Arc::new(attack);
    let mut attackers = JoinSet::new();
    for kind in kinds {
        begin(kind, &attack, &mut attackers);
    }
    let over = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    over.await.map_err(io::Error::other)??;
    println!("{}", serde_json::to_string(&attack.deeds())?);
    // Whatever is under way ends with the process.
    std::process::exit(0)
}

fn begin(kind: Kind, attack: &Arc<Attack>, attackers: &mut JoinSet<()>) {
    for nth in 0..kind.connections() {
        let attack = Arc::clone(attack);
        attackers.spawn(async move {
            loop {
                let ended = match kind {
                    Kind::Slowloris => crowds::drip(&attack, nth).await,
                    Kind::Idle => crowds::idle(&attack, nth).await,
                    Kind::Deaf => crowds::deaf(&attack, nth).await,
                    Kind::Garbage => floods::garbage(&attack, nth).await,
                    Kind::Endless => floods::endless(&attack, nth).await,
                    Kind::Storm => floods::storm(&attack, nth).await,
                    Kind::Duplicates => floods::duplicates(&attack, nth).await,
                    Kind::Weak => floods::weak(&attack, nth).await,
                    Kind::Names => floods::names(&attack, nth).await,
                    Kind::Json => floods::json(&attack, nth).await,
                    Kind::Spoof => floods::spoof(&attack, nth).await,
                };
                if ended.is_err() {
                    attack.closed.fetch_add(1, Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
    }
}
