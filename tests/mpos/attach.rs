//! Who may write, and from where on.

use mpos_stratum::config::{Endpoint, Mpos};
use mpos_stratum::ledger::sink::SinkError;

use super::*;
use crate::support::fault_proxy::FaultProxy;

const OTHER: SpoolId = SpoolId([0xcd; 16]);

fn stop_of(result: Result<u64, SinkError>) -> String {
    match result {
        Err(SinkError::Stop(text)) => text,
        other => panic!("not stopped: {other:?}"),
    }
}

async fn age_lease(db: &MariaDb, database: &str) {
    let sql = "UPDATE mpos_stratum_cursor SET lease_at = lease_at - INTERVAL 61 SECOND";
    db.run_sql(database, sql).await;
}

#[tokio::test]
async fn first_use_makes_the_row_and_the_same_spool_resumes_at_once() {
    let (db, mut first) = database("resume").await;
    assert_eq!(first.attach(SPOOL, 0, &ANY).await, Ok(0));
    first.commit(&numbered(1, 3), 0, 3).await.unwrap();
    first.keep_alive().await.unwrap();
    type Cursor = (String, String, u64, String, String, i64);
    let cursor: Vec<Cursor> = db
        .query("resume", "SELECT name, spool_id, seq, host, version, lease_at > UTC_TIMESTAMP() - INTERVAL 5 SECOND FROM mpos_stratum_cursor")
        .await;
    let version = env!("CARGO_PKG_VERSION").to_string();
    assert_eq!(cursor, [("shares".into(), SPOOL.to_string(), 3, "test-host".into(), version, 1)]);
    drop(first);
    let mut second = sink(&db, "resume");
    assert_eq!(second.attach(SPOOL, 3, &ANY).await, Ok(3));
    // Entries may be left out: they were quarantined.
    second.commit(&numbered(5, 6), 3, 7).await.unwrap();
    assert_eq!(second.attach(SPOOL, 3, &ANY).await, Ok(7), "the database knows more than the spool saw confirmed");
    assert_eq!(stored(&db, "resume").await, [1, 2, 3, 5, 6]);
}

#[tokio::test]
async fn a_second_attachment_fences_the_first_and_ends_its_connection() {
    let (db, mut first) = database("fence").await;
    first.attach(SPOOL, 0, &ANY).await.unwrap();
    first.commit(&numbered(1, 1), 0, 1).await.unwrap();
    let id: Vec<u64> = db.query("fence", "SELECT connection_id FROM mpos_stratum_cursor").await;
    let mut second = sink(&db, "fence");
    assert_eq!(second.attach(SPOOL, 1, &ANY).await, Ok(1));
    let sql = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {}", id[0]);
    assert_eq!(db.query::<u64>("fence", &sql).await, [0], "ended by force");
    assert!(matches!(first.commit(&numbered(2, 2), 1, 2).await, Err(SinkError::Unavailable(_))));
    assert!(matches!(first.keep_alive().await, Err(SinkError::Unavailable(_))), "stays detached");
    second.commit(&numbered(2, 2), 1, 2).await.unwrap();
    assert_eq!(stored(&db, "fence").await, [1, 2]);
}

#[tokio::test]
async fn the_token_alone_keeps_a_living_connection_from_writing() {
    let (db, mut sink) = database("token").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    db.run_sql("token", "UPDATE mpos_stratum_cursor SET token = 'another'").await;
    assert!(matches!(sink.commit(&numbered(1, 1), 0, 1).await, Err(SinkError::Unavailable(_))));
    assert_eq!(stored(&db, "token").await, [0u64; 0]);
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    db.run_sql("token", "UPDATE mpos_stratum_cursor SET token = 'another'").await;
    assert!(matches!(sink.keep_alive().await, Err(SinkError::Unavailable(_))));
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    // Nor does a batch go in at a position that is not the stored one.
    assert!(matches!(sink.commit(&numbered(3, 3), 2, 3).await, Err(SinkError::Unavailable(_))));
    assert_eq!(sink.attach(SPOOL, 0, &ANY).await, Ok(0));
    assert_eq!(stored(&db, "token").await, [0u64; 0]);
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock::new().unix_secs()))
}

/// Tries again and again while `secs` pass, in vain.
async fn watch(sink: &mut ShareSink, clock: &ManualClock, spool: SpoolId, confirmed: u64, secs: u64) {
    for _ in 0..secs / 20 {
        let stop = stop_of(sink.attach(spool, confirmed, &ANY).await);
        assert!(stop.contains("another writer"), "{stop}");
        clock.advance(Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_stranger_watches_for_the_lease_and_positions_are_kept() {
    let (db, clock) = (database("foreign").await.0, clock());
    let (mut mine, mut other) = (sink_by(&db, "foreign", &clock), sink_by(&db, "foreign", &clock));
    mine.attach(SPOOL, 0, &ANY).await.unwrap();
    mine.commit(&numbered(1, 5), 0, 5).await.unwrap();
    let stop = stop_of(other.attach(OTHER, 0, &ANY).await);
    assert!(stop.contains(&SPOOL.to_string()) && stop.contains("test-host"), "{stop}");
    mine.commit(&numbered(6, 6), 5, 6).await.unwrap();

    watch(&mut other, &clock, OTHER, 0, 60).await;
    assert_eq!(other.attach(OTHER, 0, &ANY).await, Ok(0));
    assert!(matches!(mine.commit(&numbered(7, 7), 6, 7).await, Err(SinkError::Unavailable(_))));
    other.commit(&numbered(100, 101), 0, 2).await.unwrap();

    watch(&mut mine, &clock, SPOOL, 6, 60).await;
    assert_eq!(mine.attach(SPOOL, 6, &ANY).await, Ok(6), "its position was kept");
    mine.commit(&numbered(7, 7), 6, 7).await.unwrap();
    watch(&mut other, &clock, OTHER, 2, 60).await;
    assert_eq!(other.attach(OTHER, 2, &ANY).await, Ok(2));
    assert_eq!(stored(&db, "foreign").await, [1, 2, 3, 4, 5, 6, 100, 101, 7]);
    let kept: Vec<(String, u64)> =
        db.query("foreign", "SELECT spool_id, seq FROM mpos_stratum_spool ORDER BY seq").await;
    assert_eq!(kept, [(OTHER.to_string(), 2), (SPOOL.to_string(), 7)]);
}

/// However old the last sign of life is: the server was away for everybody, or the writer is being started
/// again after it was stopped in order.
#[tokio::test]
async fn a_stranger_does_not_come_before_the_writer_after_an_outage_or_a_stop() {
    let (db, clock) = (database("outage").await.0, clock());
    let (mut mine, mut other) = (sink_by(&db, "outage", &clock), sink_by(&db, "outage", &clock));
    mine.attach(SPOOL, 0, &ANY).await.unwrap();
    mine.commit(&numbered(1, 2), 0, 2).await.unwrap();
    age_lease(&db, "outage").await;
    watch(&mut other, &clock, OTHER, 0, 40).await;
    // A sign of life: watching begins anew.
    mine.keep_alive().await.unwrap();
    watch(&mut other, &clock, OTHER, 0, 60).await;
    mine.close().await;
    // So does it with the stop, and a new life of the writer goes on at once, wherever its place is now.
    watch(&mut other, &clock, OTHER, 0, 60).await;
    let mut mine = sink_elsewhere(&db, "outage");
    assert_eq!(mine.attach(SPOOL, 2, &ANY).await, Ok(2));
    mine.commit(&numbered(3, 3), 2, 3).await.unwrap();
    stop_of(other.attach(OTHER, 0, &ANY).await);
    assert_eq!(stored(&db, "outage").await, [1, 2, 3]);
}

#[tokio::test]
async fn a_server_that_was_away_is_watched_anew() {
    let (db, clock) = (database("away").await.0, clock());
    sink_by(&db, "away", &clock).attach(SPOOL, 0, &ANY).await.unwrap();
    let line = FaultProxy::start(db.port()).await;
    let mpos = Mpos { endpoint: Endpoint::Tcp("127.0.0.1".into(), line.port()), ..db.mpos("away") };
    let mut other = ShareSink::new(&mpos, Arc::clone(&clock) as Arc<dyn Clock>, "other-host");
    watch(&mut other, &clock, OTHER, 0, 40).await;
    // The listener closes and opens beside us.
    line.refuse(true);
    while !matches!(other.attach(OTHER, 0, &ANY).await, Err(SinkError::Unavailable(_))) {}
    line.heal();
    while matches!(other.attach(OTHER, 0, &ANY).await, Err(SinkError::Unavailable(_))) {}
    watch(&mut other, &clock, OTHER, 0, 60).await;
    assert_eq!(other.attach(OTHER, 0, &ANY).await, Ok(0));
}

/// A stopped spool is copied, the copy drains shares of its own and is stopped in order: its position would
/// pass for one of the spool's.
#[tokio::test]
async fn a_spool_whose_copy_has_written_is_for_the_operator() {
    use mpos_stratum::ledger::decision::Position;
    use mpos_stratum::ledger::sink::Settled;
    use mpos_stratum::ledger::tokens::Tokens;

    let (db, _) = database("diverged").await;
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of = |dir: &tempfile::TempDir| sink(&db, "diverged").with_tokens(Tokens::open(dir.path(), SPOOL).unwrap());
    // Of a version that noted nothing.
    let mut mine = sink(&db, "diverged");
    mine.attach(SPOOL, 0, &ANY).await.unwrap();
    mine.commit(&numbered(1, 2), 0, 2).await.unwrap();
    mine.close().await;
    let mut mine = of(&dir);
    assert_eq!(mine.attach(SPOOL, 2, &ANY).await, Ok(2));
    mine.commit(&numbered(3, 5), 2, 5).await.unwrap();
    assert_eq!(mine.attach(SPOOL, 5, &ANY).await, Ok(5), "its own");
    mine.close().await;
    std::fs::copy(dir.path().join("tokens"), copied.path().join("tokens")).unwrap();
    let mut copy = of(&copied);
    assert_eq!(copy.attach(SPOOL, 5, &[5..=10]).await, Ok(5), "it may be the spool, moved");
    copy.commit(&numbered(106, 107), 5, 7).await.unwrap();
    copy.close().await;
    let mut mine = of(&dir);
    for _ in 0..2 {
        let stop = stop_of(mine.attach(SPOOL, 5, &[5..=10]).await);
        assert!(stop.contains("from a copy of this spool") && stop.contains("up to 7"), "{stop}");
    }
    let found = Position { spool: SPOOL.to_string(), seq: 7 };
    assert_eq!(mine.settle(SPOOL, Some(&found), 5).await, Ok(Settled::Moved));
    assert_eq!(mine.attach(SPOOL, 5, &[5..=5]).await, Ok(5));
    mine.commit(&numbered(6, 6), 5, 6).await.unwrap();
    stop_of(of(&copied).attach(SPOOL, 5, &[5..=10]).await);
    assert_eq!(stored(&db, "diverged").await, [1, 2, 3, 4, 5, 106, 107, 6]);
}

#[tokio::test]
async fn a_position_that_went_back_stops() {
    let (db, mut sink) = database("back").await;
    let stop = stop_of(sink.attach(SPOOL, 5, &ANY).await);
    assert!(stop.contains("mpos_stratum_cursor is gone"), "{stop}");
    assert_eq!(db.query::<u64>("back", "SELECT COUNT(*) FROM mpos_stratum_cursor").await, [0]);
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 5), 0, 5).await.unwrap();
    db.run_sql("back", "UPDATE mpos_stratum_cursor SET seq = 4").await;
    let stop = stop_of(sink.attach(SPOOL, 5, &ANY).await);
    assert!(stop.contains("up to 4 only"), "{stop}");
    db.run_sql("back", "DELETE FROM mpos_stratum_cursor").await;
    stop_of(sink.attach(SPOOL, 5, &ANY).await);
    assert!(matches!(sink.commit(&numbered(6, 6), 5, 6).await, Err(SinkError::Unavailable(_))));
}

/// A cloned machine or a copied directory has the same spool id with other shares under its numbers.
#[tokio::test]
async fn a_copy_of_the_spool_waits_for_the_lease_and_does_not_disturb_the_writer() {
    let (db, mut mine) = database("copy").await;
    mine.attach(SPOOL, 0, &ANY).await.unwrap();
    mine.commit(&numbered(1, 5), 0, 5).await.unwrap();
    let mut copy = sink_elsewhere(&db, "copy");
    let stop = stop_of(copy.attach(SPOOL, 3, &[3..=10]).await);
    assert!(stop.contains("test-host") && stop.contains("copy-host"), "{stop}");
    // The writer's connection lives and is the writer.
    mine.commit(&numbered(6, 6), 5, 6).await.unwrap();
    mine.keep_alive().await.unwrap();

    // As after a move to a new machine: the old one gives no sign any more.
    age_lease(&db, "copy").await;
    assert_eq!(copy.attach(SPOOL, 3, &[3..=10]).await, Ok(6));
    assert!(matches!(mine.commit(&numbered(7, 7), 6, 7).await, Err(SinkError::Unavailable(_))));
    stop_of(mine.attach(SPOOL, 6, &[6..=6]).await);
    copy.commit(&numbered(7, 9), 6, 9).await.unwrap();
    assert_eq!(stored(&db, "copy").await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_position_that_nobody_can_explain_is_told_and_nobody_is_disturbed() {
    let (db, mut mine) = database("explain").await;
    mine.attach(SPOOL, 0, &ANY).await.unwrap();
    mine.commit(&numbered(1, 5), 0, 5).await.unwrap();
    let mut other = sink(&db, "explain");
    assert_eq!(other.attach(SPOOL, 3, &[3..=3, 4..=4]).await, Ok(5));
    assert!(matches!(other.commit(&numbered(6, 6), 5, 6).await, Err(SinkError::Unavailable(_))), "not the writer");
    mine.commit(&numbered(6, 6), 5, 6).await.unwrap();
    assert_eq!(other.attach(SPOOL, 3, &[3..=3, 6..=6]).await, Ok(6));
    other.commit(&numbered(7, 7), 6, 7).await.unwrap();
    assert_eq!(stored(&db, "explain").await, [1, 2, 3, 4, 5, 6, 7]);
}
