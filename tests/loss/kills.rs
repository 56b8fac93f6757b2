//! Kills at random moments, under load.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::account;
use crate::crew::Crew;
use crate::pool::Pool;
use crate::stage::Coin;

/// Miners at work.
const MINERS: usize = 24;
/// Kills of each loop in `make test`.
const KILLS: usize = 6;
/// Its seed: of its kills four hit the daemon, one the database, and one the daemon in an orderly way.
const SEED: u64 = 208;
/// Most shares between two kills.
const SHARES_MAX: u64 = 3000;

/// A small generator: the same seed makes the same plan.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % sides
    }

    fn shares(&mut self) -> usize {
        usize::try_from(self.roll(SHARES_MAX)).unwrap()
    }
}

/// How often what was ended.
#[derive(Debug, Default, Clone, Copy)]
struct Ended {
    daemon_killed: usize,
    daemon_stopped: usize,
    database_killed: usize,
    both_killed: usize,
}

/// The pool, and what was done to it.
struct Struck {
    pool: Pool,
    ended: Ended,
}

impl Struck {
    /// Ends something, lets the miners go on for a while where they can, starts it again.
    async fn strike(&mut self, crew: &mut Crew, dice: &mut Dice) {
        let pool = &mut self.pool;
        match dice.roll(10) {
            0..5 => {
                pool.daemon.take().unwrap().kill().unwrap();
                self.ended.daemon_killed += 1;
                pool.begin(crew).await;
            }
            5 => {
                let status = pool.daemon.take().unwrap().stop().await.unwrap();
                assert!(status.success(), "{status}");
                self.ended.daemon_stopped += 1;
                pool.begin(crew).await;
            }
            6..8 => {
                pool.db.kill();
                self.ended.database_killed += 1;
                // Nobody is let in now, but who is there goes on.
                crew.go_on(dice.shares() / 4).await;
                tokio::task::block_in_place(|| pool.db.restart());
            }
            _ => {
                pool.db.kill();
                crew.go_on(dice.shares() / 4).await;
                pool.daemon.take().unwrap().kill().unwrap();
                self.ended.both_killed += 1;
                pool.begin(crew).await;
                tokio::task::block_in_place(|| pool.db.restart());
            }
        }
    }
}

async fn kill_loop(durability: &str) {
    let kills = number("KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("SEED").unwrap_or(SEED);
    tell(&format!(
        "kill loop, {durability}: seed {seed}, {kills} kills; the same again: make kill-loop SEED={seed} KILLS={kills}\n"
    ));
    let began = Instant::now();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let change = |coin: &mut Coin| coin.ledger = format!("durability = \"{durability}\"");
    let mut struck = Struck { pool: Pool::new(MINERS, None, change).await, ended: Ended::default() };
    let mut crew = Crew::new(MINERS);
    struck.pool.begin(&crew).await;
    let (mut accepted, mut working) = (0, Duration::ZERO);
    for _ in 0..kills {
        let (before, from) = (crew.accepted(), Instant::now());
        crew.go_on(dice.shares()).await;
        accepted += crew.accepted() - before;
        working += from.elapsed();
        struck.strike(&mut crew, &mut dice).await;
    }
    crew.go_on(dice.shares()).await;
    let accounts = crew.stop().await;
    let rows = struck.pool.rows().await;
    let counts = account::check(&accounts, &rows, true);
    let lost = struck.pool.check_blocks(&rows).await;
    let spool_bytes = bytes_below(struck.pool.home.path());
    tell(&format!(
        "kill loop, {durability}: seed {seed}, {kills} kills in {:.0} s, {:.0} shares/s while they were let: {:?}, {counts:?}, {} rows, \
         {lost} blocks caught before they were kept, {spool_bytes} bytes of spool\n",
        began.elapsed().as_secs_f64(),
        accepted as f64 / working.as_secs_f64(),
        struck.ended,
        rows.len()
    ));
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() }
        })
        .sum()
}

fn tell(text: &str) {
    // Past the test harness, which keeps what a test that succeeds has printed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w13_nothing_is_lost_or_doubled_by_kills_at_random() {
    kill_loop("process").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w13_nothing_is_lost_or_doubled_by_kills_at_random_with_answers_behind_the_flush() {
    kill_loop("power").await;
}
