//! MPOS's own jobs at work in the same tables for longer than a lock is waited for, with the daemon's own
//! times: the archive copy and the deletion at the end of a round, and findblock when it puts blocks that
//! it met out of order to rights.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::ledger::pace::Pace;
use mpos_stratum::mpos::limits::Limits;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::events::Kind;
use crate::lookups::{block, find_share};
use crate::rig::{Rig, Setup, mpos_at, prepare, same_rows};
use crate::support::mariadb::{MariaDb, ShareRow};

/// How long a job holds its locks, unless `LOCK_SECS` says otherwise: longer than two waits for a lock.
/// With 70 it is longer than the lease, too.
const LOCK_SECS: u64 = 20;

/// A job's statements, within one transaction, on the rows up to number `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Archive,
    Delete,
    Swap,
}

impl Job {
    async fn begin(self, conn: &mut Conn, to: u64) {
        let archive = format!(
            "INSERT INTO shares_archive (share_id, username, our_result, upstream_result, block_id, time, difficulty) \
             SELECT id, username, our_result, upstream_result, 1, time, IF(difficulty = 0, POW(2, 4), difficulty) \
             FROM shares WHERE id > 0 AND id <= {to}"
        );
        let keep = format!("INSERT INTO paid SELECT * FROM shares WHERE id <= {to}");
        let delete = format!("DELETE FROM shares WHERE id <= {to} ORDER BY id LIMIT 25000");
        // findblock writes to the rows of both blocks; here it is taken back, so that in the end all is as it was.
        let (write, back) =
            ["Y", "N"].map(|flag| format!("UPDATE shares SET upstream_result = '{flag}' WHERE id IN (1, 2)")).into();
        let tail = "SELECT id FROM shares WHERE id >= 1 FOR UPDATE";
        let statements = match self {
            Job::Archive => vec![archive.as_str(), tail],
            Job::Delete => vec![keep.as_str(), delete.as_str(), tail],
            Job::Swap => vec![write.as_str(), back.as_str(), tail],
        };
        conn.query_drop("START TRANSACTION").await.unwrap();
        for statement in statements {
            conn.query_drop(statement).await.unwrap();
        }
    }
}

/// Miners at some fifty shares a second until told to end.
struct Miners {
    over: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Miners {
    fn start(rig: &Rig) -> Self {
        let (over, is_over) = tokio::sync::watch::channel(false);
        let (ledger, book) = (Arc::clone(&rig.ledger), Arc::clone(&rig.book));
        let task = tokio::spawn(async move {
            while !*is_over.borrow() {
                book.append(&ledger, &[Kind::Accepted, Kind::Refused, Kind::Accepted]);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { over, task }
    }

    async fn end(self) {
        self.over.send_replace(true);
        self.task.await.unwrap();
    }
}

/// One job holds the end of the table while shares come in and a block is found: nobody is refused, nothing
/// is seen meanwhile, and afterwards all rows are there in order, with the block's own share found first.
async fn beside(job: Job) {
    let (db, database) = (MariaDb::shared(), format!("beside_{job:?}").to_lowercase());
    prepare(&db, &database).await;
    db.run_sql(&database, "CREATE TABLE paid LIKE shares").await;
    let setup = Setup { limits: Limits::default(), pace: Pace::default(), ..Setup::default() };
    let clock = Arc::clone(&setup.clock);
    let mut rig = Rig::start_with(&mpos_at(db.port(), &database), setup);
    rig.append(&[Kind::Accepted, Kind::Refused, Kind::Accepted]);
    rig.settle().await;
    let miners = Miners::start(&rig);
    rig.drained(30).await;

    let mut conn = db.conn(Some(&database)).await;
    let newest: Option<u64> = conn.query_first("SELECT MAX(id) FROM shares").await.unwrap();
    job.begin(&mut conn, newest.unwrap()).await;
    let seen: Vec<Option<u64>> = db.query(&database, "SELECT MAX(id) FROM shares").await;
    // Shares from before the block are of earlier seconds: a lookup asks by the block's hash first and by time last, and
    // everything may become visible in between.
    miners.end().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (record, found) = block(900_001, clock.unix_secs(), 0);
    rig.book.append_shares(&rig.ledger, &[record]);
    let miners = Miners::start(&rig);
    let searching = tokio::spawn({
        let (db, database, found) = (Arc::clone(&db), database.clone(), found.clone());
        async move {
            let mut conn = db.conn(Some(&database)).await;
            loop {
                if let Some((_, username)) = find_share(&mut conn, &found, 0).await {
                    return username;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    rig.trouble("1205").await;
    let secs = std::env::var("LOCK_SECS").map_or(LOCK_SECS, |secs| secs.parse().unwrap());
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let still: Vec<Option<u64>> = db.query(&database, "SELECT MAX(id) FROM shares").await;
    assert_eq!(still, seen, "the job did not hold the table");
    assert!(!searching.is_finished(), "somebody else's share was taken for the block");
    conn.query_drop("COMMIT").await.unwrap();
    rig.drained(100).await;
    miners.end().await;
    rig.settle().await;
    assert_eq!(searching.await.unwrap(), found.finder);
    let every = "CREATE TABLE every LIKE shares; INSERT INTO every SELECT * FROM paid; \
                 INSERT INTO every SELECT * FROM shares; DROP TABLE shares; RENAME TABLE every TO shares";
    db.run_sql(&database, every).await;
    let rows: Vec<ShareRow> = db.rows(&database).await;
    same_rows(&rows, &rig.book.expected());
}

#[tokio::test]
async fn acceptance_10_the_jobs_of_mpos_hold_the_table_for_long() {
    tokio::join!(beside(Job::Archive), beside(Job::Delete), beside(Job::Swap));
}
