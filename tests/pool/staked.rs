//! Coins of Peercoin's kind: mined and staked blocks stand in one chain.

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::fake_node::{FakeNode, Staking, Wallet};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner};

/// A key and its address on Peercoin's main network.
const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ADDRESS: &str = "PKGSi8HTQzLx89rkZrRrVkPFjrcSC55NP9";

/// Peercoin at a node that speaks so.
fn peercoin(node: &FakeNode, db: &MariaDb, database: &'static str, keys: &str) -> Coin {
    Coin {
        name: "peercoin",
        preset: "peercoin",
        address: ADDRESS.to_owned(),
        keys: keys.to_owned(),
        ..Coin::fake(node, db, database)
    }
}

#[tokio::test]
async fn a_chain_with_staked_blocks_is_proven_by_the_mined_ones() {
    let db = MariaDb::shared();
    // Later nodes do not say which blocks were staked: those that were mined show themselves.
    for (staking, database) in [(Staking::InFlags, "staked_flags"), (Staking::Unsaid, "staked_unsaid")] {
        let node = FakeNode::start(Algorithm::Sha256d).unwrap();
        node.stake(staking);
        stage::create_database(&db, database).await;
        let coin = peercoin(&node, &db, database, "");
        let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
        daemon.wait_for_log("16 blocks are named as the profile has it, 8 of them prove its algorithm").await.unwrap();
        let port = daemon.port("peercoin").await.unwrap();
        let (_miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        assert_eq!(job.bits, 0x1d00_ffff, "{staking:?}");
    }
}

#[tokio::test]
async fn a_wrong_algorithm_is_refused_where_the_node_says_which_blocks_were_mined() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    node.stake(Staking::InFlags);
    stage::create_database(&db, "staked_wrong").await;
    let wrong = "algorithm = \"scrypt\"\nstratum_bits = 16\nmpos_bits = 16";
    let coin = peercoin(&node, &db, "staked_wrong", wrong);
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let refused = "was mined, but by `algorithm` of the coin's profile it does not meet its target";
    let line = daemon.wait_for_log(refused).await.unwrap();
    assert!(line.contains("peercoin\\\" would fit"), "{line}");
}

#[tokio::test]
async fn a_node_that_signs_blocks_is_not_asked_about_one_without_a_signature() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    node.stake(Staking::InFlags);
    let public_key = Some(KEY.to_owned());
    node.set_wallet(Wallet { owned: Some(true), names_no_scripts: true, public_key });
    stage::create_database(&db, "staked_signed").await;
    let coin = peercoin(&node, &db, "staked_signed", "pays_public_key = true");
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    daemon.wait_for_log(&format!("21{KEY}ac")).await.unwrap();
    daemon.wait_for_log("it signs blocks when they are handed in").await.unwrap();
    assert_eq!(node.proposals(), Vec::<Vec<u8>>::new());
}
