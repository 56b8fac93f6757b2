//! Profiles held against real chains: at start, and by `check --online`.

use std::process::{Command, Output};

use crate::stage::{self, Coin};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fault_proxy::FaultProxy;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;

async fn check_online(configuration: String) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.toml");
    std::fs::write(&path, configuration).unwrap();
    let command = move || -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(["check", "--online", "--config"]).arg(&path).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(command).await.unwrap();
    drop(folder);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn check_online_proves_right_profiles_with_numbers() {
    let (litecoin, bcoin, db) = (Litecoin::start_at(20).await, Bcoin::start().await, MariaDb::shared());
    bcoin.generate(20).await;
    stage::create_database(&db, "check_x").await;
    stage::create_database(&db, "check_y").await;
    let coins = [Coin::litecoin(&litecoin, &db, "check_x").await, Coin::bcoin(&bcoin, &db, "check_y")];
    let (code, text) = check_online(stage::configuration(&[&coins[0], &coins[1]])).await;
    assert_eq!(code, 0, "{text}");
    for part in [
        "16 blocks are named as the profile has it, 16 of them prove its algorithm; block 20",
        "difficulty 1 is 2^16 hashes for miners, rows hold it x 1",
        "difficulty 1 is 2^32 hashes for miners, rows hold it x 1",
        "by the script 76a914",
        "warning: the payout address does not belong to the node's wallet",
        "database of litecoin, asked online",
        "; tables and rights are as they must be",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test]
async fn check_online_names_the_profile_that_would_fit() {
    let (litecoin, bcoin, db) = (Litecoin::start_at(20).await, Bcoin::start().await, MariaDb::shared());
    bcoin.generate(20).await;
    let mut wrong = Coin::bcoin(&bcoin, &db, "y");
    wrong.preset = "litecoin";
    let mut misnamed = Coin::litecoin(&litecoin, &db, "x").await;
    misnamed.keys = "block_hash = \"pow\"".to_owned();
    let (code, text) = check_online(stage::configuration(&[&wrong, &misnamed])).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("by `algorithm` of the coin's profile it does not meet its target"), "{text}");
    assert!(text.contains("preset = \"bitcoin\" would fit"), "{text}");
    assert!(text.contains("by `block_hash` of the coin's profile"), "{text}");
    assert!(text.contains("preset = \"litecoin\""), "{text}");
}

#[tokio::test]
async fn a_daemon_with_a_wrong_profile_opens_no_port() {
    let (bcoin, db) = (Bcoin::start().await, MariaDb::shared());
    bcoin.generate(20).await;
    stage::create_database(&db, "coin_wrong").await;
    let mut wrong = Coin::bcoin(&bcoin, &db, "coin_wrong");
    wrong.preset = "litecoin";
    let daemon = Daemon::start(&stage::configuration(&[&wrong])).unwrap();
    let line = daemon.wait_for_log("nothing is mined until this is put right").await.unwrap();
    assert!(line.contains("would fit") && line.contains("bitcoin"), "{line}");
    assert!(!daemon.log().iter().any(|line| line.contains("work is available") || line.contains("stratum port open")));
}

#[tokio::test]
async fn every_node_is_held_against_the_profile_and_against_the_others() {
    let (litecoin, bcoin, db) = (Litecoin::start_at(20).await, Bcoin::start().await, MariaDb::shared());
    bcoin.generate(30).await;
    stage::create_database(&db, "coin_several").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "coin_several").await;
    // One that proves the profile is enough; another coin's node does not count, high as it is.
    coin.nodes = [litecoin.rpc_config().port, bcoin.rpc_config().port].map(stage::node_table).concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let line = daemon.wait_for_log("node cannot be mined on").await.unwrap();
    assert!(line.contains("does not meet its target") && line.contains("by node"), "{line}");
    daemon.wait_for_log("work is available").await.unwrap();
    litecoin.generate(1).await;
    let next = daemon.wait_for_log("height=22").await.unwrap();
    assert!(next.contains(&format!("127.0.0.1:{}", litecoin.rpc_config().port)), "{next}");
    // A chain too young to prove anything, but another: both nodes are named.
    let young = Bcoin::start().await;
    coin.nodes = [litecoin.rpc_config().port, young.rpc_config().port].map(stage::node_table).concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let line = daemon.wait_for_log("nothing is mined until this is put right").await.unwrap();
    assert!(line.contains("have different first blocks"), "{line}");
}

/// Nodes that were away when the coin began: what they say counts once their chain was proven.
#[tokio::test]
async fn a_node_that_answers_later_is_held_against_the_profile_before_it_counts() {
    let (litecoin, bcoin, db) = (Litecoin::start_at(20).await, Bcoin::start().await, MariaDb::shared());
    // Higher than the right chain: a node that is believed would be mined on.
    bcoin.generate(30).await;
    let ports = [litecoin.rpc_config().port, bcoin.rpc_config().port];
    let first = FaultProxy::start(ports[0]).await;
    let (right, wrong) = (FaultProxy::start(ports[0]).await, FaultProxy::start(ports[1]).await);
    for line in [&right, &wrong] {
        line.refuse(true);
    }
    stage::create_database(&db, "coin_later").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "coin_later").await;
    coin.nodes = [&first, &right, &wrong].map(FaultProxy::port).map(stage::node_table).concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    daemon.wait_for_log("work is available").await.unwrap();
    for line in [&right, &wrong] {
        line.refuse(false);
    }
    let node = |line: &FaultProxy| format!("127.0.0.1:{}", line.port());
    let taken = daemon.wait_for_log("the node's chain is that of the profile").await.unwrap();
    assert!(taken.contains(&node(&right)), "{taken}");
    let refused = daemon.wait_for_log("node cannot be mined on").await.unwrap();
    assert!(refused.contains(&node(&wrong)) && refused.contains("does not meet its target"), "{refused}");
    // The one that was proven serves alone; the wrong one does not even now.
    first.refuse(true);
    first.sever();
    daemon.wait_for_log(&format!("node does not answer node=\"{}\"", node(&first))).await.unwrap();
    litecoin.generate(1).await;
    let next = daemon.wait_for_log("height=22").await.unwrap();
    assert!(next.contains("new template") && next.contains(&node(&right)), "{next}");
    assert!(!daemon.log().iter().any(|line| line.contains("new template") && line.contains("height=31")));
}

/// A chain that is too young to show that it is another coin's, but begins with another block than the one that is mined.
#[tokio::test]
async fn a_node_that_answers_later_with_another_first_block_is_refused() {
    let (litecoin, young, db) = (Litecoin::start_at(3).await, Bcoin::start().await, MariaDb::shared());
    let main = litecoin.rpc_config().port;
    let other = FaultProxy::start(young.rpc_config().port).await;
    other.refuse(true);
    stage::create_database(&db, "coin_later_chain").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "coin_later_chain").await;
    // In front of the right one, which it would be preferred to.
    coin.nodes = [other.port(), main].map(stage::node_table).concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    daemon.wait_for_log("work is available").await.unwrap();
    other.refuse(false);
    let refused = daemon.wait_for_log("node cannot be mined on").await.unwrap();
    let named = format!("nodes 127.0.0.1:{} and those that are mined on have different first blocks", other.port());
    assert!(refused.contains(&named), "{refused}");
    // Nor is it when it is higher than the right chain, which goes on.
    young.generate(20).await;
    litecoin.generate(1).await;
    let next = daemon.wait_for_log("height=5").await.unwrap();
    assert!(next.contains("new template") && next.contains(&format!("127.0.0.1:{main}")), "{next}");
    assert!(!daemon.log().iter().any(|line| line.contains("new template") && line.contains("height=21")));
}
