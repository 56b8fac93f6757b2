//! What MPOS's findblock meets at any moment of a block's life.

use std::time::Duration;

use serde_json::json;

use mpos_stratum::service::blocks::dossier::What;

use crate::dossiers::{EASY_BITS, Mine, dossier_with, only_row};
use crate::stage::{self, Coin, PASSWORD, SCRYPT_EASY};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fake_node::{FakeNode, Fault, SubmitAnswer};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// The row is there while `submitblock` has not even returned, so MPOS finds the finder at its first
/// attempt however soon it asks. The node names blocks as the algorithm and the switch say.
async fn row_before_the_answer(database: &'static str, algorithm: Algorithm, by_proof_of_work: bool) {
    let (db, node) = (MariaDb::shared(), FakeNode::start(algorithm).unwrap());
    node.set_bits(EASY_BITS);
    stage::create_database(&db, database).await;
    let mut coin = Coin::fake(&node, &db, database);
    if algorithm == Algorithm::Scrypt {
        coin.preset = "litecoin";
        coin.address = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9".to_owned();
    }
    coin.ports = vec![stage::port(SCRYPT_EASY / 65536.0)];
    if by_proof_of_work {
        node.name_by_proof_of_work();
        coin.keys = "block_hash = \"pow\"".to_owned();
    }
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port(coin.name).await.unwrap();
    let (mut miner, job) = Miner::log_in(port, algorithm, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    node.set_submit_answer(SubmitAnswer::AcceptAndHang);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let submitted = node.wait_for_submissions(1).await.unwrap();
    // What the node calls it now is what findblock will ask for.
    let hash = node.tip();
    assert_eq!(hash == submitted[0].hash(), !by_proof_of_work);
    let row = only_row(&db, database, &hash, "N").await;
    assert_eq!((row.username.as_str(), row.our_result.as_str()), ("alice.rig1", "Y"));
    node.set_submit_answer(SubmitAnswer::Accept);
    only_row(&db, database, &hash, "Y").await;
}

#[tokio::test]
async fn acceptance_3_sha256d() {
    row_before_the_answer("f_sha256d", Algorithm::Sha256d, false).await;
}

#[tokio::test]
async fn acceptance_3_scrypt() {
    row_before_the_answer("f_scrypt", Algorithm::Scrypt, false).await;
}

#[tokio::test]
async fn acceptance_3_a_coin_whose_block_id_is_its_proof_of_work() {
    row_before_the_answer("f_pow", Algorithm::Scrypt, true).await;
}

#[tokio::test]
async fn acceptance_4_two_blocks_within_one_second_have_ids_in_the_order_of_heights() {
    let (bcoin, db) = (Bcoin::start().await, MariaDb::shared());
    stage::create_database(&db, "f_second").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::bcoin(&bcoin, &db, "f_second")])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let sql = "SELECT b.height, b.share_id, b.accepted_time FROM mpos_stratum_block b JOIN shares s \
               ON s.id = b.share_id AND s.solution = b.hash ORDER BY b.height";
    for blocks in 1.. {
        let share = miner.mine(&job, Wanted::Block).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        job = miner.wait_for_new_tip(&job).await.unwrap();
        stage::rows_of(&db, "f_second", blocks).await;
        let rows: Vec<(u64, u64, u64)> = db.query("f_second", sql).await;
        assert!(rows.is_sorted_by_key(|row| row.1) && rows.len() == blocks, "{rows:?}");
        if rows.windows(2).any(|pair| pair[0].2 == pair[1].2) {
            return;
        }
        assert!(blocks < 50, "no two blocks came within a second: {rows:?}");
    }
}

#[tokio::test]
async fn w15_acceptance_5_one_node_down_and_another_one_accepts() {
    let (db, down) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    down.set_fault(Fault::Refuse);
    let first = down.config();
    let mine = Mine::start_at(&db, "f_down", move |coin| coin.nodes = format!("{first}{}", coin.nodes)).await;
    let hash = mine.find().await;
    only_row(&db, "f_down", &hash, "Y").await;
    let dossier = dossier_with(mine.home.path(), "the verdict", |what| matches!(what, What::Marked { .. })).await;
    let of_first = |what: &What| match what {
        What::Answered { node, words } => down.url().ends_with(node) && words.contains("unreachable"),
        _ => false,
    };
    assert!(dossier.steps.iter().any(|step| of_first(&step.what)), "{dossier:#?}");
    assert_eq!(dossier.steps.iter().filter(|step| matches!(step.what, What::Submitted { .. })).count(), 2);
}

#[tokio::test]
async fn w15_acceptance_6_the_call_is_never_answered_and_the_block_was_accepted() {
    let (mine, db) = Mine::start("f_timeout").await;
    mine.node.set_submit_answer(SubmitAnswer::AcceptAndHang);
    let hash = mine.find().await;
    only_row(&db, "f_timeout", &hash, "Y").await;
    let silent = |what: &What| matches!(what, What::Answered { words, .. } if words.starts_with("no answer"));
    dossier_with(mine.home.path(), "the missing answer", silent).await;
    assert_eq!(mine.node.submissions().len(), 1);
}

#[tokio::test]
async fn w15_a_slow_node_is_heard_after_another_has_decided() {
    let (db, slow) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    slow.set_submit_answer(SubmitAnswer::AcceptAndHang);
    let second = slow.config();
    let mine = Mine::start_at(&db, "f_slow", move |coin| coin.nodes = format!("{}{second}", coin.nodes)).await;
    let hash = mine.find().await;
    only_row(&db, "f_slow", &hash, "Y").await;
    slow.wait_for_submissions(1).await.unwrap();
    slow.set_submit_answer(SubmitAnswer::AcceptAndHangUp);
    let answered = |what: &What| matches!(what, What::Answered { node, .. } if slow.url().ends_with(node.as_str()));
    let dossier = dossier_with(mine.home.path(), "the slow node's answer", answered).await;
    let at = |wanted: &dyn Fn(&What) -> bool| dossier.steps.iter().position(|step| wanted(&step.what)).unwrap();
    assert!(at(&|what| matches!(what, What::Decided { accepted: true, .. })) < at(&answered), "{dossier:#?}");
}

#[tokio::test]
async fn a_block_waits_for_a_node_whose_disk_is_full() {
    let (mine, db) = Mine::start("f_full").await;
    mine.node.set_submit_answer(SubmitAnswer::Fail(-25, "Failed to write undo data"));
    let hash = mine.find().await;
    mine.node.wait_for_submissions(2).await.unwrap();
    // There is room again.
    mine.node.set_submit_answer(SubmitAnswer::Accept);
    only_row(&db, "f_full", &hash, "Y").await;
    assert_eq!(mine.node.tip(), hash);
    let decided = |what: &What| matches!(what, What::Decided { .. });
    let dossier = dossier_with(mine.home.path(), "the verdict", |what| matches!(what, What::Marked { .. })).await;
    assert_eq!(dossier.steps.iter().filter(|step| decided(&step.what)).count(), 1, "{dossier:#?}");
}

#[tokio::test]
async fn a_dossier_has_every_step_with_its_time() {
    let (mine, db) = Mine::start("f_steps").await;
    let before = stage::unix_secs() * 1000;
    let hash = mine.find().await;
    let row = only_row(&db, "f_steps", &hash, "Y").await;
    let looked = |what: &What| matches!(what, What::InChain { .. });
    let dossier = dossier_with(mine.home.path(), "the first look", looked).await;
    let after = stage::unix_secs() * 1000 + 999;
    assert!(dossier.steps.iter().all(|step| (before..=after).contains(&step.at_ms)), "{dossier:#?}");
    assert!(dossier.steps.is_sorted_by_key(|step| step.at_ms));
    let names: Vec<String> = dossier
        .steps
        .iter()
        .map(|step| serde_json::to_value(step).unwrap()["step"].as_str().unwrap().to_owned())
        .collect();
    for name in [
        "found",
        "recorded",
        "synced",
        "bytes_kept",
        "submitted",
        "answered",
        "decided",
        "marked",
        "stored",
        "in_chain",
    ] {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
        let logged = format!("step=\"{name}\"");
        mine.daemon().wait_for_log(&logged).await.unwrap();
    }
    let ids: Vec<(u64, String, String)> = db.query("f_steps", &dossier.share_id_query).await;
    assert_eq!(ids, [(row.id, "accepted".to_owned(), "present".to_owned())]);
    assert_eq!((dossier.share.worker.as_str(), dossier.share.remote.to_string().as_str()), ("alice.rig1", "127.0.0.1"));
    assert_eq!(json!(dossier.state), "accepted");
    tokio::time::timeout(Duration::from_secs(10), async {
        while !crate::dossiers::block_files(mine.home.path(), "block").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a node has the bytes: the file is not needed any more");
}
