//! The seam to where drained events go. `mpos` implements it for MySQL; tests implement it in memory.

use std::future::Future;
use std::ops::RangeInclusive;

use super::decision::Position;
use super::record::Entry;

/// Identity of a spool: random, written at its creation, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpoolId(pub [u8; 16]);

impl std::fmt::Display for SpoolId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::bytes::hex::encode(&self.0))
    }
}

/// Why the sink did not take a batch. Nothing of the batch was stored, unless the variant says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The sink cannot work now (connection, locks, permissions, read-only...): attach again later.
    /// The batch may or may not have been stored; attaching tells.
    #[error("{0}")]
    Unavailable(String),
    /// The batch holds a value the sink can never store; which entry must be found by bisection.
    #[error("a row was refused: {0}")]
    Refused(String),
    /// Going on could lose or double rows: stop until an operator decides. The text says what was
    /// found and what to do.
    #[error("{0}")]
    Stop(String),
}

/// What became of a position that an operator decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is stored.
    Moved,
    /// The sink does not stand where the decision was based on; nothing was changed. The text says where.
    Stale(String),
}

/// Takes entries in order, each exactly once.
pub trait Sink: Send + 'static {
    /// Makes this spool the one writer and returns the last sequence number that is stored; 0 if
    /// none. `confirmed` is the last one the spool itself saw confirmed. Called before the first
    /// batch and again after every [`SinkError::Unavailable`]. A position outside of all of `explained` is
    /// returned without becoming the writer: whoever moved it there must not be disturbed.
    fn attach(
        &mut self,
        spool: SpoolId,
        confirmed: u64,
        explained: &[RangeInclusive<u64>],
    ) -> impl Future<Output = Result<u64, SinkError>> + Send;

    /// Stores `entries` and moves the stored position from `old` to `new` in one step: both or
    /// neither. `entries` lie within (`old`, `new`], ascending; some may be left out (quarantined).
    fn commit(&mut self, entries: &[Entry], old: u64, new: u64) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Makes `spool` the writer and `seq` its position, if the sink still stands at `found` (`None`: no
    /// writer yet) or there already. Only ever called on an operator's decision, while detached.
    fn settle(
        &mut self,
        spool: SpoolId,
        found: Option<&Position>,
        seq: u64,
    ) -> impl Future<Output = Result<Settled, SinkError>> + Send;

    /// Shows that the writer is alive while there is nothing to store.
    fn keep_alive(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;
}
