//! One miner's session: lines, time and answers go in, bytes and effects come out. No I/O, no
//! clock, no task: everything it does can be replayed.

mod allowance;
pub mod answers;
mod calls;
pub mod carried;
mod conduct;
pub mod effects;
mod judging;
mod methods;
mod orders;
pub mod parked;
pub mod pending;
mod rechecks;
pub mod remembered;
mod start;
mod submit;
mod subscription;
mod terms;
mod work;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::allowance::Allowance;
use self::answers::{Answers, OUTSTANDING_MAX, Ticket, Waiting};
use self::conduct::Conduct;
use self::effects::{CloseReason, Effect, Moment, Peer, Terms};
use self::parked::SessionId;
use self::pending::SentJob;
use self::rechecks::Rechecks;
use self::start::Start;
use super::counters::LoginResult;
use super::outgoing::Outgoing;
use super::password::Wishes;
use super::reply;
use super::request::Request;
use crate::config::secret::Secret;
use crate::difficulty::Difficulty;
use crate::work::bar::Bar;
use crate::work::board::JobBoard;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::Lease;
use crate::work::vardiff::Estimator;
use crate::worker::directory::{Answer, Denial};

/// A miner is given up if no share counts for so many times its usual gap, if that is longer than the
/// port's limit: at the least difficulty of a port a small miner is silent for long.
const IDLE_GAPS: u32 = 20;
/// Bytes of a user agent that are kept.
const AGENT_BYTES_MAX: usize = 64;

/// A worker authorised on this connection.
#[derive(Debug)]
struct Worker {
    /// The name as the miner writes it.
    submitted: Box<str>,
    /// The name that is credited.
    credited: Arc<str>,
    /// What it was authorised with.
    password: Secret,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    terms: Arc<Terms>,
    peer: Peer,
    extranonce1: Arc<Lease>,
    id: SessionId,
    /// It was taken up from an earlier connection, and no password has said what it wants since.
    resumed: bool,
    /// The last login could not be looked up.
    undecided: bool,
    /// Only one of these workers may take up the session that the connection has resumed.
    bound_to: Option<Box<[Arc<str>]>>,
    /// Named by the miner in `mining.subscribe`; for logs, escaped.
    agent: Box<str>,
    /// What it answered when it was asked who it is; for logs, escaped.
    version: Box<str>,
    /// It was greeted, and asked.
    welcomed: bool,
    subscribed: bool,
    /// It said that it takes another extranonce if it is given one.
    follows_extranonce: bool,
    /// The first subscription whose answer is still held back by requests before it: work follows it.
    greeting: Option<Ticket>,
    /// Work was sent on this connection.
    served: bool,
    workers: Vec<Worker>,
    rechecks: Rechecks,
    version_mask: u32,
    /// What the miner asked for by `minimum-difficulty`.
    floor: Option<Difficulty>,
    difficulty: Difficulty,
    /// The difficulty the miner was told last.
    told: Option<Difficulty>,
    /// The bar of the difficulty that was sent last, shared by the jobs sent with it.
    bar: Arc<Bar>,
    /// When a lower difficulty than the one before was sent last.
    lowered_at: Option<Duration>,
    /// The tip that was seen last, and since when.
    tip_seq: u64,
    tip_seen_at: Duration,
    /// Whether the coin had work when that was looked at last.
    has_work: bool,
    /// The estimator wants to be asked before its turn.
    overdue: bool,
    jobs: VecDeque<SentJob>,
    start: Start,
    duplicates: Duplicates,
    refused_rows: Allowance,
    estimator: Option<Box<Estimator>>,
    answers: Answers,
    out: Outgoing,
    effects: Vec<Effect>,
    /// The end was asked for: there are no deadlines of its own any more.
    ended: bool,
    junk: u8,
    /// Submits that were refused.
    refused: u64,
    synced: u64,
    opened_at: Duration,
    /// When the miner last did what it is here for: a share that counted, or a worker's login.
    active_at: Duration,
    /// The running mean of the time between shares that counted.
    share_gap: Option<Duration>,
    /// Without an authorised worker the connection ends then.
    authorize_by: Duration,
    conduct: Conduct,
    /// How often it was asked whether it is there.
    pings: u64,
    work_sent_at: Duration,
    retargeted_at: Duration,
}

impl Session {
    /// A new connection.
    pub fn new(terms: Arc<Terms>, peer: Peer, extranonce1: Lease, now: Duration) -> Self {
        Self {
            difficulty: terms.start_difficulty(),
            bar: terms.bar(terms.start_difficulty()),
            lowered_at: None,
            tip_seq: 0,
            tip_seen_at: Duration::ZERO,
            has_work: true,
            overdue: false,
            start: Start::PORT,
            duplicates: Duplicates::counted_by(terms.memory.keys.clone()),
            id: terms.memory.parked.issue(),
            terms,
            peer,
            extranonce1: Arc::new(extranonce1),
            resumed: false,
            undecided: false,
            bound_to: None,
            agent: "".into(),
            version: "".into(),
            welcomed: false,
            subscribed: false,
            follows_extranonce: false,
            greeting: None,
            served: false,
            authorize_by: Duration::MAX,
            share_gap: None,
            pings: 0,
            conduct: Conduct::new(now),
            workers: Vec::new(),
            rechecks: Rechecks::new(now),
            version_mask: 0,
            floor: None,
            told: None,
            jobs: VecDeque::new(),
            refused_rows: Allowance::new(now),
            estimator: None,
            answers: Answers::default(),
            out: Outgoing::default(),
            effects: Vec::new(),
            ended: false,
            junk: 0,
            refused: 0,
            synced: 0,
            opened_at: now,
            active_at: now,
            work_sent_at: now,
            retargeted_at: now,
        }
    }

    /// A line was read while `board` was the coin's work.
    pub fn on_line(&mut self, now: Moment, line: &[u8], board: &JobBoard) {
        self.see(now, board);
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match Request::parse(line) {
            Ok(request) => {
                let junk = std::mem::take(&mut self.junk);
                if !self.on_request(now, &request, board) {
                    self.junk = junk;
                    self.count_junk();
                }
            }
            Err(_) => {
                self.answers.push(Waiting::Nothing(reply::not_a_request().to_vec()));
                self.count_junk();
            }
        }
        self.flush_ready(now.monotonic);
    }

    /// Another line that says nothing: too many in a row, and the miner is sent away.
    fn count_junk(&mut self) {
        // What was read goes on to be handled when the end is decided.
        self.junk = self.junk.saturating_add(1);
        if self.junk >= self.terms.port.rules.junk_lines_max {
            self.end(CloseReason::Junk);
        }
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

    /// The directory answered. True if a login is refused for the miner's own fault, and for good: not if another
    /// reading of its password is tried.
    pub fn on_authorised(&mut self, now: Moment, ticket: Ticket, answer: Answer, board: &JobBoard) -> bool {
        if self.on_rechecked(now, ticket, &answer) {
            return false;
        }
        let Some(Waiting::Authorisation { id, name, password: used, wishes, whole }) = self.answers.get_mut(ticket)
        else {
            return false;
        };
        if answer == Answer::Denied(Denial::WrongPassword)
            && let Some(password) = whole.take()
        {
            // What looked like a wish may be part of the password.
            *wishes = Wishes::default();
            *used = Secret::new(password.clone());
            let name = name.to_string();
            self.effects.push(Effect::Authorise { ticket, name, password, again: false });
            return false;
        }
        let (denied, answered) = (matches!(answer, Answer::Denied(_)), answer != Answer::Unavailable);
        let (id, name, password, wishes) = (id.take(), std::mem::take(name), used.clone(), *wishes);
        let before = self.id;
        let refusal = match answer {
            Answer::Granted(credited) => self.grant(now, Worker { submitted: name, credited, password }).err(),
            Answer::Denied(denial) => {
                self.conduct.login_failed(&self.terms.port.rules, now.monotonic, self.workers.len());
                Some(methods::denial_text(&denial))
            }
            Answer::Unavailable => {
                // Not its fault: it gets the time again, and its shares are not held against it.
                self.undecided = true;
                self.authorize_by = self.authorize_by.max(now.monotonic + self.terms.port.rules.authorize_timeout);
                Some("Worker cannot be checked now, try again")
            }
        };
        if answered {
            self.undecided = false;
        }
        self.terms.memory.counters.logged_in(match (denied, refusal) {
            (true, _) => LoginResult::Denied,
            (false, None) => LoginResult::Granted,
            (false, Some(_)) => LoginResult::Unavailable,
        });
        let bytes = id.map_or_else(Vec::new, |id| match refusal {
            None => reply::yes(&id),
            Some(text) => reply::unauthorized(&id, text),
        });
        if let Some(waiting) = self.answers.get_mut(ticket) {
            *waiting = Waiting::Nothing(bytes);
        }
        self.judge_named(now);
        self.flush_ready(now.monotonic);
        if self.id != before {
            self.tell_extranonce(now, board);
        }
        if refusal.is_none() {
            self.propose_for_worker(now, wishes, board);
            self.start_estimator(now);
            self.note_difficulty();
        }
        if !self.served {
            self.greet(now, board);
        }
        if !self.workers.is_empty() {
            self.welcome();
        }
        denied
    }

    /// The connection is over.
    pub fn on_end(&mut self, now: Moment) {
        self.remember_difficulty(now);
        self.park(now);
    }

    fn grant(&mut self, now: Moment, granted: Worker) -> Result<(), &'static str> {
        if self.bound_to.take().is_some_and(|workers| !workers.contains(&granted.credited)) {
            // It is lost to both: whoever named it should not have known it.
            if !self.follows_extranonce {
                self.subscribed = false;
                self.end(CloseReason::OtherWorker);
                return Err("The session belongs to another worker: connect again");
            }
            self.leave_resumed();
        }
        self.start_rechecks(now.monotonic);
        let is_first = self.workers.is_empty();
        self.workers.retain(|worker| worker.submitted != granted.submitted);
        if self.workers.len() >= self.terms.port.rules.workers_max {
            return Err("Too many workers on this connection");
        }
        // The list is in the order of authorisation: the last is credited with a nameless candidate.
        if is_first {
            // Once: a login costs nothing, and a connection on which no share ever counts is to end.
            self.active_at = now.monotonic;
        }
        self.workers.push(granted);
        Ok(())
    }

    /// The disk has caught up to `synced`.
    pub fn on_synced(&mut self, synced: u64, now: Duration) {
        self.synced = synced;
        self.flush_ready(now);
    }

    /// Time has passed: deadlines, keep-alive, difficulty.
    pub fn on_tick(&mut self, now: Moment, board: &JobBoard) {
        if let Some((_, reason)) = self.own_deadline().filter(|(at, _)| now.monotonic >= *at) {
            self.end(reason);
        }
        self.settle_subscription(now, board);
        self.judge_overdue(now);
        self.see(now, board);
        if !self.ended {
            self.recheck(now);
            self.retarget(now, board);
            self.keep_alive(now, board);
        }
        self.flush_ready(now.monotonic);
        if self.is_to_be_greeted() {
            self.greet(now, board);
        }
    }

    /// The answer to its subscription has gone out, and nothing behind it yet.
    fn is_to_be_greeted(&self) -> bool {
        self.subscribed && self.greeting.is_some_and(|ticket| self.answers.is_answered(ticket))
    }

    /// When [`Session::on_tick`] has something to do at the latest.
    pub fn deadline(&self) -> Duration {
        let answers = self.answers.deadline();
        if self.ended {
            return answers.unwrap_or(Duration::MAX);
        }
        if self.is_to_be_greeted() {
            return Duration::ZERO;
        }
        let mut next = self.own_deadline().map_or(Duration::MAX, |(at, _)| at);
        if self.subscribed {
            next = next.min(self.work_sent_at + self.terms.port.keepalive);
        }
        for due in [self.retarget_due(), self.recheck_due()].into_iter().flatten() {
            next = next.min(due);
        }
        answers.map_or(next, |deadline| next.min(deadline))
    }

    /// When the session ends by itself, and why.
    fn own_deadline(&self) -> Option<(Duration, CloseReason)> {
        let port = &self.terms.port;
        if !self.subscribed {
            return Some((self.opened_at + port.subscribe_timeout, CloseReason::NotSubscribed));
        }
        if self.workers.is_empty() {
            // Whoever waits for the pool's own answer is not late.
            return (!self.answers.is_authorising()).then_some((self.authorize_by, CloseReason::NotAuthorised));
        }
        let gap = self.share_gap.unwrap_or_default().max(self.estimated_gap());
        // Without work nothing can count.
        self.has_work.then(|| (self.active_at + port.idle_timeout.max(gap * IDLE_GAPS), CloseReason::Idle))
    }

    fn estimated_gap(&self) -> Duration {
        self.estimator.as_ref().and_then(|estimator| estimator.expected_gap()).unwrap_or_default()
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

    /// Whether too many of the submits were bad since they were judged last.
    pub fn has_misbehaved(&self) -> bool {
        self.conduct.is_bad_so_far(&self.terms.port.rules)
    }

    /// Whether a worker is logged in.
    pub fn has_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Whether a share has counted on this connection.
    pub fn has_worked(&self) -> bool {
        self.share_gap.is_some()
    }

    /// The miner's address.
    pub fn address(&self) -> std::net::IpAddr {
        self.peer.address
    }

    /// When the connection was made, monotonic.
    pub fn opened_at(&self) -> Duration {
        self.opened_at
    }

    /// The number of its extranonce: no other session has it.
    pub fn number(&self) -> u64 {
        u32::from_be_bytes(self.extranonce1.bytes()).into()
    }

    /// The miner's software, as it named itself.
    pub fn agent(&self) -> &str {
        if self.version.is_empty() { &self.agent } else { &self.version }
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
