//! The running daemon as operators look at it: what `status` and the metrics are made of, and what commands
//! reach. A reload makes a new one.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::blocks::Tally;
use super::logging::Log;
use super::meter::Meter;
use super::reloading::{ReloadBell, Reloads};
use crate::clock::Clock;
use crate::config::Coin;
use crate::ledger::handle::Ledger;
use crate::mpos::skew::Skew;
use crate::node::bell::Bell;
use crate::node::nodes::Nodes;
use crate::node::tip::Work;
use crate::pow::hashers::Hashers;
use crate::pulse::Pulse;
use crate::stratum::counters::Counters;
use crate::stratum::guard::Guard;
use crate::stratum::roster::Roster;
use crate::work::board::JobBoard;

/// Everything there is to see.
pub struct Scene {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Unix second of the start.
    pub started: u64,
    /// Who may connect.
    pub guard: Arc<Guard>,
    /// Where bans are kept.
    pub bans: PathBuf,
    /// Who is connected.
    pub roster: Arc<Roster>,
    /// The threads for costly hashes.
    pub hashers: Hashers,
    /// What is logged.
    pub log: Log,
    /// The coins that run, in the order of the configuration.
    pub coins: Vec<CoinView>,
    /// The ledgers.
    pub ledgers: Vec<LedgerView>,
    /// What is wrong since the start: spools that cannot be used or that nobody uses.
    pub troubles: Vec<String>,
    /// Coins that do not run, for want of their spool.
    pub down: Vec<String>,
    /// Signs of life.
    pub pulses: Vec<Arc<Pulse>>,
    /// Where a reload is asked for.
    pub reload: ReloadBell,
    /// What came of reloads.
    pub reloads: Reloads,
}

/// A coin.
pub struct CoinView {
    /// Its configuration.
    pub coin: Arc<Coin>,
    /// Its nodes.
    pub nodes: Nodes,
    /// Its newest template.
    pub work: watch::Receiver<Work>,
    /// Its newest job.
    pub board: watch::Receiver<Arc<JobBoard>>,
    /// Who brings its tips.
    pub bell: Arc<Bell>,
    /// What its connections count.
    pub counters: Arc<Counters>,
    /// How fast it is mined.
    pub meter: Arc<Meter>,
    /// What the node says against its blocks.
    pub alarm: watch::Receiver<Option<String>>,
    /// Where the dossiers of its blocks are.
    pub blocks: PathBuf,
    /// What became of them since the start.
    pub tally: Arc<Tally>,
}

/// A ledger.
pub struct LedgerView {
    /// The directory's name of its spool, which tells it from others.
    pub name: String,
    /// Its database's name.
    pub database: String,
    /// The spool.
    pub ledger: Arc<Ledger>,
    /// How far the clocks are apart.
    pub skew: watch::Receiver<Option<Skew>>,
}
