//! Where every source of new tips rings: the watchers of all nodes hear it and look at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::tally::{Count, Tally};
use super::tip::Source;
use crate::bytes::Hash;
use crate::clock::Clock;

/// One ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    /// Grows with every ring; rings that come faster than the nodes answer become one.
    count: u64,
    /// Who rang.
    pub(super) source: Source,
    /// The new tip, if it was named.
    pub(super) tip: Option<Hash>,
    /// When.
    pub(super) at: Duration,
}

/// A coin's bell.
pub struct Bell {
    clock: Arc<dyn Clock>,
    rings: watch::Sender<Ring>,
    tally: Mutex<Tally>,
}

impl Bell {
    /// A bell that nobody hears yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let rings = watch::channel(Ring { count: 0, source: Source::Kick, tip: None, at: Duration::ZERO }).0;
        Self { clock, rings, tally: Mutex::default() }
    }

    /// There is news: every node is asked for its tip at once. A tip that is being mined on already is
    /// only counted. Without a name for it, the source is credited with the tip that the nodes then have.
    pub fn ring(&self, source: Source, tip: Option<Hash>) {
        let at = self.clock.monotonic();
        if tip.is_some_and(|tip| self.tally().told(source, tip, at)) {
            return;
        }
        self.rings.send_modify(|ring| *ring = Ring { count: ring.count.wrapping_add(1), source, tip, at });
    }

    /// How often each source in use was first, and by how much.
    pub fn counts(&self) -> Vec<(Source, Count)> {
        self.tally().counts()
    }

    /// A node builds on the tip: whoever told of it is credited.
    pub fn confirm(&self, tip: Hash) {
        let now = self.clock.monotonic();
        self.tally().confirmed(tip, now);
    }

    pub(super) fn listen(&self) -> watch::Receiver<Ring> {
        self.rings.subscribe()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A source that rings for nobody: what it found is on its way by itself.
    pub(super) fn note(&self, source: Source, tip: Hash, at: Duration) {
        self.tally().told(source, tip, at);
    }

    pub(super) fn unix_secs(&self) -> u64 {
        self.clock.unix_secs()
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
