//! Stops, kills, and starts without one of the others: nothing that was acknowledged is lost.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::net::UnixDatagram;

use crate::flow::{self, Crew};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY, SHA256D_SOME, facts, good};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, PATIENCE, Wanted};

/// Miners of a crew.
const MINERS: usize = 3;
/// What a miner is told while nobody can look its worker up.
const TRY_AGAIN: &str = "Worker cannot be checked now, try again";

/// Asks until the database answers; it is left alone for a moment after it failed.
async fn authorize_in_the_end(miner: &mut Miner, worker: &str) {
    let ask = async {
        while !miner.authorize(worker, PASSWORD).await.unwrap().is_true() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.expect("the worker is not let in");
}

/// One good share.
async fn share(miner: &mut Miner, worker: &str) {
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    let reply = miner.submit(worker, &share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
}

/// Ends the daemon while shares flow and the database is away; another life brings them to it.
async fn survives(signal: Signal) {
    let (mut db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "pool").await;
    flow::add_workers(&db, "pool", MINERS).await;
    let (home, config) = (tempfile::tempdir().unwrap(), stage::configuration(&[&Coin::fake(&node, &db, "pool")]));

    let mut daemon = Daemon::start_in(home.path(), &config).unwrap();
    let mut crew = Crew::start(daemon.port("bitcoin").await.unwrap(), MINERS);
    crew.go_on(30).await;
    stage::rows_when(&db, "pool", "a row of each miner", |rows| rows.len() >= MINERS).await;
    if signal == Signal::KILL {
        db.kill();
    } else {
        db.stop();
    }
    crew.go_on(60).await;
    daemon.signal(signal).unwrap();
    let done = crew.ended().await;
    assert_eq!(daemon.wait_for_end().await.unwrap().success(), signal == Signal::TERM);

    // The second life begins without the database, and knows those of the first.
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let mut miner = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    let reply = miner.authorize("alice.rig1", PASSWORD).await.unwrap();
    assert_eq!((reply.code(), reply.text()), (Some(24), TRY_AGAIN));
    db.restart();
    authorize_in_the_end(&mut miner, "alice.rig1").await;
    share(&mut miner, "alice.rig1").await;
    let is_last = |row: &stage::Facts| *row == good("alice.rig1", SHA256D_SOME);
    let rows =
        stage::rows_when(&db, "pool", "the last share", |rows| rows.iter().map(facts).any(|row| is_last(&row))).await;
    assert!(is_last(&facts(rows.last().unwrap())), "{:?}", rows.last());
    flow::check(&done, &rows);

    // A third one has nothing left to bring.
    assert!(daemon.stop().await.unwrap().success());
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig2", PASSWORD).await.unwrap();
    share(&mut miner, "alice.rig2").await;
    stage::rows_of(&db, "pool", rows.len() + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_shares_survive_a_stop() {
    survives(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_shares_survive_a_kill() {
    survives(Signal::KILL).await;
}

#[tokio::test]
async fn w14_a_block_found_without_database_comes_before_every_later_row() {
    let (mut db, bcoin) = (MariaDb::start(), Bcoin::start().await);
    bcoin.generate(3).await;
    stage::create_database(&db, "pool").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::bcoin(&bcoin, &db, "pool")])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    share(&mut miner, "alice.rig1").await;
    stage::rows_of(&db, "pool", 1).await;
    db.stop();
    // Known workers are let in, from wherever; for others it is too early to say no.
    let (mut second, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    assert_eq!(second.authorize("alice.rig2", PASSWORD).await.unwrap().text(), TRY_AGAIN);
    share(&mut second, "alice.rig1").await;
    let found = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &found).await.unwrap().is_true());
    miner.wait_for_new_tip(&job).await.unwrap();
    assert_eq!(bcoin.rpc("getbestblockhash", json!([])).await, json!(found.block_hash()));
    for _ in 0..20 {
        share(&mut miner, "alice.rig1").await;
    }
    db.restart();
    // At no moment is a later row there and the block not.
    let block_first = |rows: &[crate::support::mariadb::ShareRow]| {
        assert!(rows.len() < 3 || rows[2].solution == found.block_hash(), "{rows:#?}");
        rows.len() >= 23 && rows[2].upstream_result.as_deref() == Some("Y")
    };
    let rows = stage::rows_when(&db, "pool", "everything", block_first).await;
    let mut expected = vec![good("alice.rig1", SHA256D_EASY); 23];
    expected[2] = stage::block("alice.rig1", &found.block_hash(), SHA256D_EASY);
    assert_eq!(rows.iter().map(facts).collect::<Vec<_>>(), expected);
    assert_eq!(rows.iter().filter(|row| row.upstream_result.as_deref() == Some("Y")).count(), 1);
    let verdicts: Vec<(u64, String)> = db.query("pool", "SELECT share_id, verdict FROM mpos_stratum_block").await;
    assert_eq!(verdicts, [(rows[2].id, "accepted".to_owned())]);
}

/// The next message to the service manager that `wanted` likes.
async fn notified(socket: &UnixDatagram, wanted: impl Fn(&str) -> bool) -> String {
    let mut buffer = [0; 4096];
    let receive = async {
        loop {
            let length = socket.recv(&mut buffer).await.unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if wanted(&text) {
                return text;
            }
        }
    };
    tokio::time::timeout(PATIENCE, receive).await.expect("the service manager was not told")
}

#[tokio::test]
async fn a_start_with_nobody_there_is_a_state_and_no_failure() {
    let (mut db, mut litecoin) = (MariaDb::start(), Litecoin::start_at(3).await);
    stage::create_database(&db, "pool").await;
    let coin = Coin::litecoin(&litecoin, &db, "pool").await;
    litecoin.main.stop().await;
    db.stop();
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let environment = [("NOTIFY_SOCKET", socket.as_os_str())];
    let daemon = Daemon::start_with(home.path(), &stage::configuration(&[&coin]), &environment).unwrap();

    notified(&manager, |text| text.lines().any(|line| line == "READY=1")).await;
    let says = |text: &str, words: &[&str]| {
        let status = text.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap_or_default();
        words.iter().all(|word| status.contains(word))
    };
    notified(&manager, |text| says(text, &["litecoin: no work", " away: "])).await;
    assert!(!daemon.log().iter().any(|line| line.contains("stratum port open")), "{:?}", daemon.log());

    litecoin.main.run().await;
    litecoin.connected().await;
    let port = daemon.port("litecoin").await.unwrap();
    let mut miner = Miner::connect(port, Algorithm::Scrypt).await.unwrap();
    miner.subscribe().await.unwrap();
    assert_eq!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().text(), TRY_AGAIN);
    db.restart();
    authorize_in_the_end(&mut miner, "alice.rig1").await;
    share(&mut miner, "alice.rig1").await;
    assert_eq!(facts(&stage::rows_of(&db, "pool", 1).await[0]), good("alice.rig1", stage::SCRYPT_EASY));
    notified(&manager, |text| {
        says(text, &["litecoin: mining", " ready at ", "1 miners", "1 shares", "pool: 0 rows behind"])
    })
    .await;

    daemon.signal(Signal::TERM).unwrap();
    notified(&manager, |text| text.lines().any(|line| line == "STOPPING=1")).await;
    // This manager keeps nothing: what it is handed ends with it.
    drop(manager);
    miner.wait_for_close().await.unwrap();
    assert!(daemon.stop().await.unwrap().success());
}

/// MPOS gives a block away whose row it does not find, so that somebody must hear of it in time.
#[tokio::test]
async fn a_block_that_the_database_does_not_get_is_an_alarm_until_it_does() {
    let (mut db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
    node.set_bits(crate::dossiers::EASY_BITS);
    stage::create_database(&db, "pool").await;
    let mut coin = Coin::fake(&node, &db, "pool");
    coin.ports = vec![stage::port(SHA256D_EASY)];
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let environment = [("NOTIFY_SOCKET", socket.as_os_str())];
    let daemon = Daemon::start_with(home.path(), &stage::configuration(&[&coin]), &environment).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    db.stop();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let line = daemon.wait_for_log("block candidates are not in the database").await.unwrap();
    assert!(line.contains("ERROR") && line.contains("candidates=1"), "{line}");
    notified(&manager, |text| text.contains("BLOCK CANDIDATES NOT IN THE DATABASE: 1")).await;
    db.restart();
    daemon.wait_for_log("all block candidates are in the database").await.unwrap();
    stage::rows_of(&db, "pool", 1).await;
    let quiet = |text: &str| text.contains("pool: 0 rows behind, running") && !text.contains("NOT IN THE DATABASE");
    notified(&manager, quiet).await;
    assert!(daemon.stop().await.unwrap().success());
}
