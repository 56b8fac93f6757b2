//! What miners may not do.

use rustix::process::Signal;
use serde_json::json;

use crate::stage::{FakeStage, PASSWORD};
use crate::support::miner::{Algorithm, Miner, Wanted};

#[tokio::test]
async fn b04_b14_shares_of_a_name_that_is_not_authorised_here_are_refused() {
    let stage = FakeStage::start("protocol_b04").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    for stranger in ["Bob.Garage", "alice.rig2", "ALICE.RIG1", "alice", ""] {
        let share = miner.mine(&job, Wanted::Share).unwrap();
        let reply = miner.submit(stranger, &share).await.unwrap();
        assert_eq!((reply.code(), reply.text()), (Some(24), "Unauthorized worker"), "{stranger}");
    }
    // The same name as a URL has it, or with blanks.
    for spelt in ["alice%2Erig1", " alice.rig1 "] {
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit(spelt, &share).await.unwrap().is_true(), "{spelt}");
    }
    let rows = stage.rows(2).await;
    assert!(rows.iter().all(|row| row.username == "alice.rig1"));
}

#[tokio::test]
async fn b05_b06_a_miner_of_bad_shares_is_sent_away_and_may_come_back() {
    let keys = "\ninvalid_window_shares = 20";
    let stage = FakeStage::start_with("protocol_b05", |coin| coin.ports[0] += keys).await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    let (mut honest, work) = stage.miner("alice.rig2").await;
    for _ in 0..20 {
        let weak = miner.mine(&job, Wanted::BelowShare).unwrap();
        assert_eq!(miner.submit("alice.rig1", &weak).await.unwrap().code(), Some(23));
        let good = honest.mine(&work, Wanted::Share).unwrap();
        assert!(honest.submit("alice.rig2", &good).await.unwrap().is_true());
    }
    miner.wait_for_close().await.unwrap();
    assert_eq!(honest.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
    stage.miner("alice.rig1").await;
}

#[tokio::test]
async fn b23_a_share_of_old_work_is_never_answered_true_and_never_held_against_the_miner() {
    let keys = "\ninvalid_window_shares = 20";
    let stage = FakeStage::start_with("protocol_b23", |coin| coin.ports[0] += keys).await;
    let (mut miner, old) = stage.miner("alice.rig1").await;
    stage.node.new_tip();
    let fresh = miner.wait_for_new_tip(&old).await.unwrap();
    for _ in 0..30 {
        let share = miner.mine(&old, Wanted::Share).unwrap();
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert_eq!(reply.code(), Some(21));
        assert!(reply.text().to_lowercase().contains("job"));
    }
    let share = miner.mine(&fresh, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
}

#[tokio::test]
async fn connections_without_a_worker_end() {
    let keys = "\nauthorize_timeout_secs = 1";
    let stage = FakeStage::start_with("protocol_auth", |coin| coin.ports[0] += keys).await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    assert_eq!(miner.authorize("alice.rig1", "wrong").await.unwrap().code(), Some(24));
    miner.wait_for_close().await.unwrap();
}

#[tokio::test]
async fn failing_logins_are_slowed_down_and_strange_questions_end() {
    let stage = FakeStage::start("protocol_logins").await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    // Three a minute, and one more for the worker that is there.
    for attempt in 0..4 {
        let reply = miner.authorize(&format!("alice.nobody{attempt}"), PASSWORD).await.unwrap();
        assert!(reply.text().contains("Unknown worker"), "{}", reply.line);
    }
    let reply = miner.authorize("alice.rig2", PASSWORD).await.unwrap();
    assert!(reply.code() == Some(24) && reply.text().contains("Too many failed logins"), "{}", reply.line);
    // Twenty strange questions are nothing, three more are junk.
    miner.subscribe().await.unwrap();
    for _ in 0..23 {
        assert_eq!(miner.request("mining.unheard_of", json!([])).await.unwrap().code(), Some(-3));
    }
    miner.wait_for_close().await.unwrap();
    stage.daemon.signal(Signal::TERM).unwrap();
    let counted = stage.daemon.wait_for_log("ports closed").await.unwrap();
    assert!(counted.contains("junk 1"), "{counted}");
}

#[tokio::test]
async fn who_never_subscribes_and_who_never_works_is_let_go() {
    let keys = "\nsubscribe_timeout_secs = 1\nidle_timeout_secs = 2\ninvalid_percent_max = 100";
    let stage = FakeStage::start_with("protocol_idle", |coin| coin.ports[0] += keys).await;
    let mut silent = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    // Talk is no work, nor are submits that do not count.
    let (mut zombie, job) = stage.miner("alice.rig1").await;
    let (mut honest, work) = stage.miner("alice.rig2").await;
    silent.wait_for_close().await.unwrap();
    let (mut alive, started) = (true, std::time::Instant::now());
    while alive {
        assert!(started.elapsed() < crate::support::miner::PATIENCE, "the zombie stays");
        let weak = zombie.mine(&job, Wanted::BelowShare).unwrap();
        alive = zombie.submit("alice.rig1", &weak).await.is_ok();
        alive &= zombie.request("mining.ping", json!([])).await.is_ok();
        let share = honest.mine(&work, Wanted::Share).unwrap();
        assert!(honest.submit("alice.rig2", &share).await.unwrap().is_true());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(honest.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
}

#[tokio::test]
async fn a_flood_of_shares_is_met_with_a_higher_difficulty_at_once() {
    let keys = "\n[coin.port.vardiff]\nmin = 1e-12\nmax = 1e6\ntarget_secs = 60";
    let stage = FakeStage::start_with("protocol_vardiff", |coin| coin.ports[0] += keys).await;
    let (mut miner, first) = stage.miner("alice.rig1").await;
    let mut accepted = 0;
    let raised = loop {
        let share = miner.mine(&first, Wanted::Share).unwrap();
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
        accepted += 1;
        if let Some(job) = miner.job().filter(|job| job.id != first.id) {
            break job.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(raised.difficulty >= 4.0 * first.difficulty && raised.clean && raised.previous == first.previous);
    // Every share before it is a row at the difficulty it was found with.
    let rows = stage.facts(accepted).await;
    assert!(rows.iter().all(|row| row.4 == first.difficulty));
}
