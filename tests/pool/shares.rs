//! Shares that are handed in twice, late, or across a change of difficulty.

use serde_json::json;

use crate::stage::{self, Coin, FakeStage, PASSWORD, SCRYPT_EASY, SHA256D_EASY, SHA256D_SOME, bad, good};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, EventKind, Miner, Wanted};

#[tokio::test]
async fn the_same_work_in_other_letters_is_a_duplicate() {
    let stage = FakeStage::start("letters").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    // Fields with letters in all three, or there would be no other spelling.
    let mut choice = miner.fresh_choice(&job);
    choice.extranonce2.fill(0xab);
    choice.time = job.time / 16 * 16 + 0xc;
    choice.nonce = 0xdef0_0000;
    let share = miner.mine_from(&job, choice, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    for upper in [[2, 2, 2], [3, 3, 3], [4, 4, 4], [2, 3, 4]] {
        let mut params = share.submit_params("alice.rig1");
        for field in upper {
            params[field] = json!(params[field].as_str().unwrap().to_ascii_uppercase());
        }
        assert_ne!(params, share.submit_params("alice.rig1"));
        let reply = miner.request("mining.submit", params).await.unwrap();
        assert_eq!((reply.code(), reply.text()), (Some(22), "Duplicate share"), "{upper:?}");
    }
    // Bytes that a lenient reader would drop do not make it new either.
    for (field, value, code) in [(2, "abababababababab00", 20), (2, "0xababababababab", 20), (4, "0xdef00000", 20)] {
        let mut params = share.submit_params("alice.rig1");
        params[field] = json!(value);
        assert_eq!(miner.request("mining.submit", params).await.unwrap().code(), Some(code), "{value}");
    }
    let rows = stage.facts(8).await;
    assert_eq!(rows[0], good("alice.rig1", SHA256D_SOME));
    assert_eq!(rows[1..5], vec![bad("alice.rig1", "duplicate share", SHA256D_SOME); 4]);
    assert!(rows[5..].iter().all(|row| row.1 == "N" && row.2.starts_with("incorrect size of ")), "{rows:?}");
}

#[tokio::test]
async fn late_work_is_refused_and_remembered_as_such() {
    let stage = FakeStage::start("late").await;
    let (mut miner, first) = stage.miner("alice.rig1").await;
    let mine = |miner: &mut Miner| miner.mine(&first, Wanted::Share).unwrap();
    let share = mine(&mut miner);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    stage.node.new_tip();
    let second = miner.wait_for_new_tip(&first).await.unwrap();
    let share = mine(&mut miner);
    let reply = miner.submit("alice.rig1", &share).await.unwrap();
    assert_eq!((reply.code(), reply.text()), (Some(21), "Job not found (stale)"));
    // Two tips later the job is forgotten.
    stage.node.new_tip();
    miner.wait_for_new_tip(&second).await.unwrap();
    let share = mine(&mut miner);
    let reply = miner.submit("alice.rig1", &share).await.unwrap();
    assert_eq!((reply.code(), reply.text()), (Some(21), "Job not found"));
    // The name of a job is the miner's to choose: it must not get into the row.
    for id in ["", "ffffffffff", "no such job", &"y".repeat(500)] {
        let mut params = share.submit_params("alice.rig1");
        params[1] = json!(id);
        assert_eq!(miner.request("mining.submit", params).await.unwrap().code(), Some(21), "{id}");
    }
    let unknown = bad("alice.rig1", "job not found", SHA256D_SOME);
    let mut expected = vec![good("alice.rig1", SHA256D_SOME), bad("alice.rig1", "job not found (stale)", SHA256D_SOME)];
    expected.extend(vec![unknown; 5]);
    assert_eq!(stage.facts(7).await, expected);
}

#[tokio::test]
async fn a_late_block_is_tried_all_the_same_and_may_win_in_the_end() {
    let (litecoin, db) = (Litecoin::start_at(5).await, MariaDb::shared());
    stage::create_database(&db, "beaten").await;
    let coin = Coin::litecoin(&litecoin, &db, "beaten").await;
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    // The node finds a block by itself.
    let theirs = litecoin.generate(1).await.remove(0);
    miner.wait_for_new_tip(&job).await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), Some(21));
    let late = miner.mine(&job, Wanted::Block).unwrap();
    assert_eq!(miner.submit("alice.rig1", &late).await.unwrap().code(), Some(21));
    let rows = stage::rows_of(&db, "beaten", 2).await;
    let stale = bad("alice.rig1", "job not found (stale)", SCRYPT_EASY);
    assert_eq!(stage::facts(&rows[0]), stale);
    // Refused, but with its hash, by which MPOS would find its finder.
    let with_hash = (stale.0, stale.1, stale.2, late.block_hash(), stale.4);
    assert_eq!(stage::facts(&rows[1]), with_hash);
    assert_eq!(rows[1].upstream_result.as_deref(), Some("N"));
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(theirs));

    // The other block falls out of the chain: the node turns to ours, and the row follows.
    litecoin.rpc("invalidateblock", json!([theirs])).await;
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(late.block_hash()));
    let turned = |rows: &[ShareRow]| rows[1].upstream_result.as_deref() == Some("Y");
    let rows = stage::rows_when(&db, "beaten", "the verdict", turned).await;
    assert_eq!(stage::facts(&rows[1]), with_hash, "nothing else has changed");
}

#[tokio::test]
async fn a_job_is_credited_at_the_difficulty_it_was_sent_with() {
    let start = SHA256D_SOME;
    let stage = FakeStage::start_with("vardiff", |coin| {
        coin.ports = vec![format!(
            "{}\nvardiff = {{ min = {start}, max = 1, target_secs = 1, retarget_secs = 1 }}",
            stage::port(start)
        )];
    })
    .await;
    let (mut miner, old) = stage.miner("alice.rig1").await;
    assert_eq!(old.difficulty, start);
    let raised = |kind: &EventKind| matches!(kind, EventKind::Difficulty(told) if *told > start);
    let mut accepted = 0;
    while !miner.events.iter().any(|event| raised(&event.kind)) {
        let share = miner.mine(&old, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        accepted += 1;
    }
    // It counts from the next job on; the old one is still worth what it was, also after a
    // jump so large that miners are told to drop it.
    let new = miner.wait_for_job_where("a harder job", |job| job.difficulty > start).await.unwrap();
    assert_eq!(new.previous, old.previous);
    assert_ne!(new.id, old.id);
    let weak = miner.mine(&old, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &weak).await.unwrap().is_true());
    let weak = miner.mine(&new, Wanted::BelowShare).unwrap();
    assert_eq!(miner.submit("alice.rig1", &weak).await.unwrap().code(), Some(23));
    let strong = miner.mine(&new, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &strong).await.unwrap().is_true());
    let full = |rows: &[ShareRow]| rows.len() >= accepted + 3;
    let rows = stage::rows_when(&stage.db, stage.database, "the last share", full).await;
    let harder = f64::from(new.difficulty as f32);
    let mut expected = vec![good("alice.rig1", start); accepted + 1];
    expected.push(bad("alice.rig1", "low difficulty share", harder));
    expected.push(good("alice.rig1", harder));
    assert_eq!(rows.iter().map(stage::facts).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_block_of_nobody_is_a_block() {
    let (bcoin, db) = (Bcoin::start().await, MariaDb::shared());
    stage::create_database(&db, "nobody").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::bcoin(&bcoin, &db, "nobody")])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let mut stranger = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    stranger.subscribe().await.unwrap();
    let (mut alice, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let mut expected = Vec::new();
    let mut before = [0; 32];
    // Credited to the worker authorised last, or to the one that is configured for it; but not as good work.
    for (miner, credited) in [(&mut stranger, "pool.fallback"), (&mut alice, "alice.rig1")] {
        let job = miner.wait_for_job_where("the present tip", |job| job.previous != before).await.unwrap();
        before = job.previous;
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert_eq!(miner.submit("nobody.rig", &share).await.unwrap().code(), Some(24));
        let found = miner.mine(&job, Wanted::Block).unwrap();
        assert_eq!(miner.submit("nobody.rig", &found).await.unwrap().code(), Some(24));
        miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(bcoin.rpc("getbestblockhash", json!([])).await, json!(found.block_hash()));
        let reason = "unauthorized worker".to_owned();
        expected.push((credited.to_owned(), "N".to_owned(), reason, found.block_hash(), SHA256D_EASY));
    }
    let settled =
        |rows: &[ShareRow]| rows.len() >= 2 && rows.iter().all(|row| row.upstream_result.as_deref() == Some("Y"));
    let rows = stage::rows_when(&db, "nobody", "both verdicts", settled).await;
    assert_eq!(rows.iter().map(stage::facts).collect::<Vec<_>>(), expected);
}
