//! The hash rates that MPOS shows, computed as it does from the rows of miners whose rate is known.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::ManualClock;
use mpos_stratum::difficulty::mpos_factor;
use mpos_stratum::ledger::record::ShareRecord;
use mpos_stratum::pow::names;
use mysql_async::prelude::Queryable;

use crate::events::{Kind, share};
use crate::rig::{Rig, Setup, mpos_at, prepare};
use crate::support::mariadb::MariaDb;
use crate::support::miner::target;

const TIME: u64 = 1_700_000_000;

/// How long each miner works.
const MINUTES: u64 = 10;

/// MPOS looks back so far.
const WINDOW_SECS: u64 = 180;

/// Algorithm; log2 of the hashes that its mining programs do for a share of difficulty 1; `target_bits`
/// of the class that MPOS ships for its coins, or that operators copy where it ships none.
const ALGORITHMS: [(&str, u32, u8); 18] = [
    ("sha256d", 32, 32),
    ("scrypt", 16, 16),
    ("scrypt-n", 16, 16),
    ("scrypt-jane", 16, 16),
    ("neoscrypt", 16, 16),
    ("x11", 32, 24),
    ("x13", 32, 24),
    ("x15", 32, 24),
    ("quark", 32, 24),
    ("skein", 32, 32),
    ("skein", 32, 24),
    ("groestl", 24, 24),
    ("x16r", 24, 24),
    ("x16rv2", 24, 24),
    ("keccak", 25, 24),
    ("blake", 32, 24),
    ("blake", 32, 32),
    ("fugue", 24, 24),
];

/// Hashes that a miner does on average until one meets the target of this difficulty.
fn hashes(difficulty: f64, bits: u32) -> f64 {
    let target = target::of_difficulty(difficulty, bits).unwrap();
    let fraction = target.iter().rev().fold(0.0, |low, byte| (f64::from(*byte) + low) / 256.0);
    1.0 / fraction
}

/// What MPOS's pages say, in kH/s: `Statistics::getCurrentHashrate` at the second `now`.
async fn shown(conn: &mut mysql_async::Conn, now: u64, target_bits: u8) -> f64 {
    conn.query_drop(format!("SET timestamp = {now}")).await.unwrap();
    let of = |table: &str| {
        format!(
            "SELECT IFNULL(SUM(IF(difficulty = 0, POW(2, 4), difficulty)), 0) * POW(2, {target_bits}) \
             / {WINDOW_SECS} / 1000 AS hashrate FROM {table} \
             WHERE time > DATE_SUB(now(), INTERVAL {WINDOW_SECS} SECOND) AND our_result = 'Y'"
        )
    };
    let sql = format!("SELECT ({}) + ({}) + 0e0", of("shares"), of("shares_archive"));
    conn.query_first(sql).await.unwrap().unwrap()
}

/// A pool that works by the test's own clock.
struct Pool {
    db: Arc<MariaDb>,
    clock: Arc<ManualClock>,
    rig: Rig,
    now_ms: u64,
    made: u64,
}

impl Pool {
    fn pass(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.now_ms += ms;
    }

    /// A share of this row's difficulty; now and then a refused one before it, which is no work.
    fn find(&mut self, row_difficulty: f64) {
        self.made += 1;
        let kinds: &[Kind] = if self.made % 10 == 3 { &[Kind::Refused, Kind::Accepted] } else { &[Kind::Accepted] };
        let row = |kind: &Kind| ShareRecord { row_difficulty, ..share(self.made, *kind) };
        let rows: Vec<ShareRecord> = kinds.iter().map(row).collect();
        self.rig.book.append_shares(&self.rig.ledger, &rows);
    }

    /// One miner for ten minutes, whose difficulty is raised half-way; the rate that MPOS shows is held
    /// against its own, `rate`, whenever a minute is over.
    async fn mine(&mut self, first: f64, rate: f64, (name, miners_bits, mpos_bits): (&str, u32, u8)) {
        let named = names::find(name).unwrap();
        let factor = mpos_factor(named.stratum_bits, mpos_bits);
        let mut conn = self.db.conn(Some("rates")).await;
        let begin_ms = self.now_ms;
        for minute in 1..=MINUTES {
            let end_ms = begin_ms + minute * 60_000;
            while self.now_ms < end_ms {
                let difficulty = if minute > MINUTES / 2 { first * 2.0 } else { first };
                self.find(difficulty * factor);
                let mean = Duration::from_secs_f64(hashes(difficulty, miners_bits) / rate);
                // Anywhere from half to one and a half of it, so that seconds have more and less.
                let tenths = u128::from(5 + self.made * 7 % 11);
                self.pass(u64::try_from(mean.as_millis() * tenths / 10).unwrap());
            }
            if minute * 60 < WINDOW_SECS {
                continue;
            }
            self.rig.settle().await;
            // The last second that is over.
            let is = shown(&mut conn, end_ms / 1000 - 1, mpos_bits).await * 1000.0;
            assert!((is / rate - 1.0).abs() < 0.02, "{name}: {is} H/s instead of {rate} in minute {minute}");
        }
        // The next one begins when this one is not seen any more.
        self.pass(2 * WINDOW_SECS * 1000);
    }
}

#[tokio::test]
async fn acceptance_8_mpos_shows_the_hash_rate_of_every_algorithm() {
    let db = MariaDb::shared();
    prepare(&db, "rates").await;
    let clock = Arc::new(ManualClock::at(TIME));
    let mut setup = Setup { clock: Arc::clone(&clock) as Arc<_>, ..Setup::default() };
    // Shares come faster here than segments are made.
    setup.ledger.segment_bytes = 64 << 20;
    let rig = Rig::start_with(&mpos_at(db.port(), "rates"), setup);
    let mut pool = Pool { db: Arc::clone(&db), clock, rig, now_ms: TIME * 1000, made: 0 };
    for (place, algorithm) in ALGORITHMS.into_iter().enumerate() {
        let (name, miners_bits, mpos_bits) = algorithm;
        // Where MPOS ships a class it is the one that is taken for granted.
        assert!(names::find(name).unwrap().mpos_bits.is_none_or(|bits| bits == mpos_bits), "{name}");
        // Four shares a second at first.
        let first = 0.5 * 2f64.powi(place as i32 % 7);
        pool.mine(first, 4.0 * hashes(first, miners_bits), algorithm).await;
    }
    pool.rig.check(&db, "rates").await;
}
