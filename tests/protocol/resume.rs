//! Sessions that are taken up again.

use serde_json::json;

use crate::stage::{self, FakeStage, PASSWORD, SHA256D_EASY};
use crate::support::fake_node::SubmitAnswer;
use crate::support::miner::{Algorithm, EventKind, Miner, Wanted};

async fn again(stage: &FakeStage, session: &str) -> Miner {
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe_with(json!(["again/1", session])).await.unwrap();
    miner
}

/// Takes the session up once the daemon has noticed the end of the connection before.
async fn taken_up(stage: &FakeStage, session: &str, extranonce1: &[u8]) -> Miner {
    let found = async {
        loop {
            let miner = again(stage, session).await;
            if miner.in_force.extranonce1 == extranonce1 {
                return miner;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::miner::PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn w27_a_resumed_session_has_its_extranonce_and_its_duplicates_and_is_never_there_twice() {
    let stage = FakeStage::start("protocol_w27").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let late = miner.mine(&job, Wanted::Share).unwrap();
    let (session, extranonce1) = (miner.subscription.clone().unwrap(), miner.in_force.extranonce1.clone());
    // While it lives nobody takes it over.
    assert_ne!(again(&stage, &session).await.in_force.extranonce1, extranonce1);
    drop(miner);

    let mut miner = taken_up(&stage, &session, &extranonce1).await;
    assert_ne!(again(&stage, &session).await.in_force.extranonce1, extranonce1, "once is enough");
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), Some(22));
    assert!(miner.submit("alice.rig1", &late).await.unwrap().is_true(), "what was mined meanwhile counts");
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    stage.rows(4).await;
}

#[tokio::test]
async fn w27_a_session_is_not_for_another_worker() {
    let stage = FakeStage::start("protocol_w27b").await;
    let (miner, _) = stage.miner("alice.rig1").await;
    let (session, extranonce1) = (miner.subscription.clone().unwrap(), miner.in_force.extranonce1.clone());
    drop(miner);
    let mut thief = taken_up(&stage, &session, &extranonce1).await;
    assert_eq!(thief.authorize("Bob.Garage", PASSWORD).await.unwrap().code(), Some(24));
    thief.wait_for_close().await.unwrap();
    assert_ne!(again(&stage, &session).await.in_force.extranonce1, extranonce1);
}

#[tokio::test]
async fn a_miner_that_follows_gets_an_extranonce_of_its_own_instead_and_its_block_is_whole() {
    let stage = FakeStage::start("protocol_rehomed").await;
    stage.node.set_submit_answer(SubmitAnswer::Refuse("high-hash"));
    stage.node.set_bits(0x207f_ffff);
    stage.node.new_tip();
    let (mut miner, _) = stage.miner("alice.rig1").await;
    miner.wait_for_job_where("easy work", |job| job.bits == 0x207f_ffff).await.unwrap();
    let (session, extranonce1) = (miner.subscription.clone().unwrap(), miner.in_force.extranonce1.clone());
    drop(miner);
    let mut other = taken_up(&stage, &session, &extranonce1).await;
    assert!(other.request("mining.extranonce.subscribe", json!([])).await.unwrap().is_true());
    let before = other.wait_for_job().await.unwrap();
    // A block is found before the worker is known to be another.
    let found = other.mine(&before, Wanted::Block).unwrap();
    let login = json!({"id": 8, "method": "mining.authorize", "params": ["Bob.Garage", PASSWORD]});
    let block = json!({"id": 9, "method": "mining.submit", "params": found.submit_params("Bob.Garage")});
    other.send_raw(format!("{login}\n{block}\n").as_bytes()).await.unwrap();
    assert!(other.next_reply().await.unwrap().is_true());
    other.wait_for_event("extranonce", 0, |kind| matches!(kind, EventKind::Extranonce)).await.unwrap();
    assert!(other.next_reply().await.unwrap().is_true());
    let submitted = stage.node.wait_for_submissions(1).await.unwrap().remove(0);
    let rolled = [&extranonce1[..], &found.choice.extranonce2].concat();
    assert!(submitted.hash() == crate::support::miner::hash::display(&found.hash));
    assert!(
        submitted.block.windows(rolled.len()).any(|bytes| bytes == rolled),
        "its coinbase is the one that was mined"
    );

    let own = other.wait_for_job_where("work of its own", |job| job.extranonce1 != extranonce1).await.unwrap();
    assert!(own.clean && own.extranonce1.len() == 4);
    assert_eq!(other.submit("Bob.Garage", &found).await.unwrap().code(), Some(22), "once");
    let late = other.mine(&before, Wanted::Block).unwrap();
    assert!(other.submit("Bob.Garage", &late).await.unwrap().is_true(), "what was under way still counts");
    let next = other.mine(&own, Wanted::Block).unwrap();
    assert!(other.submit("Bob.Garage", &next).await.unwrap().is_true());
    drop(other);
    assert_ne!(again(&stage, &session).await.in_force.extranonce1, extranonce1, "it is nobody's any more");
}

#[tokio::test]
async fn nobody_gets_a_grace_for_old_work_by_coming_back() {
    let stage = FakeStage::start_with("protocol_regrace", |coin| coin.ports[0] += "\nstale_grace_secs = 10").await;
    let (mut miner, old) = stage.miner("alice.rig1").await;
    stage.node.new_tip();
    miner.wait_for_new_tip(&old).await.unwrap();
    let share = miner.mine(&old, Wanted::Share).unwrap();
    let (session, extranonce1) = (miner.subscription.clone().unwrap(), miner.in_force.extranonce1.clone());
    drop(miner);
    let mut miner = taken_up(&stage, &session, &extranonce1).await;
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), Some(21));
}

#[tokio::test]
async fn a_stored_difficulty_that_was_changed_meanwhile_holds_for_a_session_that_is_taken_up() {
    let stage = FakeStage::start_with("protocol_stored", |coin| {
        coin.workers = "pool_worker_difficulty = \"read\"".to_owned();
        coin.ports = vec![stage::port(SHA256D_EASY)];
    })
    .await;
    // The column has a float's precision.
    let is_near = |difficulty: f64, times: f64| (difficulty / SHA256D_EASY / times - 1.0).abs() < 1e-4;
    let store = async |times: f64| {
        let sql = format!("UPDATE pool_worker SET difficulty = {} WHERE username = 'alice.rig1'", times * SHA256D_EASY);
        stage.db.run_sql(stage.database, &sql).await;
    };
    store(4.0).await;
    let (mut miner, _) = stage.miner("alice.rig1").await;
    miner.wait_for_job_where("the stored difficulty", |job| is_near(job.difficulty, 4.0)).await.unwrap();
    let (session, extranonce1) = (miner.subscription.clone().unwrap(), miner.in_force.extranonce1.clone());
    drop(miner);
    // None at all is that of the port.
    for (stored, expected) in [(2.0, 2.0), (8.0, 8.0), (0.0, 1.0)] {
        store(stored).await;
        let mut miner = taken_up(&stage, &session, &extranonce1).await;
        assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
        let job = miner.wait_for_job_where("the new difficulty", |job| is_near(job.difficulty, expected)).await;
        assert!(job.is_ok(), "{stored}");
    }
}
