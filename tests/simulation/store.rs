//! The workers of the simulation, and the database that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpos_stratum::worker::source::{Found, SourceError, StoredAccount, StoredWorker, WorkerSource};

/// The stored workers, each with its password.
pub const WORKERS: [(&str, &str); 5] =
    [("Alice.Rig", "Secret"), ("alice.rig2", "x"), ("Bob.GARAGE", ""), ("carol.a", "p w"), ("Pool.Fallback", "f")];

/// The stored spelling of a name.
pub fn stored(name: &str) -> Option<(&'static str, &'static str)> {
    WORKERS.into_iter().find(|(stored, _)| stored.eq_ignore_ascii_case(name))
}

/// Whether the database answers.
#[derive(Default)]
pub struct Store {
    away: AtomicBool,
}

impl Store {
    /// Takes it away, or gives it back.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Whether it is away.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }
}

/// A way to the store.
pub struct Source(pub Arc<Store>);

impl WorkerSource for Source {
    async fn find(&mut self, name: &str) -> Result<Found, SourceError> {
        if self.0.is_away() {
            return Err(SourceError("away".into()));
        }
        Ok(match stored(name) {
            Some((name, password)) => Found::Worker(StoredWorker {
                name: name.into(),
                password: Some(password.into()),
                locked: 0,
                folds_case: true,
            }),
            None => Found::Nothing,
        })
    }

    async fn create(&mut self, _: &StoredAccount, _: &str, _: &str) -> Result<StoredWorker, SourceError> {
        Err(SourceError("nobody is created here".into()))
    }
}
