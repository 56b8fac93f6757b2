//! What a coin's connections see of its work: an immutable snapshot, replaced as a whole.

use std::sync::Arc;

use super::job::Job;

/// The present work of a coin. A session that slept through several snapshots compares `tip_seq`
/// with the last it saw, so a change of tip is never missed.
#[derive(Debug, Clone, Default)]
pub struct JobBoard {
    /// Counts tips; work with another number is stale.
    pub tip_seq: u64,
    /// The newest job; `None` before the first template and when the last one is too old to hand
    /// out.
    pub job: Option<Arc<Job>>,
}
