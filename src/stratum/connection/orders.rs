//! What an operator wants of a connection.

use std::sync::Arc;

use tracing::info;

use super::Connection;
use crate::stratum::roster::{Order, Told};
use crate::work::board::JobBoard;

impl Connection {
    /// Takes over what holds on the port now, if that has changed.
    pub(super) fn take_terms(&mut self, board: &JobBoard) {
        let before = Arc::clone(&self.context.terms);
        self.context.refresh();
        if !Arc::ptr_eq(&before, &self.context.terms) {
            self.session.on_terms(self.now(), Arc::clone(&self.context.terms), board);
        }
    }

    /// Carries out what was ordered since the last time.
    pub(super) fn take_orders(&mut self, board: &JobBoard) {
        self.take_terms(board);
        for (order, answer) in self.place.entry_ref().take_orders() {
            let now = self.now();
            let told = match order {
                Order::Difficulty(wanted) => Told {
                    difficulty: self.session.on_set_difficulty(now, wanted, board).get(),
                    adjusted: self.session.is_adjusted(),
                },
                Order::Leave { words } => {
                    self.session.on_moved(&words);
                    Told { difficulty: self.session.difficulty().get(), adjusted: false }
                }
                Order::Kick { words } => {
                    info!(coin = %self.context.coin, worker = ?self.session.last_worker(), reason = ?words, "a connection is closed by an operator");
                    self.session.on_kick(&words);
                    Told { difficulty: self.session.difficulty().get(), adjusted: false }
                }
            };
            // Who ordered may have stopped waiting.
            let _ = answer.send(told);
        }
    }

    /// Shows operators who mines here.
    pub(super) fn show_names(&self) {
        self.place.entry_ref().name(self.session.workers(), self.session.agent());
    }
}
