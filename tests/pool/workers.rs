//! Who may mine, and whose name stands in the row.

use std::net::SocketAddr;
use std::time::Duration;

use crate::stage::{self, Coin, FakeStage, PASSWORD, SHA256D_SOME, facts, good};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, PATIENCE, Wanted};

const BAD_FORM: &str = "Worker name must be account.worker";
const UNKNOWN_WORKER: &str = "Unknown worker: add it to your account on the pool's web site";
const TRY_AGAIN: &str = "Worker cannot be checked now, try again";

/// Asks for a worker on a connection of its own; the text of the refusal, empty if there is none.
async fn ask(stage: &FakeStage, worker: &str, password: &str) -> String {
    ask_at(stage.port, worker, password).await
}

async fn ask_at(port: SocketAddr, worker: &str, password: &str) -> String {
    let mut miner = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    ask_on(&mut miner, worker, password).await
}

async fn ask_on(miner: &mut Miner, worker: &str, password: &str) -> String {
    let reply = miner.authorize(worker, password).await.unwrap();
    if reply.is_true() {
        return String::new();
    }
    // Miners look at `result`, not only at the error.
    assert_eq!((reply.code(), &reply.result), (Some(24), &serde_json::json!(false)), "{}", reply.line);
    reply.text().to_owned()
}

/// One good share.
async fn share(miner: &mut Miner, worker: &str) {
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    let reply = miner.submit(worker, &share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
}

#[tokio::test]
async fn only_stored_workers_with_their_password() {
    let stage = FakeStage::start("doors").await;
    let locked = stage.db.add_account("doors", "locked", 2).await;
    stage.db.add_worker("doors", locked, "locked.rig", Some(PASSWORD)).await;
    // Locked by too many wrong passwords on the web site: that may still mine.
    let barred = stage.db.add_account("doors", "barred", 1).await;
    stage.db.add_worker("doors", barred, "barred.rig", Some(PASSWORD)).await;
    stage.db.add_worker("doors", barred, "barred.open", None).await;
    for (worker, password, refusal) in [
        ("alice.rig1", PASSWORD, ""),
        (" alice.rig1 ", PASSWORD, ""),
        ("ALICE.RIG1", PASSWORD, ""),
        ("barred.rig", PASSWORD, ""),
        ("alice.rig1", "Worker-Secret", "Wrong worker password"),
        ("alice.rig1", "", "Wrong worker password"),
        ("barred.open", "", "Wrong worker password"),
        ("locked.rig", PASSWORD, "Account is locked"),
        ("alice.rig9", PASSWORD, UNKNOWN_WORKER),
        ("nobody.rig1", PASSWORD, "Unknown account"),
        ("alice", PASSWORD, BAD_FORM),
        ("alice.rig1.more", PASSWORD, BAD_FORM),
        ("", PASSWORD, BAD_FORM),
        ("alice.", PASSWORD, BAD_FORM),
        (".rig1", PASSWORD, BAD_FORM),
        ("alice.r%g1", PASSWORD, BAD_FORM),
        ("alice.rig1' OR '1'='1", PASSWORD, BAD_FORM),
        ("42", PASSWORD, BAD_FORM),
    ] {
        assert_eq!(ask(&stage, worker, password).await, refusal, "{worker:?}");
    }
    let long = "x".repeat(300);
    assert_eq!(ask(&stage, &format!("alice.{long}"), PASSWORD).await, "Worker name or password is too long");
    assert_eq!(ask(&stage, "alice.rig1", &long).await, "Worker name or password is too long");
    assert_eq!(stage.db.query::<u64>("doors", "SELECT COUNT(*) FROM pool_worker").await, [7], "nobody was added");
}

#[tokio::test]
async fn several_workers_on_one_connection_and_no_others() {
    let stage = FakeStage::start("names").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    // Another connection's worker is nobody here.
    let (mut other, _) = stage.miner("alice.rig2").await;
    assert!(miner.authorize("BOB.GARAGE", PASSWORD).await.unwrap().is_true());
    assert_eq!(miner.authorize("pool.fallback", "wrong").await.unwrap().code(), Some(24));
    for worker in ["alice.rig1", "BOB.GARAGE", "alice.rig1"] {
        share(&mut miner, worker).await;
    }
    for worker in ["alice.rig2", "pool.fallback", "alice", "nobody.rig", "", "alice.rig1\u{0}"] {
        let good_work = miner.mine(&job, Wanted::Share).unwrap();
        let reply = miner.submit(worker, &good_work).await.unwrap();
        assert_eq!((reply.code(), reply.text()), (Some(24), "Unauthorized worker"), "{worker:?}");
    }
    share(&mut other, "alice.rig2").await;
    share(&mut miner, "BOB.GARAGE").await;
    let expected =
        ["alice.rig1", "Bob.Garage", "alice.rig1", "alice.rig2", "Bob.Garage"].map(|name| good(name, SHA256D_SOME));
    assert_eq!(stage.facts(5).await, expected);
}

#[tokio::test]
async fn any_password_where_none_is_checked() {
    let stage = FakeStage::start_with("trusting", |coin| coin.workers = "check_password = false".to_owned()).await;
    assert_eq!(ask(&stage, "alice.rig1", "whatever").await, "");
    assert_eq!(ask(&stage, "alice.rig9", "whatever").await, UNKNOWN_WORKER);
}

#[tokio::test]
async fn accounts_and_workers_in_other_databases() {
    let db = MariaDb::shared();
    for database in ["its_accounts", "its_workers"] {
        db.create_database(database).await;
    }
    let account = db.add_account("its_accounts", "carol", 0).await;
    db.add_worker("its_workers", account, "Carol.Rig", Some("carols")).await;
    // What stands where nobody should look is wrong.
    let locked = db.add_account("its_workers", "carol", 2).await;
    db.add_worker("its_accounts", locked, "carol.rig", Some("wrong")).await;
    let stage = FakeStage::start_with("its_shares", |coin| {
        coin.mpos += "\naccounts_database = \"its_accounts\"\nworkers_database = \"its_workers\"";
    })
    .await;
    assert_eq!(ask(&stage, "carol.rig", "wrong").await, "Wrong worker password");
    // Known in the database of the shares only.
    assert_eq!(ask(&stage, "alice.rig1", PASSWORD).await, "Unknown account");
    let (mut miner, _) = Miner::log_in(stage.port, Algorithm::Sha256d, "carol.rig", "carols").await.unwrap();
    share(&mut miner, "carol.rig").await;
    assert_eq!(stage.facts(1).await, [good("Carol.Rig", SHA256D_SOME)]);
    for database in ["its_accounts", "its_workers"] {
        assert!(stage.db.rows(database).await.is_empty());
    }
}

#[tokio::test]
async fn unknown_workers_of_known_accounts_are_stored_if_wanted() {
    let stage = FakeStage::start_with("growing", |coin| coin.workers = "auto_create = true".to_owned()).await;
    assert_eq!(ask(&stage, "nobody.rig", "first").await, "Unknown account");
    let (mut miner, _) = Miner::log_in(stage.port, Algorithm::Sha256d, "Alice.New", "first").await.unwrap();
    share(&mut miner, "Alice.New").await;
    // The first password is the worker's from now on.
    assert_eq!(ask(&stage, "alice.new", "second").await, "Wrong worker password");
    assert_eq!(ask(&stage, "alice.new", "first").await, "");
    type Worker = (String, String, String);
    let sql = "SELECT w.username, w.password, a.username FROM pool_worker w JOIN accounts a ON a.id = w.account_id \
               WHERE w.username = 'alice.new'";
    let stored: Vec<Worker> = stage.db.query("growing", sql).await;
    let [(name, password, account)] = &stored[..] else { panic!("{stored:?}") };
    assert_eq!((password.as_str(), account.as_str()), ("first", "alice"));
    assert_eq!(facts(&stage.rows(1).await[0]), good(name, SHA256D_SOME));
}

/// Asks until the answer is as wanted: the database is left alone for a moment after it failed.
async fn answered_in_the_end(miner: &mut Miner, worker: &str, password: &str, wanted: &str) {
    let ask = async {
        while ask_on(miner, worker, password).await != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let late = tokio::time::timeout(PATIENCE, ask).await.is_err();
    assert!(!late, "{worker} never got the answer {wanted:?}");
}

/// What is known while the database is away: two workers, however their names are written, and the
/// exact password. Returns a miner that was told to try again, still connected.
async fn known_in_the_outage(port: SocketAddr) -> Miner {
    let mut stranger = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    stranger.subscribe().await.unwrap();
    // As often as it likes: it is not to blame.
    for _ in 0..20 {
        assert_eq!(ask_on(&mut stranger, "alice.rig2", PASSWORD).await, TRY_AGAIN);
    }
    for (worker, password, answer) in [
        ("alice.rig1", PASSWORD, ""),
        ("ALICE.Rig1", PASSWORD, ""),
        ("bob.garage", PASSWORD, ""),
        ("alice.rig1", "Worker-Secret", TRY_AGAIN),
        ("nobody.rig", PASSWORD, TRY_AGAIN),
        ("alice", PASSWORD, BAD_FORM),
    ] {
        // What was learnt a moment before the outage is certain for a moment longer; each time on a new
        // connection, because wrong passwords are waited for.
        let ask = async { while ask_at(port, worker, password).await != answer {} };
        let late = tokio::time::timeout(PATIENCE, ask).await.is_err();
        assert!(!late, "{worker} never got the answer {answer:?}");
    }
    stranger
}

#[tokio::test]
async fn known_workers_mine_through_an_outage_and_through_a_restart_in_it() {
    let (mut db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "pool").await;
    let mut coin = Coin::fake(&node, &db, "pool");
    coin.workers = "cache_secs = 1".to_owned();
    let (home, config) = (tempfile::tempdir().unwrap(), stage::configuration(&[&coin]));
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, _) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let (mut bob, _) = Miner::log_in(port, Algorithm::Sha256d, "Bob.Garage", PASSWORD).await.unwrap();
    share(&mut miner, "alice.rig1").await;
    share(&mut bob, "Bob.Garage").await;
    stage::rows_of(&db, "pool", 2).await;
    db.stop();
    share(&mut miner, "alice.rig1").await;
    known_in_the_outage(port).await;
    assert!(daemon.stop().await.unwrap().success());

    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let mut stranger = known_in_the_outage(port).await;
    let (mut bob, _) = Miner::log_in(port, Algorithm::Sha256d, "BOB.garage", PASSWORD).await.unwrap();
    share(&mut bob, "BOB.garage").await;

    db.restart();
    db.run_sql("pool", "UPDATE pool_worker SET password = 'changed' WHERE username = 'alice.rig1'").await;
    db.run_sql("pool", "DELETE FROM pool_worker WHERE username = 'Bob.Garage'").await;
    db.run_sql("pool", "UPDATE accounts SET is_locked = 2 WHERE username = 'pool'").await;
    answered_in_the_end(&mut stranger, "alice.rig2", PASSWORD, "").await;
    share(&mut stranger, "alice.rig2").await;
    for (worker, password, answer) in [
        ("alice.rig1", PASSWORD, "Wrong worker password"),
        ("ALICE.rig1", "changed", ""),
        ("bob.garage", PASSWORD, UNKNOWN_WORKER),
        ("pool.fallback", PASSWORD, "Account is locked"),
    ] {
        answered_in_the_end(&mut stranger, worker, password, answer).await;
    }
    let rows: Vec<_> = stage::rows_of(&db, "pool", 5).await.iter().map(facts).collect();
    let expected = ["alice.rig1", "Bob.Garage", "alice.rig1", "Bob.Garage", "alice.rig2"];
    assert_eq!(rows, expected.map(|worker| good(worker, SHA256D_SOME)));
}

#[tokio::test]
async fn remembered_workers_are_in_a_file_that_tells_no_password_and_may_be_damaged() {
    let (mut db, node) = (MariaDb::start(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "pool").await;
    let (home, config) = (tempfile::tempdir().unwrap(), stage::configuration(&[&Coin::fake(&node, &db, "pool")]));
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    assert_eq!(ask_at(daemon.port("bitcoin").await.unwrap(), "alice.rig1", PASSWORD).await, "");
    assert!(daemon.stop().await.unwrap().success());
    db.stop();
    let entries = std::fs::read_dir(home.path().join("state/workers")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "known")).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let mut bytes = std::fs::read(file).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777, 0o600);
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    assert_eq!(ask_at(daemon.port("bitcoin").await.unwrap(), "alice.rig1", PASSWORD).await, "");
    assert!(daemon.stop().await.unwrap().success());

    bytes[10] ^= 1;
    std::fs::write(file, &bytes).unwrap();
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    daemon.wait_for_log("file of remembered workers is not used").await.unwrap();
    assert_eq!(ask_at(daemon.port("bitcoin").await.unwrap(), "alice.rig1", PASSWORD).await, TRY_AGAIN);
}

#[tokio::test]
async fn workers_that_are_deleted_renamed_or_locked_while_they_mine() {
    let stage = FakeStage::start_with("leaving", |coin| {
        coin.workers = "cache_secs = 1\nrecheck_secs = 10".to_owned();
    })
    .await;
    let (mut miner, _) = stage.miner("alice.rig1").await;
    assert!(miner.authorize("Bob.Garage", PASSWORD).await.unwrap().is_true());
    let (mut lonely, _) = stage.miner("pool.fallback").await;
    for (miner, worker) in [(&mut miner, "alice.rig1"), (&mut lonely, "pool.fallback")] {
        share(miner, worker).await;
    }
    for sql in [
        "DELETE FROM pool_worker WHERE username = 'alice.rig1'",
        "UPDATE pool_worker SET username = 'BOB.GARAGE' WHERE username = 'Bob.Garage'",
        "UPDATE accounts SET is_locked = 2 WHERE username = 'pool'",
    ] {
        stage.db.run_sql("leaving", sql).await;
    }
    let lonely_leaves = async {
        while let Ok(job) = lonely.wait_for_job().await
            && let Ok(share) = lonely.mine(&job, Wanted::Share)
            && lonely.submit("pool.fallback", &share).await.unwrap().is_true()
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let alice_is_gone = async {
        let job = miner.wait_for_job().await.unwrap();
        loop {
            let work = miner.mine(&job, Wanted::Share).unwrap();
            let reply = miner.submit("alice.rig1", &work).await.unwrap();
            if !reply.is_true() {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let both = async { tokio::join!(alice_is_gone, lonely_leaves).0 };
    let reply = tokio::time::timeout(PATIENCE, both).await.expect("nobody was looked up again");
    assert_eq!((reply.code(), reply.text()), (Some(24), "Unauthorized worker"));
    assert_eq!(ask(&stage, "pool.fallback", PASSWORD).await, "Account is locked");
    // The other one goes on, under its new name as soon as that is seen.
    let renamed = async {
        loop {
            share(&mut miner, "Bob.Garage").await;
            if stage.db.rows("leaving").await.iter().any(|row| facts(row) == good("BOB.GARAGE", SHA256D_SOME)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renamed).await.expect("credited under its old name");
}
