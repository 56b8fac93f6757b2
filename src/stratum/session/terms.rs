//! The port's settings change while the session lives.

use std::sync::Arc;

use super::Session;
use super::effects::{Moment, Terms};
use crate::difficulty::Difficulty;
use crate::work::board::JobBoard;

impl Session {
    /// Goes on under other terms of the same port. What was agreed with the miner stays: its extranonce, the difficulty
    /// of the jobs it has. Where the port's difficulty or its bounds are others now, the miner is brought within them,
    /// with work of its own; one whose rate is known already keeps what suits it.
    pub fn on_terms(&mut self, now: Moment, terms: Arc<Terms>, board: &JobBoard) {
        let before = std::mem::replace(&mut self.terms, terms);
        let (old, new) = (&before.port, &self.terms.port);
        if old.rules.share_tolerance_ppm != new.rules.share_tolerance_ppm {
            self.bar = self.terms.bar(self.bar.difficulty());
        }
        if old.difficulty == new.difficulty && old.vardiff == new.vardiff {
            return;
        }
        let wanted = self.difficulty_on_this_port(board);
        if wanted != self.difficulty {
            return self.change_difficulty(now, wanted, board);
        }
        match self.is_adjusted() {
            true => self.start_estimator(now),
            false => self.estimator = None,
        }
    }

    /// The session's difficulty as the port has it now.
    pub(super) fn difficulty_on_this_port(&self, board: &JobBoard) -> Difficulty {
        let port = &self.terms.port;
        let measured = self.estimator.as_ref().is_some_and(|estimator| estimator.has_evidence());
        match &port.vardiff {
            Some(_) if self.start.is_of_port() && !measured => self.within_port(port.difficulty, false, board),
            _ => self.within_port(self.difficulty, self.start.is_firm(), board),
        }
    }

    /// What a port makes of a wanted difficulty: within its bounds, the miner's least and the network's. Where the port's
    /// is fixed, what was decided for the worker stands above it, but not below it.
    pub(super) fn within_port(&self, wanted: Difficulty, decided: bool, board: &JobBoard) -> Difficulty {
        let port = &self.terms.port;
        let capped = self.network_difficulty(board).map_or(wanted, |network| wanted.min(network));
        match &port.vardiff {
            Some(vardiff) => {
                capped.min(vardiff.max).max(self.floor.map_or(vardiff.min, |floor| floor.max(vardiff.min)))
            }
            None if decided => capped.max(port.difficulty),
            None => port.difficulty,
        }
    }
}
