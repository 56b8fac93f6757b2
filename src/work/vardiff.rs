//! Difficulty adjustment of one connection: an estimate of its hash rate from the shares it sent
//! over the difficulty it worked at, and a statistical test of whether the rate is off its aim.
//!
//! The evidence is a count n of accepted shares over an exposure X, the time integral of
//! 1 / difficulty: n / X estimates the hash rate whatever the difficulty was meanwhile, so nothing
//! is reset at a change and silence is evidence too. Three windows (the last 6, 20 and 64 shares)
//! are tested, the short one for quick reaction, the long one for precision.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Vardiff;
use crate::difficulty::Difficulty;

/// Windows in shares, with how many standard deviations off the aim it takes to act on them.
const WINDOWS: [(usize, f64); 3] = [(6, 3.8), (20, 3.4), (64, 3.0)];
/// Shares whose exposure is remembered.
const SHARES_KEPT_MAX: usize = 64;
/// Shares of evidence that survive a change.
const SHARES_AFTER_CHANGE_MAX: usize = 8;
/// Least time between two changes.
const CHANGE_GAP: Duration = Duration::from_secs(5);
/// Largest change in one step, down and up.
const STEP_RANGE: (f64, f64) = (1.0 / 32.0, 512.0);

/// The estimator of one connection.
#[derive(Debug)]
pub struct Estimator {
    difficulty: Difficulty,
    /// Exposure up to `since`, in seconds per unit of difficulty.
    exposure: f64,
    since: Duration,
    /// Exposure at each of the last shares, oldest first; starts with the exposure at which the
    /// evidence begins.
    shares: VecDeque<f64>,
    changed: Duration,
    lowered: Duration,
}

impl Estimator {
    /// Starts the exposure: the first job was sent at `now` with `difficulty`.
    pub fn new(difficulty: Difficulty, now: Duration) -> Self {
        Self { difficulty, exposure: 0.0, since: now, shares: VecDeque::from([0.0]), changed: now, lowered: now }
    }

    fn advance(&mut self, now: Duration) {
        self.exposure += now.saturating_sub(self.since).as_secs_f64() / self.difficulty.get();
        self.since = self.since.max(now);
    }

    /// Counts an accepted share.
    pub fn on_share(&mut self, now: Duration) {
        self.advance(now);
        self.shares.push_back(self.exposure);
        if self.shares.len() > SHARES_KEPT_MAX + 1 {
            self.shares.pop_front();
        }
    }

    /// Whether any share was counted yet.
    pub fn has_evidence(&self) -> bool {
        self.shares.len() > 1
    }

    /// The difficulty the connection should work at from now on, if it is not the present one.
    /// `cap` bounds it from above beside the configured maximum: the network's own difficulty.
    pub fn retarget(&mut self, now: Duration, bounds: &Vardiff, cap: Option<Difficulty>) -> Option<Difficulty> {
        self.advance(now);
        if now.saturating_sub(self.changed) < CHANGE_GAP {
            return None;
        }
        let ratio = self.ratio(bounds)?;
        if ratio < 1.0 && now.saturating_sub(self.lowered) < bounds.retarget && self.shares.len() > 1 {
            return None;
        }
        let wanted = self.difficulty.get() * ratio.clamp(STEP_RANGE.0, STEP_RANGE.1);
        let max = cap.map_or(bounds.max, |cap| cap.min(bounds.max)).max(bounds.min);
        let next = Difficulty::new(rounded(wanted))?.min(max).max(bounds.min);
        if next == self.difficulty {
            return None;
        }
        self.changed = now;
        if next < self.difficulty {
            self.lowered = now;
        }
        self.difficulty = next;
        while self.shares.len() > SHARES_AFTER_CHANGE_MAX + 1 {
            self.shares.pop_front();
        }
        Some(next)
    }

    /// By how much the share rate is off, judged by the first window that is sure of it.
    fn ratio(&self, bounds: &Vardiff) -> Option<f64> {
        let known = self.shares.len() - 1;
        for (window, threshold) in WINDOWS {
            let count = known.min(window);
            let start = self.shares.get(known - count).copied().unwrap_or(0.0);
            let counted = count as f64;
            let expected = (self.exposure - start) * self.difficulty.get() / bounds.target.as_secs_f64();
            let deviation = 2.0 * ((counted + 0.375).sqrt() - (expected + 0.125).sqrt());
            let ratio = if count == 0 { 0.5 / expected } else { counted / expected };
            let band = 1.0 + bounds.variance;
            if deviation.abs() > threshold && !(1.0 / band..=band).contains(&ratio) {
                return Some(ratio);
            }
        }
        None
    }
}

/// Two significant digits: short on the wire, exact in MPOS's 4-byte column for ordinary sizes, and
/// never so coarse that the aim is missed by more than a few per cent.
fn rounded(difficulty: f64) -> f64 {
    let scale = 10f64.powf(difficulty.log10().floor() - 1.0);
    let value = (difficulty / scale).round() * scale;
    // Going through text removes the binary noise that the multiplication left behind.
    format!("{value:.12}").parse::<f64>().ok().filter(|parsed| *parsed > 0.0).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Grid;

    fn bounds() -> Vardiff {
        Vardiff {
            min: Difficulty::new(0.001).unwrap(),
            max: Difficulty::new(1e9).unwrap(),
            target: Duration::from_secs(15),
            retarget: Duration::from_secs(90),
            variance: 0.3,
            max_jump: None,
            double_steps: false,
            grid: Grid::Off,
        }
    }

    /// A miner of a constant rate (difficulty-1 shares a second) with exponential gaps from a seed;
    /// returns the difficulty after `secs` and the number of changes.
    fn simulate(seed: u64, rate: f64, start: f64, secs: u64) -> (f64, u32) {
        let mut state = seed;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut difficulty = Difficulty::new(start).unwrap();
        let mut estimator = Estimator::new(difficulty, Duration::ZERO);
        let (mut now, mut changes, mut tick) = (0.0, 0, 0.0);
        let mut work_left = -(1.0 - uniform()).ln();
        while now < secs as f64 {
            let share_at = now + work_left * difficulty.get() / rate;
            let is_share = share_at <= tick;
            let next = if is_share { share_at } else { tick };
            work_left -= (next - now) * rate / difficulty.get();
            now = next;
            if is_share {
                estimator.on_share(Duration::from_secs_f64(now));
                work_left = -(1.0 - uniform()).ln();
            } else {
                tick += 5.0;
            }
            if let Some(next) = estimator.retarget(Duration::from_secs_f64(now), &bounds(), None) {
                difficulty = next;
                changes += 1;
            }
        }
        (difficulty.get(), changes)
    }

    #[test]
    fn finds_the_right_difficulty_from_far_below_and_far_above() {
        for seed in 1..=40 {
            for start in [100.0 / 1024.0, 100.0, 6400.0] {
                // 100 is ideal: 100 / 15 difficulty-1 shares a second.
                let (difficulty, _) = simulate(seed, 100.0 / 15.0, start, 3600);
                assert!((40.0..250.0).contains(&difficulty), "seed {seed} start {start}: {difficulty}");
            }
        }
    }

    #[test]
    fn leaves_a_steady_miner_alone() {
        let changes: u32 = (1..=40).map(|seed| simulate(seed, 100.0 / 15.0, 100.0, 3600).1).sum();
        assert!(changes <= 80, "{changes} changes in 40 hours");
    }

    #[test]
    fn a_silent_miner_is_lowered_to_the_minimum_and_a_fast_one_is_capped() {
        let (mut estimator, mut last) = (Estimator::new(Difficulty::new(1024.0).unwrap(), Duration::ZERO), 1024.0);
        for secs in (0..7200).step_by(5) {
            if let Some(next) = estimator.retarget(Duration::from_secs(secs), &bounds(), None) {
                assert!(next.get() < last);
                last = next.get();
            }
        }
        assert!(last <= 1.0, "{last}");

        let cap = Difficulty::new(50.0);
        let mut estimator = Estimator::new(Difficulty::new(1.0).unwrap(), Duration::ZERO);
        for ms in (0..60_000).step_by(10) {
            estimator.on_share(Duration::from_millis(ms));
            if let Some(next) = estimator.retarget(Duration::from_millis(ms), &bounds(), cap) {
                assert!(next.get() <= 50.0);
                last = next.get();
            }
        }
        assert_eq!(last, 50.0);
    }

    #[test]
    fn rounded_difficulties_are_short() {
        for (value, text) in [(123.456, "120"), (0.012_345, "0.012"), (98_765.0, "99000"), (1.0, "1"), (1.96, "2")] {
            assert_eq!(Difficulty::new(rounded(value)).unwrap().to_string(), text);
        }
    }
}
