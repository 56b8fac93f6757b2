//! Killed with a block in its hands: the next life of the daemon goes on where it was.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::SystemClock;
use mpos_stratum::ledger::Ledger;
use mpos_stratum::service::blocks::dossier::{Dossier, State, What};

use crate::dossiers::{EASY_BITS, Mine, block_files, dossier_with, dossiers_when, only_row, verdict_of};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::{FakeNode, Fault, SubmitAnswer};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};
use crate::support::spool;

fn kept(what: &What) -> bool {
    *what == What::BytesKept
}

fn synced(dossier: &Dossier) -> bool {
    dossier.steps.iter().any(|step| step.what == What::Synced)
}

/// Finds a block whose submission stays without an answer, and waits until it is on the disk and has its row.
async fn submitted_and_killed(mine: &mut Mine) -> String {
    mine.node.set_submit_answer(SubmitAnswer::AcceptAndFreeze);
    let hash = mine.find().await;
    mine.node.wait_for_submissions(1).await.unwrap();
    let has = |dossier: &Dossier, wanted: fn(&What) -> bool| dossier.steps.iter().any(|step| wanted(&step.what));
    let stored = |what: &What| matches!(what, What::Stored { .. });
    let ready = |all: &[Dossier]| all.iter().any(|it| synced(it) && has(it, kept) && has(it, stored));
    dossiers_when(mine.home.path(), "the block on the disk", ready).await;
    mine.kill();
    hash
}

#[tokio::test]
async fn recorded_but_never_submitted() {
    let (mut mine, db) = Mine::start("r_recorded").await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(mine.home.path(), "the block's bytes", kept).await;
    // Its row does not wait for the node.
    only_row(&db, mine.database, &share.block_hash(), "N").await;
    mine.kill();
    assert_eq!(mine.node.submissions().len(), 0);
    mine.wake_node();
    mine.restart();
    assert_eq!(mine.node.wait_for_submissions(1).await.unwrap()[0].hash(), share.block_hash());
    only_row(&db, mine.database, &share.block_hash(), "Y").await;
    assert_eq!(mine.node.tip(), share.block_hash());
}

#[tokio::test]
async fn a_finder_who_was_answered_has_his_block_handed_in_whenever_the_daemon_is_killed() {
    let (mut mine, db) = Mine::start("r_answered").await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    mine.kill();
    assert_eq!(block_files(mine.home.path(), "block").len(), 1, "no answer before");
    mine.wake_node();
    mine.restart();
    assert_eq!(mine.node.wait_for_submissions(1).await.unwrap()[0].hash(), share.block_hash());
    only_row(&db, mine.database, &share.block_hash(), "Y").await;
}

/// Coins of one chain share a table, and so ledger and dossiers, but each has nodes of its own.
#[tokio::test]
async fn a_coin_whose_nodes_are_away_keeps_no_block_of_another_coin_of_its_chain() {
    let (db, away, there) = (MariaDb::shared(), node(), node());
    stage::create_database(&db, "r_shared").await;
    let of = |name, node: &FakeNode| Coin {
        name,
        keys: format!("chain = \"many\"\ninstance = {}", name.len()),
        ports: vec![stage::port(SHA256D_EASY)],
        ..Coin::fake(node, &db, "r_shared")
    };
    let (first, second) = (of("first", &away), of("second", &there));
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path(), &stage::configuration(&[&first, &second])).unwrap();
    let port = daemon.port("second").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    there.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(home.path(), "its dossier", kept).await;
    daemon.kill().unwrap();
    away.set_fault(Fault::Refuse);
    there.set_fault(Fault::None);
    let daemon = Daemon::start_in(home.path(), &stage::configuration(&[&first, &second])).unwrap();
    assert_eq!(there.wait_for_submissions(1).await.unwrap()[0].hash(), share.block_hash());
    only_row(&db, "r_shared", &share.block_hash(), "Y").await;
    dossier_with(home.path(), "the first look", |what| matches!(what, What::InChain { .. })).await;
    daemon.kill().unwrap();

    // Once it is gone from the configuration, the other one looks after its blocks.
    away.set_fault(Fault::None);
    let resumed = |dossiers: &[Dossier]| {
        dossiers.iter().flat_map(|dossier| &dossier.steps).filter(|step| step.what == What::Resumed).count()
    };
    let _daemon = Daemon::start_in(home.path(), &stage::configuration(&[&first])).unwrap();
    dossiers_when(home.path(), "the heir's look", |dossiers| resumed(dossiers) == 2).await;
    assert_eq!(away.submissions().len(), 0, "it is settled");
}

fn node() -> FakeNode {
    let node = FakeNode::start(Algorithm::Sha256d).unwrap();
    node.set_bits(EASY_BITS);
    node
}

#[tokio::test]
async fn submitted_without_an_answer() {
    let (mut mine, db) = Mine::start("r_submitted").await;
    let hash = submitted_and_killed(&mut mine).await;
    only_row(&db, mine.database, &hash, "N").await;
    mine.wake_node();
    mine.restart();
    // The node knows it, and says so.
    mine.node.wait_for_submissions(2).await.unwrap();
    only_row(&db, mine.database, &hash, "Y").await;
    let answered = |what: &What| matches!(what, What::Answered { words, .. } if words == "duplicate");
    let dossier = dossier_with(mine.home.path(), "the node's answer", answered).await;
    assert_eq!(dossier.steps.iter().filter(|step| step.what == What::Resumed).count(), 1);
}

#[tokio::test]
async fn a_block_whose_bytes_are_gone_is_asked_for_by_its_hash() {
    let (mut mine, db) = Mine::start("r_bytes").await;
    let hash = submitted_and_killed(&mut mine).await;
    let [bytes] = block_files(mine.home.path(), "block").try_into().unwrap();
    std::fs::remove_file(bytes).unwrap();
    mine.wake_node();
    mine.restart();
    only_row(&db, mine.database, &hash, "Y").await;
    assert_eq!(mine.node.submissions().len(), 1);
    assert_eq!(verdict_of(&db, mine.database).await, ("accepted".into(), String::new()));
}

#[tokio::test]
async fn a_block_whose_bytes_are_gone_and_that_no_node_has_is_refused() {
    let (mut mine, db) = Mine::start("r_gone").await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(mine.home.path(), "the block's bytes", kept).await;
    mine.kill();
    std::fs::remove_file(block_files(mine.home.path(), "block").remove(0)).unwrap();
    mine.wake_node();
    mine.node.new_tip();
    mine.node.new_tip();
    mine.restart();
    let refused = |what: &What| matches!(what, What::Marked { accepted: false, .. });
    let dossier = dossier_with(mine.home.path(), "the verdict", refused).await;
    assert_eq!((dossier.state, dossier.closed), (State::Rejected, false));
    only_row(&db, mine.database, &share.block_hash(), "N").await;
    assert_eq!(mine.node.submissions().len(), 0);
}

/// Asked about our blocks, a node of another coin would say that others stand in their places.
#[tokio::test]
async fn nodes_of_another_chain_are_not_asked_about_blocks_of_the_last_run() {
    let (mut mine, db) = Mine::start("r_other_chain").await;
    let hash = mine.find().await;
    only_row(&db, mine.database, &hash, "Y").await;
    dossier_with(mine.home.path(), "its verdict", |what| matches!(what, What::Marked { .. })).await;
    mine.kill();
    let wrong = "preset = \"bitcoin\"\nalgorithm = \"scrypt\"\nstratum_bits = 16\nmpos_bits = 16\n";
    mine.reconfigure("preset = \"bitcoin\"\n", wrong);
    mine.restart();
    mine.daemon().wait_for_log("nothing is mined until this is put right").await.unwrap();
    let resumed = |dossier: &Dossier| dossier.steps.iter().any(|step| step.what == What::Resumed);
    let dossiers = dossiers_when(mine.home.path(), "the dossier", |all| all.len() == 1).await;
    assert!(!resumed(&dossiers[0]), "{:?}", dossiers[0].steps);
    mine.stop().await;
    mine.reconfigure(wrong, "preset = \"bitcoin\"\n");
    mine.restart();
    dossier_with(mine.home.path(), "the watch over it", |what| *what == What::Resumed).await;
    only_row(&db, mine.database, &hash, "Y").await;
}

/// What was in flight is not kept waiting by the proof, but before it no word counts: the node may be another coin's.
#[tokio::test]
async fn a_block_in_flight_is_handed_in_before_the_proof_and_no_word_counts_until_then() {
    let (mut mine, db) = Mine::start("r_before_proof").await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(mine.home.path(), "the block's bytes", kept).await;
    mine.kill();
    mine.wake_node();
    mine.node.set_submit_answer(SubmitAnswer::Refuse("high-hash"));
    let wrong = "preset = \"bitcoin\"\nalgorithm = \"scrypt\"\nstratum_bits = 16\nmpos_bits = 16\n";
    mine.reconfigure("preset = \"bitcoin\"\n", wrong);
    mine.restart();
    assert_eq!(mine.node.wait_for_submissions(1).await.unwrap()[0].hash(), share.block_hash());
    let refused = |what: &What| matches!(what, What::Answered { words, .. } if words == "high-hash");
    dossier_with(mine.home.path(), "the refusal", refused).await;
    mine.daemon().wait_for_log("nothing is mined until this is put right").await.unwrap();
    mine.stop().await;
    let verdict = |what: &What| matches!(what, What::Decided { .. } | What::Marked { .. });
    let dossier = dossier_with(mine.home.path(), "the refusal", refused).await;
    assert!(!dossier.steps.iter().any(|step| verdict(&step.what)), "{dossier:#?}");
    mine.reconfigure(wrong, "preset = \"bitcoin\"\n");
    mine.node.set_submit_answer(SubmitAnswer::Accept);
    mine.restart();
    only_row(&db, mine.database, &share.block_hash(), "Y").await;
    assert_eq!(mine.node.tip(), share.block_hash());
}

/// The second node is away while the first takes the block, and the daemon is killed before it is back.
#[tokio::test]
async fn a_node_that_was_away_gets_the_block_after_a_restart_and_nothing_is_reported_twice() {
    let (db, second) = (MariaDb::shared(), node());
    second.set_fault(Fault::Refuse);
    let table = second.config();
    let mut mine = Mine::start_at(&db, "r_second", move |coin| coin.nodes = format!("{}{table}", coin.nodes)).await;
    let hash = mine.find().await;
    let in_chain = |what: &What| matches!(what, What::InChain { .. });
    dossier_with(mine.home.path(), "the first look", in_chain).await;
    only_row(&db, mine.database, &hash, "Y").await;
    assert_eq!(block_files(mine.home.path(), "block").len(), 1, "not every node has it");
    mine.kill();
    second.set_fault(Fault::None);
    mine.restart();
    assert_eq!(second.wait_for_submissions(1).await.unwrap()[0].hash(), hash);
    let answered = |what: &What| matches!(what, What::Answered { node, words } if second.url().ends_with(node) && words == "accepted");
    let dossier = dossier_with(mine.home.path(), "its answer", answered).await;
    let count = |wanted: fn(&What) -> bool| dossier.steps.iter().filter(|step| wanted(&step.what)).count();
    assert_eq!(count(|what| matches!(what, What::Decided { .. })), 1, "{dossier:#?}");
    assert_eq!(count(|what| matches!(what, What::Marked { .. })), 1, "{dossier:#?}");
    only_row(&db, mine.database, &hash, "Y").await;
    assert_eq!(mine.node.submissions().len(), 1, "it is asked first");
}

#[tokio::test]
async fn a_block_without_its_dossier_is_known_from_the_ledger() {
    let (mut mine, db) = Mine::start("r_ledger").await;
    let hash = submitted_and_killed(&mut mine).await;
    std::fs::remove_file(block_files(mine.home.path(), "json").remove(0)).unwrap();
    mine.wake_node();
    mine.restart();
    only_row(&db, mine.database, &hash, "Y").await;
    let dossier = dossier_with(mine.home.path(), "its verdict", |what| matches!(what, What::Marked { .. })).await;
    assert_eq!((dossier.hash, dossier.share.worker), (hash, "alice.rig1".to_owned()));
}

#[tokio::test]
async fn a_block_from_before_the_newest_segment_is_known_from_its_dossier() {
    let db = MariaDb::shared();
    let small = |coin: &mut crate::stage::Coin| "segment_mib = 1\nspool_mib_max = 16".clone_into(&mut coin.ledger);
    let mut mine = Mine::start_at(&db, "r_segment", small).await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(mine.home.path(), "the block's bytes", kept).await;
    mine.kill();
    // What a busy pool writes meanwhile fills more than a segment.
    let spool = mine.spool();
    let config = mine.config().coins[0].ledger.clone();
    let ledger = Ledger::open(&spool, &config, Arc::new(SystemClock::new())).unwrap().ledger;
    spool::fill(&ledger, "alice.rig1", 1 << 20).await;
    ledger.close();
    drop(ledger);
    let is_segment = |path: &Path| path.extension().is_some_and(|it| it == "seg");
    let segments =
        std::fs::read_dir(spool).unwrap().filter(|entry| is_segment(&entry.as_ref().unwrap().path())).count();
    assert!(segments >= 3, "{segments} segments");
    mine.wake_node();
    mine.restart();
    mine.daemon().wait_for_log("spool open").await.unwrap();
    let hash = share.block_hash();
    let sql = format!("SELECT verdict FROM mpos_stratum_block WHERE hash = '{hash}' AND verdict <> 'pending'");
    let poll = async {
        while db.query::<String>(mine.database, &sql).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::support::miner::PATIENCE, poll).await.expect("the old block has no verdict");
}

#[tokio::test]
async fn a_verdict_that_the_database_does_not_have() {
    let mut db = MariaDb::start();
    let mut mine = Mine::start_at(&db, "pool", |_| {}).await;
    let (mut miner, share) = mine.miner().await;
    db.stop();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    dossier_with(mine.home.path(), "the verdict", |what| matches!(what, What::Marked { .. })).await;
    mine.kill();
    db.restart();
    mine.restart();
    only_row(&db, "pool", &share.block_hash(), "Y").await;
    // Nothing is submitted a second time.
    let stored = |dossiers: &[Dossier]| {
        dossiers[0].steps.iter().filter(|step| matches!(step.what, What::Stored { .. })).count() == 2
    };
    dossiers_when(mine.home.path(), "both rows", stored).await;
    assert_eq!(mine.node.submissions().len(), 1);
}

#[tokio::test]
async fn an_accepted_block_stays_watched() {
    let (mut mine, db) = Mine::start("r_watched").await;
    let hash = mine.find().await;
    only_row(&db, mine.database, &hash, "Y").await;
    let marked = |what: &What| matches!(what, What::Marked { .. });
    dossier_with(mine.home.path(), "the verdict", marked).await;
    mine.kill();
    mine.node.reorganise(1);
    mine.restart();
    only_row(&db, mine.database, &hash, "N").await;
    let orphaned = |dossiers: &[Dossier]| dossiers[0].state == State::Orphaned;
    dossiers_when(mine.home.path(), "the orphan", orphaned).await;
    assert_eq!(verdict_of(&db, mine.database).await, ("orphaned".into(), "orphaned".into()));
    assert_eq!(mine.node.submissions().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_confirmations_and_a_closed_block_is_left_alone() {
    let db = MariaDb::shared();
    let mut mine = Mine::start_at(&db, "r_closed", |coin| coin.keys = "confirmations = 3".to_owned()).await;
    let hash = mine.find().await;
    only_row(&db, mine.database, &hash, "Y").await;
    let log = mine.stop().await;
    assert!(!log.iter().any(|line| line.contains("taken up at the next start")), "a watched block held up the stop");
    mine.node.new_tip();
    mine.node.new_tip();
    mine.restart();
    let closed = |what: &What| matches!(what, What::Closed { .. });
    let dossier = dossier_with(mine.home.path(), "the end", closed).await;
    assert_eq!((dossier.state, dossier.confirmations), (State::Confirmed, 3));
    assert_eq!(block_files(mine.home.path(), "block"), [] as [std::path::PathBuf; 0]);
    mine.stop().await;
    mine.node.reorganise(4);
    mine.restart();
    let port = mine.daemon().port("bitcoin").await.unwrap();
    let (_miner, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    mine.stop().await;
    assert_eq!(dossier_with(mine.home.path(), "nothing new", closed).await, dossier);
}

/// Kills a daemon with a block that no node has seen, and makes its spool and database forget the share.
async fn forgotten_by_the_ledger(db: &MariaDb, database: &'static str) -> (Mine, String) {
    let mut mine = Mine::start_at(db, database, |_| {}).await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let ready = |dossiers: &[Dossier]| dossiers.iter().any(|it| synced(it) && it.steps.iter().any(|s| kept(&s.what)));
    dossiers_when(mine.home.path(), "the block on the disk", ready).await;
    mine.kill();
    let spool = std::fs::read_dir(mine.home.path().join("state/spool")).unwrap().next().unwrap().unwrap().path();
    for entry in std::fs::read_dir(spool).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    for table in ["shares", "mpos_stratum_block", "mpos_stratum_cursor"] {
        db.run_sql(database, &format!("DELETE FROM {table}")).await;
    }
    mine.wake_node();
    (mine, share.block_hash())
}

#[tokio::test]
async fn a_block_that_could_not_be_written_down_gets_its_row_from_its_dossier() {
    let db = MariaDb::shared();
    let (mut mine, hash) = forgotten_by_the_ledger(&db, "r_unrecorded").await;
    // As a full disk leaves it: the dossier knows that the ledger has no record.
    let [path] = block_files(mine.home.path(), "json").try_into().unwrap();
    let mut dossier = Dossier::read(&path).unwrap();
    dossier.seq = None;
    dossier.steps.retain(|step| step.what == What::Found);
    std::fs::write(&path, serde_json::to_vec(&dossier).unwrap()).unwrap();
    mine.restart();
    let row = only_row(&db, mine.database, &hash, "Y").await;
    assert_eq!((row.username.as_str(), row.our_result.as_str()), ("alice.rig1", "N"));
    assert_eq!(row.reason.as_deref(), Some("written down late"));
    let ids: Vec<(u64, String, String)> = {
        let dossier = dossier_with(mine.home.path(), "the verdict", |what| matches!(what, What::Marked { .. })).await;
        db.query(mine.database, &dossier.share_id_query).await
    };
    assert_eq!(ids, [(row.id, "accepted".to_owned(), "present".to_owned())]);
}

#[tokio::test]
async fn a_block_of_another_spool_is_left_to_the_operator() {
    let db = MariaDb::shared();
    let (mut mine, _) = forgotten_by_the_ledger(&db, "r_spool").await;
    mine.restart();
    mine.daemon().wait_for_log("of another spool").await.unwrap();
    let log = mine.stop().await;
    assert!(!log.iter().any(|line| line.contains("step=\"resumed\"")), "{log:#?}");
}

/// The dossier is synced by itself; the record it speaks of is not until the next sync of the spool.
#[tokio::test]
async fn a_block_whose_record_a_power_cut_took_is_written_down_late() {
    let (db, database) = (MariaDb::shared(), "r_power_cut");
    let mut mine = Mine::start_at(&db, database, |_| {}).await;
    let (mut miner, share) = mine.miner().await;
    mine.node.set_fault(Fault::Refuse);
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let ready = |dossiers: &[Dossier]| {
        dossiers.iter().any(|dossier| synced(dossier) && dossier.steps.iter().any(|step| kept(&step.what)))
    };
    dossiers_when(mine.home.path(), "the block on the disk", ready).await;
    mine.kill();
    let spool = std::fs::read_dir(mine.home.path().join("state/spool")).unwrap().next().unwrap().unwrap().path();
    for entry in std::fs::read_dir(spool).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("spool.id") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for table in ["shares", "mpos_stratum_block", "mpos_stratum_cursor"] {
        db.run_sql(database, &format!("DELETE FROM {table}")).await;
    }
    let [path] = block_files(mine.home.path(), "json").try_into().unwrap();
    let mut dossier = Dossier::read(&path).unwrap();
    dossier.steps.retain(|step| matches!(step.what, What::Found | What::Recorded { .. } | What::BytesKept));
    std::fs::write(&path, serde_json::to_vec(&dossier).unwrap()).unwrap();
    mine.wake_node();
    mine.restart();
    mine.node.wait_for_submissions(1).await.unwrap();
    only_row(&db, database, &share.block_hash(), "Y").await;
    let marked = |what: &What| matches!(what, What::Marked { accepted: true, .. });
    let dossier = dossier_with(mine.home.path(), "the verdict", marked).await;
    assert_eq!(dossier.share.reason, "written down late");
    let row = db.rows(database).await.pop().unwrap();
    assert_eq!((row.our_result.as_str(), row.reason.as_deref()), ("N", Some("written down late")));
}
