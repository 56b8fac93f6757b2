//! What a changed file means for the running daemon: a list of changes, each with its key, both values and its
//! effect. Pure: nothing is asked and nothing is touched.
//!
//! Every field of the configuration stands in one of the lists of `keys`, which name all fields of their struct and
//! compile only so: a key added later has to be decided about.

mod keys;
mod shown;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Coin, Config};

/// When a changed setting begins to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once, for connections that are open too.
    AtOnce,
    /// For connections that are made from now on.
    NewConnections,
    /// Only after a restart of the daemon; until then the old value stays, for this reason.
    Restart(&'static str),
}

/// To what a setting belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The process.
    Daemon,
    /// A coin.
    Coin(String),
    /// A port of a coin.
    Port(String, SocketAddr),
    /// A node of a coin.
    Node(String, String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon => f.write_str("daemon"),
            Self::Coin(coin) => write!(f, "coin {coin}"),
            Self::Port(coin, listen) => write!(f, "coin {coin}, port {listen}"),
            Self::Node(coin, node) => write!(f, "coin {coin}, node {node}"),
        }
    }
}

/// One difference between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A setting has another value.
    Setting {
        /// Whose.
        of: Owner,
        /// The key in the file, with the tables between it and its owner: `vardiff.max`.
        key: &'static str,
        /// The value before, for people; of secrets nothing is shown.
        old: String,
        /// The value now.
        new: String,
        /// When it begins to hold.
        effect: Effect,
    },
    /// A coin is new.
    CoinAdded {
        /// Its name.
        coin: String,
    },
    /// A coin is not named any more.
    CoinRemoved {
        /// Its name.
        coin: String,
    },
    /// A port is new.
    PortAdded {
        /// The coin's name.
        coin: String,
        /// Where it listens.
        listen: SocketAddr,
    },
    /// A port is not named any more.
    PortRemoved {
        /// The coin's name.
        coin: String,
        /// Where it listened.
        listen: SocketAddr,
    },
    /// A node is new.
    NodeAdded {
        /// The coin's name.
        coin: String,
        /// The node's name.
        node: String,
    },
    /// A node is not named any more.
    NodeRemoved {
        /// The coin's name.
        coin: String,
        /// The node's name.
        node: String,
    },
}

impl Change {
    /// When it begins to hold.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Setting { effect, .. } => *effect,
            Self::PortAdded { .. } | Self::PortRemoved { .. } => Effect::NewConnections,
            Self::CoinAdded { .. } | Self::CoinRemoved { .. } => Effect::AtOnce,
            Self::NodeAdded { .. } | Self::NodeRemoved { .. } => Effect::AtOnce,
        }
    }

    /// Whether it holds only after a restart.
    pub fn needs_restart(&self) -> bool {
        matches!(self.effect(), Effect::Restart(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { of, key, old, new, effect } => {
                match old == new {
                    true => write!(f, "{of}: {key} changed")?,
                    false => write!(f, "{of}: {key} {old} -> {new}")?,
                }
                match effect {
                    Effect::AtOnce => Ok(()),
                    Effect::NewConnections => f.write_str(" (for new connections)"),
                    Effect::Restart(reason) => write!(f, " (needs a restart: {reason})"),
                }
            }
            Self::CoinAdded { coin } => write!(f, "coin {coin}: added"),
            Self::CoinRemoved { coin } => write!(f, "coin {coin}: removed"),
            Self::PortAdded { coin, listen } => write!(f, "coin {coin}: port {listen} added"),
            Self::PortRemoved { coin, listen } => write!(f, "coin {coin}: port {listen} removed"),
            Self::NodeAdded { coin, node } => write!(f, "coin {coin}: node {node} added"),
            Self::NodeRemoved { coin, node } => write!(f, "coin {coin}: node {node} removed"),
        }
    }
}

/// What is to become of the running daemon.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every difference, in the order of the new file; what was removed comes last.
    pub changes: Vec<Change>,
    /// The configuration that will be in force: the new one, with the old value of every key that needs a restart.
    /// Coins and ports of which nothing changes are the old ones themselves.
    pub config: Config,
}

/// Compares the configuration in force with the one of the file.
pub fn plan(in_force: &Config, file: Config) -> Plan {
    let mut changes = Vec::new();
    let mut config = file;
    keys::config(&mut changes, in_force, &mut config);
    Plan { changes, config }
}

/// For each of the new marks the place of the same among the old ones. Of those with one mark the first belongs to the
/// first, the second to the second: ports on any free number have one address.
pub fn partners<M: PartialEq>(before: &[M], after: &[M]) -> Vec<Option<usize>> {
    let place = |(index, mark): (usize, &M)| {
        let nth = after.iter().take(index).filter(|other| *other == mark).count();
        before.iter().enumerate().filter(|(_, other)| *other == mark).nth(nth).map(|(place, _)| place)
    };
    after.iter().enumerate().map(place).collect()
}

/// The coin of this name.
fn named<'a>(coins: &'a [Arc<Coin>], name: &str) -> Option<&'a Arc<Coin>> {
    coins.iter().find(|coin| coin.name == name)
}
