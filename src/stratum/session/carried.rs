//! A session on its way from one life of the daemon to the next. Its miner notices nothing: it has the same
//! extranonce, the same jobs at the same difficulties, the same memory of what it has submitted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::allowance::Allowance;
use super::answers::{Answers, Waiting};
use super::conduct::Conduct;
use super::effects::{Peer, Terms};
use super::pending::SentJob;
use super::rechecks::Rechecks;
use super::start::Start;
use super::{Session, Worker};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::secret::Secret;
use crate::config::{JOBS_MAX, WORKERS_MAX};
use crate::difficulty::Difficulty;
use crate::stratum::outgoing::Outgoing;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::{Extranonces, Lease};
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
        carry_jobs(&self.jobs, &self.extranonce1, writer);
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
        let mut session = Self::new(terms, peer, lease, std::time::Duration::ZERO);
        session.read_miner(reader)?;
        session.read_work(reader, jobs)?;
        session.read_course(reader)?;
        Ok(session)
    }

    /// Who it is.
    fn read_miner(&mut self, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        self.id = reader.array()?;
        let bound_to = reader.option(|reader| reader.list::<Arc<str>, Vec<_>>(WORKERS_MAX, text))?;
        self.bound_to = bound_to.map(Vec::into_boxed_slice);
        (self.agent, self.version) = (text(reader)?, text(reader)?);
        (self.welcomed, self.subscribed, self.served) = (reader.bool()?, reader.bool()?, reader.bool()?);
        (self.has_work, self.overdue) = (reader.bool()?, reader.bool()?);
        // Work follows an answer that has gone out.
        let mut answers = Answers::default();
        self.greeting = reader.bool()?.then(|| answers.push(Waiting::Nothing(Vec::new())));
        answers.pop_ready(0, std::time::Duration::ZERO);
        self.answers = answers;
        self.workers = reader.list(WORKERS_MAX, |reader| {
            Ok(Worker { submitted: text(reader)?, credited: text(reader)?, password: password(reader)? })
        })?;
        self.rechecks = Rechecks::carried(reader)?;
        Ok(())
    }

    /// What it works on.
    fn read_work(&mut self, reader: &mut Reader<'_>, jobs: &Jobs) -> Result<(), Damaged> {
        let terms = Arc::clone(&self.terms);
        self.version_mask = reader.u32()? & terms.version_mask;
        self.floor = reader.option(difficulty)?;
        self.difficulty = difficulty(reader)?;
        self.told = reader.option(difficulty)?;
        self.bar = terms.bar(difficulty(reader)?);
        self.lowered_at = reader.option(Reader::time)?;
        (self.tip_seq, self.tip_seen_at) = (reader.u64()?, reader.time()?);
        self.jobs = carried_jobs(reader, &terms, (&self.extranonce1, terms.port.extranonce2_bytes), jobs, JOBS_MAX)?;
        self.start = Start::carried(reader)?;
        self.duplicates = Duplicates::carried(reader, terms.memory.keys.clone())?;
        self.refused_rows = Allowance::carried(reader)?;
        let estimator = reader.option(Estimator::carried)?.filter(|_| terms.port.vardiff.is_some());
        self.estimator = estimator.map(Box::new);
        Ok(())
    }

    /// How it has gone so far.
    fn read_course(&mut self, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        let mut out = Outgoing::default();
        out.push(reader.bytes(OUT_BYTES_MAX)?);
        self.out = out;
        self.junk = reader.u8()?;
        (self.opened_at, self.active_at) = (reader.time()?, reader.time()?);
        (self.work_sent_at, self.retargeted_at) = (reader.time()?, reader.time()?);
        self.authorize_by = reader.option(Reader::time)?.unwrap_or(std::time::Duration::MAX);
        self.share_gap = reader.option(Reader::time)?;
        self.conduct = Conduct::carried(reader)?;
        self.pings = reader.u64()?;
        Ok(())
    }
}

/// Writes which jobs were sent, and at which difficulty each. Those sent with an extranonce that the session has
/// exchanged since stay behind: whoever got another one works on newer jobs.
pub(super) fn carry_jobs(jobs: &VecDeque<SentJob>, extranonce1: &Arc<Lease>, writer: &mut Writer) {
    let current: Vec<&SentJob> = jobs.iter().filter(|sent| Arc::ptr_eq(&sent.extranonce1, extranonce1)).collect();
    writer.list(current.into_iter(), |writer, sent| {
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
    (extranonce1, extranonce2_bytes): (&Arc<Lease>, u8),
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
        let extranonce1 = Arc::clone(extranonce1);
        sent.push_back(SentJob { job: Arc::clone(job), announcement, extranonce1, bar });
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
