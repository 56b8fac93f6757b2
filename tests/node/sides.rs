//! Nodes that disagree: on two sides of a partition, behind, or lying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mpos_stratum::bytes::sha256::sha256d;
use mpos_stratum::bytes::{display_hash, hex, parse_display_hash};
use mpos_stratum::chain::header::{Extra, Header};
use mpos_stratum::clock::SystemClock;
use mpos_stratum::difficulty::Target;
use mpos_stratum::node::chain::Chain;
use mpos_stratum::node::nodes::{Aside, Nodes};
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::standing::{Sought, standing};
use mpos_stratum::node::tip::NodeState;
use mpos_stratum::pow::Algorithm;
use serde_json::json;

use crate::following::{hash_at, template_on};
use crate::support::litecoind::Litecoin;
use crate::support::scripted_node::{Asked, Reply, ScriptedNode};
use crate::{WAIT_MAX, chain, templates, wait_for, wait_for_tip};

fn start(nodes: &Nodes) -> Poller {
    start_on(nodes, &chain())
}

fn start_on(nodes: &Nodes, chain: &Arc<Chain>) -> Poller {
    Poller::start(nodes, &templates(Duration::from_millis(50), false), chain, Arc::new(SystemClock::new()))
}

/// Waits until a node is set aside, or not any more.
async fn wait_for_aside(nodes: &Nodes, index: usize, wanted: bool) -> Option<Aside> {
    let node = &nodes.all()[index];
    let wait = async {
        while node.aside().is_some() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, wait).await.unwrap_or_else(|_| panic!("{}", node.summary()));
    node.aside()
}

#[tokio::test]
async fn of_two_sides_the_one_with_more_work_is_mined_on_until_they_meet() {
    let (one, two) = tokio::join!(Litecoin::start_at(3), Litecoin::start_at(5));
    let nodes = Nodes::new(&[one.rpc_config(), one.peer.rpc_config(), two.rpc_config(), two.peer.rpc_config()]);
    let scrypt = Chain { algorithm: Algorithm::Scrypt { log_n: 10, r: 1 }, ..Chain::clone(&chain()) };
    let poller = start_on(&nodes, &Arc::new(scrypt));
    let mut work = poller.work();
    // From either node of the longer side.
    wait_for_tip(&mut work, 5).await;
    for index in [0, 1] {
        let aside = wait_for_aside(&nodes, index, true).await.unwrap();
        assert!(matches!(&aside, Aside::Distrusted { reason } if reason.contains("another chain")), "{aside:?}");
    }
    assert_eq!([2, 3].map(|index| nodes.all()[index].aside()), [None, None]);
    // Their word about a block does not count: ours is in the chain of the other side.
    let tip = two.rpc("getbestblockhash", json!([])).await;
    let sought = Sought { hash: parse_display_hash(tip.as_str().unwrap()).unwrap(), merkle_root: [0; 32], height: 5 };
    let finding = standing(&nodes, &sought).await;
    assert!(finding.clear.is_some() && finding.unclear.iter().all(|(_, why)| why.contains("set aside")), "{finding:?}");

    // The other side overtakes: it has more work, and whoever was set aside for being elsewhere is taken back.
    one.generate(4).await;
    let (_, template) = wait_for_tip(&mut work, 7).await;
    let tip = one.rpc("getbestblockhash", json!([])).await;
    assert_eq!(json!(mpos_stratum::bytes::display_hash(&template.previous)), tip);
    assert_eq!(wait_for_aside(&nodes, 0, false).await, None);
    wait_for_aside(&nodes, 2, true).await;
    // They meet.
    two.rpc("addnode", json!([format!("127.0.0.1:{}", one.p2p_port), "onetry"])).await;
    for index in 0..4 {
        assert_eq!(wait_for_aside(&nodes, index, false).await, None);
    }
}

/// A node at a height that answers what else is asked by `more`.
async fn node_at(height: u32, more: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> ScriptedNode {
    ScriptedNode::start(move |asked| match more(asked) {
        Some(reply) => reply,
        None => match asked.method.as_str() {
            "getbestblockhash" => Reply::Result(json!(hash_at(height))),
            "getblocktemplate" => Reply::Result(template_on(height)),
            "getblockhash" => Reply::Result(json!(hash_at(u32::try_from(asked.params[0].as_u64().unwrap()).unwrap()))),
            _ => Reply::Error(-32601, "Method not found"),
        },
    })
    .await
}

#[tokio::test]
async fn a_node_that_cannot_prove_its_tip_is_left_and_taken_back_when_it_can() {
    let lies = Arc::new(AtomicBool::new(true));
    let lying = Arc::clone(&lies);
    let honest = node_at(5, |_| None).await;
    let liar = node_at(9, move |asked| match asked.method.as_str() {
        "getblockheader" if lying.load(Ordering::SeqCst) => Some(Reply::Result(json!("00".repeat(80)))),
        _ => None,
    })
    .await;
    let nodes = Nodes::new(&[liar.rpc_config(), honest.rpc_config()]);
    let poller = start(&nodes);
    let mut work = poller.work();
    let aside = wait_for_aside(&nodes, 0, true).await.unwrap();
    assert!(aside.reason().contains("another hash"), "{aside:?}");
    let work_now = wait_for(&mut work, |work| work.node == honest.rpc_config().name).await;
    assert_eq!(work_now.template.unwrap().height, 6);
    lies.store(false, Ordering::SeqCst);
    assert_eq!(wait_for_aside(&nodes, 0, false).await, None);
    wait_for(&mut work, |work| work.node == liar.rpc_config().name).await;
}

/// A chain of headers, from the block of height 0 on, with their names.
type Made = Vec<([u8; 32], Vec<u8>)>;

/// Puts a block of these bits on top: one with the work that they demand, or with less.
fn put_on(made: &mut Made, bits: u32, is_mined: bool) {
    let target = Target::from_compact(bits).unwrap();
    let previous = made.last().map_or([0; 32], |(name, _)| *name);
    let (version, time, extra) = (4, 1_700_000_000, Extra::None);
    // Another merkle root for every block: none is in two branches.
    let merkle_root = [u8::try_from(made.len()).unwrap(), u8::from(is_mined), bits.to_le_bytes()[3]].repeat(11);
    let merkle_root = merkle_root[..32].try_into().unwrap();
    let header = (0..)
        .map(|nonce| Header { version, previous, merkle_root, time, bits, nonce, extra }.to_bytes().to_vec())
        .find(|header| target.is_met_by(&sha256d(header)) == is_mined);
    let header = header.unwrap();
    made.push((sha256d(&header), header));
}

/// What a node with this chain says.
fn answer_of(made: &[([u8; 32], Vec<u8>)], asked: &Asked) -> Reply {
    let tip = made.len() - 1;
    let name = |place: usize| json!(display_hash(&made[place].0));
    match asked.method.as_str() {
        "getbestblockhash" => Reply::Result(name(tip)),
        "getblocktemplate" => {
            let mut template = template_on(u32::try_from(tip).unwrap());
            template["previousblockhash"] = name(tip);
            Reply::Result(template)
        }
        "getblockhash" => match usize::try_from(asked.params[0].as_u64().unwrap()) {
            Ok(height) if height <= tip => Reply::Result(name(height)),
            _ => Reply::Error(-8, "Block height out of range"),
        },
        "getblockheader" => match (0..=tip).find(|place| asked.params[0] == name(*place)) {
            Some(height) if asked.params[1] == json!(false) => Reply::Result(json!(hex::encode(&made[height].1))),
            Some(height) => Reply::Result(json!({ "confirmations": tip - height + 1, "height": height })),
            None => Reply::Error(-5, "Block not found"),
        },
        _ => Reply::Error(-32601, "Method not found"),
    }
}

/// A node with this chain, which says the truth about it.
async fn node_with(made: Made) -> ScriptedNode {
    ScriptedNode::start(move |asked| answer_of(&made, asked)).await
}

/// Bits that one hash in two meets, and one in 512.
const EASY: u32 = 0x207f_ffff;
const HARD: u32 = 0x1f7f_ffff;

#[tokio::test]
async fn a_higher_chain_that_nobody_has_mined_is_not_followed() {
    let mut common = Made::new();
    (0..4).for_each(|_| put_on(&mut common, HARD, true));
    let (mut short, mut made_up, mut easy, mut long) = (common.clone(), common.clone(), common.clone(), common);
    put_on(&mut short, HARD, true);
    (0..9).for_each(|_| put_on(&mut made_up, HARD, false));
    // Mined, but with less work than one block of the chain.
    (0..8).for_each(|_| put_on(&mut easy, EASY, true));
    (0..2).for_each(|_| put_on(&mut long, HARD - 1, true));
    let short = node_with(short).await;
    for (chain, why) in [(made_up, "at height 12 was not mined"), (easy, "less work than the 1 of")] {
        let liar = node_with(chain).await;
        let nodes = Nodes::new(&[liar.rpc_config(), short.rpc_config()]);
        let poller = start(&nodes);
        let aside = wait_for_aside(&nodes, 0, true).await.unwrap();
        assert!(matches!(&aside, Aside::Distrusted { reason } if reason.contains(why)), "{aside:?}");
        let work = wait_for(&mut poller.work(), |work| work.node == short.rpc_config().name).await;
        assert_eq!(work.template.unwrap().height, 5);
    }
    // One that was mined is, and the other is told to be on another chain.
    let long = node_with(long).await;
    let nodes = Nodes::new(&[short.rpc_config(), long.rpc_config()]);
    let poller = start(&nodes);
    let aside = wait_for_aside(&nodes, 0, true).await.unwrap();
    assert!(aside.reason().contains("on another chain"), "{aside:?}");
    assert_eq!(poller.work().borrow().node, long.rpc_config().name);
    assert_eq!(nodes.all()[1].aside(), None);
}

#[tokio::test]
async fn a_longer_chain_that_the_others_call_invalid_is_not_followed() {
    let strict = node_at(5, |asked| {
        let tips = json!([{ "height": 7, "hash": hash_at(7), "branchlen": 2, "status": "invalid" }]);
        (asked.method == "getchaintips").then_some(Reply::Result(tips))
    })
    .await;
    let lax = node_at(9, |_| None).await;
    // As many on both sides: the one whom the operator put first is right.
    let nodes = Nodes::new(&[strict.rpc_config(), lax.rpc_config()]);
    let poller = start(&nodes);
    let aside = wait_for_aside(&nodes, 1, true).await.unwrap();
    assert!(aside.reason().contains("call invalid") && aside.reason().contains(&hash_at(7)), "{aside:?}");
    wait_for(&mut poller.work(), |work| work.node == strict.rpc_config().name).await;
    // A reload that changes something else of the coin does not let it in again.
    let slower = templates(Duration::from_millis(100), false);
    poller.change(&[strict.rpc_config(), lax.rpc_config()], &slower).await;
    assert_eq!(nodes.all()[1].aside(), Some(aside));
    let asked = lax.calls();
    tokio::time::timeout(WAIT_MAX, async {
        while lax.calls() < asked + 6 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(poller.work().borrow().node, strict.rpc_config().name);
    // Alone it is better than nothing.
    poller.change(&[lax.rpc_config()], &slower).await;
    assert_eq!(nodes.all()[0].aside(), None);
    drop(poller);
    let nodes = Nodes::new(&[lax.rpc_config(), strict.rpc_config()]);
    let poller = start(&nodes);
    let aside = wait_for_aside(&nodes, 1, true).await.unwrap();
    assert!(matches!(aside, Aside::Lagging { .. }), "{aside:?}");
    assert_eq!(poller.work().borrow().node, lax.rpc_config().name);
}

#[tokio::test]
async fn work_that_another_node_is_long_past_is_taken_down_though_that_gives_none() {
    let mut common = Made::new();
    (0..6).for_each(|_| put_on(&mut common, EASY, true));
    let (mut ahead, stuck) = (common.clone(), common);
    (0..2).for_each(|_| put_on(&mut ahead, EASY, true));
    let (height, is_mended) = (Arc::new(AtomicUsize::new(7)), Arc::new(AtomicBool::new(false)));
    put_on(&mut ahead, EASY, true);
    // Its templates are not understood here, as after a fork; the other node was not made ready for that.
    let (at, mended) = (Arc::clone(&height), Arc::clone(&is_mended));
    let ahead = ScriptedNode::start(move |asked| {
        let at = at.load(Ordering::SeqCst);
        let reply = answer_of(&ahead[..=at], asked);
        match (asked.method.as_str(), reply) {
            ("getblocktemplate", Reply::Result(mut template)) if !mended.load(Ordering::SeqCst) => {
                template["rules"] = json!(["!anew"]);
                Reply::Result(template)
            }
            (_, reply) => reply,
        }
    })
    .await;
    let stuck = node_with(stuck).await;
    let nodes = Nodes::new(&[stuck.rpc_config(), ahead.rpc_config()]);
    let poller = start(&nodes);
    let mut work = poller.work();
    let (before, _) = wait_for_tip(&mut work, 5).await;
    let without = wait_for(&mut work, |work| work.template.is_none()).await;
    assert!(matches!(&without.state, NodeState::Refused { reason } if reason.contains("anew")), "{:?}", without.state);
    // The next block changes nothing.
    let asked = ahead.calls();
    height.store(8, Ordering::SeqCst);
    tokio::time::timeout(WAIT_MAX, async {
        while ahead.calls() < asked + 12 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(work.borrow_and_update().template, None);
    is_mended.store(true, Ordering::SeqCst);
    let (after, _) = wait_for_tip(&mut work, 8).await;
    assert_eq!((after.node, after.tip_seq), (ahead.rpc_config().name, before.tip_seq + 2));
}

#[tokio::test]
async fn a_node_that_hides_its_headers_is_asked_again() {
    let mut common = Made::new();
    (0..4).for_each(|_| put_on(&mut common, HARD, true));
    let (mut short, mut made_up) = (common.clone(), common);
    put_on(&mut short, HARD, true);
    (0..3).for_each(|_| put_on(&mut made_up, HARD, false));
    let shows = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&shows);
    let liar = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "getblockheader" if !shown.load(Ordering::SeqCst) => Reply::Error(-32603, "not now"),
        _ => answer_of(&made_up, asked),
    })
    .await;
    let short = node_with(short).await;
    let nodes = Nodes::new(&[liar.rpc_config(), short.rpc_config()]);
    let poller = start(&nodes);
    // The other is told to be elsewhere: so this one was examined, and nothing was found against it.
    wait_for_aside(&nodes, 1, true).await;
    assert_eq!((poller.work().borrow().node.clone(), nodes.all()[0].aside()), (liar.rpc_config().name, None));
    shows.store(true, Ordering::SeqCst);
    let aside = wait_for_aside(&nodes, 0, true).await.unwrap();
    assert!(aside.reason().contains("was not mined"), "{aside:?}");
    wait_for(&mut poller.work(), |work| work.node == short.rpc_config().name).await;
    assert_eq!(wait_for_aside(&nodes, 1, false).await, None);
}
