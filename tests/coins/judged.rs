//! Our own block before one is found: judged by the node once per tip.

use crate::reader::{Block, Quirks};
use crate::stage::FakeStage;

#[tokio::test]
async fn a_node_that_would_refuse_our_blocks_is_an_alarm_at_once() {
    let stage = FakeStage::start("coin_alarm").await;
    stage.daemon.wait_for_log("the node would take a block of ours").await.unwrap();
    let first = stage.node.proposals();
    assert_eq!(first.len(), 1);
    let block = Block::read(&first[0], Quirks::default());
    assert_eq!(block.header[36..68], block.merkle_root());
    assert_eq!(block.coinbase().witness, [vec![vec![0; 32]]]);

    // New transactions on the same tip are not asked about again; a new tip is.
    stage.node.set_transactions(2);
    stage.node.set_proposal_answer(Some("bad-cb-amount"));
    stage.node.new_tip();
    let line = stage.daemon.wait_for_log("the node would refuse a block of ours").await.unwrap();
    assert!(line.contains("bad-cb-amount") && line.contains("ERROR"), "{line}");
    assert_eq!(stage.node.proposals().len(), 2);
    assert_eq!(Block::read(&stage.node.proposals()[1], Quirks::default()).transactions.len(), 3);

    // What the node cannot say now is no alarm.
    stage.node.set_proposal_answer(Some("inconclusive-not-best-prevblk"));
    stage.node.new_tip();
    let refusals = || stage.daemon.log().iter().filter(|line| line.contains("would refuse a block of ours")).count();
    while stage.node.proposals().len() < 3 {
        stage.node.wait_for_calls("getblocktemplate", stage.node.calls("getblocktemplate") + 1).await.unwrap();
    }
    stage.node.set_proposal_answer(None);
    stage.node.new_tip();
    while stage.node.proposals().len() < 4 {
        stage.node.wait_for_calls("getblocktemplate", stage.node.calls("getblocktemplate") + 1).await.unwrap();
    }
    assert_eq!(refusals(), 1);
}
