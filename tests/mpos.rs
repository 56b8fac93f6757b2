//! The database room against a real MariaDB server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

mod support;

#[path = "mpos/attach.rs"]
mod attach;
#[path = "mpos/difficulty.rs"]
mod difficulty;
#[path = "mpos/doubt.rs"]
mod doubt;
#[path = "mpos/encrypted.rs"]
mod encrypted;
#[path = "mpos/guards.rs"]
mod guards;
#[path = "mpos/shares.rs"]
mod shares;
#[path = "mpos/verdicts.rs"]
mod verdicts;
#[path = "mpos/workers.rs"]
mod workers;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::{Clock, ManualClock, SystemClock};
use mpos_stratum::ledger::record::{CandidateFacts, Entry, Event, ShareRecord, VerdictRecord};
use mpos_stratum::ledger::sink::{Sink, SpoolId};
use mpos_stratum::mpos::share_sink::ShareSink;
use support::mariadb::MariaDb;
use support::spool;

/// Our spool in most tests.
const SPOOL: SpoolId = SpoolId([0xab; 16]);

/// Every position can be explained.
const ANY: [RangeInclusive<u64>; 1] = [0..=u64::MAX];

/// When the first share of most tests was accepted.
const TIME: u64 = 1_700_000_000;

/// A database on the shared server.
async fn database(name: &str) -> (Arc<MariaDb>, ShareSink) {
    let db = MariaDb::shared();
    db.create_database(name).await;
    let sink = sink(&db, name);
    (db, sink)
}

fn sink(db: &MariaDb, database: &str) -> ShareSink {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    ShareSink::new(&db.mpos(database), clock, "test-host")
}

/// A sink whose time the test moves.
fn sink_by(db: &MariaDb, database: &str, clock: &Arc<ManualClock>) -> ShareSink {
    ShareSink::new(&db.mpos(database), Arc::clone(clock) as Arc<dyn Clock>, "test-host")
}

/// A sink of the same table in another place.
fn sink_elsewhere(db: &MariaDb, database: &str) -> ShareSink {
    ShareSink::new(&db.mpos(database), Arc::new(SystemClock::new()), "copy-host")
}

/// An accepted share; tests change what they are about.
fn share() -> ShareRecord {
    spool::share("Alice.rig1")
}

fn candidate(hash: [u8; 32]) -> ShareRecord {
    let facts = CandidateFacts { hash, header_time: 1_699_999_990, coinbase_txid: [3; 32] };
    ShareRecord { solution: Some(hash), candidate: Some(facts), worker: "Bob.finder".into(), ..share() }
}

fn entry(seq: u64, share: ShareRecord) -> Entry {
    Entry { seq, time: TIME + seq, event: Event::Share(share) }
}

fn verdict(seq: u64, candidate: u64, hash: [u8; 32], accepted: bool) -> Entry {
    let reason = if accepted { String::new() } else { "high-hash".into() };
    let record = VerdictRecord { candidate, written_hash: hash, accepted, node_hash: hash, reason };
    Entry { seq, time: TIME + seq, event: Event::Verdict(record) }
}

/// Shares `from..=to`, each from a worker named after its number.
fn numbered(from: u64, to: u64) -> Vec<Entry> {
    (from..=to).map(|seq| entry(seq, ShareRecord { worker: format!("Alice.r{seq}").into(), ..share() })).collect()
}

/// The numbers of [`numbered`] shares that are stored, by id.
async fn stored(db: &MariaDb, database: &str) -> Vec<u64> {
    let rows = db.rows(database).await;
    rows.iter().map(|row| row.username.strip_prefix("Alice.r").unwrap().parse().unwrap()).collect()
}

/// The display form of a hash that is the same byte all over.
fn display(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

#[tokio::test]
async fn a_start_and_a_restart_of_the_private_server() {
    let mut db = MariaDb::start();
    db.create_database("pool").await;
    let mut sink = sink(&db, "pool");
    assert_eq!(sink.attach(SPOOL, 0, &ANY).await, Ok(0));
    sink.commit(&numbered(1, 3), 0, 3).await.unwrap();
    db.kill();
    tokio::time::timeout(Duration::from_secs(30), sink.commit(&numbered(4, 5), 3, 5)).await.unwrap().unwrap_err();
    db.restart();
    assert_eq!(sink.attach(SPOOL, 3, &ANY).await, Ok(3));
    sink.commit(&numbered(4, 5), 3, 5).await.unwrap();
    assert_eq!(stored(&db, "pool").await, [1, 2, 3, 4, 5]);
}
