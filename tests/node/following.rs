//! Following a node that lags, lacks calls or turns odd.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use mpos_stratum::clock::SystemClock;
use mpos_stratum::node::nodes::{Fit, Nodes};
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::tip::{NodeState, Source, Work};
use serde_json::{Value, json};

use crate::support::scripted_node::{Reply, ScriptedNode};
use crate::{WAIT_MAX, chain, follow, templates, wait_for, wait_for_tip};

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

/// A node at the height that is set, which says of every block that it has so many confirmations.
async fn node_set_to(height: &Arc<AtomicU32>, confirmations: &Arc<AtomicI32>) -> ScriptedNode {
    let (height, confirmations) = (Arc::clone(height), Arc::clone(confirmations));
    ScriptedNode::start(move |asked| {
        let height = height.load(Ordering::SeqCst);
        match asked.method.as_str() {
            "getbestblockhash" => Reply::Result(json!(hash_at(height))),
            "getblocktemplate" => Reply::Result(template_on(height)),
            "getblockheader" => Reply::Result(json!({ "confirmations": confirmations.load(Ordering::SeqCst) })),
            _ => Reply::Error(-32601, "Method not found"),
        }
    })
    .await
}

#[tokio::test]
async fn two_nodes_behind_one_address_do_not_make_miners_go_to_and_fro() {
    let (height, confirmations) = (Arc::new(AtomicU32::new(5)), Arc::new(AtomicI32::new(1)));
    let node = node_set_to(&height, &confirmations).await;
    let poller = follow(&[node.rpc_config()]);
    let mut work = poller.work();
    assert_eq!(wait_for_tip(&mut work, 5).await.0.tip_seq, 1);
    // Now the one that is a block behind answers, now the other: neither says that a block was taken back.
    let some_calls = || async {
        let asked = node.calls();
        while node.calls() < asked + 4 {
            tokio::task::yield_now().await;
        }
    };
    for now in [4, 5, 4, 5, 4] {
        height.store(now, Ordering::SeqCst);
        tokio::time::timeout(WAIT_MAX, some_calls()).await.unwrap();
    }
    height.store(6, Ordering::SeqCst);
    assert_eq!(wait_for_tip(&mut work, 6).await.0.tip_seq, 2, "nobody was sent back");
    // Taken back, it is left at once.
    confirmations.store(-1, Ordering::SeqCst);
    height.store(5, Ordering::SeqCst);
    assert_eq!(wait_for_tip(&mut work, 5).await.0.tip_seq, 3);
    // What stays lower is right in the end, whatever it says.
    confirmations.store(1, Ordering::SeqCst);
    height.store(4, Ordering::SeqCst);
    assert_eq!(wait_for_tip(&mut work, 4).await.0.tip_seq, 4);
}

#[tokio::test]
async fn a_node_that_takes_over_old_blocks_gives_no_work() {
    let blocks = Arc::new(AtomicU32::new(50));
    let seen = Arc::clone(&blocks);
    let node = ScriptedNode::start(move |asked| {
        let blocks = seen.load(Ordering::SeqCst);
        match asked.method.as_str() {
            "getbestblockhash" => Reply::Result(json!(hash_at(blocks))),
            "getblocktemplate" => {
                let mut template = template_on(blocks);
                // The blocks below are hours old.
                template["curtime"] = json!(1_700_000_000 + 4 * 3600);
                Reply::Result(template)
            }
            "getblockchaininfo" => Reply::Result(json!({ "blocks": blocks, "headers": 100 })),
            _ => Reply::Error(-32601, "Method not found"),
        }
    })
    .await;
    let poller = follow(&[node.rpc_config()]);
    let mut work = poller.work();
    let behind = |blocks: u32| move |work: &Work| matches!(&work.state, NodeState::Syncing { problem } if problem.contains(&format!("block {blocks} of 100")));
    assert_eq!(wait_for(&mut work, behind(50)).await.template, None);
    blocks.store(80, Ordering::SeqCst);
    assert_eq!(wait_for(&mut work, behind(80)).await.template, None);
    // That few are on their way to everybody.
    blocks.store(97, Ordering::SeqCst);
    wait_for_tip(&mut work, 97).await;
}

#[tokio::test]
async fn a_node_that_comes_back_with_another_chain_is_not_mined_on() {
    let (first, is_away) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (begins, away) = (Arc::clone(&first), Arc::clone(&is_away));
    let node = ScriptedNode::start(move |asked| {
        if away.load(Ordering::SeqCst) {
            return Reply::Cut;
        }
        match asked.method.as_str() {
            "getbestblockhash" => Reply::Result(json!(hash_at(5))),
            "getblocktemplate" => Reply::Result(template_on(5)),
            "getblockhash" => Reply::Result(json!(hash_at(begins.load(Ordering::SeqCst)))),
            _ => Reply::Error(-32601, "Method not found"),
        }
    })
    .await;
    let nodes = Nodes::new(&[node.rpc_config()]);
    let quick = templates(Duration::from_millis(50), false);
    let poller = Poller::start(&nodes, &quick, &chain(), Arc::new(SystemClock::new()));
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    let away_and_back = |chain: u32| {
        is_away.store(true, Ordering::SeqCst);
        let (first, is_away, mut work) = (&first, &is_away, poller.work());
        async move {
            wait_for(&mut work, |work| matches!(work.state, NodeState::Unreachable { .. })).await;
            first.store(chain, Ordering::SeqCst);
            is_away.store(false, Ordering::SeqCst);
        }
    };
    // Before anything was proven it may be put right.
    away_and_back(99).await;
    wait_for(&mut work, |work| work.state.is_ready()).await;
    away_and_back(0).await;
    wait_for(&mut work, |work| work.state.is_ready()).await;
    nodes.all()[0].set_fit(Fit::Proven);
    away_and_back(0).await;
    wait_for(&mut work, |work| work.state.is_ready()).await;
    away_and_back(99).await;
    let refused = wait_for(&mut work, |work| matches!(work.state, NodeState::Refused { .. })).await;
    assert!(matches!(&refused.state, NodeState::Refused { reason } if reason.contains("another chain's node")));
    assert!(matches!(nodes.all()[0].fit(), Fit::Misfit { .. }));
    // Whoever proves it again is believed.
    nodes.all()[0].set_fit(Fit::Proven);
    wait_for(&mut work, |work| work.state.is_ready()).await;
}
