//! Our own block before one is found: judged by the node once per tip.

use serde_json::json;

use crate::reader::{Block, Quirks};
use crate::stage::FakeStage;
use crate::support::miner::Wanted;

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

#[tokio::test]
async fn a_template_that_orders_more_than_there_is_is_not_mined_on_and_told_of_once() {
    let stage = FakeStage::start("coin_greedy").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    stage.node.set_template_member("founder", json!({ "script": "51", "amount": 9_000_000_000u64 }));
    stage.node.new_tip();
    let told = "no job can be made of the node's template";
    let line = stage.daemon.wait_for_log(told).await.unwrap();
    assert!(line.contains("orders 9000000000 units") && line.contains("has 5000000000"), "{line}");
    // For some rounds of the one who makes the jobs.
    stage.node.wait_for_calls("getbestblockhash", stage.node.calls("getbestblockhash") + 25).await.unwrap();
    assert_eq!(stage.daemon.log().iter().filter(|line| line.contains(told)).count(), 1);

    stage.node.set_template_member("founder", json!({ "script": "51", "amount": 2_000_000_000u64 }));
    stage.node.new_tip();
    let next = miner.wait_for_new_tip(&job).await.unwrap();
    // Rules in force are told, known or not; that one is no must (a `!` would be).
    let rules = stage.daemon.wait_for_log("rules in force").await.unwrap();
    assert!(rules.contains(r#"["csv", "!segwit", "taproot"]"#), "{rules}");
    stage.node.set_template_member("rules", json!(["csv", "!segwit", "taproot", "novelty"]));
    stage.node.new_tip();
    stage.daemon.wait_for_log("\"novelty\"]").await.unwrap();

    // Value, and a script of one byte.
    let founders = [&2_000_000_000u64.to_le_bytes()[..], &[1, 0x51]].concat();
    assert!(next.coinbase_end.windows(founders.len()).any(|window| window == founders));
}

#[tokio::test]
async fn a_refresh_that_no_job_can_be_made_of_leaves_the_work_as_it_was() {
    let stage = FakeStage::start_with("coin_refresh", |coin| coin.templates += "\nrefresh_secs = 1").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    stage.node.set_template_member("founder", json!({ "script": "51", "amount": 9_000_000_000u64 }));
    stage.daemon.wait_for_log("the one before, on the same tip, is mined on").await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
}

#[tokio::test]
async fn a_node_whose_clock_is_hours_ahead_is_told_of_once() {
    let stage = FakeStage::start("coin_clock").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let ahead = "the node's clock is ahead of this machine's";
    stage.node.set_template_member("curtime", json!(now + 3 * 3600));
    stage.node.new_tip();
    let line = stage.daemon.wait_for_log(ahead).await.unwrap();
    assert!(line.contains("ERROR") && line.contains("ahead_secs=10"), "{line}");
    let next = miner.wait_for_new_tip(&job).await.unwrap();
    stage.node.new_tip();
    let next = miner.wait_for_new_tip(&next).await.unwrap();
    stage.node.set_template_member("curtime", json!(now));
    stage.node.new_tip();
    miner.wait_for_new_tip(&next).await.unwrap();
    stage.daemon.wait_for_log("the node's clock agrees with this machine's again").await.unwrap();
    assert_eq!(stage.daemon.log().iter().filter(|line| line.contains(ahead)).count(), 1);
}
