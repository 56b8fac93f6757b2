//! Tables that are dropped or altered under us, and rows that they refuse.

use std::sync::Arc;

use mpos_stratum::ledger::record::ShareRecord;
use mpos_stratum::ledger::status::DrainState;
use mysql_async::prelude::Queryable;

use crate::events::{Kind, share};
use crate::rig::{Rig, Setup, mpos_at, prepare, same_rows};
use crate::support::fault_proxy::{Fault, FaultProxy, Way};
use crate::support::mariadb::MariaDb;

async fn attached(database: &str) -> (Arc<MariaDb>, Rig) {
    let db = MariaDb::shared();
    prepare(&db, database).await;
    let rig = Rig::start(&mpos_at(db.port(), database));
    rig.until(|status| status.drain == DrainState::Running).await;
    (db, rig)
}

/// Numbers of the events in quarantine.
fn quarantined(rig: &Rig) -> Vec<u64> {
    let text = std::fs::read_to_string(rig.dir.path().join("quarantine.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_table_is_dropped_and_made_again() {
    let (db, mut rig) = attached("dropped").await;
    rig.append(&[Kind::Accepted; 20]);
    rig.check(&db, "dropped").await;
    db.run_sql("dropped", "DROP TABLE shares").await;
    rig.book.except(|_| true);
    rig.mine();
    rig.trouble("no table shares").await;
    rig.mined(100).await;
    db.load("dropped", "schema/mpos-tables.sql").await;
    rig.check(&db, "dropped").await;
    assert_eq!(quarantined(&rig), [0u64; 0]);
}

/// While the writer is connected and in the middle of its work: nothing of it is any row's fault, so no
/// row goes to quarantine.
#[tokio::test]
async fn columns_that_are_altered_under_load_stop_the_drain_until_they_are_back() {
    let (db, mut rig) = attached("altered").await;
    for (change, found, back) in [
        ("MODIFY username VARCHAR(5) NOT NULL", "username holds 5", "MODIFY username VARCHAR(120) NOT NULL"),
        ("MODIFY solution VARCHAR(40) NOT NULL", "solution holds 40", "MODIFY solution VARCHAR(257) NOT NULL"),
        ("MODIFY rem_host VARCHAR(5) NOT NULL", "rem_host holds 5", "MODIFY rem_host VARCHAR(255) NOT NULL"),
        ("CHANGE reason reason_gone VARCHAR(50)", "no column reason", "CHANGE reason_gone reason VARCHAR(50)"),
        ("ADD worker_id INT NOT NULL", "worker_id", "DROP COLUMN worker_id"),
        ("ENGINE=MyISAM", "MyISAM", "ENGINE=InnoDB"),
    ] {
        // What is there would not fit a shorter column, and the server would not alter it.
        db.run_sql("altered", "DELETE FROM shares").await;
        rig.book.except(|_| true);
        db.run_sql("altered", &format!("ALTER TABLE shares {change}")).await;
        if change.starts_with("ENGINE") {
            // A running transaction works in such a table too: only a new connection looks.
            let id: Vec<u64> = db.query("altered", "SELECT connection_id FROM mpos_stratum_cursor").await;
            db.run_sql("altered", &format!("KILL {}", id[0])).await;
        }
        rig.append(&[Kind::Accepted, Kind::Refused, Kind::Candidate, Kind::Accepted]);
        rig.trouble(found).await;
        rig.mine();
        rig.mined(30).await;
        assert_eq!(db.query::<u64>("altered", "SELECT COUNT(*) FROM shares").await, [0], "{change}");
        db.run_sql("altered", &format!("ALTER TABLE shares {back}")).await;
        rig.check(&db, "altered").await;
    }
    assert_eq!(quarantined(&rig), [0u64; 0]);
}

/// A trigger and a CHECK refuse some rows: those go to quarantine, all others arrive, in order.
#[tokio::test]
async fn rows_that_can_never_be_stored_are_set_aside_and_the_rest_flows() {
    let (db, mut rig) = attached("poison").await;
    let trigger = "CREATE TRIGGER no_such BEFORE INSERT ON shares FOR EACH ROW \
                   IF NEW.username REGEXP 'r(7|50|51|150|400)$' THEN SIGNAL SQLSTATE '45000' \
                   SET MESSAGE_TEXT = 'not this one'; END IF";
    db.run_sql("poison", trigger).await;
    db.run_sql("poison", "ALTER TABLE shares ADD CONSTRAINT no_99 CHECK (username NOT LIKE '%.r99')").await;
    db.run_sql("poison", "CREATE UNIQUE INDEX once ON shares (username)").await;
    for group in 0..100 {
        rig.append(&[Kind::Accepted, Kind::Refused, Kind::Accepted, Kind::Accepted]);
        if group == 40 {
            // The same name as an earlier row.
            rig.book.append_shares(&rig.ledger, &[share(3, Kind::Accepted)]);
        }
    }
    rig.settle().await;
    let poison = [7, 50, 51, 99, 150, 165, 401];
    assert_eq!(quarantined(&rig), poison);
    assert_eq!(rig.ledger.status().quarantined, 7);
    rig.book.except(|seq| poison.contains(&seq));
    rig.check(&db, "poison").await;
    let text = std::fs::read_to_string(rig.dir.path().join("quarantine.jsonl")).unwrap();
    for word in ["not this one", "no_99", "Duplicate entry"] {
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn three_refused_rows_in_a_row_pause_and_the_writer_keeps_its_table() {
    let (db, mut rig) = attached("paused").await;
    rig.append(&[Kind::Accepted; 10]);
    rig.settle().await;
    let trigger = "CREATE TRIGGER no_more BEFORE INSERT ON shares FOR EACH ROW SIGNAL SQLSTATE '45000'";
    db.run_sql("paused", trigger).await;
    rig.mine();
    rig.trouble("3 rows in a row").await;
    // It waits for an operator, and shows that it is alive: no other spool may take over.
    db.run_sql("paused", "UPDATE mpos_stratum_cursor SET lease_at = lease_at - INTERVAL 61 SECOND").await;
    let alive = "SELECT lease_at > UTC_TIMESTAMP() - INTERVAL 30 SECOND FROM mpos_stratum_cursor";
    while db.query::<u64>("paused", alive).await != [1] {
        assert!(matches!(rig.ledger.status().drain, DrainState::Paused(_)));
    }
    rig.mined(50).await;
    let lost = quarantined(&rig);
    assert_eq!(lost.len(), 3, "however often it was tried: {lost:?}");
    db.run_sql("paused", "DROP TRIGGER no_more").await;
    rig.book.except(|seq| lost.contains(&seq));
    rig.check(&db, "paused").await;
}

#[tokio::test]
async fn a_refused_candidate_holds_everything_behind_it() {
    let (db, mut rig) = attached("held").await;
    let trigger = "CREATE TRIGGER no_blocks BEFORE INSERT ON shares FOR EACH ROW \
                   IF NEW.solution <> '' THEN SIGNAL SQLSTATE '45000'; END IF";
    db.run_sql("held", trigger).await;
    rig.append(&[Kind::Accepted, Kind::Refused, Kind::Candidate, Kind::Accepted]);
    rig.trouble("block candidate 3").await;
    rig.mine();
    rig.mined(50).await;
    assert_eq!(rig.ledger.status().drained, 2);
    db.run_sql("held", "DROP TRIGGER no_blocks").await;
    rig.check(&db, "held").await;
    assert_eq!(quarantined(&rig), [0u64; 0]);
}

fn at_least_once(port: u16, database: &str) -> mpos_stratum::config::Mpos {
    mpos_stratum::config::Mpos { allow_myisam: true, ..mpos_at(port, database) }
}

/// By permission only. Everything that this process can know is still stored once: a refused row in the
/// middle of a batch, a connection that breaks between statements.
#[tokio::test]
async fn a_table_without_transactions_by_permission() {
    let db = MariaDb::shared();
    prepare(&db, "myisam").await;
    db.run_sql("myisam", "ALTER TABLE shares ENGINE=MyISAM").await;
    let trigger = "CREATE TRIGGER not_30 BEFORE INSERT ON shares FOR EACH ROW \
                   IF NEW.username LIKE '%.r30' THEN SIGNAL SQLSTATE '45000'; END IF";
    db.run_sql("myisam", trigger).await;
    let mut rig = Rig::start(&at_least_once(db.port(), "myisam"));
    rig.append(&[Kind::Accepted; 28]);
    rig.append(&[Kind::Candidate, Kind::Accepted, Kind::Candidate, Kind::Refused]);
    rig.append(&[Kind::Accepted; 28]);
    rig.book.append_verdict(&rig.ledger, true);
    rig.settle().await;
    rig.book.except(|seq| seq == 30);
    // The writer waits for the cursor's row while its rows are already visible: then its connection ends.
    let mut other = db.conn(Some("myisam")).await;
    other.query_drop("LOCK TABLES mpos_stratum_block WRITE").await.unwrap();
    rig.append(&[Kind::Accepted, Kind::Candidate, Kind::Accepted]);
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'myisam' \
                   AND info LIKE 'INSERT INTO mpos_stratum_block%'";
    while db.query::<u64>("myisam", waiting).await != [1] {}
    let id: Vec<u64> = db.query("myisam", "SELECT connection_id FROM mpos_stratum_cursor").await;
    db.run_sql("myisam", &format!("KILL {}", id[0])).await;
    other.query_drop("UNLOCK TABLES").await.unwrap();
    rig.check(&db, "myisam").await;
    let sql = "SELECT COUNT(*) FROM mpos_stratum_block b JOIN shares s ON s.id = b.share_id AND s.solution = b.hash";
    assert_eq!(db.query::<u64>("myisam", sql).await, [3], "our record names the rows that are there");
}

/// What the permission costs: the answer to one row is lost, and the row is there twice. None is lost.
#[tokio::test]
async fn without_transactions_an_answer_that_is_lost_doubles_one_row() {
    let db = MariaDb::shared();
    prepare(&db, "doubled").await;
    db.run_sql("doubled", "ALTER TABLE shares ENGINE=MyISAM").await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start_with(&at_least_once(line.port(), "doubled"), Setup::default());
    rig.append(&[Kind::Accepted; 3]);
    rig.settle().await;
    // The answers to START TRANSACTION and to the cursor's UPDATE, of 11 and of 52 bytes, still arrive.
    line.record();
    rig.append(&[Kind::Accepted]);
    rig.settle().await;
    let answers: Vec<u64> = line
        .recorded()
        .into_iter()
        .filter(|(way, _)| *way == Way::ToClient)
        .map(|(_, bytes)| bytes.len() as u64)
        .collect();
    let strikes = line.strikes();
    line.strike_after(Way::ToClient, answers[0] + answers[1], Fault::Cut);
    rig.append(&[Kind::Accepted]);
    line.struck(strikes).await;
    rig.settle().await;
    let mut expected = rig.book.expected();
    expected.push(expected[4].clone());
    same_rows(&db.rows("doubled").await, &expected);
}

/// A share as a miner would have sent it, but with a name that no column holds: cut, not refused.
#[tokio::test]
async fn acceptance_9_names_of_every_kind_become_rows_that_mpos_credits() {
    let (db, mut rig) = attached("names").await;
    let accounts = ["Alice", "42", "under_score", "dash-ed"];
    for account in accounts {
        db.add_account("names", account, 0).await;
    }
    let long = format!("Alice.{}", "x".repeat(294));
    let names = [
        ("Alice.rig", "Alice.rig"),
        ("42.7", "42.7"),
        ("under_score.a-b", "under_score.a-b"),
        ("dash-ed.'; DROP TABLE shares; -- ", "dash-ed.'; DROP TABLE shares; -- "),
        ("Alice.\u{1f600}", "Alice.?"),
        ("Alice.\u{e4}\u{20ac}\\\"%_\0", "Alice.\u{e4}\u{20ac}\\\"%_\0"),
        (&long, &long[..120]),
    ];
    for (name, _) in names {
        let record = ShareRecord { worker: name.into(), row_difficulty: 2.0, ..share(1, Kind::Accepted) };
        rig.book.append_shares(&rig.ledger, &[record]);
    }
    rig.settle().await;
    let stored: Vec<String> = db.rows("names").await.into_iter().map(|row| row.username).collect();
    assert_eq!(stored, names.map(|(_, stored)| stored.to_owned()));
    // MPOS credits the text before the first dot.
    let sql = "SELECT a.username, SUM(s.difficulty) FROM shares s JOIN accounts a \
               ON a.username = SUBSTRING_INDEX(s.username, '.', 1) GROUP BY a.id ORDER BY a.id";
    let credits: Vec<(String, f64)> = db.query("names", sql).await;
    let credits: Vec<_> = credits.iter().map(|(name, sum)| (name.as_str(), *sum)).collect();
    assert_eq!(credits, [("Alice", 8.0), ("42", 2.0), ("under_score", 2.0), ("dash-ed", 2.0)]);
}
