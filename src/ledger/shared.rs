//! What the parts of one ledger share.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::watch;

use super::appender::{Appender, Next};
use super::confirmed::Confirmed;
use super::envelope::Salt;
use super::reader::Pending;
use super::segment::HEADER_BYTES;
use super::segments::{Segments, lock};
use super::sink::SpoolId;
use super::status::DrainState;
use crate::clock::Clock;
use crate::config;
use crate::histogram::Histogram;
use crate::pulse::Pulse;

/// How the sync thread is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At once, as a crash does.
    Abandon,
    /// After everything written is on the disk.
    Flush,
}

/// What the sync thread is asked for.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Something was written: sync it within the interval.
    pub dirty: bool,
    /// Sync what was written now.
    pub urgent: bool,
    /// A segment must be allocated.
    pub allocate: bool,
    /// Come to an end.
    pub end: Option<End>,
}

/// Counters for the status.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub unrecorded: AtomicU64,
    pub refused_at_bound: AtomicU64,
    pub refused_by_disk: AtomicU64,
    pub quarantined: AtomicU64,
    /// How long the database takes for a transaction.
    pub commits: Histogram,
}

/// One ledger, as its handle, its sync thread and its drainer see it.
pub(super) struct Shared {
    pub dir: PathBuf,
    pub spool: SpoolId,
    pub salt: Salt,
    pub config: config::Ledger,
    /// `segment_bytes`, rounded up to whole pages.
    pub segment_bytes: u64,
    pub clock: Arc<dyn Clock>,
    pub segments: Arc<Segments>,
    pub appender: Mutex<Appender>,
    pub requests: Mutex<Requests>,
    pub wake: Condvar,
    pub written: AtomicU64,
    pub synced: watch::Sender<u64>,
    pub drained: watch::Sender<u64>,
    /// Position of the last drained event on the line through all segments; may be lower, by less
    /// than a segment, until something is drained.
    pub drained_position: AtomicU64,
    pub confirmed: Mutex<Confirmed>,
    /// Candidates above the drained position, ascending. Those of earlier runs are added by the drainer.
    pub candidates: Mutex<VecDeque<Pending>>,
    pub drain: Mutex<DrainState>,
    pub counters: Counters,
    /// Signs of life of the sync thread and of the drainer.
    pub sync_pulse: Arc<Pulse>,
    pub drain_pulse: Arc<Pulse>,
}

impl Shared {
    /// The last event that is on the disk. Nobody holds on to the sender's own value: it is sent under the
    /// appender's lock, and whoever reads it twice at once, or waits for that lock meanwhile, waits for ever.
    pub(super) fn synced_seq(&self) -> u64 {
        *self.synced.borrow()
    }

    /// The last event that the sink has confirmed.
    pub(super) fn drained_seq(&self) -> u64 {
        *self.drained.borrow()
    }

    /// Changes what the sync thread is asked for and wakes it.
    pub(super) fn request(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut lock(&self.requests));
        self.wake.notify_one();
    }

    /// Bytes that the database has not taken.
    pub(super) fn undrained_bytes(&self, appender: &Appender) -> u64 {
        appender.position().saturating_sub(self.drained_position.load(Ordering::Relaxed))
    }

    /// Whether the segment ahead is allocated.
    pub(super) fn next_allocated(&self) -> bool {
        matches!(lock(&self.appender).next, Next::Ready(..))
    }

    /// Notes that the sink has stored everything up to `seq`, whose record ends at `position`.
    pub(super) fn confirm(&self, seq: u64, position: Option<u64>) {
        if let Err(error) = lock(&self.confirmed).store(seq) {
            // It may lag behind: the database's own cursor is what counts.
            tracing::warn!(spool = %self.spool, %error, "the confirmed position could not be stored beside the spool");
        }
        if let Some(position) = position {
            self.drained_position.store(position, Ordering::Relaxed);
        }
        let mut candidates = lock(&self.candidates);
        while candidates.front().is_some_and(|pending| pending.seq <= seq) {
            candidates.pop_front();
        }
        drop(candidates);
        self.drained.send_replace(seq);
    }

    /// Adds candidates that were read back to those known by appending; those at or below `drained` go.
    pub(super) fn know_candidates(&self, read_back: Vec<Pending>, drained: u64) {
        let mut candidates = lock(&self.candidates);
        // Of those known already it is also known since when.
        let known = read_back.into_iter().chain(candidates.drain(..)).filter(|pending| pending.seq > drained);
        let by_number: std::collections::BTreeMap<u64, Pending> = known.map(|pending| (pending.seq, pending)).collect();
        candidates.extend(by_number.into_values());
    }

    /// Notes that an operator moved the position to `seq`, forwards or back.
    pub(super) fn rewound(&self, seq: u64) {
        let position = match self.segments.holding(seq + 1).or_else(|| self.segments.oldest_two().0) {
            Some(segment) => segment.base + HEADER_BYTES,
            None => 0,
        };
        self.drained_position.store(position, Ordering::Relaxed);
        self.drained.send_replace(seq);
    }

    /// Publishes what the drain is doing.
    pub(super) fn set_drain(&self, state: DrainState) {
        *lock(&self.drain) = state;
    }
}
