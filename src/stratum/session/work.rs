//! Work and difficulty on their way to the miner.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::effects::Moment;
use super::pending::SentJob;
use crate::difficulty::Difficulty;
use crate::pow::Cost;
use crate::stratum::reply;
use crate::work::board::JobBoard;
use crate::work::job::Job;
use crate::work::vardiff::Estimator;

/// An increase of the difficulty by this factor ends the work before it.
const CLEAN_RATIO: f64 = 4.0;
/// How often the difficulty of a connection is looked at without a flood of shares.
const RETARGET_INTERVAL: Duration = Duration::from_secs(5);

impl Session {
    /// The coin's work has changed.
    pub fn on_board(&mut self, now: Moment, board: &JobBoard) {
        self.see(now, board);
        self.settle_subscription(now, board);
        let known = self.jobs.back().map(|sent| sent.job.serial);
        if board.job.as_ref().map(|job| job.serial) != known && self.greeting.is_none() {
            self.announce(now, board);
        }
    }

    /// Whether the miner may have work.
    fn may_have_work(&self) -> bool {
        // A share that takes a hasher's thread is expensive to check: no work for strangers.
        let for_strangers = self.terms.algorithm.cost() == Cost::Inline && self.terms.port.rules.jobs_before_auth;
        // Not before the answer to the subscription, which an authorisation may hold back.
        self.subscribed && self.greeting.is_none() && (for_strangers || !self.workers.is_empty())
    }

    /// Sends the present job, if the miner is ready for it.
    pub(super) fn announce(&mut self, now: Moment, board: &JobBoard) {
        let Some(job) = &board.job else { return };
        let new_tip = self.jobs.back().is_none_or(|sent| sent.job.tip_seq != job.tip_seq);
        self.repeat_work(now, board, new_tip || !self.served);
    }

    /// Sends the present job; if it was sent before, as its next variant: with an id and a coinbase of
    /// its own.
    pub(super) fn repeat_work(&mut self, now: Moment, board: &JobBoard, clean: bool) {
        let (true, Some(job)) = (self.may_have_work(), &board.job) else { return };
        let last = self.jobs.back();
        let clean = clean || last.is_some_and(|sent| sent.job.tip_seq != job.tip_seq);
        let variant = match last.filter(|sent| sent.job.serial == job.serial) {
            None => 0,
            Some(sent) => match sent.announcement.variant.checked_add(1) {
                Some(variant) => variant,
                // After the last of 256 variants the miner has to wait for the next template.
                None => return,
            },
        };
        let job = Arc::clone(job);
        self.send(now, &job, variant, clean);
    }

    fn send(&mut self, now: Moment, job: &Arc<Job>, variant: u8, clean: bool) {
        // Jobs are made with the largest extranonce of the coin's ports, so this one fits as well.
        let Ok(announcement) = job.announcement(self.terms.port.extranonce2_bytes, variant) else { return };
        self.tell_difficulty();
        if self.bar.difficulty() != self.difficulty {
            if self.difficulty < self.bar.difficulty() {
                self.lowered_at = Some(now.monotonic);
            }
            self.bar = self.terms.bar(self.difficulty);
        }
        self.out.push_work(&announcement.notify, &announcement.notify_clean, clean);
        self.jobs.retain(|sent| sent.job.tip_seq + 1 >= job.tip_seq);
        while self.jobs.len() >= self.terms.port.rules.jobs_max.max(1) {
            self.jobs.pop_front();
        }
        let (extranonce1, bar) = (Arc::clone(&self.extranonce1), Arc::clone(&self.bar));
        self.jobs.push_back(SentJob { job: Arc::clone(job), announcement, extranonce1, bar });
        self.work_sent_at = now.monotonic;
        self.served = true;
        self.start_estimator(now);
    }

    /// Starts to measure the miner once it has work and a name whose shares count.
    pub(super) fn start_estimator(&mut self, now: Moment) {
        let measured = self.terms.port.vardiff.is_some() && !self.start.is_fixed();
        if measured && self.estimator.is_none() && !self.workers.is_empty() && !self.jobs.is_empty() {
            self.estimator = Some(Box::new(Estimator::new(self.difficulty, now.monotonic)));
            self.retargeted_at = now.monotonic;
        }
    }

    /// Notes when the tip moved, as far as this connection knows, and whether there is work: without it
    /// submits are refused, and the miner's silence is no evidence.
    pub(super) fn see(&mut self, now: Moment, board: &JobBoard) {
        if board.tip_seq != self.tip_seq {
            // What it sees first may be there for long: nobody gets a grace by coming back with work of the tip before.
            self.tip_seen_at = if self.tip_seq == 0 { Duration::ZERO } else { now.monotonic };
            self.tip_seq = board.tip_seq;
        }
        if self.has_work != board.job.is_some() {
            self.has_work = board.job.is_some();
            self.active_at = now.monotonic;
            if let Some(estimator) = &mut self.estimator {
                if self.has_work { estimator.resume(now.monotonic) } else { estimator.pause(now.monotonic) }
            }
        }
    }

    /// Sends the difficulty if the miner does not know it yet. It is in force from the next job on.
    pub(super) fn tell_difficulty(&mut self) {
        if self.told != Some(self.difficulty) {
            self.told = Some(self.difficulty);
            self.out.push(&reply::set_difficulty(self.difficulty));
        }
    }

    /// Adjusts the difficulty; a change is sent at once, with work of its own.
    pub(super) fn retarget(&mut self, now: Moment, board: &JobBoard) {
        if self.retarget_due().is_none_or(|due| now.monotonic < due) {
            return;
        }
        self.retargeted_at = now.monotonic;
        self.overdue = false;
        let network = self.network_difficulty(board);
        let (Some(vardiff), Some(estimator)) = (&self.terms.port.vardiff, &mut self.estimator) else { return };
        let mut bounds = vardiff.clone();
        bounds.min = self.floor.map_or(bounds.min, |floor| floor.max(bounds.min));
        if let Some(wanted) = estimator.retarget(now.monotonic, &bounds, network) {
            self.terms.memory.counters.retargeted(wanted > self.difficulty);
            self.apply_difficulty(now, wanted, board);
        }
    }

    /// Sets the difficulty. It comes at once, with work of its own, unless the port has it wait for the
    /// next job. After a large increase old work is not worth finishing: most of its shares would be
    /// worth too little.
    pub(super) fn apply_difficulty(&mut self, now: Moment, wanted: Difficulty, board: &JobBoard) {
        let clean = wanted.get() >= self.difficulty.get() * CLEAN_RATIO;
        self.difficulty = wanted;
        self.note_difficulty();
        if !self.terms.port.rules.apply_at_next_job {
            self.repeat_work(now, board, clean);
        }
    }

    /// The network's difficulty, which no share needs to exceed.
    pub(super) fn network_difficulty(&self, board: &JobBoard) -> Option<Difficulty> {
        let target = board.job.as_ref()?.template.target;
        Some(Difficulty::nearest(target.difficulty(self.terms.stratum_bits)))
    }

    /// When the difficulty is to be looked at next.
    pub(super) fn retarget_due(&self) -> Option<Duration> {
        let interval = if self.overdue { Duration::ZERO } else { RETARGET_INTERVAL };
        self.estimator.as_ref().map(|_| self.retargeted_at + interval)
    }

    /// Breaks a long silence: miners give up on a pool that sends nothing for a minute. Without work
    /// to send (no node answers, or the miner is not authorised yet) the difficulty is said again.
    pub(super) fn keep_alive(&mut self, now: Moment, board: &JobBoard) {
        if !self.subscribed || now.monotonic < self.work_sent_at + self.terms.port.keepalive {
            return;
        }
        self.work_sent_at = now.monotonic;
        let before = self.out.len();
        self.repeat_work(now, board, false);
        if self.out.len() == before && self.greeting.is_none() && !self.ping() {
            self.told = None;
            self.tell_difficulty();
        }
    }
}
