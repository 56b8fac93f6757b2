//! Workers of a long session are looked up again: MPOS's users delete and rename them, and its
//! administrators lock accounts, while they mine. The password is not asked for again.

use std::time::Duration;

use super::effects::{CloseReason, Effect, Moment};
use super::{Session, Worker};
use crate::worker::directory::Answer;

impl Session {
    /// Asks about the workers whose time has come.
    pub(super) fn recheck(&mut self, now: Moment) {
        let pause = self.recheck_pause();
        for worker in self.workers.iter_mut().filter(|worker| worker.recheck_at <= now.monotonic) {
            worker.recheck_at = now.monotonic + pause;
            self.effects.push(Effect::Recheck { name: worker.submitted.clone() });
        }
    }

    /// The directory answered about a worker that had been authorised. Where nobody can tell, it
    /// goes on mining.
    pub fn on_rechecked(&mut self, name: &str, answer: Answer) {
        let Some(at) = self.workers.iter().position(|worker| *worker.submitted == *name) else { return };
        match answer {
            Answer::Unavailable => {}
            Answer::Granted(credited) => {
                if let Some(worker) = self.workers.get_mut(at) {
                    worker.credited = credited;
                }
            }
            Answer::Denied(_) => {
                self.workers.remove(at);
                if self.workers.is_empty() {
                    self.end(CloseReason::NoWorker);
                }
            }
        }
    }

    /// When the next worker is to be looked up.
    pub(super) fn recheck_due(&self) -> Option<Duration> {
        self.workers.iter().map(|Worker { recheck_at, .. }| *recheck_at).min()
    }

    /// Between half of the configured time and the whole: the sessions that began together after a
    /// restart do not all ask together.
    pub(super) fn recheck_pause(&self) -> Duration {
        let [.., last] = self.extranonce1;
        self.terms.recheck / 512 * (256 + u32::from(last))
    }
}
