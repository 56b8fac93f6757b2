//! What every proof-of-work algorithm costs: microseconds per hash and hashes per second on one core, one header
//! at a time and a queue's worth at once, beside the best crate's where there is one.
//!
//! `cargo bench --bench pow -- [--quick] [--only x11,scrypt]`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its findings")]

mod others;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mpos_stratum::pow::names::{self, Named};
use mpos_stratum::pow::scrypt::{self, Pad, Vectors};
use mpos_stratum::pow::{Algorithm, Class, Scratch};

/// How long one run takes at least: less than what other work on the machine is given at a time, so that some runs
/// are undisturbed. The best of all counts, since disturbance only ever adds time.
const RUN: Duration = Duration::from_millis(1);
/// Runs of each measurement, and with `--quick`.
const RUNS: usize = 200;
const RUNS_QUICK: usize = 20;
/// A measurement ends after so many seconds even if not all its runs are done.
const SECONDS_MAX: f64 = 1.0;

/// A usual header with some number in it, of the time by which an algorithm's cost is measured. The previous block's
/// hash has X16R pick its costliest function sixteen times.
fn header(algorithm: Algorithm, number: u32) -> [u8; 80] {
    let mut header = [0xbb; 80];
    header[68..72].copy_from_slice(&algorithm.measured_at().to_le_bytes());
    header[76..].copy_from_slice(&number.to_le_bytes());
    header
}

/// Seconds that one of `per_call` hashes takes: the best of some runs.
fn best(runs: usize, per_call: usize, mut call: impl FnMut(u32)) -> f64 {
    let mut best = f64::INFINITY;
    let mut number = 0;
    let begun = Instant::now();
    for _ in 0..runs {
        let started = Instant::now();
        let mut calls = 0u32;
        while calls == 0 || started.elapsed() < RUN {
            call(number);
            number += 1;
            calls += 1;
        }
        best = best.min(started.elapsed().as_secs_f64() / f64::from(calls));
        if begun.elapsed().as_secs_f64() > SECONDS_MAX {
            break;
        }
    }
    best / f64::from(u32::try_from(per_call).unwrap_or(1))
}

/// Measures and prints an algorithm; whether it stays within its class.
fn measure(named: &Named, runs: usize) -> bool {
    let algorithm = named.algorithm;
    let mut scratch = Scratch::new();
    let single = best(runs, 1, |number| {
        black_box(algorithm.hash(&header(algorithm, number), &mut scratch));
    });
    // As many as a hasher thread takes at once.
    let lanes = algorithm.batch_max();
    let at_once = (lanes > 1).then(|| {
        best(runs, lanes, |number| {
            let headers: Vec<[u8; 80]> = (number..).take(lanes).map(|number| header(algorithm, number)).collect();
            let slices: Vec<&[u8]> = headers.iter().map(<[u8; 80]>::as_slice).collect();
            let mut hashes = Vec::new();
            algorithm.hash_batch(&slices, &mut scratch, &mut hashes);
            black_box(hashes);
        })
    });
    let other =
        others::of(named.name).map(|(name, hash)| (name, best(runs, 1, |number| hash(&header(algorithm, number)))));
    let column = |seconds: f64| format!("{:>12.2} {:>12.0}", seconds * 1e6, 1.0 / seconds);
    let at_once = at_once.map_or_else(|| format!("{:>25}", "-"), column);
    let other_seconds = other.map(|(_, seconds)| seconds);
    let other = other.map_or_else(String::new, |(name, seconds)| format!("{} {name}", column(seconds)));
    let seconds_max = match algorithm.class() {
        Class::Cheap => Class::CHEAP_MAX.as_secs_f64(),
        Class::Heavy => Class::HEAVY_MAX.as_secs_f64(),
        Class::Expensive => f64::INFINITY,
    };
    // scrypt's lanes are our own, so a lone header must not take longer than in the crate.
    let beaten = matches!(algorithm, Algorithm::Scrypt { .. }).then_some(other_seconds).flatten();
    let (in_class, as_fast) = (single <= seconds_max, beaten.is_none_or(|crate_takes| single <= crate_takes));
    let remark = match (in_class, as_fast) {
        (false, _) => " SLOWER THAN ITS CLASS",
        (true, false) => " SLOWER THAN THE CRATE",
        (true, true) => "",
    };
    println!("{:<16} {} {at_once} {other}{remark}", named.name, column(single));
    in_class && as_fast
}

/// scrypt as coins may have it configured, at the edge of what counts as heavy: a large N, and large blocks, which the
/// crate hashes.
fn edges_of_scrypt() -> impl Iterator<Item = Named> {
    let edge = |name, log_n, r| {
        names::find("scrypt").map(|named| Named { name, algorithm: Algorithm::Scrypt { log_n, r }, ..*named })
    };
    [edge("scrypt 2^16,1", 16, 1), edge("scrypt 2^13,8", 13, 8), edge("scrypt 2^10,64", 10, 64)].into_iter().flatten()
}

/// scrypt by every instruction set that there is, and by none.
fn measure_vectors(runs: usize) {
    let mut pad = Pad::default();
    let algorithm = Algorithm::Scrypt { log_n: 10, r: 1 };
    let sets = Vectors::available().into_iter().map(Some).chain([None]);
    for vectors in sets {
        let mut seconds = |lanes: usize| {
            best(runs, lanes, |number| {
                let headers: Vec<[u8; 80]> = (number..).take(lanes).map(|number| header(algorithm, number)).collect();
                let slices: Vec<&[u8]> = headers.iter().map(<[u8; 80]>::as_slice).collect();
                let mut hashes = Vec::new();
                scrypt::hash_batch_by(vectors, &slices, (10, 1), &mut pad, &mut hashes);
                black_box(hashes);
            })
        };
        let name = vectors.map_or_else(|| "no vectors".to_owned(), |vectors| format!("{vectors:?}"));
        let column = |seconds: f64| format!("{:>12.2} {:>12.0}", seconds * 1e6, 1.0 / seconds);
        println!("  by {name:<11} {} {}", column(seconds(1)), column(seconds(12)));
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut runs, mut only) = (RUNS, Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo adds it to every bench.
            "--bench" => {}
            "--quick" => runs = RUNS_QUICK,
            "--only" => only = words.next().unwrap_or_default().split(',').map(str::to_owned).collect(),
            _ => {
                eprintln!("unknown argument {word}: there are --quick and --only NAME,NAME");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(unknown) = only.iter().find(|name| names::find(name).is_none()) {
        eprintln!("{unknown} is no algorithm: `mpos-stratum algo list` shows all");
        return ExitCode::FAILURE;
    }
    let wanted = |named: &Named| only.is_empty() || only.iter().any(|name| name == named.name);
    println!(
        "{:<16} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "one core", "us single", "hashes/s", "us at once", "hashes/s", "us crate", "hashes/s"
    );
    let mut slow = 0;
    for named in names::all().filter(|named| wanted(named)) {
        slow += usize::from(!measure(named, runs));
        if named.name == "scrypt" {
            slow += edges_of_scrypt().filter(|edge| !measure(edge, runs)).count();
            measure_vectors(runs);
        }
    }
    if slow == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
