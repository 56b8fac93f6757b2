//! What is asked of the estimator, and the table.

use super::simulation::{Miner, Run, run};

const RUNS: u64 = 80;
const HOUR: f64 = 3600.0;

fn runs(miner: &Miner, secs: f64) -> Vec<Run> {
    (1..=RUNS).map(|seed| run(miner, seed, secs)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Median and 95th percentile.
fn ranks(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
    (at(0.5), at(0.95))
}

/// Prints a line of the table and says whether it is within its budget.
fn line(what: &str, figures: &str, budget: &str, met: bool) -> bool {
    let verdict = if met { "" } else { " MISSED" };
    println!("| {what:<34} | {figures:<44} | {budget:<26} |{verdict}");
    met
}

/// A steady state: error and changes an hour, from half an hour on.
fn steady(what: &str, miner: &Miner, error_max: f64, changes_max: f64) -> bool {
    let runs = runs(miner, 4.5 * HOUR);
    let error = mean(runs.iter().map(|run| run.error(0.5 * HOUR, 4.5 * HOUR, 1.0).powi(2))).sqrt();
    let changes = mean(runs.iter().map(|run| run.changes(0.5 * HOUR, 4.5 * HOUR) as f64)) / 4.0;
    let figures = format!("error {error:.3} (log2, rms), {changes:.2} changes/h");
    line(what, &figures, &format!("<= {error_max}, <= {changes_max}/h"), error <= error_max && changes <= changes_max)
}

/// Time to come within a factor of two after `from`.
fn settles(what: &str, miner: &Miner, (from, ideal): (f64, f64), p95_max: f64, flood_max: f64) -> bool {
    let runs = runs(miner, from + 2.0 * HOUR);
    let (median, p95) = ranks(runs.iter().map(|run| run.settled(from, from + 2.0 * HOUR, ideal)));
    let (_, flood) = ranks(runs.iter().map(|run| run.flood(from, from + 600.0)));
    let figures = format!("{median:.0} / {p95:.0} s, {flood:.1} x shares in 10 min");
    line(what, &figures, &format!("p95 <= {p95_max} s, <= {flood_max} x"), p95 <= p95_max && flood <= flood_max)
}

#[test]
fn w23_the_difficulty_follows_within_its_budgets() {
    println!("{RUNS} runs each, aim 15 s; times are median / 95th percentile until within a factor of 2");
    let step = |rate| Miner { rates: vec![(0.0, 1.0), (HOUR, rate)], ..Miner::steady(1.0) };
    // Two rigs on one connection, then one of them: the difficulty of both may stay for a while.
    let two = Miner { rates: vec![(0.0, 1.0), (HOUR, 0.45)], ..Miner::steady(1.0) };
    let by_turns = Miner {
        rates: (0..9).map(|half| (f64::from(half) * HOUR / 2.0, 0.7 + 0.7 * f64::from(half % 2))).collect(),
        ..Miner::steady(1.0)
    };
    let met = [
        steady("steady", &Miner::steady(1.0), 0.2, 2.0),
        steady("steady, started 4 x too high", &Miner::steady(4.0), 0.2, 2.0),
        settles("start 1024 x too low", &Miner::steady(1.0 / 1024.0), (0.0, 1.0), 60.0, 20.0),
        settles("start 16 x too low", &Miner::steady(1.0 / 16.0), (0.0, 1.0), 200.0, 20.0),
        settles("start 16 x too high", &Miner::steady(16.0), (0.0, 1.0), 600.0, 2.0),
        settles("start 64 x too high", &Miner::steady(64.0), (0.0, 1.0), 600.0, 2.0),
        settles("rate x 4 after an hour", &step(4.0), (HOUR, 4.0), 180.0, 20.0),
        settles("rate : 4 after an hour", &step(0.25), (HOUR, 0.25), 600.0, 2.0),
        settles("rate x 64 after an hour", &step(64.0), (HOUR, 64.0), 240.0, 20.0),
        settles("one of two rigs leaves", &two, (HOUR, 0.45), 900.0, 2.0),
        settles("a second rig joins", &step(2.2), (HOUR, 2.2), 900.0, 4.0),
        steady("two rigs, one by turns of 30 min", &by_turns, 0.7, 6.0),
        steady("bursty proxy, bunches of 4", &Miner { bunch: 4.0, ..Miner::steady(1.0) }, 1.2, 8.0),
        steady("1 share in 10 held up for 20 s", &Miner { stall: 0.1, ..Miner::steady(1.0) }, 0.25, 3.0),
        on_and_off(),
    ];
    assert!(met.iter().all(|met| *met), "budgets are missed: see the table");
}

/// Half an hour of mining, half an hour of silence.
fn on_and_off() -> bool {
    let rates = (0..8).map(|half| (f64::from(half) * HOUR / 2.0, f64::from((half + 1) % 2))).collect();
    let miner = Miner { rates, ..Miner::steady(1.0) };
    let runs = runs(&miner, 4.0 * HOUR);
    let back = [1.0, 2.0, 3.0].map(|hour| hour * HOUR);
    let times = runs.iter().flat_map(|run| back.map(|from| run.settled(from, from + HOUR / 2.0, 1.0)));
    let (median, p95) = ranks(times);
    let (_, flood) = ranks(runs.iter().flat_map(|run| back.map(|from| run.flood(from, from + 600.0))));
    let figures = format!("{median:.0} / {p95:.0} s, {flood:.1} x shares in 10 min");
    line("30 min on, 30 min off", &figures, "p95 <= 120 s, <= 100 x", p95 <= 120.0 && flood <= 100.0)
}
