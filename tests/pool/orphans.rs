//! Blocks that lose their place in the chain, get it back, or turn up late: on real nodes.

use serde_json::json;

use mpos_stratum::service::blocks::dossier::{Dossier, State, What};

use crate::dossiers::{Mine, dossier_with, dossiers_when, only_row, verdict_of};
use crate::stage::{self, Coin, PASSWORD};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fake_node::SubmitAnswer;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// A daemon of one coin in a folder of its own, and the hash of a block found with it.
async fn find(home: &std::path::Path, coin: &Coin, algorithm: Algorithm) -> (Daemon, String) {
    let daemon = Daemon::start_in(home, &stage::configuration(&[coin])).unwrap();
    let port = daemon.port(coin.name).await.unwrap();
    let (mut miner, job) = Miner::log_in(port, algorithm, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    miner.wait_for_new_tip(&job).await.unwrap();
    (daemon, share.block_hash())
}

/// The only dossier in this state.
async fn in_state(home: &std::path::Path, state: State) -> Dossier {
    let is_there = |dossiers: &[Dossier]| dossiers.len() == 1 && dossiers[0].state == state;
    dossiers_when(home, &format!("{state:?}"), is_there).await.remove(0)
}

#[tokio::test]
async fn litecoin_loses_a_block_takes_it_back_and_buries_it() {
    let (litecoin, db, home) = (Litecoin::start_at(110).await, MariaDb::shared(), tempfile::tempdir().unwrap());
    stage::create_database(&db, "o_litecoin").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "o_litecoin").await;
    coin.keys = "confirmations = 4".to_owned();
    let (_daemon, hash) = find(home.path(), &coin, Algorithm::Scrypt).await;
    only_row(&db, "o_litecoin", &hash, "Y").await;
    in_state(home.path(), State::Accepted).await;

    litecoin.rpc("invalidateblock", json!([hash])).await;
    let other = litecoin.generate(2).await;
    let row = only_row(&db, "o_litecoin", &hash, "N").await;
    assert_eq!((row.our_result.as_str(), row.reason.as_deref()), ("Y", Some("")), "the work stays the finder's");
    let dossier = in_state(home.path(), State::Orphaned).await;
    let replaced = |what: &What| matches!(what, What::Replaced { by, .. } if *by == other[0]);
    assert!(dossier.steps.iter().any(|step| replaced(&step.what)) && !dossier.closed, "{dossier:#?}");
    assert_eq!(verdict_of(&db, "o_litecoin").await, ("orphaned".into(), "orphaned".into()));

    litecoin.rpc("invalidateblock", json!([other[0]])).await;
    litecoin.rpc("reconsiderblock", json!([hash])).await;
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(hash));
    only_row(&db, "o_litecoin", &hash, "Y").await;
    in_state(home.path(), State::Accepted).await;
    assert_eq!(verdict_of(&db, "o_litecoin").await, ("accepted".into(), String::new()));
    litecoin.generate(3).await;
    let dossier = in_state(home.path(), State::Confirmed).await;
    assert_eq!((dossier.closed, dossier.confirmations, dossier.marked), (true, 4, Some(true)));
}

#[tokio::test]
async fn bcoin_loses_a_block() {
    let (bcoin, db, home) = (Bcoin::start().await, MariaDb::shared(), tempfile::tempdir().unwrap());
    bcoin.generate(3).await;
    stage::create_database(&db, "o_bcoin").await;
    let (_daemon, hash) = find(home.path(), &Coin::bcoin(&bcoin, &db, "o_bcoin"), Algorithm::Sha256d).await;
    only_row(&db, "o_bcoin", &hash, "Y").await;
    in_state(home.path(), State::Accepted).await;
    bcoin.rpc("invalidateblock", json!([hash])).await;
    bcoin.generate(3).await;
    only_row(&db, "o_bcoin", &hash, "N").await;
    in_state(home.path(), State::Orphaned).await;
}

#[tokio::test]
async fn a_refused_block_that_turns_up_in_the_chain() {
    let (mine, db) = Mine::start("o_late").await;
    mine.node.set_submit_answer(SubmitAnswer::Refuse("high-hash"));
    let hash = mine.find().await;
    in_state(mine.home.path(), State::Rejected).await;
    // The row itself may come later than the dossier.
    let reason = |rows: &[crate::support::mariadb::ShareRow]| {
        rows.first().and_then(|row| row.reason.as_deref()) == Some("high-hash")
    };
    stage::rows_when(&db, mine.database, "the refusal", reason).await;
    mine.node.adopt();
    let row = only_row(&db, mine.database, &hash, "Y").await;
    assert_eq!(row.reason.as_deref(), Some("high-hash"), "a later verdict changes two columns");
    let dossier = in_state(mine.home.path(), State::Accepted).await;
    let steps: Vec<bool> = dossier
        .steps
        .iter()
        .filter_map(|step| if let What::Marked { accepted, .. } = step.what { Some(accepted) } else { None })
        .collect();
    assert_eq!(steps, [false, true]);
}

#[tokio::test]
async fn a_block_that_the_node_calls_otherwise_gets_its_name_in_the_row() {
    // Litecoin names its blocks by sha256d; told to use scrypt, we have the wrong name for them. Only a chain
    // without blocks cannot show it before.
    let (litecoin, db, home) = (Litecoin::start_at(1).await, MariaDb::shared(), tempfile::tempdir().unwrap());
    // Having had one, the node works on it at once.
    let first = litecoin.rpc("getbestblockhash", json!([])).await;
    litecoin.rpc("invalidateblock", json!([first])).await;
    stage::create_database(&db, "o_name").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "o_name").await;
    coin.keys = "block_hash = \"pow\"".to_owned();
    let (_daemon, hash) = find(home.path(), &coin, Algorithm::Scrypt).await;
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(hash));
    only_row(&db, "o_name", &hash, "Y").await;
    let dossier = dossier_with(home.path(), "the verdict", |what| matches!(what, What::Marked { .. })).await;
    assert_eq!(dossier.node_hash.as_deref(), Some(hash.as_str()));
    assert_ne!(dossier.hash, hash);
    let names: Vec<(String, String)> = db.query("o_name", "SELECT hash, node_hash FROM mpos_stratum_block").await;
    assert_eq!(names, [(dossier.hash, hash)]);
}
