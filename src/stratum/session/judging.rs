//! From the hash of a submit to its judgement, its row and its answer.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::answers::{SyncNeed, Ticket, Waiting};
use super::effects::{CloseReason, Effect, Moment};
use super::pending::PendingShare;
use crate::bytes::Hash;
use crate::stratum::counters::Counters;
use crate::stratum::desk::{Candidate, HashedWork, JudgedShare};
use crate::stratum::reply;
use crate::stratum::request::Id;
use crate::work::job::parse_job_id;
use crate::work::reject::Reject;
use crate::work::share::{Facts, Freshness, Outcome, judge};

/// How long the answer to a candidate waits for the disk.
const CANDIDATE_SYNC_WAIT: Duration = Duration::from_secs(1);
/// A header's time so far ahead of our clock is counted.
const AHEAD_SECS: u64 = 600;
/// Least time between two looks at the difficulty of a miner whose shares come in a flood.
const OVERDUE_GAP: Duration = Duration::from_secs(1);

impl Session {
    /// The one judgement: its outcome makes the answer and the row.
    pub(super) fn judge(&mut self, now: Moment, ticket: Ticket, share: PendingShare, pow: Hash) {
        let worker = self.credited(&share.name).cloned();
        let facts = Facts {
            pow,
            freshness: share.freshness,
            authorised: worker.is_some(),
            time_in_range: share.time_in_range,
            version_in_mask: share.version_in_mask,
            remembered: share.remembered,
            assigned: &share.sent.bar,
            newest: share.newest.as_deref(),
            network: share.sent.job.template.target,
        };
        let outcome = judge(&facts, self.terms.stratum_bits);
        self.take_note(now, &share, outcome);
        // Neither a block nor a share whose name the pool itself has not looked up yet speaks against the miner.
        let unknown = outcome.verdict == Err(Reject::Unauthorized);
        let excused = |session: &Self| {
            outcome.candidate || session.answers.authorising(&share.name) || unknown && session.undecided
        };
        let fault = outcome.verdict.is_err() && !excused(self);
        self.note_submit(now, if fault { outcome.verdict } else { Ok(()) });
        if outcome.candidate {
            self.duplicates.mark_candidate(share.key);
        } else if outcome.verdict.is_err() {
            // Only what counts is remembered: worthless submits cost their sender no work and must
            // not fill memory, and a repeat of one is refused for the same reason again.
            self.duplicates.release(&share.key);
        }
        let waiting = match outcome.verdict {
            Ok(()) => Waiting::Record {
                id: share.id.clone(),
                sync: self.sync_need(now, outcome.candidate),
                key: share.key,
                candidate: outcome.candidate,
                credited: outcome.credited,
            },
            Err(reject) => Waiting::Nothing(answer_to(share.id.as_ref(), Err(reject))),
        };
        let recorded_for = outcome.verdict.is_ok().then_some(ticket);
        if let Some(slot) = self.answers.get_mut(ticket) {
            *slot = waiting;
        }
        self.record(now, recorded_for, share, outcome, worker, pow);
    }

    /// Counts what came of a hashed submit.
    fn take_note(&mut self, now: Moment, share: &PendingShare, outcome: Outcome) {
        let counters = &self.terms.memory.counters;
        match outcome.verdict {
            Err(reject) => counters.refused(reject),
            Ok(()) => {
                let lowered = outcome.credited < share.sent.difficulty();
                let notes = [
                    (outcome.tolerated, &counters.tolerated),
                    (share.freshness == Freshness::Late, &counters.late),
                    (lowered, &counters.raced),
                    (u64::from(share.key.time) > now.unix_secs + AHEAD_SECS, &counters.ahead),
                ];
                notes.into_iter().filter(|(is, _)| *is).for_each(|(_, counter)| Counters::count(counter));
            }
        }
    }

    /// A share counted.
    fn note_activity(&mut self, now: Moment) {
        let gap = now.monotonic.saturating_sub(self.active_at);
        self.share_gap = Some(self.share_gap.map_or(gap, |mean| (mean * 7 + gap) / 8));
        self.active_at = now.monotonic;
    }

    /// Holds a submit for or against the miner.
    pub(super) fn note_submit(&mut self, now: Moment, verdict: Result<(), Reject>) {
        let bad = verdict.is_err_and(Reject::is_fault);
        self.refused += u64::from(verdict.is_err());
        if self.conduct.submitted(bad, now.monotonic, &self.terms.port.rules) {
            self.end(CloseReason::InvalidShares);
        }
    }

    fn sync_need(&self, now: Moment, candidate: bool) -> SyncNeed {
        if self.terms.answers_wait_for_sync {
            SyncNeed::Yes
        } else if candidate {
            SyncNeed::Until(now.monotonic + CANDIDATE_SYNC_WAIT)
        } else {
            SyncNeed::No
        }
    }

    /// Hands a hashed share to the desk, if it is to become a row.
    fn record(
        &mut self,
        now: Moment,
        ticket: Option<Ticket>,
        share: PendingShare,
        outcome: Outcome,
        worker: Option<Arc<str>>,
        pow: Hash,
    ) {
        // A candidate of nobody is credited to the worker authorised last, else to the coin's own.
        let worker = match worker {
            None if outcome.candidate => self.workers.last().map(|worker| Arc::clone(&worker.credited)),
            None => return,
            known => known,
        };
        if let (false, Err(reject)) = (outcome.candidate, outcome.verdict)
            && (reject.row_reason().is_none() || !self.refused_rows.take(now.monotonic))
        {
            return;
        }
        // Here and now, even where blocks are named by scrypt and mined otherwise, as Verge's: a third of a millisecond for a
        // block. That all shares are named so is refused when the configuration is read.
        let block_hash = (outcome.candidate || self.terms.emit_invalid_block_hashes)
            .then(|| self.terms.block_hash.of(&share.assembled.header, pow));
        let candidate = block_hash.filter(|_| outcome.candidate).map(|block_hash| Candidate {
            block_hash,
            coinbase: share.sent.announcement.coinbase(share.sent.extranonce1.bytes(), &share.extranonce2),
            is_live: share.freshness == Freshness::Live,
        });
        let work = HashedWork {
            header: share.assembled.header,
            coinbase_txid: share.assembled.coinbase_txid,
            share_difficulty: outcome.share_difficulty,
            block_hash,
            candidate,
            job: share.sent.job,
        };
        self.effects.push(Effect::Record {
            ticket,
            share: Box::new(JudgedShare {
                verdict: outcome.verdict,
                worker,
                remote: self.peer.address,
                assigned: outcome.credited,
                job: share.key.job,
                work: Some(work),
            }),
        });
    }

    /// Hands a share that was refused before it was hashed to the desk, if its worker is known.
    pub(super) fn record_refused(&mut self, now: Moment, name: &str, job_id: &str, reject: Reject) {
        let Some(worker) = self.credited(name).cloned() else { return };
        if reject.row_reason().is_none() || !self.refused_rows.take(now.monotonic) {
            return;
        }
        let job = parse_job_id(job_id.as_bytes()).unwrap_or_default();
        self.effects.push(Effect::Record {
            ticket: None,
            share: Box::new(JudgedShare {
                verdict: Err(reject),
                worker: Some(worker),
                remote: self.peer.address,
                assigned: self.sent_job(job).map_or(self.difficulty, |sent| sent.difficulty()),
                job,
                work: None,
            }),
        });
    }

    /// The desk has the share, under sequence number `seq`; `None`: it could not be written down.
    pub fn on_recorded(&mut self, now: Moment, ticket: Ticket, seq: Option<u64>) {
        let Some(waiting) = self.answers.get_mut(ticket) else { return };
        let record = std::mem::replace(waiting, Waiting::Nothing(Vec::new()));
        let Waiting::Record { id, sync, key, candidate, credited } = record else { return *waiting = record };
        let answer = answer_to(id.as_ref(), seq.map(|_| ()).ok_or(Reject::NotRecorded));
        *waiting = match (seq, sync) {
            (Some(seq), SyncNeed::Yes) => Waiting::Sync { seq, until: None, answer },
            (Some(seq), SyncNeed::Until(moment)) => Waiting::Sync { seq, until: Some(moment), answer },
            (Some(_), SyncNeed::No) | (None, _) => Waiting::Nothing(answer),
        };
        if seq.is_some() {
            self.note_activity(now);
            if let Some(estimator) = &mut self.estimator {
                estimator.on_share(now.monotonic, credited);
                let vardiff = self.terms.port.vardiff.as_ref();
                let due = now.monotonic >= self.retargeted_at + OVERDUE_GAP;
                self.overdue = due && vardiff.is_some_and(|vardiff| estimator.is_due(now.monotonic, vardiff));
            }
        } else if !candidate {
            // A candidate stays marked: it is on its way to the nodes although its row is not.
            self.duplicates.release(&key);
        }
        self.flush_ready(now.monotonic);
    }
}

/// The answer to a submit; nothing for one without an id.
fn answer_to(id: Option<&Id>, verdict: Result<(), Reject>) -> Vec<u8> {
    match (id, verdict) {
        (None, _) => Vec::new(),
        (Some(id), Ok(())) => reply::yes(id),
        (Some(id), Err(reject)) => reply::reject(id, reject),
    }
}
