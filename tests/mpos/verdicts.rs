//! Verdicts that correct earlier ones: two columns of one row, found by its id.

use mpos_stratum::ledger::decision::Position;
use mpos_stratum::ledger::record::{Entry, Event, ShareRecord};
use mpos_stratum::ledger::sink::Sink;

use crate::shares::row;
use crate::support::mariadb::ShareRow;
use crate::{ANY, SPOOL, TIME, candidate, database, display, entry, verdict};

#[tokio::test]
async fn later_verdicts_change_two_columns_and_only_of_their_row() {
    let (db, mut sink) = database("corrected").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(1, candidate([0x11; 32])), entry(2, candidate([0x22; 32]))], 0, 2).await.unwrap();
    let finder = |id: u64, hash: u8, upstream: &str, reason: &str| ShareRow {
        username: "Bob.finder".into(),
        solution: display(hash),
        upstream_result: Some(upstream.into()),
        reason: Some(reason.into()),
        ..row(id)
    };
    // Seq 1: accepted, orphaned, back. Seq 2: refused, then in the chain under another name, orphaned.
    let mut renamed = verdict(6, 2, [0x22; 32], true);
    if let Event::Verdict(record) = &mut renamed.event {
        record.node_hash = [0x99; 32];
    }
    let steps: [(Entry, [ShareRow; 2], &str); 6] = [
        (verdict(3, 1, [0x11; 32], true), [finder(1, 0x11, "Y", ""), finder(2, 0x22, "N", "")], "accepted"),
        (verdict(4, 1, [0x11; 32], false), [finder(1, 0x11, "N", ""), finder(2, 0x22, "N", "")], "orphaned"),
        (verdict(5, 2, [0x22; 32], false), [finder(1, 0x11, "N", ""), finder(2, 0x22, "N", "high-hash")], "rejected"),
        (renamed, [finder(1, 0x11, "N", ""), finder(2, 0x99, "Y", "high-hash")], "accepted"),
        (verdict(7, 2, [0x22; 32], false), [finder(1, 0x11, "N", ""), finder(2, 0x99, "N", "high-hash")], "orphaned"),
        (verdict(8, 1, [0x11; 32], true), [finder(1, 0x11, "Y", ""), finder(2, 0x99, "N", "high-hash")], "accepted"),
    ];
    for (entry, rows, word) in steps {
        let Event::Verdict(record) = &entry.event else { unreachable!("all are verdicts") };
        let (seq, candidate) = (entry.seq, record.candidate);
        sink.commit(&[entry], seq - 1, seq).await.unwrap();
        assert_eq!(db.rows("corrected").await, rows, "after {seq}");
        let sql = format!("SELECT verdict, share_row FROM mpos_stratum_block WHERE seq = {candidate}");
        let block: Vec<(String, String)> = db.query("corrected", &sql).await;
        assert_eq!(block, [(word.to_owned(), "present".to_owned())], "after {seq}");
    }
}

#[tokio::test]
async fn a_verdict_touches_no_other_block() {
    let (db, mut sink) = database("other_block").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(1, candidate([0x11; 32])), verdict(2, 1, [0x22; 32], true)], 0, 2).await.unwrap();
    assert_eq!(db.rows("other_block").await[0].upstream_result.as_deref(), Some("N"));
    assert_eq!(db.query::<String>("other_block", "SELECT verdict FROM mpos_stratum_block").await, ["pending"]);
}

/// As it comes when a spool was put back from an older backup and adopted.
#[tokio::test]
async fn another_candidate_under_an_old_number_is_recorded_in_full() {
    let (db, mut sink) = database("again").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(1, candidate([0x11; 32])), verdict(2, 1, [0x11; 32], true)], 0, 2).await.unwrap();
    let found = Position { spool: SPOOL.to_string(), seq: 2 };
    sink.settle(SPOOL, Some(&found), 0).await.unwrap();
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    let mut other = ShareRecord { worker: "Carol.finder".into(), height: 101, ..candidate([0x22; 32]) };
    let facts = other.candidate.as_mut().unwrap();
    (facts.header_time, facts.coinbase_txid) = (facts.header_time + 5, [4; 32]);
    let header_time = facts.header_time;
    sink.commit(&[Entry { time: TIME + 7, ..entry(1, other) }], 0, 1).await.unwrap();
    let sql = "SELECT share_id, height, worker, hash FROM mpos_stratum_block";
    let blocks: Vec<(u64, u32, String, String)> = db.query("again", sql).await;
    assert_eq!(blocks, [(2, 101, "Carol.finder".to_owned(), display(0x22))]);
    let sql = "SELECT coinbase_txid, header_time, accepted_time, verdict FROM mpos_stratum_block";
    let blocks: Vec<(String, u32, u64, String)> = db.query("again", sql).await;
    assert_eq!(blocks, [(display(4), header_time, TIME + 7, "pending".to_owned())]);
}

/// A candidate in damage that was given up is recorded again at the end; its verdicts know its old number.
#[tokio::test]
async fn a_verdict_finds_its_candidate_under_another_number() {
    let (db, mut sink) = database("renumbered").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(4, candidate([0x22; 32])), entry(9, candidate([0x11; 32]))], 0, 9).await.unwrap();
    sink.commit(&[verdict(10, 4, [0x11; 32], true)], 9, 10).await.unwrap();
    let rows = db.rows("renumbered").await;
    let upstream: Vec<_> = rows.iter().map(|row| row.upstream_result.as_deref()).collect();
    assert_eq!(upstream, [Some("N"), Some("Y")]);
    let verdicts: Vec<(u64, String)> =
        db.query("renumbered", "SELECT seq, verdict FROM mpos_stratum_block ORDER BY seq").await;
    assert_eq!(verdicts, [(4, "pending".to_owned()), (9, "accepted".to_owned())]);
}
