//! Other sessions in the same tables: MPOS at its payouts, locks on the end of the table, deadlocks, a
//! predecessor that has not finished.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::ledger::status::DrainState;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::events::Kind;
use crate::rig::{Rig, Setup, mpos_at, prepare, same_rows};
use crate::support::mariadb::{MariaDb, ShareRow};

async fn mining(database: &str) -> (Arc<MariaDb>, Rig) {
    let db = MariaDb::shared();
    prepare(&db, database).await;
    let mut setup = Setup::default();
    // Long enough for the trouble to be seen.
    setup.pace.backoff_min = Duration::from_millis(50);
    let mut rig = Rig::start_with(&mpos_at(db.port(), database), setup);
    rig.mine();
    rig.drained(50).await;
    (db, rig)
}

/// Begins a transaction that holds a lock on the end of `shares`, as MPOS's archive copy does.
async fn lock_tail(db: &MariaDb, database: &str) -> Conn {
    let mut payout = db.conn(Some(database)).await;
    payout.query_drop("START TRANSACTION").await.unwrap();
    let _: Vec<u64> = payout.query("SELECT id FROM shares WHERE id >= 1 FOR UPDATE").await.unwrap();
    payout
}

/// Acceptance check 10, shortened: the lock lasts longer than the writer waits for one.
#[tokio::test]
async fn acceptance_10_the_tail_of_shares_locked_longer_than_a_lock_wait() {
    let (db, mut rig) = mining("tail").await;
    let mut payout = lock_tail(&db, "tail").await;
    rig.trouble("1205").await;
    // Miners notice nothing.
    rig.mined(200).await;
    payout.query_drop("COMMIT").await.unwrap();
    rig.check(&db, "tail").await;
}

#[tokio::test]
async fn a_deadlock_of_which_we_are_the_victim() {
    let (db, mut rig) = mining("deadlock").await;
    let mut other = db.conn(Some("deadlock")).await;
    other.query_drop("CREATE TABLE heavy (n INT PRIMARY KEY) ENGINE=InnoDB").await.unwrap();
    other.query_drop("START TRANSACTION").await.unwrap();
    // The server sacrifices the transaction that has done less.
    other.query_drop("INSERT INTO heavy SELECT seq FROM seq_1_to_5000").await.unwrap();
    let _: Vec<u64> = other.query("SELECT id FROM shares WHERE id >= 1 FOR UPDATE").await.unwrap();
    // Nothing else can keep this statement from being over at once.
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                   WHERE db = 'deadlock' AND info LIKE 'INSERT INTO shares%'";
    while db.query::<u64>("deadlock", waiting).await != [1] {}
    let (update, seen) =
        tokio::join!(other.query_drop("UPDATE mpos_stratum_cursor SET host = 'elsewhere'"), rig.trouble("1213"));
    update.unwrap();
    let () = seen;
    other.query_drop("ROLLBACK").await.unwrap();
    rig.check(&db, "deadlock").await;
}

/// The end of a round: what MPOS does, again and again, up to the newest row that it sees.
async fn pay_out(db: &MariaDb, database: &str, rounds: usize) {
    let mut conn = db.conn(Some(database)).await;
    let mut last = 0u64;
    for block in 0..rounds {
        let to = loop {
            let to: Option<Option<u64>> = conn.query_first("SELECT MAX(id) FROM shares").await.unwrap();
            match to.flatten() {
                Some(to) if to > last + 10 => break to,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        // For the comparison at the end; MPOS keeps less.
        let copy = format!("INSERT INTO paid SELECT * FROM shares WHERE id > {last} AND id <= {to}");
        conn.query_drop(copy).await.unwrap();
        let archive = format!(
            "INSERT INTO shares_archive (share_id, username, our_result, upstream_result, block_id, time, difficulty) \
             SELECT id, username, our_result, upstream_result, {block}, time, \
             IF(difficulty = 0, POW(2, 4), difficulty) AS difficulty FROM shares WHERE id > {last} AND id <= {to}"
        );
        conn.query_drop(archive).await.unwrap();
        loop {
            conn.query_drop(format!("DELETE FROM shares WHERE id <= {to} ORDER BY id LIMIT 100")).await.unwrap();
            if conn.affected_rows() == 0 {
                break;
            }
        }
        last = to;
    }
}

#[tokio::test]
async fn mpos_archives_and_deletes_beside_us() {
    let db = MariaDb::shared();
    prepare(&db, "payouts").await;
    db.run_sql("payouts", "CREATE TABLE paid LIKE shares").await;
    let mut rig = Rig::start(&mpos_at(db.port(), "payouts"));
    // No verdicts: a row may be paid before or after its own, both are right.
    let paying = tokio::spawn({
        let db = Arc::clone(&db);
        async move { pay_out(&db, "payouts", 60).await }
    });
    let mut last = 0;
    while !paying.is_finished() {
        last = rig.append(&[Kind::Accepted, Kind::Refused, Kind::Accepted]);
        if last % 40 == 1 {
            rig.append(&[Kind::Candidate]);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    paying.await.unwrap();
    rig.settle().await;
    assert!(last > 200, "{last}");
    let all = "SELECT * FROM (SELECT * FROM paid UNION ALL SELECT * FROM shares) every";
    db.run_sql("payouts", &format!("CREATE TABLE seen LIKE shares; INSERT INTO seen {all} ORDER BY id")).await;
    db.run_sql("payouts", "DROP TABLE shares; RENAME TABLE seen TO shares").await;
    let archived: Vec<(u64, String, f64)> =
        db.query("payouts", "SELECT share_id, username, difficulty + 0e0 FROM shares_archive ORDER BY share_id").await;
    assert!(archived.len() > 200, "{}", archived.len());
    let rows: Vec<ShareRow> = db.rows("payouts").await;
    for (archived, row) in archived.iter().zip(&rows) {
        assert_eq!((archived.0, &archived.1, archived.2), (row.id, &row.username, row.difficulty));
    }
    same_rows(&rows, &rig.book.expected());
}

/// A connection of ours that the server still holds, with a batch that is stored but not committed: the
/// successor must know how that ends before it goes on.
#[tokio::test]
async fn a_predecessor_with_an_open_transaction_is_waited_for() {
    for commits in [true, false] {
        let database = if commits { "predecessor_commits" } else { "predecessor_gives_up" };
        let db = MariaDb::shared();
        prepare(&db, database).await;
        let mut rig = Rig::start(&mpos_at(db.port(), database));
        let last = rig.append(&[Kind::Accepted; 5]);
        rig.settle().await;

        // What the predecessor did just before its client went away: the next row, not yet committed.
        let mut predecessor = db.conn(Some(database)).await;
        predecessor.query_drop("START TRANSACTION").await.unwrap();
        predecessor.query_drop("UPDATE mpos_stratum_cursor SET seq = seq + 1").await.unwrap();
        assert_eq!(rig.append(&[Kind::Accepted]), last + 1);
        rig.trouble("1205").await;
        let (dir, book) = rig.stop().await;
        let setup = Setup::default();
        let expected = book.expected();
        let insert = "INSERT INTO shares (time, rem_host, username, our_result, upstream_result, reason, solution, \
                      difficulty) VALUES (FROM_UNIXTIME(?), ?, ?, ?, 'N', ?, '', ?)";
        let row = &expected[5];
        let values = (row.time, &row.rem_host, &row.username, &row.our_result, &row.reason, row.difficulty);
        predecessor.exec_drop(insert, values).await.unwrap();

        let mut rig = Rig::start_in(dir, &mpos_at(db.port(), database), setup);
        rig.book = book;
        rig.trouble("1205").await;
        assert_eq!(db.rows(database).await.len(), 5);
        predecessor.query_drop(if commits { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
        rig.append(&[Kind::Candidate, Kind::Accepted]);
        rig.check(&db, database).await;
        // Told after the rows are there.
        rig.until(|status| status.drain == DrainState::Running).await;
    }
}
