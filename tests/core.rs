//! A current Bitcoin Core (`make test-core`), which `tests/setup/core.sh` builds: the newest rules and the newest shapes
//! of answers, where the other tests have older daemons.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    dead_code,
    missing_docs,
    reason = "tests may end at the first surprise; what is shared with other tests is used in part"
)]

mod support;

#[path = "coins/fuzzing.rs"]
mod fuzzing;
#[path = "node/opinion.rs"]
mod opinion;
#[path = "coins/spender.rs"]
mod spender;
#[path = "pool/stage.rs"]
mod stage;

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::bytes::{hex, parse_display_hash};
use mpos_stratum::chain::form::{ChainForm, Schedule};
use mpos_stratum::config::{self, Node};
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::proposal::Opinion;
use mpos_stratum::work::template::{Template, Tip};
use serde_json::{Value, json};

use crate::opinion::opinion;
use crate::stage::{Coin, PASSWORD};
use crate::support::bitcoind::Bitcoind;
use crate::support::daemon::Daemon;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// The pool's coin at this node, paid to a witness script.
fn site(node: &Node, db: &MariaDb, database: &str) -> Coin {
    let mut coin = Coin::on(db, database);
    coin.address = spender::address("bcrt");
    coin.nodes = stage::node_table(node.port);
    coin
}

#[tokio::test]
async fn every_coinbase_is_taken_and_spoilt_ones_are_not() {
    let core = Bitcoind::start().await;
    core.generate(20, &spender::address("bcrt")).await;
    fuzzing::judge(core.rpc_config(), 5, &[fuzzing::too_much, fuzzing::wrong_target, fuzzing::wrong_height]).await;
}

#[tokio::test]
async fn blocks_of_three_hundred_payments_and_of_none() {
    let (core, db) = (Bitcoind::start().await, MariaDb::shared());
    let anybody = spender::address("bcrt");
    let blocks = core.generate(101, &anybody).await;
    let first = core.rpc("getblock", json!([blocks[0], 2])).await;
    let coin = spender::Coin::first_of(first["tx"][0]["txid"].as_str().unwrap(), 5_000_000_000);
    let (divide, coins) = coin.divide(300, 1_000_000);
    core.rpc("sendrawtransaction", json!([divide])).await;
    core.generate(1, &anybody).await;
    for coin in &coins {
        core.rpc("sendrawtransaction", json!([coin.divide(1, 50_000).0])).await;
    }
    stage::create_database(&db, "core_blocks").await;
    let mut coin = site(&core.rpc_config(), &db, "core_blocks");
    coin.templates = format!("poll_ms = {}\nlongpoll = true", Duration::from_secs(60).as_millis());
    coin.nodes += "[[coin.recipient]]\naddress = \"3333333333333333333333333333333333333333\"\npercent = 2\n";
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    assert_eq!(job.branch.len(), 9);
    daemon.wait_for_log("the node would take a block of ours").await.unwrap();
    for transactions in [301, 1, 1] {
        let share = miner.mine(&job, Wanted::Block).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        // Long polling alone, or our own submission, brings the next tip.
        let next = miner.wait_for_new_tip(&job).await.unwrap();
        let block = core.rpc("getblock", json!([share.block_hash(), 2])).await;
        assert_eq!(core.rpc("getbestblockhash", json!([])).await, json!(share.block_hash()));
        assert_eq!(block["tx"].as_array().unwrap().len(), transactions);
        let coinbase = &block["tx"][0];
        assert_eq!(coinbase["locktime"], json!(block["height"].as_u64().unwrap() - 1), "BIP54");
        let value = |at: usize| coinbase["vout"][at]["value"].as_f64().unwrap();
        assert!((value(1) / (value(0) + value(1)) - 0.02).abs() < 1e-9, "{coinbase}");
        let settled = |rows: &[support::mariadb::ShareRow]| {
            let own = |row: &&support::mariadb::ShareRow| row.solution == share.block_hash();
            rows.iter().find(own).is_some_and(|row| row.upstream_result.as_deref() == Some("Y"))
        };
        stage::rows_when(&db, "core_blocks", "the verdict", settled).await;
        job = next;
    }
}

#[tokio::test]
async fn a_block_of_the_node_s_own_comes_by_long_polling() {
    let (core, db) = (Bitcoind::start().await, MariaDb::shared());
    let anybody = spender::address("bcrt");
    core.generate(3, &anybody).await;
    stage::create_database(&db, "core_tips").await;
    let mut coin = site(&core.rpc_config(), &db, "core_tips");
    coin.templates = format!("poll_ms = {}\nlongpoll = true", Duration::from_secs(60).as_millis());
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    for _ in 0..3 {
        let hash: Value = json!(core.generate(1, &anybody).await);
        job = miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(json!([support::miner::hash::display(&job.previous)]), hash);
    }
}

#[tokio::test]
async fn work_without_transactions_on_a_new_tip_is_taken_on_both_sides_of_a_halving() {
    let core = Bitcoind::start().await;
    let anybody = spender::address("bcrt");
    let before_halving = 148;
    core.generate(before_halving - 1, &anybody).await;
    let schedule = Schedule { retarget_blocks: 2016, halving_blocks: 150, first_subsidy: 5_000_000_000 };
    let bitcoin = config::preset_profile("bitcoin").unwrap().form;
    let form = Arc::new(ChainForm { schedule: Some(schedule), ..(*bitcoin).clone() });
    for height in before_halving..before_halving + 3 {
        let last = core.rpc("getblocktemplate", json!([{ "rules": ["segwit"] }])).await;
        let last = Template::from_json(&last.to_string(), &form).unwrap();
        core.generate(1, &anybody).await;
        let hash = core.rpc("getbestblockhash", json!([])).await;
        let header = core.rpc("getblockheader", json!([hash])).await;
        let tip = Tip {
            hash: parse_display_hash(hash.as_str().unwrap()).unwrap(),
            previous: parse_display_hash(header["previousblockhash"].as_str().unwrap()).unwrap(),
            height: header["height"].as_u64().unwrap() as u32,
            bits: hex::decode_u32(header["bits"].as_str().unwrap().as_bytes()).unwrap(),
            median_time: header["mediantime"].as_u64().unwrap() as u32,
        };
        assert_eq!(u64::from(tip.height), height);
        let empty = last.empty_on(&tip, &form).unwrap();
        let nodes = Nodes::new(&[core.rpc_config()]);
        let greedy = Template { coinbase_value: empty.coinbase_value + 1, ..empty.clone() };
        assert_eq!(opinion(&nodes, Arc::new(empty), &form).await, Opinion::Good, "{height}");
        assert!(matches!(opinion(&nodes, Arc::new(greedy), &form).await, Opinion::Bad(_)));
    }
}
