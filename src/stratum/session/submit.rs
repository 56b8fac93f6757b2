//! `mining.submit`: from its fields to its judgement.
//!
//! Every submit with a known job and valid fields is hashed before anything is refused, and without
//! waiting for an authorisation: a hash that meets the network target is a block, whatever else is
//! wrong with the share.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::answers::{SyncNeed, Ticket, Waiting};
use super::effects::{Effect, Moment};
use super::pending::{PendingShare, SentJob};
use crate::bytes::Hash;
use crate::pow::{Cost, Scratch};
use crate::stratum::desk::{Candidate, HashedWork, JudgedShare};
use crate::stratum::reply;
use crate::stratum::request::{Id, Request};
use crate::work::board::JobBoard;
use crate::work::duplicates::{Reserved, ShareKey};
use crate::work::extranonce::Extranonce2;
use crate::work::job::parse_job_id;
use crate::work::reject::Reject;
use crate::work::share::{Facts, Freshness, Outcome, judge, rolled_version, time_in_range};

/// How long a block candidate waits for the authorisation of its name, which is usually a
/// millisecond away. Then it is judged with what is known: the block must not wait.
const CANDIDATE_NAME_WAIT: Duration = Duration::from_millis(100);
/// How long the answer to a candidate waits for the disk.
const CANDIDATE_SYNC_WAIT: Duration = Duration::from_secs(1);

impl Session {
    /// A share is submitted.
    pub(super) fn submit(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        if !self.subscribed {
            return self.refuse(request, Reject::NotSubscribed);
        }
        let (Some(name), Some(job_id)) = (request.param(0).text(), request.param(1).text()) else {
            return self.refuse(request, Reject::Parameters);
        };
        if request.params.len() < 5 {
            return self.refuse(request, Reject::Parameters);
        }
        let name = name.trim_matches(' ');
        match self.assemble(now, request, name, job_id, board) {
            Ok(share) => self.hash(now, share),
            Err(Refused { reject, recorded }) => {
                if recorded {
                    self.record_refused(now, name, job_id, reject);
                }
                self.refuse(request, reject);
            }
        }
    }

    /// Checks the fields and puts the header together; on the way the share is marked as seen.
    fn assemble(
        &mut self,
        now: Moment,
        request: &Request<'_>,
        name: &str,
        job_id: &str,
        board: &JobBoard,
    ) -> Result<Box<PendingShare>, Refused> {
        let text = |index: usize| request.param(index).text();
        let key = parse_job_id(job_id.as_bytes());
        // Work older than the previous tip's is unknown from the moment the tip moves, not only from
        // the next job sent: what was submitted of it is forgotten with it.
        let sent = key.and_then(|key| self.sent_job(key)).filter(|sent| sent.job.tip_seq + 1 >= board.tip_seq);
        let sent = sent.ok_or(Reject::UnknownJob)?.clone();
        let extranonce2 = text(2)
            .and_then(|hex| Extranonce2::from_hex(hex.as_bytes(), self.terms.port.extranonce2_bytes))
            .ok_or(Reject::ExtranonceSize)?;
        let time = request.param(3).field_u32().ok_or(Reject::TimeForm)?;
        let nonce = request.param(4).field_u32().ok_or(Reject::NonceForm)?;
        let bits = match request.params.len() {
            5 => None,
            _ => text(5)
                .map(|hex| crate::bytes::hex::decode_u32(hex.as_bytes()).ok_or(Reject::VersionBits))
                .transpose()?,
        };
        let template = &sent.job.template;
        let version = rolled_version(template.version, self.version_mask, bits)?;
        let time_in_range = time_in_range(time, template.mintime, now.unix_secs);
        if !time_in_range && self.terms.algorithm.depends_on_time() {
            // No block either: nodes refuse it. Hashed, it would cost what its sender chose.
            return Err(Reject::TimeRange.into());
        }

        self.duplicates.on_tip(board.tip_seq);
        let key = ShareKey::new(sent.key(), &extranonce2, time, nonce, version);
        let reserved = self.duplicates.reserve(key);
        match reserved {
            Reserved::New | Reserved::Full => {}
            Reserved::Duplicate => return Err(Reject::Duplicate.into()),
            Reserved::DuplicateCandidate => return Err(Refused { reject: Reject::Duplicate, recorded: false }),
        }
        let freshness = match board.job {
            _ if sent.job.tip_seq != board.tip_seq => Freshness::Stale,
            Some(_) => Freshness::Live,
            None => Freshness::Paused,
        };
        Ok(Box::new(PendingShare {
            id: request.id.clone(),
            name: name.into(),
            key,
            extranonce2,
            assembled: sent.job.assemble(&sent.announcement, self.extranonce1, &extranonce2, version, time, nonce),
            freshness,
            time_in_range,
            remembered: reserved == Reserved::New,
            sent,
        }))
    }

    /// Hashes at once, or has it hashed.
    fn hash(&mut self, now: Moment, share: Box<PendingShare>) {
        let header = share.assembled.header;
        let ticket = self.answers.push(Waiting::Hash(share));
        match self.terms.algorithm.cost() {
            Cost::Inline => {
                let pow = self.terms.algorithm.hash(&header, &mut Scratch::default());
                self.on_hash(now, ticket, pow);
            }
            Cost::Offloaded => self.effects.push(Effect::Hash { ticket, header }),
        }
    }

    /// A hash is known.
    pub fn on_hash(&mut self, now: Moment, ticket: Ticket, pow: Hash) {
        let Some(waiting) = self.answers.get_mut(ticket) else { return };
        let share = match std::mem::replace(waiting, Waiting::Nothing(Vec::new())) {
            Waiting::Hash(share) => share,
            other => return *waiting = other,
        };
        if self.credited(&share.name).is_none() && self.answers.authorising(&share.name) {
            let candidate = share.sent.job.template.target.is_met_by(&pow);
            let judge_by = candidate.then_some(now.monotonic + CANDIDATE_NAME_WAIT);
            if let Some(waiting) = self.answers.get_mut(ticket) {
                *waiting = Waiting::Name { share, pow, judge_by };
            }
            return;
        }
        self.judge(now, ticket, *share, pow);
        // A refusal waits for nothing: it must not stay here until the miner's next line.
        self.flush_ready(now.monotonic);
    }

    /// Judges the shares whose authorisation is no longer under way.
    pub(super) fn judge_named(&mut self, now: Moment) {
        self.judge_waiting(now, |session, name, _| !session.answers.authorising(name));
    }

    /// Judges the candidates that have waited long enough for their name.
    pub(super) fn judge_overdue(&mut self, now: Moment) {
        self.judge_waiting(now, |_, _, judge_by| judge_by.is_some_and(|moment| moment <= now.monotonic));
    }

    fn judge_waiting(&mut self, now: Moment, due: impl Fn(&Self, &str, Option<Duration>) -> bool) {
        let named: Vec<(Ticket, Box<str>, Option<Duration>)> = self
            .answers
            .iter_mut()
            .filter_map(|(ticket, waiting)| match waiting {
                Waiting::Name { share, judge_by, .. } => Some((ticket, share.name.clone(), *judge_by)),
                _ => None,
            })
            .collect();
        for (ticket, name, judge_by) in named {
            if !due(self, &name, judge_by) {
                continue;
            }
            let Some(waiting) = self.answers.get_mut(ticket) else { continue };
            if let Waiting::Name { share, pow, .. } = std::mem::replace(waiting, Waiting::Nothing(Vec::new())) {
                self.judge(now, ticket, *share, pow);
            }
        }
    }

    /// The one judgement: its outcome makes the answer and the row.
    fn judge(&mut self, now: Moment, ticket: Ticket, share: PendingShare, pow: Hash) {
        let worker = self.credited(&share.name).cloned();
        let facts = Facts {
            pow,
            freshness: share.freshness,
            authorised: worker.is_some(),
            time_in_range: share.time_in_range,
            remembered: share.remembered,
            assigned: share.sent.difficulty,
            network: share.sent.job.template.target,
        };
        let outcome = judge(&facts, self.terms.stratum_bits);
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
            },
            Err(reject) => Waiting::Nothing(answer_to(share.id.as_ref(), Err(reject))),
        };
        let recorded_for = outcome.verdict.is_ok().then_some(ticket);
        if let Some(slot) = self.answers.get_mut(ticket) {
            *slot = waiting;
        }
        self.record(now, recorded_for, share, outcome, worker, pow);
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
        let candidate = outcome.candidate.then(|| Candidate {
            block_hash: self.terms.block_hash.of(&share.assembled.header, pow),
            coinbase: share.sent.announcement.coinbase(self.extranonce1, &share.extranonce2),
        });
        let work = HashedWork {
            header: share.assembled.header,
            coinbase_txid: share.assembled.coinbase_txid,
            share_difficulty: outcome.share_difficulty,
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

    fn sent_job(&self, key: (u32, u8)) -> Option<&SentJob> {
        self.jobs.iter().rev().find(|sent| sent.key() == key)
    }

    /// Hands a share that was refused before it was hashed to the desk, if its worker is known.
    fn record_refused(&mut self, now: Moment, name: &str, job_id: &str, reject: Reject) {
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
                assigned: self.sent_job(job).map_or(self.difficulty, |sent| sent.difficulty),
                job,
                work: None,
            }),
        });
    }

    /// The desk has the share, under sequence number `seq`; `None`: it could not be written down.
    pub fn on_recorded(&mut self, now: Moment, ticket: Ticket, seq: Option<u64>) {
        let Some(waiting) = self.answers.get_mut(ticket) else { return };
        let (id, sync, key, candidate) = match std::mem::replace(waiting, Waiting::Nothing(Vec::new())) {
            Waiting::Record { id, sync, key, candidate } => (id, sync, key, candidate),
            other => return *waiting = other,
        };
        let answer = answer_to(id.as_ref(), seq.map(|_| ()).ok_or(Reject::NotRecorded));
        *waiting = match (seq, sync) {
            (Some(seq), SyncNeed::Yes) => Waiting::Sync { seq, until: None, answer },
            (Some(seq), SyncNeed::Until(moment)) => Waiting::Sync { seq, until: Some(moment), answer },
            (Some(_), SyncNeed::No) | (None, _) => Waiting::Nothing(answer),
        };
        if seq.is_some() {
            if let Some(estimator) = &mut self.estimator {
                estimator.on_share(now.monotonic);
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

/// A submit that is refused before it is hashed.
struct Refused {
    reject: Reject,
    /// Whether it becomes a row: a repeated candidate does not.
    recorded: bool,
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self { reject, recorded: true }
    }
}
