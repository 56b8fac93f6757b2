//! What a coin has done lately: how fast it was mined over some windows, and since when its tip stands.
//!
//! The share path adds to one sum; a sample of it is kept every few seconds, and rates are differences of
//! samples. The same samples, held beside the number of the last event in the spool, say how much of that work
//! the database has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::ledger::handle::Ledger;
use crate::stratum::counters::Counters;
use crate::work::board::JobBoard;

/// How often a sample is taken.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// Windows of the rates, longest last.
pub const WINDOWS: [(&str, Duration); 3] =
    [("1m", Duration::from_secs(60)), ("5m", Duration::from_secs(300)), ("15m", Duration::from_secs(900))];
/// The window over which MPOS takes the pool's hash rate.
pub const MPOS_WINDOW: Duration = Duration::from_secs(180);
/// Samples kept: those of the longest window, and the one before it.
const SAMPLES_MAX: usize = 182;

/// The state of the sums at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    at: Duration,
    /// Difficulty credited.
    work: f64,
    /// Last event of the spool.
    written: u64,
}

/// The meter of a coin.
pub struct Meter {
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    ledger: Arc<Ledger>,
    /// The first one is the coin's start.
    samples: Mutex<VecDeque<Sample>>,
    tip: Mutex<(u64, Duration)>,
}

/// What MPOS makes of the coin, in difficulty per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// By the rows that are in the database.
    pub now: f64,
    /// When all rows are in.
    pub in_the_end: f64,
}

impl Meter {
    /// Starts a meter, whose task is one of `tasks`.
    pub fn start(
        clock: &Arc<dyn Clock>,
        counters: &Arc<Counters>,
        ledger: &Arc<Ledger>,
        board: &watch::Receiver<Arc<JobBoard>>,
        tasks: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let (samples, tip) = (Mutex::default(), Mutex::new((0, clock.monotonic())));
        let (clock, counters, ledger) = (Arc::clone(clock), Arc::clone(counters), Arc::clone(ledger));
        let meter = Arc::new(Self { clock, counters, ledger, samples, tip });
        let first = meter.sample();
        lock(&meter.samples).push_back(first);
        tasks.spawn(Arc::clone(&meter).run(board.clone()));
        meter
    }

    /// Samples until the coin is gone.
    async fn run(self: Arc<Self>, mut board: watch::Receiver<Arc<JobBoard>>) {
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            let tip = board.borrow_and_update().tip_seq;
            self.note_tip(tip);
            tokio::select! {
                _ = ticks.tick() => {
                    let sample = self.sample();
                    let mut samples = lock(&self.samples);
                    if samples.len() >= SAMPLES_MAX {
                        samples.pop_front();
                    }
                    samples.push_back(sample);
                }
                changed = board.changed() => if changed.is_err() { return },
            }
        }
    }

    fn sample(&self) -> Sample {
        // The spool first: work that is counted meanwhile has a number beyond it.
        let written = self.ledger.status().written;
        Sample { at: self.clock.monotonic(), work: self.counters.work.get(), written }
    }

    fn note_tip(&self, seq: u64) {
        let mut tip = lock(&self.tip);
        if tip.0 != seq {
            *tip = (seq, self.clock.monotonic());
        }
    }

    /// How long the tip stands.
    pub fn tip_age(&self) -> Duration {
        self.clock.monotonic().saturating_sub(lock(&self.tip).1)
    }

    /// Difficulty per second in each of [`WINDOWS`]; a coin that is younger than a window is measured over its
    /// life.
    pub fn rates(&self) -> [f64; 3] {
        let (now, samples) = (self.sample(), lock(&self.samples));
        WINDOWS.map(|(_, window)| rate(&samples, now, window))
    }

    /// What MPOS shows.
    pub fn shown(&self) -> Shown {
        let (now, drained, samples) = (self.sample(), self.ledger.drained_seq(), lock(&self.samples));
        let begin = begin_of(&samples, now, MPOS_WINDOW);
        // MPOS divides by its whole window, however short a time there was something to count.
        let over_window = |work: f64| (work - begin.work).max(0.0) / MPOS_WINDOW.as_secs_f64();
        Shown { now: over_window(work_at(&samples, now, drained)), in_the_end: over_window(now.work) }
    }
}

fn rate(samples: &VecDeque<Sample>, now: Sample, window: Duration) -> f64 {
    let begin = begin_of(samples, now, window);
    // Below a second a single share would look like a great deal.
    (now.work - begin.work).max(0.0) / now.at.saturating_sub(begin.at).as_secs_f64().max(1.0)
}

/// The newest sample that is at least a window old, else the oldest.
fn begin_of(samples: &VecDeque<Sample>, now: Sample, window: Duration) -> Sample {
    let old = samples.iter().rev().find(|sample| now.at.saturating_sub(sample.at) >= window);
    old.or(samples.front()).copied().unwrap_or(now)
}

/// The work behind the events up to `seq`, between two samples in proportion.
fn work_at(samples: &VecDeque<Sample>, now: Sample, seq: u64) -> f64 {
    let mut after = now;
    for before in samples.iter().rev() {
        if seq >= after.written {
            return after.work;
        }
        if seq >= before.written {
            let span = u32::try_from(after.written - before.written).map_or(1.0, f64::from).max(1.0);
            let part = u32::try_from(seq - before.written).map_or(1.0, f64::from) / span;
            return before.work + (after.work - before.work) * part;
        }
        after = *before;
    }
    after.work
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(secs: u64, work: f64, written: u64) -> Sample {
        Sample { at: Duration::from_secs(secs), work, written }
    }

    #[test]
    fn rates_are_over_their_window_or_the_coin_s_life() {
        let samples: VecDeque<_> = (0..=60).map(|nth| sample(nth * 5, f64::from(nth as u32) * 10.0, nth * 3)).collect();
        let now = sample(302, 700.0, 200);
        // 60 s before 302 s is 242 s; the sample before it is that of 240 s, with 480.
        assert_eq!(rate(&samples, now, Duration::from_secs(60)), 220.0 / 62.0);
        assert_eq!(rate(&samples, now, Duration::from_secs(900)), 700.0 / 302.0);
        assert_eq!(rate(&VecDeque::from([now]), now, Duration::from_secs(60)), 0.0);
    }

    #[test]
    fn work_that_is_drained_is_known_between_samples() {
        let samples = VecDeque::from([sample(0, 0.0, 10), sample(5, 100.0, 20), sample(10, 100.0, 20)]);
        let now = sample(12, 160.0, 30);
        for (seq, work) in [(5, 0.0), (10, 0.0), (15, 50.0), (20, 100.0), (25, 130.0), (30, 160.0), (99, 160.0)] {
            assert_eq!(work_at(&samples, now, seq), work, "{seq}");
        }
    }
}
