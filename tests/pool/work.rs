//! How new work reaches the miners.

use std::time::Duration;

use serde_json::json;

use crate::stage::{self, Coin, FakeStage, PASSWORD};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, PATIENCE, Wanted};

/// A daemon for litecoind and bcoin with these `[coin.templates]`; every block of either node's own
/// reaches the miners, and as a new tip.
async fn tips_arrive(templates: &str, databases: [&str; 2]) {
    let (litecoin, bcoin, db) = (Litecoin::start_at(3).await, Bcoin::start().await, MariaDb::shared());
    for database in databases {
        stage::create_database(&db, database).await;
    }
    let mut coins = [Coin::litecoin(&litecoin, &db, databases[0]).await, Coin::bcoin(&bcoin, &db, databases[1])];
    for coin in &mut coins {
        coin.templates = templates.to_owned();
    }
    let daemon = Daemon::start(&stage::configuration(&[&coins[0], &coins[1]])).unwrap();
    for (coin, algorithm) in [("litecoin", Algorithm::Scrypt), ("bitcoin", Algorithm::Sha256d)] {
        let port = daemon.port(coin).await.unwrap();
        let (mut miner, mut job) = Miner::log_in(port, algorithm, "alice.rig1", PASSWORD).await.unwrap();
        assert!(job.clean);
        for _ in 0..3 {
            let hash = if coin == "litecoin" { litecoin.generate(1).await } else { bcoin.generate(1).await }.remove(0);
            let next = miner.wait_for_new_tip(&job).await.unwrap();
            assert!(next.clean);
            assert_eq!(crate::support::miner::hash::display(&next.previous), hash);
            job = next;
        }
    }
}

#[tokio::test]
async fn long_polling_alone_brings_new_tips() {
    // Three times the patience of any wait here: no poll can have brought them.
    let poll = PATIENCE * 3;
    assert!(poll <= Duration::from_secs(60), "the most that can be configured");
    tips_arrive(&format!("poll_ms = {}\nlongpoll = true", poll.as_millis()), ["lp_ltc", "lp_btc"]).await;
}

#[tokio::test]
async fn polling_alone_brings_new_tips() {
    tips_arrive("poll_ms = 50\nlongpoll = false", ["poll_ltc", "poll_btc"]).await;
}

#[tokio::test]
async fn only_a_new_tip_makes_old_work_worthless() {
    let stage = FakeStage::start_with("clean", |coin| coin.templates = "poll_ms = 50\nrefresh_secs = 1".into()).await;
    let (mut miner, first) = stage.miner("alice.rig1").await;
    assert!(first.clean && first.branch.is_empty());
    stage.node.set_transactions(3);
    let fuller = miner.wait_for_job_where("work with transactions", |job| job.branch.len() == 2).await.unwrap();
    assert!(!fuller.clean && fuller.previous == first.previous);
    // Work from before is as good as new.
    for job in [&first, &fuller] {
        let share = miner.mine(job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    }
    stage.node.new_tip();
    assert!(miner.wait_for_new_tip(&first).await.unwrap().clean);
    stage.node.reorganise(1);
    let all: Vec<_> = miner.jobs().cloned().collect();
    assert!(miner.wait_for_new_tip(all.last().unwrap()).await.unwrap().clean);
    assert!(miner.jobs().filter(|job| job.clean).count() == 3, "{:?}", all);
}

#[tokio::test]
async fn payments_of_a_real_wallet_come_with_the_next_refresh() {
    let (litecoin, db) = (Litecoin::start_at(110).await, MariaDb::shared());
    stage::create_database(&db, "refresh").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "refresh").await;
    coin.templates = "refresh_secs = 1".to_owned();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, first) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    litecoin.rpc("sendtoaddress", json!([litecoin.new_address().await, 1])).await;
    let fuller = miner.wait_for_job_where("the payment", |job| !job.branch.is_empty()).await.unwrap();
    assert!(!fuller.clean && fuller.previous == first.previous);
    let share = miner.mine(&fuller, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    assert!(miner.wait_for_new_tip(&fuller).await.unwrap().clean);
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(share.block_hash()));
    assert_eq!(litecoin.rpc("getrawmempool", json!([])).await, json!([]));
}
