//! What all connections of a run count together.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When a job came, and on which block it builds (as on the wire).
#[derive(Debug, Clone, Copy)]
pub struct Notified {
    /// When its bytes arrived.
    pub at: Instant,
    /// Previous hash in the wire's hexadecimal.
    pub previous: [u8; 64],
}

/// Counters and switches of a run.
#[derive(Debug, Default)]
pub struct Tally {
    sending: AtomicBool,
    measuring: AtomicBool,
    watching: AtomicBool,
    following: AtomicBool,
    sent: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    first_trouble: Mutex<Option<String>>,
    /// Microseconds from submit to verdict.
    latencies: Mutex<Vec<u64>>,
    notified: Mutex<Vec<Notified>>,
}

impl Tally {
    /// Whether every verdict is followed by the next share.
    pub fn keeps_sending(&self) -> bool {
        self.sending.load(Relaxed)
    }

    /// Switches that on or off.
    pub fn keep_sending(&self, on: bool) {
        self.sending.store(on, Relaxed);
    }

    /// Whether reply times are kept.
    pub fn measure(&self, on: bool) {
        self.measuring.store(on, Relaxed);
    }

    /// Whether jobs are only noted down with their time.
    pub fn watches_tips(&self) -> bool {
        self.watching.load(Relaxed)
    }

    /// Switches that on.
    pub fn watch_tips(&self) {
        self.watching.store(true, Relaxed);
    }

    /// Whether jobs are also worked on while tips are watched.
    pub fn follows_jobs(&self) -> bool {
        self.following.load(Relaxed)
    }

    /// Notes jobs with their time and works on them.
    pub fn watch_and_follow(&self) {
        self.following.store(true, Relaxed);
        self.watch_tips();
    }

    /// A share is on its way.
    pub fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// A share was answered.
    pub fn verdict(&self, accepted: bool, after: Duration, line: &[u8]) {
        if accepted {
            self.accepted.fetch_add(1, Relaxed);
        } else {
            self.refused.fetch_add(1, Relaxed);
            self.trouble(|| String::from_utf8_lossy(line).into_owned());
        }
        if self.measuring.load(Relaxed) {
            lock(&self.latencies).push(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// A connection ended.
    pub fn broken(&self, worker: &str, error: &io::Error) {
        self.broken.fetch_add(1, Relaxed);
        self.trouble(|| format!("{worker}: {error}"));
    }

    fn trouble(&self, what: impl FnOnce() -> String) {
        lock(&self.first_trouble).get_or_insert_with(what);
    }

    /// A job came while tips are watched.
    pub fn notified(&self, notified: Notified) {
        lock(&self.notified).push(notified);
    }

    /// When jobs on a block (previous hash as on the wire) came, in the order in which they were read.
    pub fn notified_of(&self, previous: &str) -> Vec<Instant> {
        let seen = lock(&self.notified);
        seen.iter().filter(|notified| notified.previous == *previous.as_bytes()).map(|notified| notified.at).collect()
    }

    /// Shares answered `true` so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Shares answered otherwise so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Connections that have ended.
    pub fn ended(&self) -> u64 {
        self.broken.load(Relaxed)
    }

    /// Shares that are not answered yet.
    pub fn outstanding(&self) -> u64 {
        self.sent.load(Relaxed).saturating_sub(self.accepted() + self.refused())
    }

    /// The first refusal or broken connection.
    pub fn first_trouble(&self) -> Option<String> {
        lock(&self.first_trouble).clone()
    }

    /// The reply times measured, sorted.
    pub fn latencies(&self) -> Vec<u64> {
        let mut latencies = std::mem::take(&mut *lock(&self.latencies));
        latencies.sort_unstable();
        latencies
    }
}

/// The value at a per-mille rank of sorted microseconds, in milliseconds.
pub fn percentile_ms(sorted: &[u64], per_mille: usize) -> f64 {
    let rank = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
    let micros = sorted.get(rank).copied().unwrap_or(0);
    Duration::from_micros(micros).as_secs_f64() * 1000.0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
