//! Sessions whose connection ended a moment ago. Whoever names one takes it up again: with the same
//! extranonce, so that what it mined meanwhile still counts, and with the keys of what it has
//! submitted, so that nothing counts twice.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::carried::{Jobs, carried_jobs, carry_jobs, difficulty, text};
use super::effects::Terms;
use super::pending::SentJob;
use super::start::Start;
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::bytes::hex;
use crate::bytes::sha256::sha256;
use crate::config::WORKERS_MAX;
use crate::difficulty::Difficulty;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::{Extranonces, Lease};
use crate::work::job::Job;

/// Most sessions kept per coin; at it the oldest goes.
pub const PARKED_MAX: usize = 20_000;
/// Most places in the order of parking; at it the oldest session goes, too.
const PLACES_MAX: usize = 2 * PARKED_MAX;
/// Jobs kept with a session: those that its last shares can be for.
pub const JOBS_KEPT_MAX: usize = 4;

/// Names a session. Nobody can guess another's.
pub type SessionId = [u8; 16];

/// What is kept of a session.
#[derive(Debug)]
pub struct Kept {
    /// Its extranonce: as long as it is here, nobody else gets it.
    pub extranonce1: Arc<Lease>,
    /// How much of the extranonce its miner rolls.
    pub extranonce2_bytes: u8,
    /// What it has submitted.
    pub duplicates: Duplicates,
    /// Its latest jobs.
    pub jobs: VecDeque<SentJob>,
    /// Its difficulty and where that came from.
    pub difficulty: Difficulty,
    /// Where that came from.
    pub start: Start,
    /// The least that its miner asked for; not carried to the daemon's next life.
    pub floor: Option<Difficulty>,
    /// The negotiated version bits.
    pub version_mask: u32,
    /// Only one of these workers may take it up.
    pub workers: Box<[Arc<str>]>,
}

/// The parked sessions of a coin; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Parked(Arc<Lot>);

#[derive(Debug, Default)]
struct Lot {
    secret: [u8; 32],
    issued: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sessions: HashMap<SessionId, (Kept, Duration)>,
    /// When each was parked, oldest first; with sessions that were taken up since.
    order: VecDeque<(SessionId, Duration)>,
}

impl Parked {
    /// An empty lot whose ids nobody can guess who does not know `secret`.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Arc::new(Lot { secret, ..Lot::default() }))
    }

    /// An id for a new session.
    pub fn issue(&self) -> SessionId {
        let number = self.0.issued.fetch_add(1, Ordering::Relaxed);
        let digest = sha256(&[&self.0.secret[..], &number.to_be_bytes()].concat());
        let mut id = SessionId::default();
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }

    /// Keeps a session for `window`.
    pub fn park(&self, id: SessionId, kept: Kept, now: Duration, window: Duration) {
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget(now);
        // Sessions that come and go leave their places in the order behind.
        while table.sessions.len() >= PARKED_MAX || table.order.len() >= PLACES_MAX {
            let Some((oldest, until)) = table.order.pop_front() else { break };
            table.drop_if_parked_until(oldest, until);
        }
        let until = now + window;
        table.sessions.insert(id, (kept, until));
        table.order.push_back((id, until));
    }

    /// Writes the sessions, for the daemon's next life, and says which jobs belong to them.
    pub fn carry(&self, writer: &mut Writer) -> Vec<Arc<Job>> {
        let table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there =
            |(id, until): &&(SessionId, Duration)| table.sessions.get(id).is_some_and(|(_, parked)| parked == until);
        let places: Vec<_> = table.order.iter().filter(is_there).collect();
        let mut jobs = Vec::new();
        writer.list(places.into_iter(), |writer, (id, until)| {
            let Some((kept, _)) = table.sessions.get(id) else { return };
            writer.raw(id);
            writer.time(*until);
            writer.raw(&kept.extranonce1.bytes());
            writer.u8(kept.extranonce2_bytes);
            kept.duplicates.carry(writer);
            carry_jobs(&kept.jobs, &kept.extranonce1, writer);
            jobs.extend(kept.jobs.iter().map(|sent| Arc::clone(&sent.job)));
            writer.f64(kept.difficulty.get());
            kept.start.carry(writer);
            writer.u32(kept.version_mask);
            writer.list(kept.workers.iter(), |writer, worker| writer.text(worker));
        });
        jobs
    }

    /// Reads sessions that the daemon's last life had parked. `terms` are those of any port of the coin with
    /// the size of extranonce2 that a session has.
    ///
    /// # Errors
    /// They are damaged.
    pub fn carried<'t>(
        &self,
        reader: &mut Reader<'_>,
        terms: impl Fn(u8) -> &'t Arc<Terms>,
        extranonces: &Arc<Extranonces>,
        jobs: &Jobs,
    ) -> Result<(), Damaged> {
        for _ in 0..reader.count(PLACES_MAX)? {
            let (id, until): (SessionId, Duration) = (reader.array()?, reader.time()?);
            let lease = extranonces.lease_again(reader.array()?);
            let lease = lease.ok_or_else(|| reader.damaged("an extranonce that nobody else has"))?;
            let extranonce1 = Arc::new(lease);
            let extranonce2_bytes = reader.u8()?;
            let terms = terms(extranonce2_bytes);
            let kept = Kept {
                duplicates: Duplicates::carried(reader, terms.memory.keys.clone())?,
                jobs: carried_jobs(reader, terms, (&extranonce1, extranonce2_bytes), jobs, JOBS_KEPT_MAX)?,
                extranonce1,
                extranonce2_bytes,
                difficulty: difficulty(reader)?,
                start: Start::carried(reader)?,
                // The password says it again.
                floor: None,
                version_mask: reader.u32()?,
                workers: reader.list::<Arc<str>, Vec<_>>(WORKERS_MAX, text)?.into(),
            };
            let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
            table.sessions.insert(id, (kept, until));
            table.order.push_back((id, until));
        }
        Ok(())
    }

    /// Takes a session up again, once.
    pub fn take(&self, id: &str, now: Duration) -> Option<(SessionId, Kept)> {
        let id: SessionId = hex::decode_array(id.as_bytes())?;
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget(now);
        table.sessions.remove(&id).map(|(kept, _)| (id, kept))
    }
}

impl Table {
    /// Drops what is too old.
    fn forget(&mut self, now: Duration) {
        while let Some((id, until)) = self.order.pop_front_if(|(_, until)| *until <= now) {
            self.drop_if_parked_until(id, until);
        }
    }

    /// Drops a session, unless it was taken up and parked again since.
    fn drop_if_parked_until(&mut self, id: SessionId, until: Duration) {
        if self.sessions.get(&id).is_some_and(|(_, parked_until)| *parked_until == until) {
            self.sessions.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::extranonce::Extranonces;

    const WINDOW: Duration = Duration::from_secs(600);

    fn kept(extranonces: &Arc<Extranonces>) -> Kept {
        Kept {
            extranonce1: Arc::new(extranonces.lease()),
            extranonce2_bytes: 4,
            duplicates: Duplicates::default(),
            jobs: VecDeque::new(),
            difficulty: Difficulty::new(1.0).unwrap(),
            start: Start::PORT,
            floor: None,
            version_mask: 0,
            workers: Box::new([]),
        }
    }

    #[test]
    fn sessions_are_kept_for_their_window_and_memory_is_bounded() {
        let (lot, extranonces) = (Parked::new([7; 32]), Arc::new(Extranonces::starting_at(1)));
        let second = Duration::from_secs(1);
        let first = lot.issue();
        assert_ne!(first, Parked::new([8; 32]).issue(), "the secret makes the name");
        let name = hex::encode(&first);
        lot.park(first, kept(&extranonces), Duration::ZERO, WINDOW);
        assert!(lot.take(&name, WINDOW).is_none(), "too late");
        lot.park(first, kept(&extranonces), Duration::ZERO, WINDOW);
        assert!(lot.take(&name, WINDOW - second).is_some() && lot.take(&name, WINDOW - second).is_none(), "once");

        // One that comes and goes all the time is not forgotten for its earlier visits, and fills nothing.
        for visit in 0..PLACES_MAX as u64 + 10 {
            lot.park(first, kept(&extranonces), second + Duration::from_micros(visit), WINDOW);
            assert!(lot.take(&name, second + Duration::from_micros(visit)).is_some());
        }
        lot.park(first, kept(&extranonces), second * 2, WINDOW);
        for _ in 0..PARKED_MAX - 1 {
            lot.park(lot.issue(), kept(&extranonces), second * 2, WINDOW);
        }
        let sizes = || {
            let table = lot.0.table.lock().unwrap();
            (table.sessions.len(), table.order.len() <= PLACES_MAX)
        };
        assert_eq!(sizes(), (PARKED_MAX, true));
        lot.park(lot.issue(), kept(&extranonces), second * 2, WINDOW);
        assert_eq!(sizes(), (PARKED_MAX, true));
        assert!(lot.take(&name, second * 2).is_none(), "the oldest goes");
    }
}
