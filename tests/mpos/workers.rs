//! Workers and accounts as MPOS stores them.

use mpos_stratum::config::{ColumnUse, Mpos, Workers};
use mpos_stratum::mpos::pool_worker::PoolWorkerColumn;
use mpos_stratum::mpos::worker_source::PoolWorkers;
use mpos_stratum::worker::difficulties::DifficultyStore;
use mpos_stratum::worker::directory::{Answer, Denial, Directory};
use mpos_stratum::worker::memory::Memory;
use mpos_stratum::worker::source::{Found, StoredAccount, StoredWorker, WorkerSource};
use mysql_async::prelude::Queryable;
use tokio::sync::watch;

use super::*;

fn worker(name: &str, password: Option<&str>, locked: u8) -> Found {
    Found::Worker(StoredWorker { name: name.into(), password: password.map(Into::into), locked, folds_case: true })
}

#[tokio::test]
async fn workers_are_found_by_the_databases_own_comparison() {
    let (db, _) = database("find").await;
    let alice = db.add_account("find", "Alice", 0).await;
    let eve = db.add_account("find", "eve", 2).await;
    let own = db.add_account("find", "self", 1).await;
    db.add_worker("find", alice, "Alice.Rig", Some("Pass w\u{f6}rd")).await;
    db.add_worker("find", alice, "alice.null", None).await;
    db.add_worker("find", eve, "eve.rig", Some("")).await;
    db.add_worker("find", own, "self.rig", Some("x")).await;
    // MPOS credits by name, whatever the row's owner is.
    db.add_worker("find", alice, "nobody.rig", Some("x")).await;
    db.add_worker("find", alice, "eve.stray", Some("x")).await;
    let mut source = PoolWorkers::new(&db.mpos("find"));
    for (name, found) in [
        ("aLICE.rIG", worker("Alice.Rig", Some("Pass w\u{f6}rd"), 0)),
        ("Alice.null", worker("alice.null", None, 0)),
        ("eve.rig", worker("eve.rig", Some(""), 2)),
        ("self.rig", worker("self.rig", Some("x"), 1)),
        ("eve.stray", worker("eve.stray", Some("x"), 2)),
        ("nobody.rig", Found::Nothing),
        ("ALICE.other", Found::OnlyAccount(StoredAccount { id: alice, name: "Alice".into(), locked: 0 })),
        ("bob.rig", Found::Nothing),
        ("alice%.rig", Found::Nothing),
        ("' OR 1=1 --.x", Found::Nothing),
    ] {
        assert_eq!(source.find(name).await, Ok(found), "{name}");
    }
}

#[tokio::test]
async fn the_table_says_whether_it_tells_capital_letters_apart() {
    let (db, _) = database("collation").await;
    let alice = db.add_account("collation", "Alice", 0).await;
    db.add_worker("collation", alice, "Alice.Rig", Some("x")).await;
    let mut source = PoolWorkers::new(&db.mpos("collation"));
    let folds = |found| {
        let Ok(Found::Worker(worker)) = found else { panic!("{found:?}") };
        (worker.name, worker.folds_case)
    };
    assert_eq!(folds(source.find("ALICE.rig").await), ("Alice.Rig".to_owned(), true));
    // Two of one name, where somebody took the unique key away: neither stands for both.
    db.run_sql("collation", "ALTER TABLE pool_worker DROP KEY username").await;
    db.add_worker("collation", alice, "ALICE.RIG", Some("y")).await;
    assert_eq!(folds(source.find("ALICE.RIG").await), ("ALICE.RIG".to_owned(), false));
    let binary = "ALTER TABLE pool_worker MODIFY username CHAR(50) CHARACTER SET utf8 COLLATE utf8_bin";
    db.run_sql("collation", binary).await;
    assert_eq!(folds(source.find("Alice.Rig").await), ("Alice.Rig".to_owned(), false));
    assert_eq!(folds(source.find("ALICE.RIG").await), ("ALICE.RIG".to_owned(), false));
}

#[tokio::test]
async fn accounts_and_workers_may_be_in_other_schemas() {
    let (db, _) = database("coin").await;
    db.create_database("shared-acc`ounts").await;
    db.create_database("shared-workers").await;
    let id = db.add_account("shared-acc`ounts", "Alice", 0).await;
    db.add_worker("shared-workers", id, "Alice.Rig", Some("x")).await;
    // Misleading rows where nobody may look.
    db.add_account("coin", "Bob", 0).await;
    db.add_worker("coin", 1, "Alice.Rig", Some("wrong")).await;
    let mpos = Mpos {
        accounts_database: "shared-acc`ounts".into(),
        workers_database: "shared-workers".into(),
        ..db.mpos("coin")
    };
    let mut source = PoolWorkers::new(&mpos);
    assert_eq!(source.find("alice.rig").await, Ok(worker("Alice.Rig", Some("x"), 0)));
    assert_eq!(source.find("bob.rig").await, Ok(Found::Nothing));
    let Ok(Found::OnlyAccount(account)) = source.find("alice.new").await else { panic!("account not found") };
    source.create(&account, "Alice.new", "y").await.unwrap();
    let sql = "SELECT account_id, username, password FROM pool_worker ORDER BY id";
    let rows: Vec<(i64, String, String)> = db.query("shared-workers", sql).await;
    assert_eq!(rows, [(id, "Alice.Rig".into(), "x".into()), (id, "Alice.new".into(), "y".into())]);
}

#[tokio::test]
async fn one_of_two_creators_wins_and_both_get_the_same() {
    let (db, _) = database("create").await;
    let id = db.add_account("create", "Alice", 0).await;
    let account = StoredAccount { id, name: "Alice".into(), locked: 0 };
    let mut sources = [PoolWorkers::new(&db.mpos("create")), PoolWorkers::new(&db.mpos("create"))];
    for source in &mut sources {
        assert_eq!(source.find("alice.new").await, Ok(Found::OnlyAccount(account.clone())));
    }
    let [one, two] = &mut sources;
    let (one, two) = tokio::join!(one.create(&account, "Alice.new", "1"), two.create(&account, "Alice.NEW", "2"));
    assert_eq!(one, two);
    assert_eq!(db.query::<u64>("create", "SELECT COUNT(*) FROM pool_worker").await, [1]);
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_is_replaced_within_the_question() {
    let mut db = MariaDb::start();
    db.create_database("pool").await;
    let id = db.add_account("pool", "Alice", 0).await;
    db.add_worker("pool", id, "Alice.Rig", Some("x")).await;
    let mut source = PoolWorkers::new(&db.mpos("pool"));
    let found = Ok(worker("Alice.Rig", Some("x"), 0));
    assert_eq!(source.find("alice.rig").await, found);
    let mut conn = db.conn(Some("pool")).await;
    let ids: Vec<u64> =
        conn.query("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()").await.unwrap();
    for id in ids {
        let _ = conn.query_drop(format!("KILL {id}")).await;
    }
    assert_eq!(source.find("alice.rig").await, found);
    db.kill();
    assert!(source.find("alice.rig").await.is_err());
    db.restart();
    assert_eq!(source.find("alice.rig").await, found);
    db.freeze();
    assert!(source.find("alice.rig").await.is_err(), "a frozen server is no hang");
    db.thaw();
    assert_eq!(source.find("alice.rig").await, found);
}

#[tokio::test]
async fn the_directory_in_front_of_the_real_tables() {
    let (db, _) = database("directory").await;
    let alice = db.add_account("directory", "Alice", 0).await;
    let eve = db.add_account("directory", "eve", 2).await;
    db.add_worker("directory", alice, "Alice.Rig", Some("Secret")).await;
    db.add_worker("directory", eve, "eve.rig", Some("x")).await;
    let policy = Workers {
        check_password: true,
        auto_create: true,
        refuse_locked: true,
        cache: Duration::from_secs(60),
        negative_cache: Duration::from_secs(10),
        remember: Duration::from_secs(3600),
        recheck: Duration::from_secs(600),
        pool_worker_difficulty: ColumnUse::Off,
    };
    let directory = Directory::start(PoolWorkers::new(&db.mpos("directory")), policy, Memory::of_this_run());
    for (name, password, answer) in [
        ("alice.rig", "Secret", Answer::Granted("Alice.Rig".into())),
        ("alice.rig", "secret", Answer::Denied(Denial::WrongPassword)),
        ("eve.rig", "x", Answer::Denied(Denial::Locked)),
        ("ALICE.new", "pw", Answer::Granted("Alice.new".into())),
        ("alice.NEW", "other", Answer::Denied(Denial::WrongPassword)),
        ("bob.rig", "x", Answer::Denied(Denial::UnknownAccount)),
    ] {
        assert_eq!(directory.authorize(name, password).await, answer, "{name}");
    }
    let rows: Vec<(i64, String, String)> =
        db.query("directory", "SELECT account_id, username, password FROM pool_worker WHERE id > 2").await;
    assert_eq!(rows, [(alice, "Alice.new".into(), "pw".into())]);
}

/// Reading goes on at whichever declared server answers; a new worker goes where it can be stored.
#[tokio::test]
async fn another_server_is_asked_when_one_is_away() {
    let (first, mut second) = (MariaDb::start(), MariaDb::start());
    for db in [&first, &second] {
        db.create_database("pool").await;
        let id = db.add_account("pool", "Alice", 0).await;
        db.add_worker("pool", id, "Alice.Rig", Some("x")).await;
    }
    let failover = vec![second.mpos("pool").endpoint];
    let mut source = PoolWorkers::new(&Mpos { failover, ..first.mpos("pool") });
    let found = Ok(worker("Alice.Rig", Some("x"), 0));
    assert_eq!(source.find("alice.rig").await, found);
    let asked = async |db: &MariaDb| {
        let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'pool' AND id <> CONNECTION_ID()";
        db.query::<u64>("pool", sql).await[0]
    };
    assert_eq!((asked(&first).await, asked(&second).await), (1, 0));
    drop(first);
    assert_eq!(source.find("alice.rig").await, found);
    assert_eq!(asked(&second).await, 1);
    second.kill();
    assert!(source.find("alice.rig").await.is_err());
    second.restart();
    assert_eq!(source.find("alice.rig").await, found);
}

/// A replica that takes writes by mistake answers, but nothing is written to it.
#[tokio::test]
async fn nothing_is_written_beside_the_server_that_shares_are_written_to() {
    let (mut first, second) = (MariaDb::start(), MariaDb::start());
    for db in [&first, &second] {
        db.create_database("pool").await;
        let id = db.add_account("pool", "Alice", 0).await;
        db.add_worker("pool", id, "Alice.Rig", Some("x")).await;
    }
    let mpos = Mpos { failover: vec![second.mpos("pool").endpoint], ..first.mpos("pool") };
    let name = |db: &MariaDb| std::sync::Arc::<str>::from(db.mpos("pool").endpoint.to_string());
    let in_use = watch::Sender::new(name(&first));
    let mut source = PoolWorkers::new(&mpos).following(in_use.subscribe());
    let mut column = PoolWorkerColumn::new(&mpos).following(in_use.subscribe());
    let found = Ok(worker("Alice.Rig", Some("x"), 0));
    let alice = StoredAccount { id: 1, name: "Alice".into(), locked: 0 };
    let asked = async |db: &MariaDb| {
        let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'pool' AND id <> CONNECTION_ID()";
        db.query::<u64>("pool", sql).await[0]
    };
    assert_eq!(source.find("alice.rig").await, found);
    column.write("Alice.Rig", 2.0).await.unwrap();
    first.kill();
    assert_eq!(source.find("alice.rig").await, found);
    assert_eq!(column.read("Alice.Rig").await, Ok(None), "read from the second");
    for _ in 0..3 {
        source.create(&alice, "Alice.new", "x").await.unwrap_err();
        column.write("Alice.Rig", 3.0).await.unwrap_err();
    }
    let written = "SELECT COUNT(*) FROM pool_worker WHERE username <> 'Alice.Rig' OR difficulty > 0";
    assert_eq!(second.query::<u64>("pool", written).await, [0]);

    // The writer has moved on for good.
    in_use.send_replace(name(&second));
    source.create(&alice, "Alice.new", "x").await.unwrap();
    column.write("Alice.Rig", 3.0).await.unwrap();
    assert_eq!(second.query::<u64>("pool", written).await, [2]);
    assert_eq!(column.read("Alice.Rig").await, Ok(Some(3.0)));

    // And it is read from first, as soon as it moves.
    first.restart();
    in_use.send_replace(name(&first));
    assert_eq!(source.find("alice.rig").await, found);
    assert_eq!(asked(&first).await, 1);
    assert_eq!(column.read("Alice.Rig").await, Ok(Some(2.0)));
}
