//! What can go wrong between an event and the disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works with the spool.
    #[error("spool {dir} is in use by another process{holder}: stop it first, or give this one its own directory")]
    InUse {
        /// The spool.
        dir: PathBuf,
        /// `" (pid N)"` where the holder left its process id, else empty.
        holder: String,
    },
    /// The operating system refused something.
    #[error("spool: cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is not what it must be, in a way that new appends could make worse.
    #[error("spool: {path}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was found and what to do.
        reason: String,
    },
    /// The configured sizes cannot work.
    #[error("spool: {0}")]
    Sizes(String),
}

impl OpenError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Why events were not taken. Nothing of the call was recorded, so nothing of it may be
/// acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// `spool_bytes_max` undrained bytes are waiting for the database.
    #[error("the spool holds {undrained_bytes} bytes that the database has not taken, its bound: shares are refused")]
    Bound {
        /// How much is waiting.
        undrained_bytes: u64,
    },
    /// The disk is full: no segment could be allocated, and what is left is kept for block
    /// candidates.
    #[error("the spool's disk is full: shares are refused until there is room for another segment")]
    Full,
    /// Block candidates or verdicts wait for the disk, and nothing may be written before them.
    #[error("the spool cannot write: {held} block candidates or verdicts wait in memory and come first")]
    Behind {
        /// How many wait.
        held: usize,
    },
    /// An event does not fit into a record, or the call not into a segment.
    #[error("events of {bytes} bytes do not fit into the spool")]
    TooLarge {
        /// The size, as far as it was counted.
        bytes: usize,
    },
    /// The clock is beyond what the table of shares can hold.
    #[error("the clock says second {second}, which is after January 2038 and cannot be stored: set it right")]
    Clock {
        /// Unix time.
        second: u64,
    },
    /// The disk refuses writes or syncs; the spool tries again by itself.
    #[error("the spool cannot write: {0}")]
    Failed(String),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

/// Why events could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The system refused to read; trying again may help.
    #[error("spool: cannot read {path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// Events that had reached the disk are not there any more.
    #[error(
        "spool damage in {path} at byte {offset}: events {first_seq} to {last_seq} had reached the disk and cannot be \
         read; the drain stays before them until the file is restored or the loss is accepted"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// First event missing.
        first_seq: u64,
        /// Last event known to be missing.
        last_seq: u64,
    },
    /// The segment with this event is gone.
    #[error("spool {dir} has no segment with event {seq} any more (the oldest event kept is {oldest_seq})")]
    Gone {
        /// The spool.
        dir: PathBuf,
        /// The event.
        seq: u64,
        /// What there is.
        oldest_seq: u64,
    },
}
