//! Several coins and several ports in one daemon.

use serde_json::json;

use crate::stage::{self, Coin, PASSWORD, SCRYPT_EASY, SHA256D_EASY, block, facts, good};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, EventKind, Miner, Wanted};

/// The difficulties a miner was told.
fn told(miner: &Miner) -> Vec<f64> {
    let difficulty =
        |kind: &EventKind| if let EventKind::Difficulty(difficulty) = kind { Some(*difficulty) } else { None };
    miner.events.iter().filter_map(|event| difficulty(&event.kind)).collect()
}

#[tokio::test]
async fn two_coins_and_two_difficulties_at_once() {
    let (litecoin, bcoin, db) = (Litecoin::start_at(3).await, Bcoin::start().await, MariaDb::shared());
    bcoin.generate(3).await;
    for database in ["coin_ltc", "coin_btc"] {
        stage::create_database(&db, database).await;
    }
    let scrypt = Coin::litecoin(&litecoin, &db, "coin_ltc").await;
    let mut sha256d = Coin::bcoin(&bcoin, &db, "coin_btc");
    // Network difficulty on regtest is twice the lowest: both are easier.
    let second = SHA256D_EASY * 1.5;
    sha256d.ports.push(stage::port(second));
    let daemon = Daemon::start(&stage::configuration(&[&scrypt, &sha256d])).unwrap();

    let mut miners = Vec::new();
    for (coin, algorithm, difficulty) in [
        ("litecoin", Algorithm::Scrypt, SCRYPT_EASY),
        ("bitcoin", Algorithm::Sha256d, SHA256D_EASY),
        ("bitcoin", Algorithm::Sha256d, second),
    ] {
        let port = daemon.port_with(coin, difficulty).await.unwrap();
        let (miner, job) = Miner::log_in(port, algorithm, "alice.rig1", PASSWORD).await.unwrap();
        assert_eq!((told(&miner), job.difficulty), (vec![difficulty], difficulty));
        miners.push(miner);
    }
    for _ in 0..3 {
        for miner in &mut miners {
            let job = miner.wait_for_job().await.unwrap();
            let share = miner.mine(&job, Wanted::Share).unwrap();
            assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        }
    }
    let mut hashes = Vec::new();
    for miner in &mut miners[..2] {
        let job = miner.wait_for_job().await.unwrap();
        let share = miner.mine(&job, Wanted::Block).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        miner.wait_for_new_tip(&job).await.unwrap();
        hashes.push(share.block_hash());
    }
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(hashes[0]));
    assert_eq!(bcoin.rpc("getbestblockhash", json!([])).await, json!(hashes[1]));

    let share = |difficulty| good("alice.rig1", difficulty);
    let found = |hash, difficulty| block("alice.rig1", hash, difficulty);
    let mut first = vec![share(SCRYPT_EASY); 3];
    first.push(found(&hashes[0], SCRYPT_EASY));
    let mut other: Vec<_> = (0..3).flat_map(|_| [share(SHA256D_EASY), share(second)]).collect();
    other.push(found(&hashes[1], SHA256D_EASY));
    for (database, expected) in [("coin_ltc", first), ("coin_btc", other)] {
        let settled = |rows: &[ShareRow]| rows.iter().any(|row| row.upstream_result.as_deref() == Some("Y"));
        let rows = stage::rows_when(&db, database, "the verdict", settled).await;
        assert_eq!(rows.iter().map(facts).collect::<Vec<_>>(), expected, "{database}");
    }
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_keeps_only_its_own_coin_down() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    for database in ["down_one", "down_two"] {
        stage::create_database(&db, database).await;
    }
    let (one, two) = (
        Coin::fake(&node, &db, "down_one"),
        Coin { name: "second", keys: "instance = 1".into(), ..Coin::fake(&node, &db, "down_two") },
    );
    let (home, config) = (tempfile::tempdir().unwrap(), stage::configuration(&[&one, &two]));
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    daemon.wait_for_log("ready").await.unwrap();
    assert!(daemon.stop().await.unwrap().success());
    let spool_of_first = |entry: std::fs::DirEntry| {
        let is_first = entry.file_name().to_str().unwrap().starts_with("down_one");
        is_first.then(|| entry.path())
    };
    let entries = std::fs::read_dir(home.path().join("state/spool")).unwrap();
    let spool = entries.map(Result::unwrap).find_map(spool_of_first).unwrap();
    // There is no place for what is kept about blocks; then the spool itself is damaged.
    std::fs::remove_dir_all(spool.join("blocks")).unwrap();
    std::fs::write(spool.join("blocks"), "").unwrap();
    works_without_the_first(home.path(), &config, &db, 1).await;
    std::fs::write(spool.join("spool.id"), "damaged").unwrap();
    works_without_the_first(home.path(), &config, &db, 2).await;
}

/// Starts the daemon; its first coin stays down, and a share of the second one counts: that is row `row`.
async fn works_without_the_first(home: &std::path::Path, config: &str, db: &MariaDb, row: usize) {
    let daemon = Daemon::start_in(home, config).unwrap();
    daemon.wait_for_log("the coin stays down").await.unwrap();
    let port = daemon.port("second").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    stage::rows_of(db, "down_two", row).await;
    assert!(daemon.stop().await.unwrap().success());
}
