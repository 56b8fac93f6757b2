//! Bugs of other pools around blocks, payouts, databases and logins.

use serde_json::json;

use crate::stage::{self, FakeStage, PASSWORD, SHA256D_EASY, SHA256D_SOME, good, rows_when};
use crate::support::fake_node::{Fault, SubmitAnswer};
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Wanted, hash, hex};

/// A miner whose every second hash is a block.
async fn easy(stage: &FakeStage) -> (Miner, Job) {
    stage.node.set_bits(0x207f_ffff);
    stage.node.new_tip();
    let (mut miner, _) = stage.miner("alice.rig1").await;
    let job = miner.wait_for_job_where("easy work", |job| job.bits == 0x207f_ffff).await.unwrap();
    (miner, job)
}

#[tokio::test]
async fn b01_b02_b31_whatever_a_node_says_of_a_block_it_has_one_row() {
    let stage = FakeStage::start_with("protocol_b01", |coin| coin.ports[0] = stage::port(SHA256D_EASY)).await;
    let (mut miner, job) = easy(&stage).await;
    let (mut found, mut accepted) = (Vec::new(), 0);
    for word in ["rejected", "bad-cb-payee", "high-hash", "inconclusive"] {
        stage.node.set_submit_answer(SubmitAnswer::Refuse(word));
        let block = miner.mine(&job, Wanted::Block).unwrap();
        assert!(miner.submit("alice.rig1", &block).await.unwrap().is_true(), "{word}");
        accepted += 1;
        found.push((hash::display(&block.hash), word));
        stage.node.wait_for_submissions(accepted).await.unwrap();
    }
    // The node answers everything with an error.
    stage.node.set_fault(Fault::RpcError(-1, "rejected"));
    let block = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &block).await.unwrap().is_true());
    found.push((hash::display(&block.hash), "error"));

    let judged = |rows: &[crate::support::mariadb::ShareRow]| {
        let with = |word: &str| rows.iter().any(|row| row.reason.as_deref() == Some(word));
        // The others are still being asked: they say nothing about the block.
        rows.len() == 5 && ["bad-cb-payee", "high-hash"].into_iter().all(with)
    };
    let rows = rows_when(&stage.db, stage.database, "a row for each, with its refusal", judged).await;
    for (solution, word) in found {
        let of_block: Vec<_> = rows.iter().filter(|row| row.solution == solution).collect();
        assert_eq!(of_block.len(), 1, "{word}");
        let row = of_block[0];
        assert_eq!((&*row.username, &*row.our_result), ("alice.rig1", "Y"), "{word}");
        assert_ne!(row.upstream_result.as_deref(), Some("Y"), "{word} is no success");
    }
}

#[tokio::test]
async fn b10_b28_the_coinbase_pays_the_script_of_the_address_and_needs_nothing_of_the_node_for_it() {
    // The first address of BIP16's kind: its coins would be lost under a public key's script.
    let (address, hash) = ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a");
    let stage = FakeStage::start_with("protocol_b10", |coin| coin.address = address.to_owned()).await;
    let (_, job) = stage.miner("alice.rig1").await;
    let paid = hex::decode(&format!("17a914{hash}87")).unwrap();
    assert!(job.coinbase_end.windows(paid.len()).any(|bytes| bytes == paid), "{}", hex::encode(&job.coinbase_end));
}

#[tokio::test]
async fn b11_b14_passwords_are_checked_unless_that_is_switched_off() {
    let stage = FakeStage::start("protocol_b11").await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    let job = miner.wait_for_job().await.unwrap();
    for params in [json!(["alice.rig1"]), json!(["alice.rig1", ""]), json!(["alice.rig1", "x"])] {
        let reply = miner.request("mining.authorize", params).await.unwrap();
        assert_eq!((reply.code(), reply.text()), (Some(24), "Wrong worker password"), "{}", reply.line);
    }
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), Some(24));
    let (mut honest, job) = stage.miner("alice.rig1").await;
    let share = honest.mine(&job, Wanted::Share).unwrap();
    assert!(honest.submit("alice.rig1", &share).await.unwrap().is_true());
    assert_eq!(stage.facts(1).await, [good("alice.rig1", SHA256D_SOME)]);
}

#[tokio::test]
async fn b12_b18_shares_that_the_database_refuses_are_inserted_later() {
    let stage = FakeStage::start("protocol_b12").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    let mut mine = async |count: usize| {
        for _ in 0..count {
            let share = miner.mine(&job, Wanted::Share).unwrap();
            assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        }
    };
    mine(1).await;
    stage.rows(1).await;
    stage.db.run_sql(stage.database, "RENAME TABLE shares TO hidden").await;
    mine(20).await;
    stage.db.run_sql(stage.database, "RENAME TABLE hidden TO shares").await;
    mine(1).await;
    assert!(stage.facts(22).await.iter().all(|row| *row == good("alice.rig1", SHA256D_SOME)));
}

#[tokio::test]
async fn b13_a_worker_that_is_created_has_its_account_and_a_number_for_its_difficulty() {
    let stage = FakeStage::start_with("protocol_b13", |coin| {
        coin.workers = "auto_create = true\npool_worker_difficulty = \"write\"".to_owned();
    })
    .await;
    stage.db.add_account(stage.database, "o-neil", 0).await;
    let name = "o-neil.1e309";
    let (mut miner, job) = stage.miner(name).await;
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit(name, &share).await.unwrap().is_true());
    let sql = format!(
        "SELECT COUNT(*) FROM pool_worker w JOIN accounts a ON a.id = w.account_id \
         WHERE w.username = '{name}' AND a.username = 'o-neil' AND w.difficulty > 0"
    );
    let stored = async { while stage.db.query::<i64>(stage.database, &sql).await != [1] {} };
    tokio::time::timeout(PATIENCE, stored).await.unwrap();
    assert_eq!(stage.facts(1).await, [good(name, SHA256D_SOME)]);
}

#[tokio::test]
async fn b15_a_difficulty_below_the_port_s_own_is_judged_by_itself() {
    let keys = format!(
        "listen = \"127.0.0.1:0\"\ndifficulty = {}\n[coin.port.vardiff]\nmin = 1e-12\nmax = 1e6",
        1024.0 * SHA256D_SOME
    );
    let stage = FakeStage::start_with("protocol_b15", |coin| coin.ports[0] = keys).await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    assert!(miner.suggest_difficulty(SHA256D_SOME).await.unwrap().is_true());
    miner.subscribe().await.unwrap();
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    assert!((job.difficulty / SHA256D_SOME - 1.0).abs() < 1e-9);
    for _ in 0..5 {
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    }
    assert!(stage.facts(5).await.iter().all(|row| *row == good("alice.rig1", SHA256D_SOME)));
}

#[tokio::test]
async fn ntime_may_be_rolled_only_where_the_coin_says_so() {
    let stage =
        FakeStage::start_with("protocol_ntime", |coin| coin.keys = "allow_ntime_rolling = false".to_owned()).await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    for (rolled, code) in [(1, Some(20)), (0, None)] {
        let mut choice = miner.fresh_choice(&job);
        choice.time = job.time + rolled;
        let share = miner.mine_from(&job, choice, Wanted::Share).unwrap();
        assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), code, "{rolled}");
    }
    // A block is one with any time that nodes take.
    let (mut miner, job) = easy(&stage).await;
    let mut choice = miner.fresh_choice(&job);
    choice.time = job.time + 1;
    let block = miner.mine_from(&job, choice, Wanted::Block).unwrap();
    assert_eq!(miner.submit("alice.rig1", &block).await.unwrap().code(), Some(20));
    stage.node.wait_for_submissions(1).await.unwrap();
}
