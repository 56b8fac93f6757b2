//! How often a found block came to a state since the start, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::dossier::State;

/// States that a block comes to; all begin as pending.
const STATES: [State; 4] = [State::Accepted, State::Rejected, State::Orphaned, State::Confirmed];

/// The counts of a coin.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; STATES.len()],
}

impl Tally {
    /// A block has come to this state.
    pub(super) fn count(&self, state: State) {
        let counts = STATES.iter().zip(&self.counts);
        for (_, count) in counts.filter(|(known, _)| **known == state) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every state with its count.
    pub fn counts(&self) -> impl Iterator<Item = (State, u64)> {
        STATES.into_iter().zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
