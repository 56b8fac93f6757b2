//! What the fuzzers of `tests/fuzz/guided` drive, driven by chance that is the same every time. `make fuzz` has the coverage guide
//! it instead.
//!
//! `FUZZ_SEEDS=1000000` tries so many seeds of each target, `FUZZ_SEED=7` one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

#[path = "simulation/dice.rs"]
#[allow(dead_code, reason = "seeds need no dice for games")]
mod dice;
#[path = "fuzz/drivers.rs"]
mod drivers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dice::Dice;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Drives a target with bytes of every length up to `bytes_max`.
fn drive(check: fn(&[u8]), seeds: u64, bytes_max: usize) {
    let seeds = match number("FUZZ_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FUZZ_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let length = dice.index(bytes_max + 1);
        let bytes: Vec<u8> = (0..length).map(|_| dice.word().to_be_bytes()[3]).collect();
        let done = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        assert!(done.is_ok(), "seed {seed} failed: run it again with FUZZ_SEED={seed}");
    }
}

#[test]
fn line_codec() {
    drive(drivers::codec::check, 20_000, 300);
}

#[test]
fn request() {
    drive(drivers::request::check, 40_000, 200);
}

#[test]
fn proxy_header() {
    drive(drivers::proxy::check, 15_000, 150);
}

#[test]
fn session() {
    drive(drivers::session::check, 500, 1500);
}
