//! `mining.submit`: from its fields to its hash.
//!
//! Every submit with a known job and valid fields is hashed before anything is refused, and without
//! waiting for an authorisation: a hash that meets the network target is a block, whatever else is
//! wrong with the share.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::answers::{Ticket, Waiting};
use super::effects::{Effect, Moment};
use super::methods::worker_name;
use super::pending::{PendingShare, SentJob};
use crate::bytes::{Hash, hex};
use crate::chain::header::Extra;
use crate::pow::{Cost, Scratch};
use crate::stratum::request::{Param, Request};
use crate::work::bar::Bar;
use crate::work::board::JobBoard;
use crate::work::duplicates::{Reserved, ShareKey};
use crate::work::extranonce::Extranonce2;
use crate::work::job::{Choice, Job, parse_job_id};
use crate::work::reject::Reject;
use crate::work::share::{Freshness, Version, rolled_version, time_in_range};

/// How long a block candidate waits for the authorisation of its name, which is usually a
/// millisecond away. Then it is judged with what is known: the block must not wait.
const CANDIDATE_NAME_WAIT: Duration = Duration::from_millis(100);
/// How long any other share waits for that; then it is refused, for answers behind it wait too.
const NAME_WAIT: Duration = Duration::from_secs(10);

impl Session {
    /// A share is submitted.
    pub(super) fn submit(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        if !self.subscribed {
            return self.refuse(now, request, Reject::NotSubscribed);
        }
        let (Some(name), Some(job_id)) = (request.param(0).text(), request.param(1).text()) else {
            return self.refuse(now, request, Reject::Parameters);
        };
        if request.params.len() < 5 {
            return self.refuse(now, request, Reject::Parameters);
        }
        let name = &*worker_name(name);
        match self.assemble(now, request, name, job_id, board) {
            Ok(share) => self.hash(now, share),
            Err(Refused { reject, recorded }) => {
                if recorded {
                    self.record_refused(now, name, job_id, reject);
                }
                self.refuse(now, request, reject);
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
        // What no job of ours was ever called is not late work.
        let unknown = if key.is_some() { Reject::UnknownJob } else { Reject::MadeUpJob };
        let sent = sent.ok_or(unknown)?.clone();
        let extranonce2 = text(2)
            .and_then(|hex| Extranonce2::from_hex(hex.as_bytes(), self.terms.port.extranonce2_bytes))
            .ok_or(Reject::ExtranonceSize)?;
        let time = request.param(3).field_u32().ok_or(Reject::TimeForm)?;
        let nonce = request.param(4).field_u32().ok_or(Reject::NonceForm)?;
        let template = &sent.job.template;
        let (version, vote) = self.version_and_vote(request, &sent.job)?;
        let time_in_range = time_in_range(time, template.mintime, template.curtime, now.unix_secs);
        if !time_in_range && self.terms.algorithm.depends_on_time() {
            // No block either: nodes refuse it. Hashed, it would cost what its sender chose.
            return Err(Reject::TimeRange.into());
        }
        // A block is one with any time that nodes take.
        let time_in_range = time_in_range && (self.terms.time_rolling || time == template.curtime);

        self.duplicates.on_tip(board.tip_seq);
        let key = ShareKey::new(sent.key(), &extranonce2, time, nonce, vote.map_or(version.number, u32::from));
        let reserved = self.duplicates.reserve(key);
        match reserved {
            Reserved::New | Reserved::Full => {}
            Reserved::Duplicate => return Err(Reject::Duplicate.into()),
            Reserved::DuplicateCandidate => return Err(Refused { reject: Reject::Duplicate, recorded: false }),
        }
        Ok(Box::new(PendingShare {
            id: request.id.clone(),
            name: name.into(),
            key,
            extranonce2,
            assembled: sent.job.assemble(
                &sent.announcement,
                sent.extranonce1.bytes(),
                &extranonce2,
                Choice { version: version.number, time, nonce, vote: vote.unwrap_or_default() },
            ),
            freshness: self.freshness(now, &sent, board),
            time_in_range,
            version_in_mask: version.in_mask,
            newest: self.newest_bar(now, &sent),
            remembered: reserved == Reserved::New,
            sent,
        }))
    }

    /// What the sixth field says, if it is there: rolled version bits, or where miners have one their vote.
    fn version_and_vote(&self, request: &Request<'_>, job: &Job) -> Result<(Version, Option<u16>), Reject> {
        let template = &job.template;
        let field = request.params.get(5).and_then(Param::text).map(str::as_bytes);
        if !matches!(template.particulars.extra, Extra::Vote { .. }) {
            let bits = field.map(|hex| hex::decode_u32(hex).ok_or(Reject::VersionBits)).transpose()?;
            return Ok((rolled_version(template.version, self.version_mask, bits), None));
        }
        // Four digits; who does not vote votes for nothing.
        let vote = match field {
            Some(digits) => u16::from_be_bytes(hex::decode_array(digits).ok_or(Reject::Parameters)?),
            None => 0,
        };
        if vote > job.vote_max() {
            // No block either: nodes refuse it.
            return Err(Reject::Parameters);
        }
        Ok((rolled_version(template.version, 0, None), Some(vote)))
    }

    /// Whether a job is worth working on.
    fn freshness(&self, now: Moment, sent: &SentJob, board: &JobBoard) -> Freshness {
        let grace = self.terms.port.rules.stale_grace;
        let in_grace = self.tip_seen_at > Duration::ZERO && now.monotonic < self.tip_seen_at + grace;
        match board.job {
            Some(_) if sent.job.tip_seq == board.tip_seq => Freshness::Live,
            Some(_) if in_grace => Freshness::Late,
            _ if sent.job.tip_seq != board.tip_seq => Freshness::Stale,
            _ => Freshness::Paused,
        }
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
            let judge_by = now.monotonic + if candidate { CANDIDATE_NAME_WAIT } else { NAME_WAIT };
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

    /// Judges the shares that have waited long enough for their name.
    pub(super) fn judge_overdue(&mut self, now: Moment) {
        self.judge_waiting(now, |_, _, judge_by| judge_by <= now.monotonic);
    }

    fn judge_waiting(&mut self, now: Moment, due: impl Fn(&Self, &str, Duration) -> bool) {
        let named: Vec<(Ticket, Box<str>, Duration)> = self
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

    pub(super) fn sent_job(&self, key: (u32, u8)) -> Option<&SentJob> {
        self.jobs.iter().rev().find(|sent| sent.key() == key)
    }

    /// The newest difficulty, if it was lowered after `sent` was sent and so recently that shares found
    /// by it may belong to the older job.
    fn newest_bar(&self, now: Moment, sent: &SentJob) -> Option<Arc<Bar>> {
        let recent = self.lowered_at.is_some_and(|at| now.monotonic < at + self.terms.port.rules.race_window);
        (recent && self.bar.difficulty() < sent.difficulty()).then(|| Arc::clone(&self.bar))
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
