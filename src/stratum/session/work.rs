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

/// Jobs remembered per connection, with the difficulty they were sent with. A share for an older
/// one is refused as unknown.
const JOBS_MAX: usize = 16;
/// How often the difficulty of a connection is looked at without a share.
const RETARGET_INTERVAL: Duration = Duration::from_secs(5);

impl Session {
    /// The coin's work has changed.
    pub fn on_board(&mut self, now: Moment, board: &JobBoard) {
        self.see_tip(now, board);
        let known = self.jobs.back().map(|sent| sent.job.serial);
        if board.job.as_ref().map(|job| job.serial) != known && self.greeting.is_none() {
            self.announce(now, board);
        }
    }

    /// Sends the present job, if the miner is ready for it.
    pub(super) fn announce(&mut self, now: Moment, board: &JobBoard) {
        // A memory-hard share is expensive to check: no work for strangers.
        let trusted = self.terms.algorithm.cost() == Cost::Inline || !self.workers.is_empty();
        let (true, true, Some(job)) = (self.subscribed, trusted, &board.job) else { return };
        let new_tip = self.jobs.back().is_none_or(|sent| sent.job.tip_seq != job.tip_seq);
        self.send(now, job, 0, new_tip);
    }

    /// Sends the present job again, as its next variant: with an id and a coinbase of its own.
    pub(super) fn repeat_work(&mut self, now: Moment, board: &JobBoard, clean: bool) {
        let (Some(job), Some(last)) = (&board.job, self.jobs.back()) else { return };
        if job.serial != last.job.serial {
            return self.announce(now, board);
        }
        // After the last of 256 variants the miner has to wait for the next template.
        let Some(variant) = last.announcement.variant.checked_add(1) else { return };
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
        self.out.push_shared(if clean { &announcement.notify_clean } else { &announcement.notify });
        self.jobs.retain(|sent| sent.job.tip_seq + 1 >= job.tip_seq);
        if self.jobs.len() >= JOBS_MAX {
            self.jobs.pop_front();
        }
        self.jobs.push_back(SentJob { job: Arc::clone(job), announcement, bar: Arc::clone(&self.bar) });
        self.work_sent_at = now.monotonic;
        if self.terms.port.vardiff.is_some() && self.estimator.is_none() {
            self.estimator = Some(Box::new(Estimator::new(self.difficulty, now.monotonic)));
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
        let Some(job) = &board.job else {
            // Submits are refused meanwhile: that is not the miner's silence, and no evidence.
            self.estimator = None;
            return;
        };
        let (Some(vardiff), Some(estimator)) = (&self.terms.port.vardiff, &mut self.estimator) else { return };
        let network = job.template.target.difficulty(self.terms.stratum_bits);
        let mut bounds = vardiff.clone();
        bounds.min = self.floor.map_or(bounds.min, |floor| floor.max(bounds.min));
        if let Some(wanted) = estimator.retarget(now.monotonic, &bounds, Difficulty::new(network)) {
            self.difficulty = wanted;
            self.repeat_work(now, board, false);
        }
    }

    /// When the difficulty is to be looked at next.
    pub(super) fn retarget_due(&self) -> Option<Duration> {
        self.estimator.as_ref().map(|_| self.retargeted_at + RETARGET_INTERVAL)
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
        if self.out.len() == before && self.greeting.is_none() {
            self.told = None;
            self.tell_difficulty();
        }
    }
}
