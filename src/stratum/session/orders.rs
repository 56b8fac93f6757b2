//! What an operator orders a connection to do, and what operators see of it.

use std::sync::Arc;

use super::Session;
use super::effects::{CloseReason, Moment};
use crate::difficulty::Difficulty;
use crate::stratum::reply;
use crate::work::board::JobBoard;

impl Session {
    /// Sets the difficulty, kept within the port's bounds, the miner's own least difficulty and the network's.
    /// It comes at once with work of its own, unless the port has it wait for the next job. The answer is the
    /// difficulty that is in force now.
    ///
    /// It stays until vardiff moves it, from the miner's rate measured anew; where there is no vardiff, or the
    /// password fixed the difficulty, until the connection ends.
    pub fn on_set_difficulty(&mut self, now: Moment, wanted: Difficulty, board: &JobBoard) -> Difficulty {
        let network = self.network_difficulty(board);
        let most = network.map_or(wanted, |network| wanted.min(network));
        let granted = match &self.terms.port.vardiff {
            Some(vardiff) => {
                let floor = self.floor.map_or(vardiff.min, |floor| floor.max(vardiff.min));
                most.min(vardiff.max).max(floor)
            }
            None => most,
        };
        self.change_difficulty(now, granted, board);
        granted
    }

    /// Whether vardiff may move the difficulty of this connection.
    pub fn is_adjusted(&self) -> bool {
        self.terms.port.vardiff.is_some() && !self.start.is_fixed()
    }

    /// Ends the connection because an operator wants it; the miner is told why if its program shows messages.
    pub fn on_kick(&mut self, words: &str) {
        if self.shows_messages() {
            self.out.push(&reply::show_message(words));
        }
        self.end(CloseReason::Operator);
    }

    /// The difficulty that the next job is sent with.
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// Submits that were refused on this connection.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The credited names of the workers authorised on it, in the order of authorisation.
    pub fn workers(&self) -> Vec<Arc<str>> {
        self.workers.iter().map(|worker| Arc::clone(&worker.credited)).collect()
    }
}
