//! Work without transactions on a new tip while the node's template is not there, judged by a real node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mpos_stratum::bytes::parse_display_hash;
use mpos_stratum::chain::form::{ChainForm, Schedule};
use mpos_stratum::clock::SystemClock;
use mpos_stratum::config::Templates;
use mpos_stratum::node::chain::Chain;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::proposal::Opinion;
use mpos_stratum::node::tip::Source;
use mpos_stratum::work::template::Template;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::following::{hash_at, template_on};
use crate::opinion::opinion;
use crate::support::bcoin::Bcoin;
use crate::support::scripted_node::{Reply, ScriptedNode};
use crate::{WAIT_MAX, chain, templates, wait_for, wait_for_tip};

/// Of bcoin's regtest, which never changes its difficulty.
const SCHEDULE: Schedule = Schedule { retarget_blocks: 2016, halving_blocks: 150, first_subsidy: 5_000_000_000 };
/// Where the first block of half the subsidy is made next.
const BEFORE_HALVING: u64 = 148;

fn with_schedule(schedule: Schedule) -> Arc<Chain> {
    let form = ChainForm { schedule: Some(schedule), ..(*chain().form).clone() };
    Arc::new(Chain { form: Arc::new(form), ..(*chain()).clone() })
}

fn quickly() -> Templates {
    Templates { empty_after: Some(Duration::from_millis(20)), ..templates(Duration::from_millis(20), false) }
}

/// What a node says before and after a block, as a node that makes its templates slowly.
struct Slow {
    node: ScriptedNode,
    moved: Arc<AtomicBool>,
    told: Arc<Semaphore>,
}

impl Slow {
    /// The node makes `real` move by one block.
    async fn before_a_block_of(real: &Bcoin, network: &'static str) -> Self {
        let ask = || async {
            let tip = real.rpc("getbestblockhash", json!([])).await;
            let header = real.rpc("getblockheader", json!([tip, true])).await;
            [tip, header, real.rpc("getblocktemplate", json!([{ "rules": ["segwit"] }])).await]
        };
        let before: [Value; 3] = ask().await;
        real.generate(1).await;
        let after = ask().await;
        let (moved, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
        let (has_moved, late) = (Arc::clone(&moved), Arc::clone(&told));
        let node = ScriptedNode::start(move |asked| {
            let has_moved = has_moved.load(Ordering::SeqCst);
            let [tip, header, template] = if has_moved { &after } else { &before };
            match asked.method.as_str() {
                "getbestblockhash" => Reply::Result(tip.clone()),
                "getblockheader" => Reply::Result(header.clone()),
                "getblockchaininfo" => Reply::Result(json!({ "chain": network, "blocks": 1, "headers": 1 })),
                "getblocktemplate" if has_moved => Reply::Late(Arc::clone(&late), template.clone()),
                "getblocktemplate" => Reply::Result(template.clone()),
                _ => Reply::Error(-32601, "Method not found"),
            }
        });
        Self { node: node.await, moved, told }
    }
}

#[tokio::test]
async fn work_without_transactions_comes_first_and_a_real_node_would_take_its_block() {
    let real = Bcoin::start().await;
    real.generate(BEFORE_HALVING - 1).await;
    // On both sides of a halving, which the block that is being made at 150 crosses.
    for height in BEFORE_HALVING..BEFORE_HALVING + 3 {
        let slow = Slow::before_a_block_of(&real, "regtest").await;
        let chain = with_schedule(SCHEDULE);
        let nodes = Nodes::new(&[slow.node.rpc_config()]);
        let poller = Poller::start(&nodes, &quickly(), &chain, Arc::new(SystemClock::new()));
        let mut work = poller.work();
        wait_for(&mut work, |work| work.template.is_some()).await;
        slow.moved.store(true, Ordering::SeqCst);
        let early = wait_for(&mut work, |work| work.tip_seq == 2).await;
        let template = early.template.unwrap();
        assert!(template.particulars.is_provisional && template.transactions.is_empty());
        assert_eq!(u64::from(template.height), height + 1);
        let judge = Nodes::new(&[real.rpc_config()]);
        let found = opinion(&judge, Arc::clone(&template), &chain.form).await;
        assert!(matches!(found, Opinion::Good), "{height}: {found:?}");
        // One unit more than the subsidy, and the same node would refuse it: it does look.
        let greedy = Template { coinbase_value: template.coinbase_value + 1, ..(*template).clone() };
        let found = opinion(&judge, Arc::new(greedy), &chain.form).await;
        assert!(matches!(found, Opinion::Bad(_)), "{found:?}");

        slow.told.add_permits(1);
        let is_full = |template: &Arc<Template>| !template.particulars.is_provisional;
        let full = wait_for(&mut work, |work| work.template.as_ref().is_some_and(is_full)).await;
        assert_eq!((full.tip_seq, full.template.unwrap().height), (2, template.height), "the tip is the same");
    }
}

#[tokio::test]
async fn where_it_could_be_wrong_miners_wait_for_the_node() {
    let real = Bcoin::start().await;
    real.generate(9).await;
    let wrong_subsidy = Schedule { first_subsidy: SCHEDULE.first_subsidy - 1, ..SCHEDULE };
    let changes_next = Schedule { retarget_blocks: 1, ..SCHEDULE };
    for (network, schedule) in [("test", SCHEDULE), ("regtest", wrong_subsidy), ("regtest", changes_next)] {
        let slow = Slow::before_a_block_of(&real, network).await;
        let nodes = Nodes::new(&[slow.node.rpc_config()]);
        let poller = Poller::start(&nodes, &quickly(), &with_schedule(schedule), Arc::new(SystemClock::new()));
        let mut work = poller.work();
        wait_for(&mut work, |work| work.template.is_some()).await;
        slow.moved.store(true, Ordering::SeqCst);
        // Long after `empty_after`; had there been such work, it would be what comes first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        slow.told.add_permits(1);
        let next = wait_for(&mut work, |work| work.tip_seq == 2).await.template.unwrap();
        assert!(!next.particulars.is_provisional, "{network} {schedule:?}");
    }
}

/// Headers are only hints: whatever their proof of work, a node has to build on them first.
#[tokio::test]
async fn a_block_that_is_only_announced_is_not_worked_on() {
    let (tip, headers) = (Arc::new(AtomicU32::new(5)), Arc::new(AtomicU32::new(0)));
    let (seen, asked_for) = (Arc::clone(&tip), Arc::clone(&headers));
    let node = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "getbestblockhash" => Reply::Result(json!(hash_at(seen.load(Ordering::SeqCst)))),
        "getblockchaininfo" => Reply::Result(json!({ "chain": "regtest", "blocks": 5, "headers": 5 })),
        "getblockheader" => {
            asked_for.fetch_add(1, Ordering::SeqCst);
            Reply::Error(-5, "Block not found")
        }
        _ => Reply::Result(template_on(seen.load(Ordering::SeqCst))),
    })
    .await;
    let nodes = Nodes::new(&[node.rpc_config()]);
    let settings = Templates { poll: WAIT_MAX, ..quickly() };
    let poller = Poller::start(&nodes, &settings, &with_schedule(SCHEDULE), Arc::new(SystemClock::new()));
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    let calls = node.calls();
    poller.bell().ring(Source::Peer, parse_display_hash(&hash_at(99)));
    // It is looked for several times, for longer than the node's template may take.
    let looked_for = async {
        while node.calls() < calls + 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, looked_for).await.expect("it is not looked for");
    assert_eq!((work.borrow().tip_seq, headers.load(Ordering::SeqCst)), (1, 0));
    // What the node takes over meanwhile is worked on.
    tip.store(6, Ordering::SeqCst);
    let (next, _) = wait_for_tip(&mut work, 6).await;
    assert_eq!(next.tip_seq, 2);
}
