//! Random lives of a pool: sessions, judge, desk, spool, drainer and directory, with failures of
//! everything around them. After every step what the miners were told is compared with the rows.
//!
//! `SIMULATION_SEED=7` runs one seed, `SIMULATION_BASE=70000` as many seeds from there on, beside the
//! usual ones; `SIMULATION_SEEDS=5000` changes how many. A seed decides what is done and what fails;
//! how far threads come between two steps is left to the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]

mod support;

#[path = "simulation/books.rs"]
mod books;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/miner.rs"]
mod miner;
#[path = "simulation/node.rs"]
mod node;
#[path = "simulation/pool.rs"]
mod pool;
#[path = "simulation/store.rs"]
mod store;
#[path = "simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use world::World;

/// Seeds of a usual run, from 0 on.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn every_acknowledged_share_becomes_its_row_and_every_block_reaches_the_node() {
    let count = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = match (number("SIMULATION_SEED"), number("SIMULATION_BASE")) {
        (Some(seed), _) => vec![seed],
        (None, base) => (0..count).chain(base.into_iter().flat_map(|base| base..base + count)).collect(),
    };
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let failed = Mutex::new(Vec::new());
    let live = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied()
            && failed.lock().unwrap().is_empty()
        {
            if catch_unwind(AssertUnwindSafe(|| World::new(seed).run())).is_err() {
                failed.lock().unwrap().push(seed);
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(live))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seed {failed:?} failed: run it again with SIMULATION_SEED={}", failed[0]);
}
