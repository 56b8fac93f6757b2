//! Following a node that lags, lacks calls or turns odd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mpos_stratum::clock::SystemClock;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::tip::{NodeState, Source};
use serde_json::{Value, json};

use crate::support::scripted_node::{Reply, ScriptedNode};
use crate::{chain, follow, templates, wait_for, wait_for_tip};

/// The hash of the fake chain's block at a height.
pub fn hash_at(height: u32) -> String {
    format!("{height:064x}")
}

/// A template on the fake chain's block at a height.
pub fn template_on(height: u32) -> Value {
    json!({
        "version": 4, "previousblockhash": hash_at(height), "transactions": [], "coinbaseaux": {},
        "coinbasevalue": 50, "target": format!("7fffff{}", "0".repeat(58)), "bits": "207fffff",
        "mintime": 1_700_000_000, "curtime": 1_700_000_000, "height": height + 1, "longpollid": hash_at(height)
    })
}

#[tokio::test]
async fn a_template_that_lags_behind_its_tip_is_waited_for() {
    let tip = Arc::new(AtomicU32::new(5));
    let lag = Arc::new(AtomicU32::new(0));
    let (seen, left) = (Arc::clone(&tip), Arc::clone(&lag));
    let node = ScriptedNode::start(move |asked| {
        let tip = seen.load(Ordering::SeqCst);
        if asked.method == "getbestblockhash" {
            return Reply::Result(json!(hash_at(tip)));
        }
        let lags = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        Reply::Result(template_on(if lags { tip - 1 } else { tip }))
    })
    .await;
    let poller = follow(&[node.rpc_config()]);
    let mut work = poller.work();
    assert_eq!(wait_for_tip(&mut work, 5).await.0.tip_seq, 1);
    lag.store(3, Ordering::SeqCst);
    tip.store(6, Ordering::SeqCst);
    assert_eq!(wait_for_tip(&mut work, 6).await.0.tip_seq, 2);
    assert_eq!(lag.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_node_that_cannot_name_its_tip_is_followed_by_templates() {
    let tip = Arc::new(AtomicU32::new(5));
    let seen = Arc::clone(&tip);
    let node = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "getblocktemplate" => Reply::Result(template_on(seen.load(Ordering::SeqCst))),
        _ => Reply::Error(-32601, "Method not found"),
    })
    .await;
    let poller = follow(&[node.rpc_config()]);
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    tip.store(6, Ordering::SeqCst);
    assert_eq!(wait_for_tip(&mut work, 6).await.0.tip_seq, 2);
}

#[tokio::test]
async fn a_node_that_catches_up_says_how_far_it_is() {
    let node = ScriptedNode::start(|asked| match asked.method.as_str() {
        "getbestblockhash" => Reply::Result(json!(hash_at(5))),
        "getblockchaininfo" => Reply::Result(json!({ "blocks": 5, "headers": 900, "verificationprogress": 0.001_234 })),
        _ => Reply::Error(-10, "Litecoin is downloading blocks..."),
    })
    .await;
    let old = ScriptedNode::start(|asked| match asked.method.as_str() {
        "getbestblockhash" | "getblockchaininfo" => Reply::Error(-32601, "Method not found"),
        "getblockcount" => Reply::Result(json!(5)),
        "getpeerinfo" => Reply::Result(json!([{ "startingheight": 7 }, { "startingheight": 900 }, {}])),
        _ => Reply::Error(-10, "Oldcoin is downloading blocks..."),
    })
    .await;
    for (node, words) in [(node, "at block 5 of 900, 0.12 % verified"), (old, "at block 5, its peers at 900")] {
        let poller = follow(&[node.rpc_config()]);
        let syncing = wait_for(&mut poller.work(), |work| matches!(work.state, NodeState::Syncing { .. })).await;
        assert!(format!("{:?}", syncing.state).contains(words), "{syncing:?}");
    }
}

#[tokio::test]
async fn a_template_that_cannot_be_mined_on_is_refused_with_its_reason() {
    let node = ScriptedNode::start(|asked| match asked.method.as_str() {
        "getbestblockhash" => Reply::Result(json!(hash_at(5))),
        _ => {
            let mut template = template_on(5);
            template["rules"] = json!(["!taxes"]);
            Reply::Result(template)
        }
    })
    .await;
    let poller = follow(&[node.rpc_config()]);
    let refused = wait_for(&mut poller.work(), |work| matches!(work.state, NodeState::Refused { .. })).await;
    assert!(format!("{:?}", refused.state).contains("taxes"), "{refused:?}");
}

#[tokio::test]
async fn a_dead_long_poll_is_noticed_by_polling_and_replaced() {
    // Long polls hang for ever, as on a connection that died silently.
    let tip = Arc::new(AtomicU32::new(5));
    let (handles, mut handle) = tokio::sync::watch::channel(Value::Null);
    let seen = Arc::clone(&tip);
    let node = ScriptedNode::start(move |asked| {
        let tip = seen.load(Ordering::SeqCst);
        match asked.method.as_str() {
            "getbestblockhash" => Reply::Result(json!(hash_at(tip))),
            _ if asked.params[0]["longpollid"].is_string() => {
                handles.send_replace(asked.params[0]["longpollid"].clone());
                Reply::Hang
            }
            _ => Reply::Result(template_on(tip)),
        }
    })
    .await;
    let settings = templates(Duration::from_millis(50), true);
    let poller = Poller::start(&Nodes::new(&[node.rpc_config()]), &settings, &chain(), Arc::new(SystemClock::new()));
    let mut work = poller.work();
    for height in 5..7 {
        tip.store(height, Ordering::SeqCst);
        let (new, _) = wait_for_tip(&mut work, u64::from(height)).await;
        assert_eq!(new.source, Source::Poll);
        let asked = handle.wait_for(|handle| *handle == json!(hash_at(height)));
        tokio::time::timeout(crate::WAIT_MAX, asked).await.expect("no new long poll").unwrap();
    }
}

#[tokio::test]
async fn stopping_ends_every_call() {
    let node = ScriptedNode::start(|_| Reply::Hang).await;
    let poller = follow(&[node.rpc_config()]);
    while node.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let mut work = poller.work();
    drop(poller);
    // The last sender is gone with the last task.
    let ended = tokio::time::timeout(crate::WAIT_MAX, work.wait_for(|_| false)).await.expect("it still runs");
    assert!(ended.is_err());
}
