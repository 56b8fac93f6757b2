//! What a coin's connections count: for the status line, later for metrics. Never for accounting.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::work::reject::{REJECTS, Reject};

/// Counters of one coin.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections refused because a port was full.
    pub refused_connections: AtomicU64,
    /// Shares answered `true`.
    pub accepted: AtomicU64,
    /// Submits refused to a worker who is known.
    pub rejected: AtomicU64,
    /// Block candidates.
    pub candidates: AtomicU64,
    /// Shares that count only because of the tolerance.
    pub tolerated: AtomicU64,
    /// Shares of the previous tip that count because of the stale grace.
    pub late: AtomicU64,
    /// Shares credited at a difficulty that was lowered after their job was sent.
    pub raced: AtomicU64,
    /// Shares that count although their time is so far ahead of the clock that a block with it might be refused
    /// by other nodes, whose clocks differ.
    pub ahead: AtomicU64,
    /// Workers that lost their right to mine while they did.
    pub withdrawn: AtomicU64,
    /// Refused submits by their reason, in the order of [`Reject`].
    pub refusals: [AtomicU64; REJECTS],
}

impl Counters {
    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refused submit.
    pub fn refused(&self, reject: Reject) {
        if let Some(counter) = self.refusals.get(reject as usize) {
            Self::count(counter);
        }
    }

    /// Takes one off.
    pub fn uncount(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}
