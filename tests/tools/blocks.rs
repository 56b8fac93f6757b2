//! The audit of blocks: why was this one not credited?

use mpos_stratum::bytes::parse_display_hash;
use mpos_stratum::ledger::record::{Event, VerdictRecord};

use crate::rig::{Ended, Rig, block, good};

/// A block of alice in the node's chain, matched and paid as it should be: share 2.
async fn credited(database: &'static str) -> Rig {
    let rig = Rig::new(database).await;
    let height = u32::try_from(rig.node.height()).unwrap();
    let hash = parse_display_hash(&rig.node.tip()).unwrap();
    let verdict =
        VerdictRecord { candidate: 2, written_hash: hash, accepted: true, node_hash: hash, reason: String::new() };
    rig.write(&[good("Bob.Garage"), block("alice.rig1", height, hash), Event::Verdict(verdict), good("Bob.Garage")]);
    rig.drain().await;
    rig.sql(&format!(
        "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, accounted, account_id, worker_name, share_id) \
         SELECT {height}, '{}', 3, 50, 1, UNIX_TIMESTAMP() - 1200, 1, id, 'alice.rig1', 2 FROM accounts WHERE username = 'alice'",
        rig.node.tip()
    ))
    .await;
    rig
}

async fn why(rig: &Rig) -> Ended {
    rig.run(&["audit", "--block", &rig.node.tip()]).await
}

#[tokio::test]
async fn a_credited_block_is_as_it_should_be() {
    let rig = credited("audit_credited").await;
    let all = rig.run(&["audit"]).await;
    assert_eq!((all.code, all.out.as_str()), (0, "bitcoin: 3 shares, 1 block candidates\n  good\n"), "{all:?}");
    let one = why(&rig).await;
    assert!(
        one.code == 0 && one.out.contains("credited as it should be") && one.out.contains("\"alice.rig1\""),
        "{one:?}"
    );
    let by_height = rig.run(&["audit", "--block", &rig.node.height().to_string()]).await;
    assert_eq!(by_height.out, one.out);
    let unknown = rig.run(&["audit", "--block", "99999999"]).await;
    assert!(unknown.code == 1 && unknown.out.contains("know such a block"), "{unknown:?}");
}

#[tokio::test]
async fn every_reason_is_named() {
    let rig = credited("audit_reasons").await;
    rig.sql("CREATE TABLE kept AS SELECT * FROM blocks").await;
    rig.sql("CREATE TABLE kept_shares AS SELECT * FROM shares").await;
    for (damage, words) in [
        (
            "UPDATE blocks SET share_id = 3, account_id = (SELECT id FROM accounts WHERE username = 'bob')",
            &["matched it to share 3, a share of \"Bob.Garage\"", "as its finder, but \"alice.rig1\" is account"][..],
        ),
        ("UPDATE blocks SET share_id = NULL, accounted = 0", &["matched no share to it for more than 10 minutes"]),
        (
            "UPDATE blocks SET share_id = NULL, accounted = 0; INSERT INTO monitoring (name, type, value) VALUES ('findblock_disabled', 'yesno', '1'), ('findblock_message', 'message', 'E0063')",
            &["findblock is disabled (last message: \"E0063\")", "matched no share to it"],
        ),
        (
            "UPDATE blocks SET accounted = 0; INSERT INTO monitoring (name, type, value) VALUES ('pplns_payout_disabled', 'yesno', '1')",
            &["not paid out", "pplns_payout is disabled"],
        ),
        ("DELETE FROM blocks", &["MPOS does not list it after 10 minutes"]),
        (
            "DELETE FROM blocks; UPDATE settings SET value = '1' WHERE name = 'maintenance'; INSERT IGNORE INTO settings VALUES ('maintenance', '1')",
            &["maintenance mode"],
        ),
        ("UPDATE shares SET solution = '' WHERE id = 2; UPDATE blocks SET share_id = NULL", &["not the block's hash"]),
        (
            "UPDATE blocks SET share_id = 1, accounted = 0; DELETE FROM shares WHERE id = 2",
            &["was deleted by hand or lost", "matched it to share 1"],
        ),
        ("UPDATE accounts SET is_locked = 2 WHERE username = 'alice'", &["locked by an administrator"]),
        ("UPDATE accounts SET username = 'alicia' WHERE username = 'alice'", &["\"alice\" does not exist"]),
        (
            "UPDATE mpos_stratum_block SET verdict = 'rejected', reason = 'high-hash'",
            &["taken for rejected (high-hash)"],
        ),
    ] {
        rig.sql(damage).await;
        let said = why(&rig).await;
        assert_eq!(said.code, 1, "{damage}: {said:?}");
        for word in words {
            assert!(said.out.contains(word), "{damage}: {word:?} is not in\n{}", said.out);
        }
        rig.sql(
            "DELETE FROM blocks; INSERT INTO blocks SELECT * FROM kept; DELETE FROM monitoring; DELETE FROM shares; \
             INSERT INTO shares SELECT * FROM kept_shares; DELETE FROM settings WHERE name = 'maintenance'; \
             UPDATE accounts SET is_locked = 0; UPDATE accounts SET username = 'alice' WHERE username = 'alicia'; \
             UPDATE mpos_stratum_block SET verdict = 'accepted', reason = ''",
        )
        .await;
    }
    assert_eq!(why(&rig).await.code, 0, "everything is mended");
}

#[tokio::test]
async fn lost_undrained_and_strange_blocks_are_told() {
    let rig = credited("audit_lost").await;
    let tip = rig.node.tip();
    rig.node.reorganise(1);
    let said = rig.run(&["audit", "--block", &tip]).await;
    assert!(said.out.contains("it lost its place in the chain"), "{said:?}");
    // Found, and not in the database yet.
    rig.write(&[block("alice.rig2", 7, [9; 32])]);
    let said = rig.run(&["audit", "--block", "7"]).await;
    assert!(said.code == 1 && said.out.contains("its row is not in the database yet"), "{said:?}");
    // Somebody mines to MPOS's wallet.
    rig.sql("INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time) VALUES (8, 'solo', 3, 50, 1, UNIX_TIMESTAMP() - 1200)").await;
    let said = rig.run(&["audit"]).await;
    assert!(
        said.code == 1
            && said.out.contains("no candidate of that hash")
            && said.out.contains("for more than 10 minutes"),
        "{said:?}"
    );
}
