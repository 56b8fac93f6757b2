//! What `mpos-stratum status` shows, as the control socket says it: the names here are the keys of the JSON.
//!
//! All times are Unix seconds or lengths in seconds. What is not known is `null`.

mod blocks;
mod look;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use blocks::newest;
pub use look::{Crowd, alarms, crowd, look, spool_status, unserved};

/// The whole daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The daemon's present second.
    pub now: u64,
    /// When it started.
    pub started: u64,
    /// Connections of all ports, also those that have said nothing yet.
    pub connections: usize,
    /// Bans in force that an operator ordered.
    pub bans_ordered: usize,
    /// Bans in force for misbehaviour.
    pub bans_automatic: usize,
    /// What is logged.
    pub log_level: String,
    /// What somebody should look at now; empty: nothing.
    pub alarms: Vec<String>,
    /// The coins.
    pub coins: Vec<CoinStatus>,
    /// The spools in front of the databases.
    pub spools: Vec<SpoolStatus>,
}

/// A coin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoinStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its proof of work.
    pub algorithm: String,
    /// Whether there is work for miners.
    pub mining: bool,
    /// What is mined on.
    pub tip: Option<TipStatus>,
    /// Its nodes, in the order of preference.
    pub nodes: Vec<NodeStatus>,
    /// How they are watched for new tips, for people.
    #[serde(default)]
    pub tip_sources: Vec<String>,
    /// Its ports.
    pub ports: Vec<PortStatus>,
    /// Connections that are mining or about to.
    pub connections: u64,
    /// Different workers among them.
    pub workers: usize,
    /// From the difficulty that was credited.
    pub hashrate: Hashrate,
    /// Shares since the start.
    pub shares: ShareCounts,
    /// The newest found blocks, newest first.
    pub blocks: Vec<BlockStatus>,
}

/// A tip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TipStatus {
    /// Height of the block that is mined.
    pub height: u32,
    /// The block it builds on, as nodes write it.
    pub previous: String,
    /// How long it has been the tip.
    pub age_secs: u64,
    /// When a node last confirmed the work.
    pub template_age_secs: u64,
    /// Who brought the tip or the last change of the work.
    pub source: String,
    /// The node whose work it is.
    pub node: String,
    /// The network's difficulty, in units of stratum difficulty.
    pub network_difficulty: f64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `ready`, `syncing`, `unreachable`, `refused` or `aside`.
    pub state: String,
    /// The state with its reason, for people.
    pub summary: String,
    /// Its height, if it is known.
    pub height: Option<u32>,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Where it listens, as it is configured.
    pub listen: String,
    /// Connections.
    pub connections: u64,
}

/// Hash rates, hashes per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hashrate {
    /// Over the last minute.
    pub minute: f64,
    /// Over five minutes.
    pub five_minutes: f64,
    /// Over fifteen.
    pub quarter_hour: f64,
    /// What MPOS makes of the rows of the last 180 s, once all are in its database: Σ difficulty x 2^target_bits / 180 s.
    pub mpos: f64,
    /// The same of the rows that are in its database now.
    pub mpos_now: f64,
    /// The `target_bits` that it must be configured with.
    pub target_bits: u8,
}

/// Shares by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShareCounts {
    /// Answered `true`.
    pub accepted: u64,
    /// Block candidates among all submits.
    pub candidates: u64,
    /// Refused, by reason; only what happened.
    pub refused: BTreeMap<String, u64>,
}

impl ShareCounts {
    /// All refused ones.
    pub fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// A found block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockStatus {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: String,
    /// `pending`, `accepted`, `rejected`, `orphaned` or `confirmed`.
    pub state: String,
    /// Confirmations as last seen.
    pub confirmations: u32,
    /// Who is credited.
    pub worker: String,
    /// When it was found.
    pub found: u64,
}

/// A spool and its drain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Name of its directory.
    pub name: String,
    /// The database it is drained into.
    pub database: String,
    /// Last event written.
    pub written: u64,
    /// Last event on the disk.
    pub synced: u64,
    /// Last event the database has.
    pub drained: u64,
    /// Events the database has not got.
    pub lag: u64,
    /// Their bytes.
    pub undrained_bytes: u64,
    /// `off`, `running`, `unavailable`, `held`, `paused` or `stopped`.
    pub drain: String,
    /// Why, where it does not run.
    pub reason: String,
    /// Rows in quarantine.
    pub quarantined: u64,
    /// Refused shares that were not recorded near the spool's bound.
    pub unrecorded: u64,
    /// Appends refused at the bound.
    pub refused_at_bound: u64,
    /// Appends refused by the disk.
    pub refused_by_disk: u64,
    /// Candidates and verdicts that wait in memory for the disk.
    pub held: usize,
}
