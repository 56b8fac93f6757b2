//! What a session asks its connection to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::hashing::HashAnswers;
use super::{Authorised, Connection, End};
use crate::chain::header::HeaderBytes;
use crate::pow::hashers;
use crate::stratum::counters::Counters;
use crate::stratum::desk::{JudgedShare, NotRecorded, Written};
use crate::stratum::session::answers::Ticket;
use crate::stratum::session::effects::Effect;
use crate::work::board::JobBoard;
use crate::work::reject::Reject;
use crate::worker::directory::Answer;

/// The most that the login of a further worker is delayed where one is at work.
const DELAY_OF_WORKING_MAX: Duration = Duration::from_secs(2);
/// The longest that a block's finder waits for his answer until the block is in a file.
const KEEP_WAIT_MAX: Duration = Duration::from_secs(5);

impl Connection {
    /// Does what the session asks for. All shares of one go are written down together, and before
    /// anything that may wait: one of them may be a block.
    pub(super) async fn carry_out(&mut self) {
        let (mut shares, mut tickets): (Vec<JudgedShare>, Vec<(Option<Ticket>, f64)>) = (Vec::new(), Vec::new());
        let mut headers: Vec<(Ticket, HeaderBytes)> = Vec::new();
        for effect in self.session.take_effects() {
            match effect {
                Effect::Authorise { ticket, name, password, again } => {
                    let directory = self.context.directory.clone();
                    let stored = self.context.terms.memory.stored.clone();
                    let delay = match again {
                        true => Duration::ZERO,
                        false => self.admission.authorization_delay(self.now().monotonic),
                    };
                    // The answers to its shares leave behind this one.
                    let delay = if self.session.has_workers() { delay.min(DELAY_OF_WORKING_MAX) } else { delay };
                    if !delay.is_zero() {
                        Counters::count(&self.context.counters.wire.delayed_authorizations);
                    }
                    self.authorisations.spawn(async move {
                        if !delay.is_zero() {
                            sleep(delay).await;
                        }
                        let answer = match again {
                            true => directory.recheck(&name, &password).await,
                            false => directory.authorize(&name, &password).await,
                        };
                        if let Answer::Granted(worker) = &answer {
                            stored.learn(worker).await;
                        }
                        Authorised { ticket, answer }
                    });
                }
                Effect::Hash { ticket, header } => headers.push((ticket, header)),
                Effect::Record { ticket, share } => {
                    tickets.push((ticket, share.assigned.get()));
                    shares.push(*share);
                }
                Effect::Close(reason) => self.close(End::Session(reason)),
            }
        }
        if !shares.is_empty() {
            self.record(shares, tickets).await;
        }
        self.place.entry_ref().show(self.session.difficulty(), self.session.refused());
        for (ticket, header) in headers {
            self.have_hashed(ticket, header).await;
        }
    }

    pub(super) fn on_authorised(&mut self, authorised: Authorised, board: &JobBoard) {
        let Authorised { ticket, answer } = authorised;
        let now = self.now();
        if self.session.on_authorised(now, ticket, answer, board) {
            self.admission.on_refused_authorization(now.monotonic);
        }
        self.show_names();
    }

    /// Has shares written down; beside each ticket stands the difficulty that is credited.
    async fn record(&mut self, shares: Vec<JudgedShare>, tickets: Vec<(Option<Ticket>, f64)>) {
        let counters = Arc::clone(&self.context.counters);
        let candidates = shares.iter().filter(|share| share.is_candidate()).count();
        (0..candidates).for_each(|_| Counters::count(&counters.candidates));
        let Written { shares: recorded, keeping } = self.write_down(shares).await;
        wait_for_files(keeping).await;
        let now = self.now();
        let (mut count, mut work) = (0, 0.0);
        for ((ticket, credited), recorded) in tickets.into_iter().zip(recorded) {
            let accepted = ticket.is_some() && recorded.is_ok();
            Counters::count(if accepted { &counters.accepted } else { &counters.rejected });
            let Some(ticket) = ticket else { continue };
            match recorded {
                Ok(_) => (count, work) = (count + 1, work + credited),
                Err(_) => counters.refused(Reject::NotRecorded),
            }
            self.session.on_recorded(now, ticket, recorded.ok());
        }
        if count > 0 {
            counters.work.add(work);
            self.place.entry_ref().counted(count, work, now.monotonic);
        }
    }

    /// The ledger has one lock for all, and the threads of strangers may be interrupted while they hold it: those of
    /// miners write down for them.
    async fn write_down(&self, shares: Vec<JudgedShare>) -> Written {
        let desk = Arc::clone(&self.context.desk);
        if !self.stranger {
            return desk.record(shares);
        }
        let count = shares.len();
        let written = self.context.lanes.miners.spawn(async move { desk.record(shares) });
        written.await.unwrap_or_else(|_| Written { shares: vec![Err(NotRecorded); count], keeping: Vec::new() })
    }

    async fn have_hashed(&mut self, ticket: Ticket, header: HeaderBytes) {
        let hashes = self.hashes.get_or_insert_with(HashAnswers::new);
        let request = hashers::Request {
            algorithm: self.context.terms.algorithm,
            header: Box::from(&*header),
            ticket,
            pin: self.pin,
            answer: hashes.sender.clone(),
        };
        // While the hashers are busy this connection reads nothing: back-pressure to one miner.
        self.context.hashers.submit(request).await;
    }
}

/// A miner who was told that his block counts is one whose block a killed daemon can still hand in.
async fn wait_for_files(keeping: Vec<oneshot::Receiver<()>>) {
    // Nearly every share: it must not cost a timer.
    if keeping.is_empty() {
        return;
    }
    let all = async {
        for kept in keeping {
            // An error: no file takes it, which the log says.
            let _ = kept.await;
        }
    };
    // A disk that takes longer shall not cost the miner his connection.
    let _late = timeout(KEEP_WAIT_MAX, all).await;
}
