//! Exactly once when the answer to a commit is lost: a line that is cut, a frozen server, a killed
//! connection, and a caller that goes away. Every byte of the line is the matter of the fault tests.

use mpos_stratum::config::{Endpoint, Mpos};
use mpos_stratum::ledger::sink::SinkError;

use super::support::fault_proxy::{Fault, FaultProxy, Way};
use super::*;

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_repeated() {
    let (db, _) = database("lost").await;
    let line = FaultProxy::start(db.port()).await;
    let mpos = Mpos { endpoint: Endpoint::Tcp("127.0.0.1".into(), line.port()), ..db.mpos("lost") };
    let mut sink = ShareSink::new(&mpos, Arc::new(SystemClock::new()), "test-host");
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    // Learn how much comes back for such a batch, once its statements are prepared.
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    line.record();
    sink.commit(&numbered(2, 2), 1, 2).await.unwrap();
    let answers = line.recorded().into_iter().filter(|(way, _)| *way == Way::ToClient);
    let bytes: usize = answers.map(|(_, bytes)| bytes.len()).sum();
    line.strike_after(Way::ToClient, bytes as u64 - 1, Fault::Cut);
    assert!(matches!(sink.commit(&numbered(3, 3), 2, 3).await, Err(SinkError::Unavailable(_))));
    assert_eq!(stored(&db, "lost").await, [1, 2, 3], "the server did commit");
    assert_eq!(sink.attach(SPOOL, 2, &ANY).await, Ok(3));
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let (db, mut sink) = database("killed").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let id: Vec<u64> = db.query("killed", "SELECT connection_id FROM mpos_stratum_cursor").await;
    db.run_sql("killed", &format!("KILL {}", id[0])).await;
    assert!(matches!(sink.commit(&numbered(1, 1), 0, 1).await, Err(SinkError::Unavailable(_))));
    assert_eq!(sink.attach(SPOOL, 0, &ANY).await, Ok(0));
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    assert_eq!(stored(&db, "killed").await, [1]);
}

/// MPOS's payout holds a lock on the end of the table: the batch waits, its caller gives up half-way,
/// and the transaction in doubt is gone before the next one starts.
#[tokio::test]
async fn a_commit_dropped_half_way_leaves_nothing_behind() {
    let (db, mut sink) = database("dropped").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 2), 0, 2).await.unwrap();
    let mut payout = db.conn(Some("dropped")).await;
    use mysql_async::prelude::Queryable;
    payout.query_drop("START TRANSACTION").await.unwrap();
    let _: Vec<u64> = payout.query("SELECT id FROM shares WHERE id >= 1 FOR UPDATE").await.unwrap();
    {
        let batch = numbered(3, 4);
        let mut commit = std::pin::pin!(sink.commit(&batch, 2, 4));
        loop {
            // Nothing else can keep this statement from being over at once.
            let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                           WHERE db = 'dropped' AND info LIKE 'INSERT INTO shares%'";
            tokio::select! {
                result = &mut commit => panic!("not locked: {result:?}"),
                count = db.query::<u64>("dropped", waiting) => if count[0] > 0 { break }
            }
        }
    }
    assert!(matches!(sink.commit(&numbered(3, 4), 2, 4).await, Err(SinkError::Unavailable(_))));
    assert_eq!(sink.attach(SPOOL, 2, &ANY).await, Ok(2));
    payout.query_drop("COMMIT").await.unwrap();
    sink.commit(&numbered(3, 4), 2, 4).await.unwrap();
    assert_eq!(stored(&db, "dropped").await, [1, 2, 3, 4]);
}

/// A lock that is held longer than the writer waits: unavailable, then stored in order.
#[tokio::test]
async fn a_lock_that_lasts_is_waited_out_by_repeating() {
    let (db, mut sink) = database("locked").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 2), 0, 2).await.unwrap();
    let mut payout = db.conn(Some("locked")).await;
    use mysql_async::prelude::Queryable;
    payout.query_drop("START TRANSACTION").await.unwrap();
    let _: Vec<u64> = payout.query("SELECT id FROM shares WHERE id >= 1 FOR UPDATE").await.unwrap();
    let result = sink.commit(&numbered(3, 4), 2, 4).await;
    assert!(matches!(&result, Err(SinkError::Unavailable(text)) if text.contains("1205")), "{result:?}");
    payout.query_drop("COMMIT").await.unwrap();
    assert_eq!(sink.attach(SPOOL, 2, &ANY).await, Ok(2));
    sink.commit(&numbered(3, 4), 2, 4).await.unwrap();
    assert_eq!(stored(&db, "locked").await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_frozen_server_is_unavailable_not_a_hang() {
    let mut db = MariaDb::start();
    db.create_database("pool").await;
    let mut sink = sink(&db, "pool");
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    db.freeze();
    assert!(matches!(sink.commit(&numbered(2, 2), 1, 2).await, Err(SinkError::Unavailable(_))));
    assert!(matches!(sink.attach(SPOOL, 1, &ANY).await, Err(SinkError::Unavailable(_))));
    db.thaw();
    let position = sink.attach(SPOOL, 1, &ANY).await.unwrap();
    assert_eq!(position, 1, "the transaction had not even begun");
    sink.commit(&numbered(2, 2), 1, 2).await.unwrap();
    assert_eq!(stored(&db, "pool").await, [1, 2]);
    db.stop();
}
