//! Sessions whose connection ended a moment ago. Whoever names one takes it up again: with the same
//! extranonce, so that what it mined meanwhile still counts, and with the keys of what it has
//! submitted, so that nothing counts twice.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pending::SentJob;
use super::start::Start;
use crate::bytes::hex;
use crate::bytes::sha256::sha256;
use crate::difficulty::Difficulty;
use crate::work::duplicates::Duplicates;
use crate::work::extranonce::Lease;

/// Most sessions kept per coin; at it the oldest goes.
pub const PARKED_MAX: usize = 20_000;
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
        while table.sessions.len() >= PARKED_MAX {
            let Some((oldest, _)) = table.order.pop_front() else { break };
            table.sessions.remove(&oldest);
        }
        let until = now + window;
        table.sessions.insert(id, (kept, until));
        table.order.push_back((id, until));
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
        while let Some((id, _)) = self.order.pop_front_if(|(_, until)| *until <= now) {
            // It may have been taken up and parked again since.
            if self.sessions.get(&id).is_some_and(|(_, until)| *until <= now) {
                self.sessions.remove(&id);
            }
        }
    }
}
