//! Real daemons: litecoind and bcoin.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::bytes::display_hash;
use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::clock::SystemClock;
use mpos_stratum::config::NodeLogin;
use mpos_stratum::config::secret::Secret;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::rpc::{Call, Rpc};
use mpos_stratum::node::tip::{NodeState, Source};
use mpos_stratum::work::template::Template;
use serde_json::{Value, json};

use crate::support::bcoin::{Bcoin, SEGWIT_HEIGHT};
use crate::support::litecoind::{Litecoin, MWEB_HEIGHT};
use crate::{WAIT_MAX, chain, follow, settle, solved, templates, wait_for, wait_for_tip};

/// Polls so rare that they cannot bring the news in a test.
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn litecoin_before_and_after_its_extension_block() {
    let litecoin = Litecoin::start_at(150).await;
    let poller = follow(&[litecoin.rpc_config()]);
    let mut work = poller.work();
    let (_, template) = wait_for_tip(&mut work, 150).await;
    assert_eq!(template.mweb, None);
    assert!(template.witness_commitment.is_some() && template.coinbase_aux.is_empty());

    let litecoin = Litecoin::start_at(MWEB_HEIGHT + 1).await;
    // A payment from the wallet has a witness: then the commitment covers more than nothing.
    litecoin.rpc("sendtoaddress", json!([litecoin.new_address().await, 2])).await;
    let poller = follow(&[litecoin.rpc_config()]);
    let (_, template) = wait_for_tip(&mut poller.work(), MWEB_HEIGHT + 1).await;
    assert!(template.mweb.is_some());
    assert!(template.transactions.len() >= 2);
    assert!(template.transactions.iter().any(|one| one.txid != one.wtxid));
    // The last one is the bridge to the extension block.
    assert_eq!(template.transactions.last().unwrap().data.get(..6), Some(&[2, 0, 0, 0, 0, 8][..]));
}

#[tokio::test]
async fn bcoin_before_and_after_segwit() {
    let bcoin = Bcoin::start().await;
    let hashes = bcoin.generate(SEGWIT_HEIGHT - 2).await;
    let poller = follow(&[bcoin.rpc_config()]);
    let mut work = poller.work();
    let (before, template) = wait_for_tip(&mut work, SEGWIT_HEIGHT - 2).await;
    assert_eq!(Some(&display_hash(&template.previous)), hashes.last());
    // The node names a commitment, but a block with a witness would be invalid now.
    assert_eq!(template.witness_commitment, None);
    assert!(!template.coinbase_aux.is_empty());

    bcoin.generate(2).await;
    let (after, template) = wait_for_tip(&mut work, SEGWIT_HEIGHT).await;
    assert!(template.witness_commitment.is_some());
    assert!(after.tip_seq > before.tip_seq);
    // Not knowing the rule now stops the coin.
    let rpc = Rpc::new(bcoin.rpc_config());
    let raw: Value = rpc.call_as(Call::new("getblocktemplate"), json!([{ "rules": ["segwit"] }])).await.unwrap();
    let error = Template::from_json(&raw.to_string(), &ChainForm::default()).unwrap_err();
    assert!(error.to_string().contains("segwit"), "{error}");
}

#[tokio::test]
async fn polling_counts_tips_and_nothing_else() {
    let litecoin = Litecoin::start_at(101).await;
    let poller = follow(&[litecoin.rpc_config()]);
    let mut work = poller.work();
    let (first, _) = wait_for_tip(&mut work, 101).await;
    assert_eq!((first.tip_seq, first.source), (1, Source::Poll));
    for height in 102..105 {
        litecoin.generate(1).await;
        let (next, _) = wait_for_tip(&mut work, height).await;
        assert_eq!(next.tip_seq, height - 100);
    }
    // A reorganisation to a lower height is a new tip, too.
    let tip = litecoin.rpc("getbestblockhash", json!([])).await;
    litecoin.rpc("invalidateblock", json!([tip])).await;
    let (back, _) = wait_for_tip(&mut work, 103).await;
    assert_eq!(back.tip_seq, 5);
    litecoin.rpc("reconsiderblock", json!([tip])).await;
    assert_eq!(wait_for_tip(&mut work, 104).await.0.tip_seq, 6);
}

#[tokio::test]
async fn long_polling_brings_a_new_tip_without_polling() {
    let (litecoin, bcoin) = tokio::join!(Litecoin::start_at(5), Bcoin::start());
    for node in [litecoin.rpc_config(), bcoin.rpc_config()] {
        let settings = templates(NEVER, true);
        let name = node.name.clone();
        let poller = Poller::start(&Nodes::new(&[node]), &settings, &chain(), Arc::new(SystemClock::new()));
        let mut work = poller.work();
        let first = wait_for(&mut work, |work| work.template.is_some()).await;
        let mut height = u64::from(first.template.unwrap().height) - 1;
        for _ in 0..3 {
            if name == "bcoin" {
                bcoin.generate(1).await
            } else {
                litecoin.generate(1).await
            };
            height += 1;
            let (next, _) = wait_for_tip(&mut work, height).await;
            assert_eq!(next.source, Source::Longpoll, "{name}");
        }
    }
}

#[tokio::test]
async fn a_kick_brings_a_new_tip_without_polling() {
    let bcoin = Bcoin::start().await;
    let settings = templates(NEVER, false);
    let poller = Poller::start(&Nodes::new(&[bcoin.rpc_config()]), &settings, &chain(), Arc::new(SystemClock::new()));
    let mut work = poller.work();
    wait_for_tip(&mut work, 0).await;
    bcoin.generate(1).await;
    poller.kick();
    assert_eq!(wait_for_tip(&mut work, 1).await.0.source, Source::Kick);
}

#[tokio::test]
async fn a_node_that_is_down_at_first_is_found_when_it_comes() {
    let mut litecoin = Litecoin::start_at(3).await;
    litecoin.main.stop().await;
    let poller = follow(&[litecoin.rpc_config()]);
    let mut work = poller.work();
    let down = |work: &mpos_stratum::node::tip::Work| matches!(&work.state, NodeState::Unreachable { problem } if problem.contains("refused"));
    assert!(wait_for(&mut work, down).await.template.is_none());
    litecoin.main.run().await;
    let (first, _) = wait_for_tip(&mut work, 3).await;
    assert_eq!(first.tip_seq, 1);

    // And lost again: the work stays, the state says why it does not grow.
    litecoin.main.stop().await;
    let lost = wait_for(&mut work, down).await;
    assert_eq!((lost.tip_seq, lost.template.map(|template| template.height)), (1, Some(4)));
    litecoin.main.run().await;
    assert_eq!(wait_for_tip(&mut work, 3).await.0.tip_seq, 1);
}

#[tokio::test]
async fn the_best_tip_wins_and_the_next_node_takes_over() {
    let mut litecoin = Litecoin::start_at(3).await;
    let bcoin_is_elsewhere = Bcoin::start().await;
    bcoin_is_elsewhere.generate(10).await;
    // Another chain stands in for a second node: the tips show whose template it is.
    let poller = follow(&[litecoin.rpc_config(), bcoin_is_elsewhere.rpc_config()]);
    let mut work = poller.work();
    let name =
        |name: &'static str| move |work: &mpos_stratum::node::tip::Work| work.state.is_ready() && work.node == name;
    wait_for(&mut work, name("bcoin")).await;
    litecoin.generate(9).await;
    wait_for(&mut work, name("main")).await;
    litecoin.main.stop().await;
    let second = wait_for(&mut work, name("bcoin")).await;
    assert_eq!(second.template.unwrap().height, 11);
    litecoin.main.run().await;
    litecoin.connected().await;
    litecoin.generate(1).await;
    wait_for(&mut work, name("main")).await;
}

#[tokio::test]
async fn a_wrong_login_says_so() {
    let litecoin = Litecoin::start().await;
    let mut node = litecoin.rpc_config();
    node.login = NodeLogin::Password { user: "pool".into(), password: Secret::new("wrong-secret") };
    let poller = follow(&[node]);
    let refused = wait_for(&mut poller.work(), |work| matches!(work.state, NodeState::Refused { .. })).await;
    let text = format!("{:?}", refused.state);
    assert!(text.contains("rpcpassword") && !text.contains("wrong-secret"), "{text}");
}

#[tokio::test]
async fn a_cookie_is_read_again_after_a_restart() {
    let mut litecoin = Litecoin::start_at(1).await;
    // The peer has no password, but a cookie, a new one at each start.
    let poller = follow(&[litecoin.peer.rpc_config()]);
    let mut work = poller.work();
    wait_for_tip(&mut work, 1).await;
    let before = std::fs::read_to_string(litecoin.peer.dir().join("regtest/.cookie")).unwrap();
    litecoin.peer.stop().await;
    wait_for(&mut work, |work| !work.state.is_ready()).await;
    litecoin.peer.run().await;
    wait_for(&mut work, |work| work.state.is_ready()).await;
    assert_ne!(before, std::fs::read_to_string(litecoin.peer.dir().join("regtest/.cookie")).unwrap());

    let mut node = litecoin.peer.rpc_config();
    node.login = NodeLogin::Cookie(litecoin.peer.dir().join("nothing"));
    let error = Rpc::new(node).call(Call::new("getblockcount"), json!([])).await.unwrap_err();
    assert!(error.to_string().contains("cookie file"), "{error}");
}

#[tokio::test]
async fn nodes_judge_blocks() {
    let (litecoin, bcoin) = tokio::join!(Litecoin::start_at(3), Bcoin::start());
    bcoin.generate(3).await;
    for (node, verbosity) in [(litecoin.rpc_config(), json!(0)), (bcoin.rpc_config(), json!(false))] {
        let (name, nodes) = (node.name.clone(), Nodes::new(std::slice::from_ref(&node)));
        let rpc = Rpc::new(node);
        let hash: String = rpc.call_as(Call::new("getbestblockhash"), json!([])).await.unwrap();
        let hex: String = rpc.call_as(Call::new("getblock"), json!([hash, verbosity])).await.unwrap();

        // A block the node already has: known, and in its best chain.
        let settled = settle(&nodes, solved(&hash, 3, &hex), WAIT_MAX).await;
        let verdict = settled.outcome.unwrap();
        assert!(verdict.accepted && verdict.reason.is_empty(), "{name}: {verdict:?}");
        assert_eq!(display_hash(&verdict.node_hash), hash);
        assert!(settled.answers[0].1.contains("duplicate"), "{name}: {:?}", settled.answers);

        // Garbage, and a block whose merkle root is not its transactions'.
        let other = "11".repeat(32);
        let verdict = settle(&nodes, solved(&other, 3, "00"), WAIT_MAX).await.outcome.unwrap();
        assert!(!verdict.accepted && !verdict.reason.is_empty(), "{name}: {verdict:?}");
        let mut broken = hex.clone();
        broken.replace_range(72..136, &other);
        let verdict = settle(&nodes, solved(&other, 3, &broken), WAIT_MAX).await.outcome.unwrap();
        assert!(!verdict.accepted && !verdict.reason.is_empty(), "{name}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_block_new_to_every_node_is_taken() {
    // Made by one pair of nodes, handed to another pair on the same genesis block.
    let (maker, takers) = tokio::join!(Litecoin::start(), Litecoin::start());
    let hash = maker.generate(1).await.remove(0);
    let hex = maker.rpc("getblock", json!([hash, 0])).await;
    let nodes = Nodes::new(&[takers.main.rpc_config(), takers.peer.rpc_config()]);
    let block = solved(&hash, 1, hex.as_str().unwrap());
    let verdict = settle(&nodes, block, WAIT_MAX).await.outcome.unwrap();
    assert!(verdict.accepted, "{verdict:?}");
    // The first word settles it; the submission to the other node is carried through.
    for node in [&takers.main, &takers.peer] {
        assert_eq!(node.rpc("waitforblock", json!([hash, 10_000])).await["hash"], json!(hash));
    }

    // Two blocks of the same height: the node keeps the one that came first, but prefers ours when it is asked to.
    let (ours, theirs) = (maker.generate(1).await.remove(0), takers.generate(1).await.remove(0));
    assert_ne!(ours, theirs);
    let hex = maker.rpc("getblock", json!([ours, 0])).await;
    let (nodes, block) = (Nodes::new(&[takers.main.rpc_config()]), solved(&ours, 2, hex.as_str().unwrap()));
    // Not if an earlier one of this height is ours, too.
    nodes.note_own(2, [7; 32]);
    nodes.note_own(2, block.hash);
    let verdict = settle(&nodes, block.clone(), Duration::from_millis(300)).await.outcome.unwrap();
    assert!(!verdict.accepted);
    assert_eq!(takers.rpc("getbestblockhash", json!([])).await, json!(theirs));
    let nodes = Nodes::new(&[takers.main.rpc_config()]);
    nodes.note_own(2, block.hash);
    assert!(settle(&nodes, block, WAIT_MAX).await.outcome.unwrap().accepted);
    assert_eq!(takers.rpc("getbestblockhash", json!([])).await, json!(ours));

    // A block beside a better chain is refused in the end.
    let side = takers.generate(2).await;
    let hex = takers.rpc("getblock", json!([side[0], 0])).await;
    maker.generate(3).await;
    let nodes = Nodes::new(&[maker.rpc_config()]);
    let block = solved(&side[0], 3, hex.as_str().unwrap());
    let verdict = settle(&nodes, block, Duration::from_millis(300)).await.outcome.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "not in the best chain"), "{verdict:?}");
}

#[tokio::test]
async fn a_block_beside_the_best_chain_of_bcoin_is_refused_in_the_end() {
    // It counts confirmations by height alone, so that such a block seems to have some.
    let (maker, other) = tokio::join!(Bcoin::start(), Bcoin::start());
    let hash = maker.generate(1).await.remove(0);
    let hex = maker.rpc("getblock", json!([hash, false])).await;
    other.generate(3).await;
    let block = solved(&hash, 1, hex.as_str().unwrap());
    let nodes = Nodes::new(&[other.rpc_config()]);
    let verdict = settle(&nodes, block.clone(), Duration::from_millis(300)).await.outcome.unwrap();
    assert_eq!((verdict.accepted, verdict.reason.as_str()), (false, "not in the best chain"), "{verdict:?}");
    let header = other.rpc("getblockheader", json!([hash])).await;
    assert!(header["confirmations"].as_i64().unwrap() > 0, "{header}");
    let verdict = settle(&Nodes::new(&[maker.rpc_config()]), block, WAIT_MAX).await.outcome.unwrap();
    assert!(verdict.accepted, "{verdict:?}");
}
