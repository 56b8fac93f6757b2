//! What a coin's connections count: for the status line, later for metrics. Never for accounting.

use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Counters {
    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one off.
    pub fn uncount(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}
