//! `mining.subscribe`: the extranonce, then difficulty and work; and sessions that are taken up again.

use std::sync::Arc;
use std::time::Duration;

use super::answers::{Ticket, Waiting};
use super::effects::Moment;
use super::parked::{JOBS_KEPT_MAX, Kept};
use super::start::Start;
use super::{AGENT_BYTES_MAX, Session};
use crate::bytes::hex;
use crate::stratum::reply;
use crate::stratum::request::{Id, Request};
use crate::work::board::JobBoard;

/// How long a subscription waits for work before the miner is told to try again.
const WORK_WAIT: Duration = Duration::from_secs(5);

impl Session {
    /// `mining.subscribe`: the extranonce, then difficulty and work. A repeated one gets the same
    /// extranonce and everything once more: simple miners reset themselves.
    pub(super) fn subscribe(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        let agent = request.param(0).text().unwrap_or_default();
        self.agent = agent.chars().take(AGENT_BYTES_MAX).collect::<String>().into();
        if !self.subscribed {
            self.subscribed = true;
            self.authorize_by = now.monotonic + self.terms.port.rules.authorize_timeout;
            self.active_at = now.monotonic;
            if let Some(id) = request.param(1).text() {
                self.resume(now, id, board);
            }
        }
        self.told = None;
        let waiting = match &request.id {
            _ if board.job.is_none() && !self.served => {
                Waiting::Work { id: request.id.clone(), until: now.monotonic + WORK_WAIT }
            }
            Some(id) => Waiting::Nothing(self.subscription(id)),
            None => Waiting::Nothing(Vec::new()),
        };
        let ticket = self.answers.push(waiting);
        // The answer must be the first line a miner sees after its question, and an authorisation
        // asked for before it may hold it back.
        self.greeting = (!self.served).then_some(ticket);
        self.flush_ready(now.monotonic);
        self.propose_for_agent(now, board);
        if self.served {
            self.tell_difficulty();
            self.repeat_work(now, board, true);
        } else {
            self.greet(now, board);
        }
    }

    /// The answer to a subscription.
    fn subscription(&self, id: &Id) -> Vec<u8> {
        let (session, extranonce1) = (hex::encode(&self.id), hex::encode(&self.extranonce1.bytes()));
        let size = self.terms.port.extranonce2_bytes;
        let pairs = format!(
            "[[[\"mining.set_difficulty\",\"{session}\"],[\"mining.notify\",\"{session}\"]],\"{extranonce1}\",{size}]"
        );
        reply::result(id, &pairs)
    }

    /// Answers the subscription that waits for work, if there is work now or it has waited long enough.
    pub(super) fn settle_subscription(&mut self, now: Moment, board: &JobBoard) {
        let held = |(ticket, waiting): (Ticket, &mut Waiting)| match waiting {
            Waiting::Work { id, until } => Some((ticket, id.take(), *until)),
            _ => None,
        };
        let all: Vec<_> = self.answers.iter_mut().filter_map(held).collect();
        for (ticket, id, until) in all {
            let late = now.monotonic >= until;
            let answer = match &id {
                _ if board.job.is_none() && !late => {
                    if let Some(waiting) = self.answers.get_mut(ticket) {
                        *waiting = Waiting::Work { id, until };
                    }
                    continue;
                }
                Some(id) if board.job.is_some() => self.subscription(id),
                Some(id) => reply::error(id, reply::OTHER, "Not ready: the pool waits for its coin node, try again"),
                None => Vec::new(),
            };
            self.subscribed = board.job.is_some();
            if let Some(waiting) = self.answers.get_mut(ticket) {
                *waiting = Waiting::Nothing(answer);
            }
            self.flush_ready(now.monotonic);
            self.greet(now, board);
        }
    }

    /// Difficulty and work for a miner that has none, once its subscription is answered.
    pub(super) fn greet(&mut self, now: Moment, board: &JobBoard) {
        if !self.subscribed || self.greeting.is_some_and(|ticket| !self.answers.is_answered(ticket)) {
            return;
        }
        self.greeting = None;
        self.tell_difficulty();
        self.announce(now, board);
    }

    /// Takes up the session that the miner names, if it was left here a short time ago.
    fn resume(&mut self, now: Moment, id: &str, board: &JobBoard) {
        let Some((id, kept)) = self.terms.memory.parked.take(id, now.monotonic) else { return };
        if kept.extranonce2_bytes != self.terms.port.extranonce2_bytes {
            return;
        }
        self.id = id;
        self.extranonce1 = kept.extranonce1;
        self.duplicates = kept.duplicates;
        self.jobs = kept.jobs;
        self.jobs.retain(|sent| sent.job.tip_seq + 1 >= board.tip_seq);
        self.version_mask |= kept.version_mask & self.terms.version_mask;
        (self.start, self.floor, self.resumed) = (kept.start, kept.floor, true);
        // It may have been another port's, and the network's may have changed.
        self.difficulty = self.within_port(kept.difficulty, kept.start.is_firm(), board);
        self.bound_to = Some(kept.workers);
    }

    /// Exchanges the session that was taken up for a new one. Work that was sent for the old one stays good, once:
    /// it may be on its way, and it may be a block.
    pub(super) fn leave_resumed(&mut self) {
        self.extranonce1 = Arc::new(self.extranonce1.another());
        self.id = self.terms.memory.parked.issue();
        (self.start, self.floor, self.resumed) = (Start::PORT, None, false);
        self.difficulty = self.terms.start_difficulty();
    }

    /// Tells a miner that follows it of its new extranonce, which is in force from the next work on, and sends that.
    pub(super) fn tell_extranonce(&mut self, now: Moment, board: &JobBoard) {
        self.out.push(&reply::set_extranonce(self.extranonce1.bytes(), self.terms.port.extranonce2_bytes));
        self.repeat_work(now, board, true);
    }

    /// Leaves the session for the miner to come back to.
    pub(super) fn park(&mut self, now: Moment) {
        let window = self.terms.port.rules.resume_window;
        if self.workers.is_empty() || !self.subscribed || window.is_zero() {
            return;
        }
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.drain(..jobs.len().saturating_sub(JOBS_KEPT_MAX));
        let kept = Kept {
            extranonce1: self.extranonce1.clone(),
            extranonce2_bytes: self.terms.port.extranonce2_bytes,
            duplicates: std::mem::take(&mut self.duplicates),
            jobs,
            difficulty: self.difficulty,
            start: self.start,
            floor: self.floor,
            version_mask: self.version_mask,
            workers: self.workers.iter().map(|worker| worker.credited.clone()).collect(),
        };
        self.terms.memory.parked.park(self.id, kept, now.monotonic, window);
    }
}
