//! The audit of shares: nothing to say where all is well, and every damage explained.

use mpos_stratum::ledger::record::{Event, ShareRecord};
use serde_json::{Value, json};

use crate::rig::{Rig, good};
use crate::support::spool::share;

/// Six rows of two workers.
async fn rig(database: &'static str) -> Rig {
    let rig = Rig::new(database).await;
    let stale = ShareRecord { accepted: false, reason: "stale".into(), ..share("alice.rig2") };
    let mut events: Vec<Event> = ["alice.rig1", "alice.rig2", "alice.rig1", "Bob.Garage"].map(good).into();
    events.push(Event::Share(stale));
    events.push(good("alice.rig1"));
    rig.write(&events);
    rig.drain().await;
    rig
}

/// Kinds, weights and counts of the differences.
async fn differences(rig: &Rig) -> (i32, Vec<(String, String, u64)>) {
    let ended = rig.run(&["audit", "--json"]).await;
    let found = ended.json();
    let kinds = found["differences"].as_array().unwrap().iter().map(|kind| {
        let text = |name: &str| kind[name].as_str().unwrap().to_owned();
        (text("kind"), text("weight"), kind["count"].as_u64().unwrap())
    });
    (ended.code, kinds.collect())
}

fn one(kind: &str, weight: &str) -> Vec<(String, String, u64)> {
    vec![(kind.into(), weight.into(), 1)]
}

#[tokio::test]
async fn a_clean_pool_gives_nothing_to_say() {
    let rig = rig("audit_clean").await;
    let ended = rig.run(&["audit"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.out, "bitcoin: 6 shares, 0 block candidates\n  good\n");
    let found = rig.run(&["audit", "--json"]).await.json();
    assert_eq!((&found["good"], &found["differences"], &found["remarks"]), (&json!(true), &json!([]), &json!([])));
}

#[tokio::test]
async fn every_difference_of_rows_is_explained() {
    let rig = rig("audit_rows").await;
    for (damage, mend, kind, weight) in [
        (
            "CREATE TABLE kept AS SELECT * FROM shares WHERE id = 3; DELETE FROM shares WHERE id = 3",
            "INSERT INTO shares SELECT * FROM kept",
            "missing",
            "problem",
        ),
        (
            "INSERT INTO shares (rem_host, username, our_result, solution, difficulty, time) SELECT rem_host, 'eve.x', our_result, solution, difficulty, time FROM shares WHERE id = 2",
            "DELETE FROM shares WHERE username = 'eve.x'",
            "extra",
            "problem",
        ),
        (
            "INSERT INTO shares (rem_host, username, our_result, solution, difficulty, time) SELECT rem_host, username, our_result, solution, difficulty, time + INTERVAL 1 HOUR FROM shares WHERE id = 2",
            "DELETE FROM shares WHERE id > 6",
            "extra",
            "problem",
        ),
        (
            "INSERT INTO shares (rem_host, username, our_result, solution, difficulty, time) SELECT rem_host, username, our_result, solution, difficulty, time FROM shares WHERE id = 2",
            "DELETE FROM shares WHERE id > 6",
            "extra",
            "problem",
        ),
        (
            "UPDATE shares SET difficulty = 1024 WHERE id = 4",
            "UPDATE shares SET difficulty = 512 WHERE id = 4",
            "changed",
            "problem",
        ),
        (
            "UPDATE shares SET our_result = 'Y' WHERE id = 5",
            "UPDATE shares SET our_result = 'N' WHERE id = 5",
            "changed",
            "problem",
        ),
        (
            "UPDATE shares SET solution = 'x' WHERE id = 1",
            "UPDATE shares SET solution = '' WHERE id = 1",
            "changed",
            "problem",
        ),
        (
            "UPDATE accounts SET is_locked = 2 WHERE username = 'bob'",
            "UPDATE accounts SET is_locked = 0",
            "account_locked",
            "problem",
        ),
        (
            "UPDATE accounts SET username = 'robert' WHERE username = 'bob'",
            "UPDATE accounts SET username = 'Bob' WHERE username = 'robert'",
            "account_unknown",
            "problem",
        ),
    ] {
        rig.sql(damage).await;
        assert_eq!(differences(&rig).await, (1, one(kind, weight)), "{damage}");
        rig.sql(mend).await;
    }
    assert_eq!(differences(&rig).await, (0, vec![]), "everything is mended");
}

#[tokio::test]
async fn what_mpos_archives_and_deletes_is_no_difference() {
    let rig = rig("audit_paid").await;
    rig.sql(
        "INSERT INTO shares_archive (share_id, username, our_result, upstream_result, block_id, difficulty, time) \
         SELECT id, username, our_result, upstream_result, 1, difficulty, time FROM shares WHERE id <= 4; \
         INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, accounted, share_id) \
         VALUES (1, 'old', 200, 50, 1, 1, 1, 4)",
    )
    .await;
    // In both tables for a moment, then in the archive alone.
    assert_eq!(differences(&rig).await, (0, vec![]));
    rig.sql("DELETE FROM shares WHERE id <= 4").await;
    assert_eq!(differences(&rig).await, (0, vec![]));
    // Too old for the archive: deleted after payout.
    rig.sql("DELETE FROM shares_archive WHERE share_id = 2").await;
    assert_eq!(differences(&rig).await, (0, one("paid", "note")));
    rig.sql("DELETE FROM shares").await;
    let (code, found) = differences(&rig).await;
    assert_eq!((code, found.len()), (1, 2), "5 and 6 were never paid: {found:?}");
    assert!(found.contains(&("missing".into(), "problem".into(), 2)), "{found:?}");
}

#[tokio::test]
async fn rows_on_their_way_and_in_quarantine_are_told_apart() {
    let rig = rig("audit_way").await;
    rig.sql(
        "CREATE TRIGGER refuse BEFORE INSERT ON shares FOR EACH ROW \
         IF NEW.username = 'alice.bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF",
    )
    .await;
    rig.write(&[good("alice.bad")]);
    rig.drain().await;
    assert_eq!(differences(&rig).await, (1, one("quarantined", "problem")));
    rig.sql("DROP TRIGGER refuse").await;
    assert_eq!(rig.run(&["spool", "replay", "--quarantine"]).await.code, 0);
    let found = rig.run(&["audit", "--json"]).await;
    let remarks: Vec<&Value> = found.json()["remarks"].as_array().unwrap().iter().map(|_| &Value::Null).collect();
    assert_eq!(remarks.len(), 1, "one row is not drained yet: {found:?}");
    assert!(found.out.contains("\"undrained\""), "{found:?}");
    rig.drain().await;
    assert_eq!(differences(&rig).await, (0, one("replayed", "note")));
}
