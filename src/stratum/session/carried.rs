//! A session on its way from one life of the daemon to the next. Its miner notices nothing: it has the same
//! extranonce, the same jobs at the same difficulties, the same memory of what it has submitted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::allowance::Allowance;
use super::answers::{Answers, Waiting};
use super::conduct::Conduct;
use super::effects::{Peer, Terms};
use super::parked::SessionId;
use super::pending::SentJob;
use super::rechecks::Rechecks;
use super::start::Start;
use super::work::JOBS_MAX;
use super::{Session, WORKERS_MAX, Worker};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::secret::Secret;
use crate::difficulty::Difficulty;
use crate::stratum::outgoing::Outgoing;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::Extranonces;
use crate::work::job::Job;
use crate::work::vardiff::Estimator;

/// Longest text of a session.
const TEXT_BYTES_MAX: usize = 4096;
/// Most bytes that wait to be sent.
const OUT_BYTES_MAX: usize = 1 << 20;

/// The jobs of a coin by their serials.
pub type Jobs = BTreeMap<u32, Arc<Job>>;

impl Session {
    /// Whether it can go on in the next life: nothing that it was asked is still without an answer, and it is
    /// not at its end.
    pub fn can_be_carried(&self) -> bool {
        !self.ended && self.answers.is_empty()
    }

    /// The jobs that its miner may hand in shares for.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.iter().map(|sent| &sent.job)
    }

    /// Writes it. Its jobs are written elsewhere, by [`Session::jobs`].
    pub fn carry(&self, out: &[u8], writer: &mut Writer) {
        writer.raw(&self.extranonce1.bytes());
        writer.u8(self.terms.port.extranonce2_bytes);
        writer.raw(&self.id);
        writer.option(self.bound_to.as_deref(), |writer, names| {
            writer.list(names.iter(), |writer, name| writer.text(name));
        });
        writer.text(&self.agent);
        writer.text(&self.version);
        let greeting = self.greeting.is_some();
        for flag in [self.welcomed, self.subscribed, self.served, self.has_work, self.overdue, greeting] {
            writer.bool(flag);
        }
        writer.list(self.workers.iter(), |writer, worker| {
            writer.text(&worker.submitted);
            writer.text(&worker.credited);
            writer.text(worker.password.reveal());
        });
        self.rechecks.carry(writer);
        writer.u32(self.version_mask);
        writer.option(self.floor.map(Difficulty::get), Writer::f64);
        writer.f64(self.difficulty.get());
        writer.option(self.told.map(Difficulty::get), Writer::f64);
        writer.f64(self.bar.difficulty().get());
        writer.option(self.lowered_at, Writer::time);
        writer.u64(self.tip_seq);
        writer.time(self.tip_seen_at);
        carry_jobs(&self.jobs, writer);
        self.start.carry(writer);
        self.duplicates.carry(writer);
        self.refused_rows.carry(writer);
        writer.option(self.estimator.as_deref(), |writer, estimator| estimator.carry(writer));
        writer.bytes(out);
        writer.u8(self.junk);
        for time in [self.opened_at, self.active_at, self.work_sent_at, self.retargeted_at] {
            writer.time(time);
        }
        // The end of time has no number.
        writer.option(Some(self.authorize_by).filter(|at| *at != std::time::Duration::MAX), Writer::time);
        writer.option(self.share_gap, Writer::time);
        self.conduct.carry(writer);
        writer.u64(self.pings);
    }

    /// Reads it, on a port with these terms. `jobs` are those of the coin, and the extranonce must be free.
    ///
    /// # Errors
    /// It is damaged, or does not fit the port any more.
    pub fn carried(
        reader: &mut Reader<'_>,
        terms: Arc<Terms>,
        peer: Peer,
        extranonces: &Arc<Extranonces>,
        jobs: &Jobs,
    ) -> Result<Self, Damaged> {
        let lease = extranonces.lease_again(reader.array()?);
        let lease = lease.ok_or_else(|| reader.damaged("an extranonce that nobody else has"))?;
        if reader.u8()? != terms.port.extranonce2_bytes {
            return Err(reader.damaged("the port's size of extranonce2"));
        }
        let id: SessionId = reader.array()?;
        let bound_to = reader.option(|reader| reader.list::<Arc<str>, Vec<_>>(WORKERS_MAX, text))?;
        let (agent, version) = (text(reader)?, text(reader)?);
        let (welcomed, subscribed, served) = (reader.bool()?, reader.bool()?, reader.bool()?);
        let (has_work, overdue, greeting) = (reader.bool()?, reader.bool()?, reader.bool()?);
        let workers = reader.list(WORKERS_MAX, |reader| {
            Ok(Worker { submitted: text(reader)?, credited: text(reader)?, password: password(reader)? })
        })?;
        let rechecks = Rechecks::carried(reader)?;
        let version_mask = reader.u32()? & terms.version_mask;
        let floor = reader.option(difficulty)?;
        let present = difficulty(reader)?;
        let told = reader.option(difficulty)?;
        let bar = terms.bar(difficulty(reader)?);
        let (lowered_at, tip_seq, tip_seen_at) = (reader.option(Reader::time)?, reader.u64()?, reader.time()?);
        let sent = carried_jobs(reader, &terms, terms.port.extranonce2_bytes, jobs, JOBS_MAX)?;
        let start = Start::carried(reader)?;
        let duplicates = Duplicates::carried(reader, terms.memory.keys.clone())?;
        let refused_rows = Allowance::carried(reader)?;
        let estimator = reader.option(Estimator::carried)?.filter(|_| terms.port.vardiff.is_some());
        let mut out = Outgoing::default();
        out.push(reader.bytes(OUT_BYTES_MAX)?);
        let junk = reader.u8()?;
        let (opened_at, active_at) = (reader.time()?, reader.time()?);
        let (work_sent_at, retargeted_at) = (reader.time()?, reader.time()?);
        let authorize_by = reader.option(Reader::time)?.unwrap_or(std::time::Duration::MAX);
        let mut answers = Answers::default();
        // Work follows an answer that has gone out.
        let greeting = greeting.then(|| answers.push(Waiting::Nothing(Vec::new())));
        answers.pop_ready(0, opened_at);
        Ok(Self {
            extranonce1: Arc::new(lease),
            id,
            bound_to: bound_to.map(Vec::into_boxed_slice),
            agent,
            version,
            welcomed,
            subscribed,
            greeting,
            served,
            workers,
            rechecks,
            version_mask,
            floor,
            difficulty: present,
            told,
            bar,
            lowered_at,
            tip_seq,
            tip_seen_at,
            has_work,
            overdue,
            jobs: sent,
            start,
            duplicates,
            refused_rows,
            estimator: estimator.map(Box::new),
            answers,
            out,
            effects: Vec::new(),
            ended: false,
            junk,
            synced: 0,
            opened_at,
            active_at,
            share_gap: reader.option(Reader::time)?,
            authorize_by,
            conduct: Conduct::carried(reader)?,
            pings: reader.u64()?,
            work_sent_at,
            retargeted_at,
            terms,
            peer,
        })
    }
}

/// Writes which jobs were sent, and at which difficulty each.
pub(super) fn carry_jobs(jobs: &VecDeque<SentJob>, writer: &mut Writer) {
    writer.list(jobs.iter(), |writer, sent| {
        let (serial, variant) = sent.key();
        writer.u32(serial);
        writer.u8(variant);
        writer.f64(sent.difficulty().get());
    });
}

/// Reads them.
pub(super) fn carried_jobs(
    reader: &mut Reader<'_>,
    terms: &Terms,
    extranonce2_bytes: u8,
    jobs: &Jobs,
    most: usize,
) -> Result<VecDeque<SentJob>, Damaged> {
    let mut sent: VecDeque<SentJob> = VecDeque::new();
    for _ in 0..reader.count(most)? {
        let (serial, variant, wanted) = (reader.u32()?, reader.u8()?, difficulty(reader)?);
        let job = jobs.get(&serial);
        let told = job.and_then(|job| Some((job, job.told(extranonce2_bytes, variant)?)));
        let (job, announcement) = told.ok_or_else(|| reader.damaged("a job of the coin"))?;
        // Jobs that were sent with the same difficulty share its bar.
        let bar = sent.back().map(|last| &last.bar).filter(|bar| bar.difficulty() == wanted);
        let bar = bar.map_or_else(|| terms.bar(wanted), Arc::clone);
        sent.push_back(SentJob { job: Arc::clone(job), announcement, bar });
    }
    Ok(sent)
}

pub(super) fn difficulty(reader: &mut Reader<'_>) -> Result<Difficulty, Damaged> {
    let value = reader.f64()?;
    Difficulty::new(value).ok_or_else(|| reader.damaged("a difficulty"))
}

pub(super) fn text<'a, T: From<&'a str>>(reader: &mut Reader<'a>) -> Result<T, Damaged> {
    reader.text(TEXT_BYTES_MAX).map(T::from)
}

fn password(reader: &mut Reader<'_>) -> Result<Secret, Damaged> {
    reader.text(TEXT_BYTES_MAX).map(Secret::new)
}
