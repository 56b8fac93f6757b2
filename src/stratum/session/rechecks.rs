//! Workers are looked up again while they mine: one that was deleted, locked or given another password
//! earns nothing more, although its connection lives.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::answers::Ticket;
use super::effects::{Effect, Moment};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::stratum::counters::Counters;
use crate::worker::directory::Answer;

/// Tickets from here on name look-ups of this kind, not requests: no connection makes so many requests.
const FIRST_TICKET: Ticket = 1 << 63;

/// The look-ups of one connection.
#[derive(Debug)]
pub(super) struct Rechecks {
    next: Ticket,
    /// Those under way, with the names as the miner writes them.
    asked: Vec<(Ticket, Box<str>)>,
    /// When the last ones were asked for.
    last: Duration,
}

impl Rechecks {
    /// None yet.
    pub(super) fn new(now: Duration) -> Self {
        Self { next: FIRST_TICKET, asked: Vec::new(), last: now }
    }

    /// Writes it, for the daemon's next life. What was asked for is asked again when it is due.
    pub(super) fn carry(&self, writer: &mut Writer) {
        writer.time(self.last);
    }

    /// Reads it.
    pub(super) fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self::new(reader.time()?))
    }

    /// Takes a look-up off the list.
    fn take(&mut self, ticket: Ticket) -> Option<Box<str>> {
        let index = self.asked.iter().position(|(asked, _)| *asked == ticket)?;
        Some(self.asked.swap_remove(index).1)
    }
}

impl Session {
    /// When the workers are to be looked up again.
    pub(super) fn recheck_due(&self) -> Option<Duration> {
        let idle = self.rechecks.asked.is_empty() && !self.workers.is_empty();
        idle.then(|| self.rechecks.last + self.terms.recheck)
    }

    /// The connection has its first worker: the time counts from here, up to a quarter of it less, so
    /// that sessions that began together after a restart do not all ask together.
    pub(super) fn start_rechecks(&mut self, now: Duration) {
        if self.workers.is_empty() {
            let [.., low] = self.extranonce1.bytes();
            self.rechecks.last = now.saturating_sub(self.terms.recheck / 1024 * u32::from(low));
        }
    }

    /// Has the workers looked up, if it is time.
    pub(super) fn recheck(&mut self, now: Moment) {
        if self.recheck_due().is_none_or(|due| now.monotonic < due) {
            return;
        }
        self.rechecks.last = now.monotonic;
        for worker in &self.workers {
            let (ticket, name) = (self.rechecks.next, worker.submitted.to_string());
            self.rechecks.next += 1;
            self.rechecks.asked.push((ticket, worker.submitted.clone()));
            let password = worker.password.reveal().to_owned();
            self.effects.push(Effect::Authorise { ticket, name, password, again: true });
        }
    }

    /// The directory has looked a worker up once more. False: that was asked for by a request.
    pub(super) fn on_rechecked(&mut self, now: Moment, ticket: Ticket, answer: &Answer) -> bool {
        if ticket < FIRST_TICKET {
            return false;
        }
        let Some(name) = self.rechecks.take(ticket) else { return true };
        match answer {
            Answer::Granted(credited) => {
                if let Some(worker) = self.workers.iter_mut().find(|worker| worker.submitted == name) {
                    worker.credited = Arc::clone(credited);
                }
            }
            // Nobody knows: who was allowed to mine goes on.
            Answer::Unavailable => {}
            Answer::Denied(_) => {
                self.workers.retain(|worker| worker.submitted != name);
                Counters::count(&self.terms.memory.counters.withdrawn);
                if self.workers.is_empty() {
                    self.authorize_by = now.monotonic + self.terms.port.rules.authorize_timeout;
                }
            }
        }
        true
    }
}
