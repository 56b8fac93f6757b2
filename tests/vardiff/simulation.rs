//! One simulated miner: its shares come by chance at its hash rate over the difficulty it has.

use std::time::Duration;

use mpos_stratum::config::{Grid, Vardiff};
use mpos_stratum::difficulty::Difficulty;
use mpos_stratum::work::vardiff::Estimator;

/// The aim of every simulation, seconds between shares.
pub const TARGET: f64 = 15.0;
/// The difficulty that suits a miner of rate 1.
pub const IDEAL: f64 = 1000.0;

/// What makes a miner hard to follow.
#[derive(Clone)]
pub struct Miner {
    /// Hash rate over time as a multiple of the usual one: from which second on, how much.
    pub rates: Vec<(f64, f64)>,
    /// The difficulty it starts with, as a multiple of the ideal one.
    pub start: f64,
    /// Mean number of shares that come together, 1 for a lone miner.
    pub bunch: f64,
    /// Chance that a share is held up, with all behind it, for 20 s.
    pub stall: f64,
}

impl Miner {
    /// A steady one that starts at `start` times its ideal difficulty.
    pub fn steady(start: f64) -> Self {
        Self { rates: vec![(0.0, 1.0)], start, bunch: 1.0, stall: 0.0 }
    }

    fn rate(&self, now: f64) -> f64 {
        self.rates.iter().rev().find(|(from, _)| *from <= now).map_or(1.0, |(_, rate)| *rate)
    }
}

/// What happened.
pub struct Run {
    /// The difficulties with the moment each was set, as multiples of what suits rate 1.
    pub path: Vec<(f64, f64)>,
    /// When shares came.
    pub shares: Vec<f64>,
}

impl Run {
    /// The difficulty at a moment.
    pub fn at(&self, now: f64) -> f64 {
        self.path.iter().rev().find(|(from, _)| *from <= now).map_or(f64::NAN, |(_, difficulty)| *difficulty)
    }

    /// Changes between two moments.
    pub fn changes(&self, from: f64, to: f64) -> usize {
        self.path.iter().filter(|(at, _)| *at > from && *at <= to).count()
    }

    /// Root mean square of log2(difficulty / ideal) between two moments.
    pub fn error(&self, from: f64, to: f64, ideal: f64) -> f64 {
        let steps = ((to - from) / 10.0) as usize;
        let squares = (0..steps).map(|step| (self.at(from + step as f64 * 10.0) / ideal).log2().powi(2));
        (squares.sum::<f64>() / steps as f64).sqrt()
    }

    /// Seconds after `from` until the difficulty stays within a factor of 2 of `ideal` for two minutes.
    pub fn settled(&self, from: f64, to: f64, ideal: f64) -> f64 {
        let mut good_since = f64::NAN;
        let mut now = from;
        while now < to {
            let good = (self.at(now) / ideal).log2().abs() <= 1.07;
            if !good {
                good_since = f64::NAN;
            } else if good_since.is_nan() {
                good_since = now;
            } else if now - good_since >= 120.0 {
                return good_since - from;
            }
            now += 1.0;
        }
        f64::INFINITY
    }

    /// Shares between two moments over those that were planned.
    pub fn flood(&self, from: f64, to: f64) -> f64 {
        let count = self.shares.iter().filter(|at| (from..to).contains(*at)).count();
        count as f64 / ((to - from) / TARGET)
    }
}

/// A small generator: the same table on every machine.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn gap(&mut self) -> f64 {
        -self.uniform().ln()
    }
}

/// The port of every simulation.
pub fn bounds() -> Vardiff {
    Vardiff {
        min: Difficulty::new(IDEAL / 1_000_000.0).unwrap(),
        max: Difficulty::new(IDEAL * 1_000_000.0).unwrap(),
        target: Duration::from_secs_f64(TARGET),
        retarget: Duration::from_secs(90),
        variance: 0.3,
        max_jump: None,
        double_steps: false,
        grid: Grid::Off,
    }
}

/// Runs a miner for so many seconds. Difficulty is looked at with every share and every 5 s.
pub fn run(miner: &Miner, seed: u64, secs: f64) -> Run {
    let mut chance = Chance::new(seed);
    let mut difficulty = Difficulty::new(IDEAL * miner.start).unwrap();
    let mut estimator = Estimator::new(difficulty, Duration::ZERO);
    let mut run = Run { path: vec![(0.0, miner.start)], shares: Vec::new() };
    let bounds = bounds();
    let (mut now, mut tick) = (0.0f64, 5.0f64);
    let mut work_left = chance.gap() * miner.bunch;
    // Shares on their way: when they arrive. Held up ones hold up those behind them.
    let mut arriving: std::collections::VecDeque<f64> = std::collections::VecDeque::new();
    while now < secs {
        let speed = miner.rate(now) * IDEAL / TARGET / difficulty.get();
        let rate_change = miner.rates.iter().map(|(from, _)| *from).find(|from| *from > now).unwrap_or(f64::INFINITY);
        let found = if speed > 0.0 { now + work_left / speed } else { f64::INFINITY };
        let arrival = arriving.front().copied().unwrap_or(f64::INFINITY);
        let next = found.min(arrival).min(tick).min(rate_change);
        work_left -= (next - now) * speed;
        now = next;
        if now == rate_change {
            continue;
        }
        if now == found {
            work_left = chance.gap() * miner.bunch;
            let held = if chance.uniform() < miner.stall { 20.0 } else { 0.0 };
            let at = (now + held).max(arriving.back().copied().unwrap_or(0.0));
            let mut count = 1;
            while miner.bunch > 1.0 && chance.uniform() > 1.0 / miner.bunch {
                count += 1;
            }
            arriving.extend(std::iter::repeat_n(at, count));
            continue;
        }
        let moment = Duration::from_secs_f64(now);
        if now == arrival {
            arriving.pop_front();
            run.shares.push(now);
            estimator.on_share(moment, difficulty);
        } else {
            tick += 5.0;
        }
        if let Some(next) = estimator.retarget(moment, &bounds, None) {
            // Work that was under way is worth what it was worth.
            difficulty = next;
            run.path.push((now, next.get() / IDEAL));
        }
    }
    run
}
