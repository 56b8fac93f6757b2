//! Rows to the letter, their order, candidates and verdicts.

use mpos_stratum::bytes::display_hash;
use mpos_stratum::ledger::sink::SinkError;
use mysql_async::Value;

use super::support::mariadb::ShareRow;
use super::*;

pub fn row(id: u64) -> ShareRow {
    ShareRow {
        id,
        rem_host: "192.0.2.7".into(),
        username: "Alice.rig1".into(),
        our_result: "Y".into(),
        upstream_result: Some("N".into()),
        reason: Some(String::new()),
        solution: String::new(),
        difficulty: 512.0,
        time: TIME + id,
    }
}

#[tokio::test]
async fn rows_are_what_mpos_reads() {
    let (db, mut sink) = database("rows").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let hash: [u8; 32] = std::array::from_fn(|n| n as u8);
    let entries = [
        entry(1, share()),
        entry(2, ShareRecord { solution: Some(hash), remote: "2001:db8::1".parse().unwrap(), ..share() }),
        entry(3, ShareRecord { accepted: false, reason: "low difficulty share".into(), ..share() }),
        entry(4, ShareRecord { row_difficulty: 0.1, ..share() }),
        entry(5, ShareRecord { row_difficulty: 1e-50, ..share() }),
        entry(6, ShareRecord { row_difficulty: 1e39, ..share() }),
        entry(7, ShareRecord { row_difficulty: 16_777_217.0, reason: "ignored".into(), ..share() }),
        entry(8, ShareRecord { accepted: false, reason: "é\u{1f600}".repeat(40), ..share() }),
        entry(9, ShareRecord { worker: "x".repeat(300).into(), ..share() }),
        entry(10, ShareRecord { worker: "Ålice.a\u{1f600}'\\\"%;--\0".into(), ..share() }),
    ];
    sink.commit(&entries, 0, 10).await.unwrap();
    let expected = [
        row(1),
        ShareRow { solution: display_hash(&hash), rem_host: "2001:db8::1".into(), ..row(2) },
        ShareRow { our_result: "N".into(), reason: Some("low difficulty share".into()), ..row(3) },
        ShareRow { difficulty: f64::from(0.1f32), ..row(4) },
        ShareRow { difficulty: f64::from(f32::MIN_POSITIVE), ..row(5) },
        ShareRow { difficulty: f64::from(f32::MAX), ..row(6) },
        ShareRow { difficulty: 16_777_216.0, ..row(7) },
        ShareRow { our_result: "N".into(), reason: Some("?".repeat(50)), ..row(8) },
        ShareRow { username: "x".repeat(120), ..row(9) },
        ShareRow { username: "Ålice.a?'\\\"%;--\0".into(), ..row(10) },
    ];
    assert_eq!(db.rows("rows").await, expected);
    assert_eq!(display_hash(&hash), "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100");
}

#[tokio::test]
async fn order_is_kept_through_statements_of_every_size() {
    let (db, mut sink) = database("bulk").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let mut entries = numbered(1, 1000);
    for (seq, byte) in [(1, 1), (300, 2), (301, 3), (1000, 4)] {
        let name = format!("Alice.r{seq}");
        entries[seq as usize - 1] = entry(seq, ShareRecord { worker: name.into(), ..candidate([byte; 32]) });
    }
    sink.commit(&entries, 0, 1000).await.unwrap();
    assert_eq!(stored(&db, "bulk").await, (1..=1000).collect::<Vec<_>>());
    // Our record names the right rows.
    let sql = "SELECT b.seq, s.username, s.solution = b.hash, b.height FROM mpos_stratum_block b JOIN shares s \
               ON s.id = b.share_id ORDER BY b.seq";
    let blocks: Vec<(u64, String, i64, u32)> = db.query("bulk", sql).await;
    let expected = [1, 300, 301, 1000].map(|seq| (seq, format!("Alice.r{seq}"), 1, 100));
    assert_eq!(blocks, expected);
}

#[tokio::test]
async fn a_candidate_gets_its_verdict_by_primary_key() {
    let (db, mut sink) = database("verdicts").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let entries = [
        entry(1, share()),
        entry(2, candidate([0x11; 32])),
        entry(3, candidate([0x22; 32])),
        entry(4, candidate([0x33; 32])),
        // Within the same batch, and for a block whose name the node knows better.
        verdict(5, 2, [0x11; 32], true),
    ];
    sink.commit(&entries, 0, 5).await.unwrap();
    let mut renamed = verdict(6, 3, [0x22; 32], true);
    if let Event::Verdict(record) = &mut renamed.event {
        record.node_hash = [0x99; 32];
    }
    let unknown = verdict(8, 77, [0x44; 32], true);
    sink.commit(&[renamed.clone(), verdict(7, 4, [0x33; 32], false), unknown], 5, 8).await.unwrap();
    // A verdict that is repeated finds the row under its new name.
    sink.commit(&[Entry { seq: 9, ..renamed }], 8, 9).await.unwrap();

    let finder = |id: u64, hash: u8| ShareRow { username: "Bob.finder".into(), solution: display(hash), ..row(id) };
    let yes = Some("Y".to_string());
    let expected = [
        row(1),
        ShareRow { upstream_result: yes.clone(), ..finder(2, 0x11) },
        ShareRow { upstream_result: yes, ..finder(3, 0x99) },
        ShareRow { reason: Some("high-hash".into()), ..finder(4, 0x33) },
    ];
    assert_eq!(db.rows("verdicts").await, expected);
    let sql = "SELECT seq, share_id, hash, node_hash, verdict, reason, share_row, worker, verdict_at IS NOT NULL \
               FROM mpos_stratum_block ORDER BY seq";
    type Block = (u64, u64, String, String, String, String, String, String, i64);
    let blocks: Vec<Block> = db.query("verdicts", sql).await;
    let block = |seq, hash, node: String, verdict: &str, reason: &str| -> Block {
        (seq, seq, display(hash), node, verdict.into(), reason.into(), "present".into(), "Bob.finder".into(), 1)
    };
    assert_eq!(
        blocks,
        [
            block(2, 0x11, display(0x11), "accepted", ""),
            block(3, 0x22, display(0x99), "accepted", ""),
            block(4, 0x33, String::new(), "rejected", "high-hash"),
        ]
    );
}

#[tokio::test]
async fn a_row_that_mpos_moved_is_found_or_missed_without_error() {
    let (db, mut sink) = database("moved").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let candidates: Vec<Entry> = (1..=4).map(|seq| entry(seq, candidate([seq as u8; 32]))).collect();
    sink.commit(&candidates, 0, 4).await.unwrap();
    // 1 and 2 swapped, 3 archived, 4 deleted; another row took the id of 3.
    db.run_sql("moved", &format!("UPDATE shares SET solution = '{}' WHERE id = 1", display(2))).await;
    db.run_sql("moved", &format!("UPDATE shares SET solution = '{}' WHERE id = 2", display(1))).await;
    let archive = "INSERT INTO shares_archive (share_id, username, our_result, upstream_result, block_id, difficulty, time) \
                   SELECT id, username, our_result, upstream_result, 1, difficulty, time FROM shares WHERE id = 3";
    db.run_sql("moved", archive).await;
    db.run_sql("moved", "DELETE FROM shares WHERE id IN (3, 4)").await;
    let verdicts: Vec<Entry> = (1..=4).map(|n| verdict(4 + n, n, [n as u8; 32], true)).collect();
    sink.commit(&verdicts, 4, 8).await.unwrap();
    let rows: Vec<(u64, String, String)> =
        db.query("moved", "SELECT id, solution, upstream_result FROM shares ORDER BY id").await;
    assert_eq!(rows, [(1, display(2), "Y".into()), (2, display(1), "Y".into())]);
    let places: Vec<String> = db.query("moved", "SELECT share_row FROM mpos_stratum_block ORDER BY seq").await;
    assert_eq!(places, ["swapped", "swapped", "archived", "gone"]);
}

#[tokio::test]
async fn a_refused_row_takes_nothing_with_it_and_the_next_batch_needs_no_new_connection() {
    let (db, mut sink) = database("poison").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let alter = "ALTER TABLE shares ADD CONSTRAINT no_seven CHECK (username <> 'Alice.r7')";
    db.run_sql("poison", alter).await;
    let trigger = "CREATE TRIGGER no_eight BEFORE INSERT ON shares FOR EACH ROW \
                   IF NEW.username = 'Alice.r8' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF";
    db.run_sql("poison", trigger).await;
    db.run_sql("poison", "ALTER TABLE shares MODIFY username VARCHAR(50) NOT NULL").await;
    let long = entry(9, ShareRecord { worker: "y".repeat(51).into(), ..share() });
    let far = Entry { time: 1 << 40, ..entry(9, share()) };
    for poison in [numbered(7, 7).remove(0), numbered(8, 8).remove(0), long, far] {
        let mut batch = numbered(1, 6);
        batch.push(Entry { seq: 9, ..poison });
        let result = sink.commit(&batch, 0, 9).await;
        assert!(matches!(result, Err(SinkError::Refused(_))), "{result:?}");
        assert_eq!(db.rows("poison").await, []);
    }
    sink.commit(&numbered(1, 6), 0, 9).await.unwrap();
    assert_eq!(stored(&db, "poison").await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn acceptance_2_the_modes_of_the_server_change_nothing() {
    for mode in ["", "TRADITIONAL,NO_BACKSLASH_ESCAPES,ANSI_QUOTES,NO_ZERO_DATE,ONLY_FULL_GROUP_BY"] {
        let options = [format!("--sql-mode={mode}"), "--default-time-zone=+05:30".into(), "--autocommit=0".into()];
        let db = MariaDb::start_with(&options.each_ref().map(String::as_str));
        // Loaded in default mode: what is tested is our session.
        let mut conn = db.conn(None).await;
        mysql_async::prelude::Queryable::query_drop(&mut conn, "CREATE DATABASE pool").await.unwrap();
        db.load("pool", "schema/mpos-tables.sql").await;
        db.load("pool", "schema/mpos-stratum.sql").await;
        let mut sink = sink(&db, "pool");
        sink.attach(SPOOL, 0, &ANY).await.unwrap();
        sink.commit(&[entry(1, share()), entry(2, candidate([0x11; 32])), verdict(3, 2, [0x11; 32], true)], 0, 3)
            .await
            .unwrap();
        let yes = Some("Y".to_string());
        let second =
            ShareRow { username: "Bob.finder".into(), solution: display(0x11), upstream_result: yes, ..row(2) };
        assert_eq!(db.rows("pool").await, [row(1), second], "{mode:?}");
        // Too long is refused, never cut off by the server.
        db.run_sql("pool", "ALTER TABLE shares MODIFY username VARCHAR(50) NOT NULL").await;
        let long = entry(4, ShareRecord { worker: "y".repeat(51).into(), ..share() });
        assert!(matches!(sink.commit(&[long], 3, 4).await, Err(SinkError::Refused(_))), "{mode:?}");
    }
}

#[tokio::test]
async fn acceptance_2_an_upgraded_schema_with_other_column_order_and_no_default_difficulty() {
    let (db, mut sink) = database("upgraded").await;
    db.run_sql(
        "upgraded",
        "ALTER TABLE shares MODIFY difficulty FLOAT NOT NULL AFTER id, MODIFY time TIMESTAMP AFTER id",
    )
    .await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(1, share())], 0, 1).await.unwrap();
    assert_eq!(db.rows("upgraded").await, [row(1)]);
    let columns: Vec<Value> = db.query("upgraded", "SELECT COUNT(*) FROM mpos_stratum_cursor WHERE seq = 1").await;
    assert_eq!(columns, [Value::Bytes(b"1".to_vec())]);
}
