//! Where a block stands later, as nodes tell it.

use mpos_stratum::bytes::parse_display_hash;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::standing::{Finding, Sought, Standing, standing};
use serde_json::json;

use crate::support::scripted_node::{Asked, Reply, ScriptedNode};

/// Our block and the other one at its height, by the bytes of their hashes.
const OURS: &str = "aa";
const OTHER: &str = "bb";

fn hash(byte: &str) -> [u8; 32] {
    parse_display_hash(&byte.repeat(32)).unwrap()
}

/// A node whose chain has this block at the height asked for, with so many confirmations; our block has
/// `ours`, and is unknown without it. The merkle root at the height is `root` all over.
async fn node(
    at_height: Option<&'static str>,
    confirmations: i64,
    ours: Option<i64>,
    root: &'static str,
) -> ScriptedNode {
    ScriptedNode::start(move |asked: &Asked| {
        let of_ours = asked.params[0] == json!(OURS.repeat(32));
        match (asked.method.as_str(), at_height) {
            ("getblockheader", _) if of_ours => match ours {
                Some(confirmations) => Reply::Result(json!({ "confirmations": confirmations, "height": 7 })),
                None => Reply::Error(-5, "Block not found"),
            },
            ("getblockheader", Some(_)) => Reply::Result(json!({ "confirmations": confirmations, "height": 7 })),
            ("getblockhash", Some(there)) => Reply::Result(json!(there.repeat(32))),
            ("getblockhash", None) => Reply::Error(-8, "Block height out of range"),
            ("getblock", _) => Reply::Result(json!({ "merkleroot": root.repeat(32) })),
            _ => Reply::Error(-32601, "Method not found"),
        }
    })
    .await
}

async fn ask(nodes: &[&ScriptedNode]) -> Finding {
    let nodes: Vec<_> = nodes.iter().map(|node| node.rpc_config()).collect();
    standing(&Nodes::new(&nodes), &Sought { hash: hash(OURS), merkle_root: hash("22"), height: 7 }).await
}

async fn clear(nodes: &[&ScriptedNode]) -> Standing {
    ask(nodes).await.clear.unwrap().1
}

#[tokio::test]
async fn in_the_chain_or_replaced() {
    let has = node(Some(OURS), 3, Some(3), "22").await;
    assert_eq!(clear(&[&has]).await, Standing::InChain { node_hash: hash(OURS), confirmations: 3 });
    let lost = Standing::Replaced { by: hash(OTHER), confirmations: 5 };
    for ours in [Some(-1), None] {
        assert_eq!(clear(&[&node(Some(OTHER), 5, ours, "33").await]).await, lost);
    }
    // bcoin counts confirmations by height alone.
    assert_eq!(clear(&[&node(Some(OTHER), 5, Some(5), "33").await]).await, lost);
    let renamed = node(Some(OTHER), 5, None, "22").await;
    assert_eq!(clear(&[&renamed]).await, Standing::InChain { node_hash: hash(OTHER), confirmations: 5 });
}

#[tokio::test]
async fn a_node_that_does_not_reach_so_high_says_nothing() {
    // Catching up, or rebuilding its index: the header is known, the chain is not there.
    let behind = node(None, 0, Some(-1), "22").await;
    let fresh = node(None, 0, None, "22").await;
    let away = ScriptedNode::start(|_| Reply::Cut).await;
    let finding = ask(&[&behind, &fresh, &away]).await;
    assert_eq!((finding.clear, finding.unclear.len()), (None, 3));
    // The next one is asked.
    let has = node(Some(OURS), 1, Some(1), "22").await;
    let finding = ask(&[&behind, &has]).await;
    assert!(matches!(finding.clear, Some((name, Standing::InChain { .. })) if name == has.rpc_config().name));
}

#[tokio::test]
async fn the_first_clear_word_counts() {
    let (lost, has) = (node(Some(OTHER), 2, Some(-1), "33").await, node(Some(OURS), 9, Some(9), "22").await);
    let away = ScriptedNode::start(|_| Reply::Cut).await;
    assert!(matches!(clear(&[&lost, &away]).await, Standing::Replaced { .. }));
    assert!(matches!(clear(&[&has, &lost]).await, Standing::InChain { .. }));
    // One of the two is on a fork.
    let finding = ask(&[&lost, &has]).await;
    assert!(finding.clear.is_none() && finding.unclear[0].1.contains("another in its place"), "{finding:?}");
}
