//! Signs of life of the loops that must never stand still. Who watches them decides what to do about silence.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The signs of one loop.
#[derive(Debug)]
pub struct Pulse {
    name: &'static str,
    /// How long a turn may take at most.
    patience: Duration,
    beats: AtomicU64,
    /// Waits for a disk that are under way.
    rests: AtomicUsize,
}

impl Pulse {
    /// The pulse of a loop, which has not begun. It turns at least once in `patience`.
    pub fn new(name: &'static str, patience: Duration) -> Self {
        Self { name, patience, beats: AtomicU64::new(0), rests: AtomicUsize::new(0) }
    }

    /// The loop has come around.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Does something that takes as long as a disk likes: to end the process would not make that quicker.
    pub fn rest<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.rests.fetch_add(1, Ordering::Relaxed);
        let done = wait();
        self.rests.fetch_sub(1, Ordering::Relaxed);
        done
    }

    /// The loop, for people.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How long a turn may take at most.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// How often the loop has come around; `None` while nothing can be expected of it, before its first turn and
    /// while it waits for a disk.
    pub fn beats(&self) -> Option<u64> {
        let resting = self.rests.load(Ordering::Relaxed) > 0;
        Some(self.beats.load(Ordering::Relaxed)).filter(|beats| *beats > 0 && !resting)
    }
}
