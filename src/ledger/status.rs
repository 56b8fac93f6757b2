//! What a ledger tells about itself.

use std::fmt;

use super::recovery::Loss;
use super::sink::SpoolId;

/// What the drain is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DrainState {
    /// It has not begun, or was stopped in an orderly way.
    #[default]
    Off,
    /// It follows what is written.
    Running,
    /// The sink cannot work now; it is tried again within a second.
    Unavailable(String),
    /// A block candidate or the quarantine file is refused; everything behind it waits, and it is
    /// tried again every second.
    Held(String),
    /// Several rows in a row were refused: something is wrong with more than a row. It is tried
    /// again slowly.
    Paused(String),
    /// Going on could lose or double rows: an operator must decide.
    Stopped(String),
}

impl fmt::Display for DrainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrainState::Off => f.write_str("off"),
            DrainState::Running => f.write_str("running"),
            DrainState::Unavailable(reason) => write!(f, "unavailable: {reason}"),
            DrainState::Held(reason) => write!(f, "held: {reason}"),
            DrainState::Paused(reason) => write!(f, "paused: {reason}"),
            DrainState::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

/// A ledger at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The spool.
    pub spool: SpoolId,
    /// Last event recorded.
    pub written: u64,
    /// Last event that is on the disk.
    pub synced: u64,
    /// Last event the sink confirmed.
    pub drained: u64,
    /// Bytes of the spool from the last drained event on.
    pub undrained_bytes: u64,
    /// What the drain is doing.
    pub drain: DrainState,
    /// Events in quarantine, since the spool began.
    pub quarantined: u64,
    /// Refused shares that were not recorded because the bound was near.
    pub unrecorded: u64,
    /// Calls with accepted shares that were refused at the bound.
    pub refused_at_bound: u64,
    /// Calls that were refused because the disk was full or failed.
    pub refused_by_disk: u64,
    /// Why fdatasync fails, while it does.
    pub sync_failed: Option<String>,
    /// Candidates and verdicts that wait in memory because the disk refused them.
    pub held: usize,
    /// Whether the next segment is allocated: if not, shares may soon be refused.
    pub next_allocated: bool,
}

/// What was found when a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The spool.
    pub spool: SpoolId,
    /// It was made just now.
    pub created: bool,
    /// Last event that is there.
    pub highest_seq: u64,
    /// First event of this run.
    pub next_seq: u64,
    /// Last event the database had confirmed, as far as the spool knows.
    pub confirmed: u64,
    /// How many segments were read.
    pub segments_scanned: usize,
    /// Bytes at the end that were no whole record, and were cleared.
    pub torn_bytes: u64,
    /// Events that never reached the disk before a power cut; the spool goes on without them.
    pub gaps: Vec<Loss>,
    /// Events that were lost after the database had taken them.
    pub drained_losses: Vec<Loss>,
    /// Damage to what had reached the disk and was not drained: the drain will stop there.
    pub damage: Vec<String>,
}
