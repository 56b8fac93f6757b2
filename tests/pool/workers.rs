//! Who may mine, and whose name stands in the row.

use crate::stage::{FakeStage, PASSWORD, SHA256D_SOME, facts, good};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

const BAD_FORM: &str = "Worker name must be account.worker";
const UNKNOWN_WORKER: &str = "Unknown worker: add it to your account on the pool's web site";

/// Asks for a worker on a connection of its own; the text of the refusal, empty if there is none.
async fn ask(stage: &FakeStage, worker: &str, password: &str) -> String {
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
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
