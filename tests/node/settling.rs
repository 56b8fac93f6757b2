//! What becomes of a block when nodes answer oddly or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mpos_stratum::bytes::display_hash;
use mpos_stratum::clock::SystemClock;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::submitter::Settling;
use mpos_stratum::node::verdict::{News, Unsettled, Verdict};
use serde_json::json;

use crate::support::scripted_node::{Asked, Reply, ScriptedNode};
use crate::{WAIT_MAX, chain, settle, solved, templates};

/// The block's hash as we compute it.
const OURS: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
/// A time after which an open case is closed.
const SOON: Duration = Duration::from_millis(400);

/// 80 bytes of header, whose merkle root is 32 bytes of 0x22.
fn block_hex() -> String {
    format!("{}{}{}", "00".repeat(36), "22".repeat(32), "00".repeat(13))
}

async fn settle_on(nodes: &[&ScriptedNode], total: Duration) -> Result<Verdict, Unsettled> {
    let nodes: Vec<_> = nodes.iter().map(|node| node.rpc_config()).collect();
    settle(&Nodes::new(&nodes), solved(OURS, 7, &block_hex()), total).await.outcome
}

/// A node that has never heard of the block, whatever it says to submissions.
fn ignorant(asked: &Asked, submitted: Reply) -> Reply {
    match asked.method.as_str() {
        "submitblock" => submitted,
        "getblockheader" => Reply::Error(-5, "Block not found"),
        _ => Reply::Error(-32601, "Method not found"),
    }
}

fn found(confirmations: i64) -> Reply {
    Reply::Result(json!({ "confirmations": confirmations }))
}

#[tokio::test]
async fn a_broken_submission_is_repeated_and_found() {
    // The node took the block, but the connection broke; later it knows it.
    let node = ScriptedNode::start(|asked| match (asked.method.as_str(), asked.before) {
        ("submitblock", 0) => Reply::Cut,
        ("submitblock", _) => Reply::Result(json!("duplicate")),
        ("getblockheader", 1) => Reply::Error(-5, "Block not found"),
        _ => found(1),
    })
    .await;
    let nodes = Nodes::new(&[node.rpc_config()]);
    let settled = settle(&nodes, solved(OURS, 7, &block_hex()), WAIT_MAX).await;
    assert!(settled.outcome.unwrap().accepted);
    assert_eq!(settled.answers.len(), 2, "{:?}", settled.answers);
    assert_eq!(settled.answers[1].1, "duplicate");
}

#[tokio::test]
async fn one_acceptance_wins_over_refusals_and_silence() {
    let refusing = ScriptedNode::start(|asked| ignorant(asked, Reply::Result(json!("high-hash")))).await;
    let silent = ScriptedNode::start(|_| Reply::Hang).await;
    let taking = ScriptedNode::start(|asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!(null)),
        _ => found(1),
    })
    .await;
    let verdict = settle_on(&[&refusing, &silent, &taking], WAIT_MAX).await.unwrap();
    assert!(verdict.accepted && verdict.reason.is_empty());
}

#[tokio::test]
async fn only_all_refusals_refuse() {
    let one = ScriptedNode::start(|asked| ignorant(asked, Reply::Result(json!("bad-cb-amount")))).await;
    let two = ScriptedNode::start(|asked| ignorant(asked, Reply::Error(-22, "Block decode failed"))).await;
    let verdict = settle_on(&[&one, &two], WAIT_MAX).await.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "bad-cb-amount"));

    let gone = ScriptedNode::start(|_| Reply::Cut).await;
    let unsettled = settle_on(&[&one, &gone], SOON).await.unwrap_err();
    assert_eq!(unsettled.silent, [gone.rpc_config().name]);
    assert_eq!(unsettled.refused.as_deref(), Some("bad-cb-amount"));
    let nobody = settle_on(&[], SOON).await.unwrap_err();
    assert_eq!(nobody.to_string(), "no verdict on the block: no node was asked");
}

#[tokio::test]
async fn an_undecided_answer_is_settled_by_the_chain() {
    let node = ScriptedNode::start(|asked| match (asked.method.as_str(), asked.before) {
        ("submitblock", _) => Reply::Result(json!("inconclusive")),
        (_, 1) => found(-1),
        _ => found(0),
    })
    .await;
    assert!(settle_on(&[&node], WAIT_MAX).await.unwrap().accepted);

    let beside = ScriptedNode::start(|asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!("inconclusive")),
        _ => found(-1),
    })
    .await;
    let verdict = settle_on(&[&beside], SOON).await.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "not in the best chain"));

    let lagging = ScriptedNode::start(|asked| ignorant(asked, Reply::Result(json!("prev-blk-not-found")))).await;
    let unsettled = settle_on(&[&lagging], SOON).await.unwrap_err();
    assert_eq!((unsettled.silent.len(), unsettled.refused), (1, None), "it may get the parent yet");
}

#[tokio::test]
async fn a_refusal_of_a_block_that_is_in_the_chain_is_none() {
    // A node from before BIP22's words, which the block has reached as a peer's.
    let node = ScriptedNode::start(|asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!("rejected")),
        _ => found(1),
    })
    .await;
    assert!(settle_on(&[&node], WAIT_MAX).await.unwrap().accepted);
    let refused = ScriptedNode::start(|asked| ignorant(asked, Reply::Result(json!("rejected")))).await;
    let verdict = settle_on(&[&refused], SOON).await.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "rejected"), "nothing better came");
}

#[tokio::test]
async fn a_wallet_that_cannot_sign_now_is_asked_again() {
    let locked = "Unable to sign block, wallet locked?";
    let node = ScriptedNode::start(move |asked| match (asked.method.as_str(), asked.before) {
        ("submitblock", 0) => Reply::Error(-100, locked),
        ("submitblock", _) => Reply::Result(json!(null)),
        ("getblockheader", 1) => Reply::Error(-5, "Block not found"),
        _ => found(1),
    })
    .await;
    assert!(settle_on(&[&node], WAIT_MAX).await.unwrap().accepted);
    let stays = ScriptedNode::start(move |asked| ignorant(asked, Reply::Error(-100, locked))).await;
    let unsettled = settle_on(&[&stays], SOON).await.unwrap_err();
    assert_eq!((unsettled.silent.len(), unsettled.refused), (1, None), "it may be unlocked later: that is no refusal");
}

#[tokio::test]
async fn neither_a_node_s_own_failure_nor_a_word_that_nobody_knows_loses_a_block() {
    let replies: [fn() -> Reply; 2] =
        [|| Reply::Error(-25, "Failed to write undo data"), || Reply::Result(json!("node-is-resting"))];
    for reply in replies {
        let node = ScriptedNode::start(move |asked| match (asked.method.as_str(), asked.before) {
            ("submitblock", 0) => reply(),
            ("submitblock", _) => Reply::Result(json!(null)),
            ("getblockheader", 1) => Reply::Error(-5, "Block not found"),
            _ => found(1),
        })
        .await;
        assert!(settle_on(&[&node], WAIT_MAX).await.unwrap().accepted);
    }
    let [failing, unknown] = replies;
    let full = ScriptedNode::start(move |asked| ignorant(asked, failing())).await;
    let unsettled = settle_on(&[&full], SOON).await.unwrap_err();
    assert_eq!((unsettled.silent.len(), unsettled.refused), (1, None), "it never looked at the block");
    let resting = ScriptedNode::start(move |asked| ignorant(asked, unknown())).await;
    let verdict = settle_on(&[&resting], SOON).await.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "node-is-resting"), "it ends");
}

/// A node that cuts every call until it is told that it is back; then it takes the block.
async fn away_until(back: &Arc<AtomicBool>, submitted: &Arc<AtomicUsize>) -> ScriptedNode {
    let (back, submitted) = (Arc::clone(back), Arc::clone(submitted));
    ScriptedNode::start(move |asked| match asked.method.as_str() {
        _ if !back.load(Ordering::SeqCst) => Reply::Cut,
        "submitblock" => {
            submitted.fetch_add(1, Ordering::SeqCst);
            Reply::Result(json!(null))
        }
        "getblockheader" if submitted.load(Ordering::SeqCst) == 0 => Reply::Error(-5, "Block not found"),
        _ => found(1),
    })
    .await
}

#[tokio::test]
async fn a_node_that_was_away_when_another_took_the_block_gets_it_when_it_is_back() {
    let taking = ScriptedNode::start(|asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!(null)),
        _ => found(1),
    })
    .await;
    let (back, submitted) = (Arc::default(), Arc::default());
    let away = away_until(&back, &submitted).await;
    let nodes = Nodes::new(&[taking.rpc_config(), away.rpc_config()]);
    for is_settled in [false, true] {
        back.store(false, Ordering::SeqCst);
        submitted.store(0, Ordering::SeqCst);
        let block = solved(OURS, 7, &block_hex());
        let mut settling = match is_settled {
            false => Settling::start(&nodes, block, WAIT_MAX),
            true => Settling::spread(&nodes, block, WAIT_MAX),
        };
        let (mut decided, asked_before) = (Vec::new(), away.calls());
        let told = async {
            if !is_settled {
                while decided.is_empty() {
                    match settling.next().await.unwrap() {
                        News::Decided(verdict) => decided.push(verdict.accepted),
                        news => assert!(!matches!(news, News::Open(_))),
                    }
                }
            }
            // It has been asked, and was away.
            while away.calls() == asked_before {
                tokio::task::yield_now().await;
            }
            assert_eq!(submitted.load(Ordering::SeqCst), 0);
            back.store(true, Ordering::SeqCst);
            // It ends when both have it, long before time is up.
            while let Some(news) = settling.next().await {
                assert!(!matches!(news, News::Decided(_) | News::Open(_)), "told twice: {news:?}");
            }
        };
        tokio::time::timeout(WAIT_MAX, told).await.unwrap();
        assert_eq!(submitted.load(Ordering::SeqCst), 1);
        assert_eq!(decided, if is_settled { vec![] } else { vec![true] });
    }
}

#[tokio::test]
async fn a_node_that_a_reload_mends_gets_the_block_that_is_under_way() {
    let (back, submitted) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let mended = away_until(&back, &submitted).await;
    let broken = ScriptedNode::start(|_| Reply::Body(401, String::new())).await;
    let nodes = Nodes::new(&[broken.rpc_config()]);
    let settings = templates(WAIT_MAX, false);
    let poller = Poller::start(&nodes, &settings, &chain(), Arc::new(SystemClock::new()));
    let mut settling = Settling::start(&nodes, solved(OURS, 7, &block_hex()), WAIT_MAX);
    let told = async {
        loop {
            match settling.next().await.unwrap() {
                News::Answered { node, .. } if node == broken.rpc_config().name => {
                    poller.change(&[mended.rpc_config()], &settings).await;
                }
                News::Decided(verdict) => break verdict,
                _ => (),
            }
        }
    };
    assert!(tokio::time::timeout(WAIT_MAX, told).await.unwrap().accepted);
    assert_eq!(submitted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_block_beside_a_stranger_s_is_preferred_once() {
    let preferred = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&preferred);
    let node = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!("inconclusive")),
        "preciousblock" => {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Reply::Result(json!(null))
        }
        _ => found(if count.load(std::sync::atomic::Ordering::SeqCst) == 0 { -1 } else { 1 }),
    })
    .await;
    let (nodes, block) = (Nodes::new(&[node.rpc_config()]), solved(OURS, 7, &block_hex()));
    nodes.note_own(7, block.hash);
    assert!(settle(&nodes, block, WAIT_MAX).await.outcome.unwrap().accepted);
    assert_eq!(preferred.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_known_block_that_nobody_shows_is_no_acceptance() {
    // bcoin answers so for blocks it has found invalid before.
    let node = ScriptedNode::start(|asked| ignorant(asked, Reply::Result(json!("rejected: duplicate")))).await;
    let unsettled = settle_on(&[&node], SOON).await.unwrap_err();
    assert_eq!((unsettled.silent.len(), unsettled.refused), (1, None));
}

#[tokio::test]
async fn a_block_that_is_taken_under_another_name_is_found() {
    let theirs = "bb".repeat(32);
    let name = theirs.clone();
    let node = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!(null)),
        "getblockhash" => Reply::Result(json!(name)),
        "getblock" => Reply::Result(json!({ "merkleroot": "22".repeat(32) })),
        _ => Reply::Error(-5, "Block not found"),
    })
    .await;
    let verdict = settle_on(&[&node], WAIT_MAX).await.unwrap();
    assert!(verdict.accepted);
    assert_eq!(display_hash(&verdict.node_hash), theirs);
}

#[tokio::test]
async fn a_taken_block_stays_taken_when_it_cannot_be_looked_for() {
    let node = ScriptedNode::start(|asked| match asked.method.as_str() {
        "submitblock" => Reply::Result(json!(null)),
        _ => Reply::Cut,
    })
    .await;
    let verdict = settle_on(&[&node], WAIT_MAX).await.unwrap();
    assert!(verdict.accepted);
    assert_eq!(display_hash(&verdict.node_hash), OURS);
}

#[tokio::test]
async fn a_node_that_took_a_block_and_came_back_without_it_gets_it_again() {
    let submitted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&submitted);
    let node = ScriptedNode::start(move |asked| match (asked.method.as_str(), asked.before) {
        ("submitblock", _) => {
            count.fetch_add(1, Ordering::Relaxed);
            Reply::Result(json!(null))
        }
        // It dies, and is back with the chain it had on its disk.
        ("getblockheader", 0..=5) => Reply::Cut,
        ("getblockheader", 6) => Reply::Error(-5, "Block not found"),
        ("getblockheader", _) => found(1),
        _ => Reply::Error(-32601, "Method not found"),
    })
    .await;
    let nodes = Nodes::new(&[node.rpc_config()]);
    let mut settling = Settling::start(&nodes, solved(OURS, 7, &block_hex()), WAIT_MAX);
    let mut answers = Vec::new();
    let mut decided = 0;
    let told = async {
        while let Some(news) = settling.next().await {
            match news {
                News::Decided(verdict) => decided += i32::from(verdict.accepted),
                News::Answered { words, .. } => answers.push(words),
                _ => (),
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, told).await.unwrap();
    // The same words are told once.
    assert_eq!((decided, answers), (1, vec!["accepted".to_owned()]));
    assert_eq!(submitted.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_old_node_gets_it_by_getblocktemplate_and_shows_it_by_getblock() {
    let node = ScriptedNode::start(|asked| match asked.method.as_str() {
        "getblocktemplate" if asked.params[0]["mode"] == "submit" && asked.params[0]["workid"] == "w1" => {
            Reply::Result(json!(null))
        }
        "getblock" => found(1),
        _ => Reply::Error(-32601, "Method not found"),
    })
    .await;
    let mut block = solved(OURS, 7, &block_hex());
    block.work_id = Some("w1".into());
    let nodes = Nodes::new(&[node.rpc_config()]);
    assert!(settle(&nodes, block, WAIT_MAX).await.outcome.unwrap().accepted);
}
