//! What the pool says unasked: messages, questions, farewells, signs of life.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{FakeStage, PASSWORD};
use crate::support::fake_node::Fault;
use crate::support::miner::{Algorithm, EventKind, Miner};

/// A miner with a program's name that has logged in, and the next sign of life behind that.
async fn logged_in(stage: &FakeStage, agent: &str) -> Miner {
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe_with(json!([agent])).await.unwrap();
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    assert_eq!(miner.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
    miner
}

/// The parameters of everything the pool said by a method that is no part of mining itself.
fn said(miner: &Miner, method: &str) -> Vec<Value> {
    let of_method = |event: &crate::support::miner::Event| match &event.kind {
        EventKind::Other(name, params) if name == method => Some(params.clone()),
        _ => None,
    };
    miner.events.iter().filter_map(of_method).collect()
}

#[tokio::test]
async fn messages_and_questions_are_for_programs_that_understand_them() {
    let keys = "\nmessage = \"Welcome: port 3333 is for rigs\"\nask_version = true";
    let stage = FakeStage::start_with("protocol_talk", |coin| {
        coin.ports[0] += keys;
    })
    .await;
    for agent in ["cgminer/4.12.0", "cpuminer/2.5.1", "ccminer/2.3.1", "bfgminer/5.5.0"] {
        let mut miner = logged_in(&stage, agent).await;
        assert_eq!(said(&miner, "client.show_message"), [json!(["Welcome: port 3333 is for rigs"])], "{agent}");
        assert_eq!(said(&miner, "client.get_version"), [json!([])], "{agent}");
        // Its answer is no request and no junk, and only the one that was asked for counts.
        for answer in
            [r#"{"id":"other","result":"x","error":null}"#, r#"{"id":"version","result":"very/9\n","error":null}"#]
        {
            miner.send_raw(format!("{answer}\n").as_bytes()).await.unwrap();
        }
        assert!(miner.authorize("alice.rig2", PASSWORD).await.unwrap().is_true());
        assert_eq!(said(&miner, "client.show_message").len(), 1, "once");
    }
    for agent in ["", "NiceHash/1.0.0", "bitaxe/BM1366/v2.4.0", "whatsminer/v1.1"] {
        let miner = logged_in(&stage, agent).await;
        assert!(said(&miner, "client.show_message").is_empty() && said(&miner, "client.get_version").is_empty());
    }
}

#[tokio::test]
async fn a_daemon_that_stops_tells_miners_where_to_go() {
    let keys = "\nreconnect_on_stop = true\nadvertise = \"pool.example.org:3333\"";
    let stage = FakeStage::start_with("protocol_bye", |coin| coin.ports[0] += keys).await;
    let mut rig = logged_in(&stage, "cgminer/4.12.0").await;
    let mut others = Vec::new();
    for agent in ["NiceHash/1.0.0", "stratum-proxy/1.0"] {
        others.push(logged_in(&stage, agent).await);
    }
    stage.daemon.signal(Signal::TERM).unwrap();
    rig.wait_for_close().await.unwrap();
    assert_eq!(said(&rig, "client.reconnect"), [json!(["pool.example.org", 3333, 5])]);
    for mut other in others {
        other.wait_for_close().await.unwrap();
        assert!(said(&other, "client.reconnect").is_empty());
    }
}

#[tokio::test]
async fn a_daemon_that_stops_says_nothing_unless_it_is_told_to() {
    let stage = FakeStage::start("protocol_bye2").await;
    let mut rig = logged_in(&stage, "cgminer/4.12.0").await;
    stage.daemon.signal(Signal::TERM).unwrap();
    rig.wait_for_close().await.unwrap();
    assert!(said(&rig, "client.reconnect").is_empty());
}

#[tokio::test]
async fn w12_without_work_miners_hear_something_too() {
    let stage = FakeStage::start_with("protocol_w12b", |coin| {
        coin.ports[0] += "\nkeepalive_secs = 1";
        coin.templates += "\nrefresh_secs = 1\nstale_after_secs = 2";
    })
    .await;
    let mut pinged = logged_in(&stage, "cgminer/4.12.0").await;
    let mut told = logged_in(&stage, "bitaxe/1").await;
    stage.node.set_fault(Fault::Refuse);
    // Once the work is too old there is none.
    let is_ping = |kind: &EventKind| matches!(kind, EventKind::Other(method, _) if method == "mining.ping");
    pinged.wait_for_event("ping", 0, is_ping).await.unwrap();
    let skip = told.events.len();
    told.wait_for_event("difficulty", skip, |kind| matches!(kind, EventKind::Difficulty(_))).await.unwrap();
    assert!(!told.events.iter().any(|event| is_ping(&event.kind)), "others do not know the method");
    // A newcomer waits a while, then it is told to try again, and does so with success.
    let mut late = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    let refused = late.subscribe().await.unwrap();
    assert_eq!(refused.code(), Some(20));
    assert!(refused.text().starts_with("Not ready"), "{}", refused.line);
    stage.node.set_fault(Fault::None);
    while late.subscribe().await.unwrap().error.is_some() {}
    late.wait_for_job().await.unwrap();
}
