//! What other pools' adjustment did wrong.

use std::collections::VecDeque;
use std::time::Duration;

use mpos_stratum::config::Vardiff;
use mpos_stratum::difficulty::Difficulty;
use mpos_stratum::work::vardiff::Estimator;

use super::simulation::{IDEAL, Miner, TARGET, bounds, run};

const HOUR: f64 = 3600.0;

#[test]
fn b08_shares_of_one_moment_are_no_infinite_rate() {
    let start = Difficulty::new(1000.0).unwrap();
    let mut estimator = Estimator::new(start, Duration::ZERO);
    let moment = Duration::from_secs(30);
    for _ in 0..24 {
        estimator.on_share(moment, start);
    }
    let next = estimator.retarget(moment, &bounds(), None);
    // They may have been held up on the way for 20 s: 24 in so long are 18 times too many.
    let ratio = next.map_or(1.0, |next| next.get() / start.get());
    assert!((1.0..=18.0).contains(&ratio), "{ratio}");
}

#[test]
fn b25_the_difficulty_settles_at_its_aim_and_not_beside_it() {
    let bias = |seed: u64| {
        let run = run(&Miner::steady(1.0), seed, 6.0 * HOUR);
        (180..2160).map(|step| run.at(f64::from(step) * 10.0).log2()).sum::<f64>() / 1980.0
    };
    let mean = (1..=40).map(bias).sum::<f64>() / 40.0;
    assert!(mean.abs() < 0.1, "off by 2^{mean:.3}");
}

#[test]
fn b26_a_change_after_a_long_steady_time_is_heard_as_soon() {
    for (rate, within) in [(4.0, 180.0), (0.25, 600.0)] {
        let miner = Miner { rates: vec![(0.0, 1.0), (12.0 * HOUR, rate)], ..Miner::steady(1.0) };
        let mut times: Vec<f64> =
            (1..=40).map(|seed| run(&miner, seed, 14.0 * HOUR).settled(12.0 * HOUR, 14.0 * HOUR, rate)).collect();
        times.sort_by(f64::total_cmp);
        assert!(times[37] <= within, "{rate}: {:?}", &times[30..]);
    }
}

/// How a miner fares that begins far too low and of whose lines so many wait to be read, a hundred a second: its highest
/// difficulty over the ideal one, and the longest silence.
fn behind_a_backlog(lines_max: usize) -> (f64, f64) {
    const STEP: f64 = 0.01;
    const SECS: f64 = 3600.0;
    let bounds = Vardiff { max: Difficulty::new(1e15).unwrap(), ..bounds() };
    let mut difficulty = Difficulty::new(IDEAL / 20_000.0).unwrap();
    let mut estimator = Estimator::new(difficulty, Duration::ZERO);
    let (mut found, mut lines) = (0.0, VecDeque::new());
    let (mut peak, mut silence, mut heard, mut tick) = (0.0_f64, 0.0_f64, 0.0, 0.0);
    let mut now = 0.0;
    while now < SECS {
        now += STEP;
        found += STEP * IDEAL / TARGET / difficulty.get();
        while found >= 1.0 {
            found -= 1.0;
            // Who is not read does not write either.
            if lines.len() < lines_max {
                lines.push_back(difficulty);
            }
        }
        let line = lines.pop_front();
        if line.is_none() && now < tick {
            continue;
        }
        tick = now + 5.0;
        let moment = Duration::from_secs_f64(now);
        if let Some(credited) = line {
            silence = silence.max(now - std::mem::replace(&mut heard, now));
            estimator.on_share(moment, credited);
        }
        if let Some(next) = estimator.retarget(moment, &bounds, None) {
            difficulty = next;
            peak = peak.max(next.get() / IDEAL);
        }
    }
    (peak, silence.max(now - heard))
}

#[test]
fn shares_of_easier_work_that_still_wait_to_be_read_do_not_raise_the_difficulty_again() {
    for lines in [1, 200, 400, 600] {
        let (peak, silence) = behind_a_backlog(lines);
        assert!(peak <= 4.0 && silence <= 120.0, "{lines} lines: {peak:.1} times the ideal, {silence:.0} s of silence");
    }
}
