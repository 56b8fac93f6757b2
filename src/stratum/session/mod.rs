//! One miner's session: lines, time and answers go in, bytes and effects come out. No I/O, no
//! clock, no task: everything it does can be replayed.

mod allowance;
pub mod answers;
pub mod effects;
mod methods;
pub mod pending;
mod recheck;
mod submit;
mod work;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::allowance::Allowance;
use self::answers::{Answers, OUTSTANDING_MAX, Ticket, Waiting};
use self::effects::{CloseReason, Effect, Moment, Peer, Terms};
use self::pending::SentJob;
use super::outgoing::Outgoing;
use super::reply;
use super::request::Request;
use crate::difficulty::Difficulty;
use crate::work::board::JobBoard;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::Extranonce1;
use crate::work::vardiff::Estimator;
use crate::worker::directory::Answer;

/// Most workers one connection may authorise; further ones are refused.
pub const WORKERS_MAX: usize = 256;
/// Lines in a row that are no requests; at this many the connection is closed.
pub const JUNK_LINES_MAX: u8 = 3;
/// Bytes of a user agent that are kept.
const AGENT_BYTES_MAX: usize = 64;

/// A worker authorised on this connection.
#[derive(Debug)]
struct Worker {
    /// The name as the miner writes it.
    submitted: Box<str>,
    /// The name that is credited.
    credited: Arc<str>,
    /// When it is looked up again.
    recheck_at: Duration,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    terms: Arc<Terms>,
    peer: Peer,
    extranonce1: Extranonce1,
    /// Named by the miner in `mining.subscribe`; for logs, escaped.
    agent: Box<str>,
    subscribed: bool,
    /// The first subscription whose answer is still held back by requests before it: work follows it.
    greeting: Option<Ticket>,
    workers: Vec<Worker>,
    version_mask: u32,
    /// What the miner asked for by `minimum-difficulty`.
    floor: Option<Difficulty>,
    difficulty: Difficulty,
    /// The difficulty the miner was told last.
    told: Option<Difficulty>,
    jobs: VecDeque<SentJob>,
    duplicates: Duplicates,
    refused_rows: Allowance,
    estimator: Option<Box<Estimator>>,
    answers: Answers,
    out: Outgoing,
    effects: Vec<Effect>,
    /// The end was asked for: there are no deadlines of its own any more.
    ended: bool,
    junk: u8,
    synced: u64,
    opened_at: Duration,
    heard_at: Duration,
    work_sent_at: Duration,
    retargeted_at: Duration,
}

impl Session {
    /// A new connection.
    pub fn new(terms: Arc<Terms>, peer: Peer, extranonce1: Extranonce1, now: Duration) -> Self {
        Self {
            difficulty: terms.start_difficulty(),
            terms,
            peer,
            extranonce1,
            agent: "".into(),
            subscribed: false,
            greeting: None,
            workers: Vec::new(),
            version_mask: 0,
            floor: None,
            told: None,
            jobs: VecDeque::new(),
            duplicates: Duplicates::default(),
            refused_rows: Allowance::new(now),
            estimator: None,
            answers: Answers::default(),
            out: Outgoing::default(),
            effects: Vec::new(),
            ended: false,
            junk: 0,
            synced: 0,
            opened_at: now,
            heard_at: now,
            work_sent_at: now,
            retargeted_at: now,
        }
    }

    /// A line was read while `board` was the coin's work.
    pub fn on_line(&mut self, now: Moment, line: &[u8], board: &JobBoard) {
        self.heard_at = now.monotonic;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match Request::parse(line) {
            Ok(request) => {
                self.junk = 0;
                self.on_request(now, &request, board);
            }
            Err(_) => {
                self.junk += 1;
                self.answers.push(Waiting::Nothing(reply::not_a_request().to_vec()));
                if self.junk >= JUNK_LINES_MAX {
                    self.end(CloseReason::Junk);
                }
            }
        }
        self.flush_ready(now.monotonic);
    }

    /// The line buffer gave up.
    pub fn on_line_too_long(&mut self) {
        self.end(CloseReason::LineTooLong);
    }

    /// Asks for the end of the connection, once.
    fn end(&mut self, reason: CloseReason) {
        if !std::mem::replace(&mut self.ended, true) {
            self.effects.push(Effect::Close(reason));
        }
    }

    /// The directory answered.
    pub fn on_authorised(&mut self, now: Moment, ticket: Ticket, answer: Answer, board: &JobBoard) {
        let Some(Waiting::Authorisation { id, name }) = self.answers.get_mut(ticket) else { return };
        let (id, name) = (id.take(), std::mem::take(name));
        let refusal = match answer {
            Answer::Granted(credited) => self.grant(now, name, credited).err(),
            Answer::Denied(denial) => Some(methods::denial_text(&denial)),
            Answer::Unavailable => Some("Worker cannot be checked now, try again"),
        };
        let bytes = id.map_or_else(Vec::new, |id| match refusal {
            None => reply::yes(&id),
            Some(text) => reply::unauthorized(&id, text),
        });
        if let Some(waiting) = self.answers.get_mut(ticket) {
            *waiting = Waiting::Nothing(bytes);
        }
        self.judge_named(now);
        self.flush_ready(now.monotonic);
        if self.jobs.is_empty() {
            self.greet(now, board);
        }
    }

    fn grant(&mut self, now: Moment, submitted: Box<str>, credited: Arc<str>) -> Result<(), &'static str> {
        self.workers.retain(|worker| worker.submitted != submitted);
        if self.workers.len() >= WORKERS_MAX {
            return Err("Too many workers on this connection");
        }
        // The list is in the order of authorisation: the last is credited with a nameless candidate.
        let recheck_at = now.monotonic + self.recheck_pause();
        self.workers.push(Worker { submitted, credited, recheck_at });
        Ok(())
    }

    /// The disk has caught up to `synced`.
    pub fn on_synced(&mut self, synced: u64, now: Duration) {
        self.synced = synced;
        self.flush_ready(now);
    }

    /// Time has passed: deadlines, keep-alive, difficulty.
    pub fn on_tick(&mut self, now: Moment, board: &JobBoard) {
        let port = &self.terms.port;
        if !self.subscribed && now.monotonic >= self.opened_at + port.subscribe_timeout {
            self.end(CloseReason::NotSubscribed);
        } else if now.monotonic >= self.heard_at + port.idle_timeout {
            self.end(CloseReason::Idle);
        }
        self.judge_overdue(now);
        if !self.ended {
            self.retarget(now, board);
            self.keep_alive(now, board);
            self.recheck(now);
        }
        self.flush_ready(now.monotonic);
    }

    /// When [`Session::on_tick`] has something to do at the latest.
    pub fn deadline(&self) -> Duration {
        let port = &self.terms.port;
        let answers = self.answers.deadline();
        if self.ended {
            return answers.unwrap_or(Duration::MAX);
        }
        let mut next = self.heard_at + port.idle_timeout;
        if self.subscribed {
            next = next.min(self.work_sent_at + port.keepalive);
        } else {
            next = next.min(self.opened_at + port.subscribe_timeout);
        }
        for due in [self.retarget_due(), self.recheck_due()].into_iter().flatten() {
            next = next.min(due);
        }
        answers.map_or(next, |deadline| next.min(deadline))
    }

    /// Moves answers that wait for nothing any more to the outgoing bytes, in order.
    fn flush_ready(&mut self, now: Duration) {
        while let Some(bytes) = self.answers.pop_ready(self.synced, now) {
            self.out.push(&bytes);
        }
    }

    /// What the surroundings have to do now.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The bytes to be written.
    pub fn out(&mut self) -> &mut Outgoing {
        &mut self.out
    }

    /// Whether another line may be read: the number of unanswered requests is bounded.
    pub fn may_read(&self) -> bool {
        self.answers.len() < OUTSTANDING_MAX
    }

    /// Whether a submit was read whose worth is not known yet.
    pub fn has_unjudged(&self) -> bool {
        self.answers.has_unjudged()
    }

    /// Whether requests are still waiting for an answer.
    pub fn has_outstanding(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether the next answer waits for the disk.
    pub fn waits_for_sync(&self) -> bool {
        self.answers.wait_for_sync()
    }

    /// The miner's software, as it named itself.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The worker authorised last, for logs.
    pub fn last_worker(&self) -> Option<&str> {
        self.workers.last().map(|worker| &*worker.credited)
    }

    /// The credited name of a submitted one.
    fn credited(&self, submitted: &str) -> Option<&Arc<str>> {
        self.workers.iter().find(|worker| *worker.submitted == *submitted).map(|worker| &worker.credited)
    }
}
