//! Exactly once when the answer to a commit is lost: through a relay that cuts the connection at a
//! chosen byte, a frozen server, a killed connection, and a caller that goes away.

use std::sync::atomic::{AtomicU64, Ordering};

use mpos_stratum::config::Endpoint;
use mpos_stratum::ledger::sink::SinkError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Forwards connections to the server and can stop forwarding after so many bytes one way.
struct Relay {
    port: u16,
    /// Bytes still let through towards the server; `u64::MAX`: all.
    to_server: Arc<AtomicU64>,
    /// Bytes still let through towards the client.
    to_client: Arc<AtomicU64>,
}

impl Relay {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to_server, to_client) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(u64::MAX)));
        let limits = (Arc::clone(&to_server), Arc::clone(&to_client));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (client_reads, client_writes) = client.into_split();
                let (server_reads, server_writes) = server.into_split();
                let (up, down) = (Arc::clone(&limits.0), Arc::clone(&limits.1));
                tokio::spawn(async move {
                    // Whichever way ends first ends both, as a broken line does.
                    tokio::select! {
                        () = forward(client_reads, server_writes, up) => {}
                        () = forward(server_reads, client_writes, down) => {}
                    }
                });
            }
        });
        Self { port, to_server, to_client }
    }

    fn heal(&self) {
        self.to_server.store(u64::MAX, Ordering::SeqCst);
        self.to_client.store(u64::MAX, Ordering::SeqCst);
    }

    fn sink(&self, db: &MariaDb, database: &str) -> ShareSink {
        let mut mpos = db.mpos(database);
        mpos.endpoint = Endpoint::Tcp("127.0.0.1".into(), self.port);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        ShareSink::new(&mpos, clock, "test-host")
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    limit: Arc<AtomicU64>,
) {
    let mut bytes = [0; 4096];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        let left = limit.load(Ordering::SeqCst);
        let passed = left.min(count as u64);
        if left != u64::MAX {
            limit.store(left - passed, Ordering::SeqCst);
        }
        if to.write_all(&bytes[..passed as usize]).await.is_err() || passed < count as u64 {
            return;
        }
    }
}

/// Three shares in the middle of which is a candidate, numbered from `first`.
fn batch_with_candidate(first: u64) -> Vec<Entry> {
    let mut batch = numbered(first, first + 2);
    let name = format!("Alice.r{}", first + 1);
    batch[1] = entry(first + 1, ShareRecord { worker: name.into(), ..candidate([first as u8; 32]) });
    batch
}

/// Cuts the line at places all through a batch, in both directions, and goes on each time as the
/// drainer would: attach, then repeat whatever is not stored.
#[tokio::test]
async fn a_line_cut_anywhere_neither_loses_nor_doubles() {
    const CUTS: u64 = 40;
    let (db, _) = database("cut").await;
    let relay = Relay::start(db.port()).await;
    let mut sink = relay.sink(&db, "cut");
    // Learn how many bytes such a batch takes on a new connection.
    let plenty = 1_000_000;
    sink.attach(SPOOL, 0).await.unwrap();
    relay.to_server.store(plenty, Ordering::SeqCst);
    relay.to_client.store(plenty, Ordering::SeqCst);
    sink.commit(&batch_with_candidate(1), 0, 3).await.unwrap();
    let up = plenty - relay.to_server.load(Ordering::SeqCst);
    let down = plenty - relay.to_client.load(Ordering::SeqCst);
    relay.heal();

    let (mut position, mut only_stored, mut repeated) = (3, 0, 0);
    for cut in 0..2 * CUTS {
        let step = cut / 2 + 1;
        // The last byte is cut off in the last round of either way.
        let (way, bytes) = if cut % 2 == 0 { (&relay.to_client, down) } else { (&relay.to_server, up) };
        assert_eq!(sink.attach(SPOOL, position).await, Ok(position));
        let (batch, new) = (batch_with_candidate(position + 1), position + 3);
        way.store(bytes * step / CUTS - 1, Ordering::SeqCst);
        let result = sink.commit(&batch, position, new).await;
        assert!(matches!(result, Err(SinkError::Unavailable(_))), "{result:?}");
        relay.heal();
        let is = sink.attach(SPOOL, position).await.unwrap();
        if is == new {
            only_stored += 1;
        } else {
            assert_eq!(is, position, "all of a batch or nothing");
            repeated += 1;
            sink.commit(&batch, position, new).await.unwrap();
        }
        position = new;
    }
    assert_eq!(stored(&db, "cut").await, (1..=3 + 6 * CUTS).collect::<Vec<_>>());
    assert_eq!(db.query::<u64>("cut", "SELECT COUNT(*) FROM mpos_stratum_block").await, [1 + 2 * CUTS]);
    assert!(only_stored > 0 && repeated > 0, "{only_stored} {repeated}");
}

/// The answer to COMMIT itself is lost: a trigger of the relay on the last statement.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_repeated() {
    let (db, _) = database("lost").await;
    let relay = Relay::start(db.port()).await;
    let mut sink = relay.sink(&db, "lost");
    sink.attach(SPOOL, 0).await.unwrap();
    // Learn how much comes back for such a batch, once its statements are prepared.
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    let plenty = 1_000_000;
    relay.to_client.store(plenty, Ordering::SeqCst);
    sink.commit(&numbered(2, 2), 1, 2).await.unwrap();
    let bytes = plenty - relay.to_client.load(Ordering::SeqCst);
    relay.to_client.store(bytes - 1, Ordering::SeqCst);
    assert!(matches!(sink.commit(&numbered(3, 3), 2, 3).await, Err(SinkError::Unavailable(_))));
    assert_eq!(stored(&db, "lost").await, [1, 2, 3], "the server did commit");
    relay.heal();
    assert_eq!(sink.attach(SPOOL, 2).await, Ok(3));
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let (db, mut sink) = database("killed").await;
    sink.attach(SPOOL, 0).await.unwrap();
    let id: Vec<u64> = db.query("killed", "SELECT connection_id FROM mpos_stratum_cursor").await;
    db.run_sql("killed", &format!("KILL {}", id[0])).await;
    assert!(matches!(sink.commit(&numbered(1, 1), 0, 1).await, Err(SinkError::Unavailable(_))));
    assert_eq!(sink.attach(SPOOL, 0).await, Ok(0));
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    assert_eq!(stored(&db, "killed").await, [1]);
}

/// MPOS's payout holds a lock on the end of the table: the batch waits, its caller gives up half-way,
/// and the transaction in doubt is gone before the next one starts.
#[tokio::test]
async fn a_commit_dropped_half_way_leaves_nothing_behind() {
    let (db, mut sink) = database("dropped").await;
    sink.attach(SPOOL, 0).await.unwrap();
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
    assert_eq!(sink.attach(SPOOL, 2).await, Ok(2));
    payout.query_drop("COMMIT").await.unwrap();
    sink.commit(&numbered(3, 4), 2, 4).await.unwrap();
    assert_eq!(stored(&db, "dropped").await, [1, 2, 3, 4]);
}

/// A lock that is held longer than the writer waits: unavailable, then stored in order.
#[tokio::test]
async fn a_lock_that_lasts_is_waited_out_by_repeating() {
    let (db, mut sink) = database("locked").await;
    sink.attach(SPOOL, 0).await.unwrap();
    sink.commit(&numbered(1, 2), 0, 2).await.unwrap();
    let mut payout = db.conn(Some("locked")).await;
    use mysql_async::prelude::Queryable;
    payout.query_drop("START TRANSACTION").await.unwrap();
    let _: Vec<u64> = payout.query("SELECT id FROM shares WHERE id >= 1 FOR UPDATE").await.unwrap();
    let result = sink.commit(&numbered(3, 4), 2, 4).await;
    assert!(matches!(&result, Err(SinkError::Unavailable(text)) if text.contains("1205")), "{result:?}");
    payout.query_drop("COMMIT").await.unwrap();
    assert_eq!(sink.attach(SPOOL, 2).await, Ok(2));
    sink.commit(&numbered(3, 4), 2, 4).await.unwrap();
    assert_eq!(stored(&db, "locked").await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_frozen_server_is_unavailable_not_a_hang() {
    let mut db = MariaDb::start();
    db.create_database("pool").await;
    let mut sink = sink(&db, "pool");
    sink.attach(SPOOL, 0).await.unwrap();
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    db.freeze();
    assert!(matches!(sink.commit(&numbered(2, 2), 1, 2).await, Err(SinkError::Unavailable(_))));
    assert!(matches!(sink.attach(SPOOL, 1).await, Err(SinkError::Unavailable(_))));
    db.thaw();
    let position = sink.attach(SPOOL, 1).await.unwrap();
    assert_eq!(position, 1, "the transaction had not even begun");
    sink.commit(&numbered(2, 2), 1, 2).await.unwrap();
    assert_eq!(stored(&db, "pool").await, [1, 2]);
    db.stop();
}
