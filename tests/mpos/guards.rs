//! What a new connection must find before it writes.

use mpos_stratum::ledger::sink::SinkError;

use super::*;

/// Attaches and returns what it was stopped with.
async fn stopped(sink: &mut ShareSink) -> String {
    match sink.attach(SPOOL, 0, &ANY).await {
        Err(SinkError::Stop(text)) => text,
        other => panic!("not stopped: {other:?}"),
    }
}

#[tokio::test]
async fn ids_that_went_back_stop_with_the_remedy() {
    let (db, mut sink) = database("ids").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 9), 0, 9).await.unwrap();
    let block = "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, share_id) \
                 VALUES (1, 'h', 1, 50, 1, 1, 7)";
    let archived = "INSERT INTO shares_archive (share_id, username, block_id, time) VALUES (8, 'Alice.r', 1, NOW())";
    let paid = "INSERT INTO settings VALUES ('pps_last_share_id', '9')";
    for (sql, remedy) in [(block, 8), (archived, 9), (paid, 10)] {
        db.run_sql("ids", sql).await;
        assert_eq!(sink.attach(SPOOL, 9, &ANY).await, Ok(9), "nothing is wrong yet");
        db.run_sql("ids", "TRUNCATE shares").await;
        let text = match sink.attach(SPOOL, 9, &ANY).await {
            Err(SinkError::Stop(text)) => text,
            other => panic!("not stopped: {other:?}"),
        };
        let remedy = format!("ALTER TABLE shares AUTO_INCREMENT = {remedy}");
        assert!(text.ends_with(&remedy), "{text}");
        db.run_sql("ids", &remedy).await;
        assert_eq!(sink.attach(SPOOL, 9, &ANY).await, Ok(9), "the remedy works");
        db.run_sql("ids", "ALTER TABLE shares AUTO_INCREMENT = 10").await;
    }
}

#[tokio::test]
async fn tables_without_transactions_are_refused() {
    let (db, mut sink) = database("engine").await;
    db.run_sql("engine", "ALTER TABLE shares ENGINE=MyISAM").await;
    let text = stopped(&mut sink).await;
    assert!(text.contains("MyISAM") && text.contains("ALTER TABLE shares ENGINE=InnoDB"), "{text}");
    db.run_sql("engine", "ALTER TABLE shares ENGINE=InnoDB").await;
    db.run_sql("engine", "ALTER TABLE mpos_stratum_cursor ENGINE=Aria TRANSACTIONAL=0").await;
    let text = stopped(&mut sink).await;
    assert!(text.contains("mpos_stratum_cursor"), "{text}");
    // Permission for shares is none for our own tables.
    let mpos = mpos_stratum::config::Mpos { allow_myisam: true, ..db.mpos("engine") };
    let mut sink = ShareSink::new(&mpos, Arc::new(SystemClock::new()), "h");
    assert!(stopped(&mut sink).await.contains("mpos_stratum_cursor"));
}

/// Rows would be stored without their position, and no statement fails.
#[tokio::test]
async fn an_engine_that_is_changed_under_the_writer_is_noticed_within_the_minute() {
    use mpos_stratum::mpos::skew::SKEW_CHECK_EVERY;

    let (db, clock) = (database("altered_live").await.0, Arc::new(ManualClock::at(SystemClock::new().unix_secs())));
    let mut strict = sink_by(&db, "altered_live", &clock);
    strict.attach(SPOOL, 0, &ANY).await.unwrap();
    strict.commit(&numbered(1, 2), 0, 2).await.unwrap();
    db.run_sql("altered_live", "ALTER TABLE shares ENGINE=MyISAM").await;
    clock.advance(SKEW_CHECK_EVERY);
    match strict.commit(&numbered(3, 3), 2, 3).await {
        Err(SinkError::Stop(text)) => assert!(text.contains("ALTER TABLE shares ENGINE=InnoDB"), "{text}"),
        other => panic!("not stopped: {other:?}"),
    }
    // With permission it goes on in the other way, there and back.
    let mpos = mpos_stratum::config::Mpos { allow_myisam: true, ..db.mpos("altered_live") };
    let mut lax = ShareSink::new(&mpos, Arc::clone(&clock) as Arc<dyn Clock>, "test-host");
    assert_eq!(lax.attach(SPOOL, 2, &ANY).await, Ok(2));
    clock.advance(SKEW_CHECK_EVERY);
    lax.keep_alive().await.unwrap();
    db.run_sql("altered_live", "ALTER TABLE shares ENGINE=InnoDB").await;
    clock.advance(SKEW_CHECK_EVERY);
    let changed = lax.keep_alive().await.unwrap_err();
    assert!(matches!(&changed, SinkError::Unavailable(text) if text.contains("was changed")), "{changed}");
    assert_eq!(lax.attach(SPOOL, 2, &ANY).await, Ok(2));
    lax.commit(&numbered(3, 3), 2, 3).await.unwrap();
    assert_eq!(stored(&db, "altered_live").await, [1, 2, 3]);
}

#[tokio::test]
async fn columns_that_do_not_fit_are_refused() {
    let (db, mut sink) = database("columns").await;
    for (change, word, back) in [
        ("DROP COLUMN reason", "no column reason", "ADD reason VARCHAR(50)"),
        ("MODIFY solution VARCHAR(40) NOT NULL", "solution holds 40", "MODIFY solution VARCHAR(257) NOT NULL"),
        ("MODIFY time DATETIME NOT NULL", "time is datetime", "MODIFY time TIMESTAMP NOT NULL"),
        ("ADD worker_id INT NOT NULL", "worker_id", "DROP COLUMN worker_id"),
    ] {
        db.run_sql("columns", &format!("ALTER TABLE shares {change}")).await;
        let text = stopped(&mut sink).await;
        assert!(text.contains(word), "{text}");
        db.run_sql("columns", &format!("ALTER TABLE shares {back}")).await;
    }
    db.run_sql("columns", "ALTER TABLE shares ADD note VARCHAR(10), ADD n INT NOT NULL DEFAULT 1").await;
    assert_eq!(sink.attach(SPOOL, 0, &ANY).await, Ok(0));
    sink.commit(&numbered(1, 1), 0, 1).await.unwrap();
    db.run_sql("columns", "RENAME TABLE shares TO elsewhere").await;
    assert!(stopped(&mut sink).await.contains("no table shares"));
}

#[tokio::test]
async fn what_mends_itself_is_only_unavailable() {
    let db = MariaDb::start();
    db.create_database("pool").await;
    let mut sink = sink(&db, "pool");
    db.run_sql("pool", "SET GLOBAL read_only = 1").await;
    let result = sink.attach(SPOOL, 0, &ANY).await;
    assert!(matches!(&result, Err(SinkError::Unavailable(text)) if text.contains("read-only")), "{result:?}");
    db.run_sql("pool", "SET GLOBAL read_only = 0").await;
    db.run_sql("pool", "DROP TABLE mpos_stratum_block").await;
    let result = sink.attach(SPOOL, 0, &ANY).await;
    let named = |text: &str| text.contains("mpos_stratum_block") && text.contains("schema/mpos-stratum.sql");
    assert!(matches!(&result, Err(SinkError::Unavailable(text)) if named(text)), "{result:?}");
    db.load("pool", "schema/mpos-stratum.sql").await;
    assert_eq!(sink.attach(SPOOL, 0, &ANY).await, Ok(0));
}

/// The table is emptied behind the back of a connected writer: the first id that comes back tells.
#[tokio::test]
async fn ids_that_go_back_under_a_connected_writer_undo_the_batch() {
    let (db, mut sink) = database("emptied").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&numbered(1, 9), 0, 9).await.unwrap();
    db.run_sql("emptied", "INSERT INTO settings VALUES ('pps_last_share_id', '9')").await;
    db.run_sql("emptied", "TRUNCATE shares").await;
    let result = sink.commit(&numbered(10, 12), 9, 12).await;
    assert!(matches!(&result, Err(SinkError::Unavailable(text)) if text.contains("id 1 ")), "{result:?}");
    assert_eq!(stored(&db, "emptied").await, [0u64; 0]);
    let result = sink.attach(SPOOL, 9, &ANY).await;
    assert!(matches!(&result, Err(SinkError::Stop(text)) if text.contains("AUTO_INCREMENT = 10")), "{result:?}");
}

/// MPOS has not used an id yet; our own record of a block has.
#[tokio::test]
async fn ids_that_go_back_before_mpos_has_used_them_are_noticed() {
    let (db, mut sink) = database("emptied_early").await;
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    sink.commit(&[entry(1, share()), entry(2, candidate([1; 32]))], 0, 2).await.unwrap();
    db.run_sql("emptied_early", "TRUNCATE shares").await;
    let result = sink.attach(SPOOL, 2, &ANY).await;
    let told = |text: &str| text.contains("AUTO_INCREMENT = 3") && text.contains("mpos_stratum_block");
    assert!(matches!(&result, Err(SinkError::Stop(text)) if told(text)), "{result:?}");
    db.run_sql("emptied_early", "ALTER TABLE shares AUTO_INCREMENT = 3").await;
    assert_eq!(sink.attach(SPOOL, 2, &ANY).await, Ok(2));
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged while a new writer attaches.
async fn log_of_attach(sink: &mut ShareSink) -> String {
    log_of(async {
        sink.attach(SPOOL, 0, &ANY).await.unwrap();
    })
    .await
}

/// What is logged meanwhile; on one thread only.
async fn log_of(work: impl Future<Output = ()>) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_only_mpos_suffers_from_is_warned_about() {
    use mpos_stratum::clock::ManualClock;

    let db = MariaDb::start();
    db.create_database("pool").await;
    let quiet = log_of_attach(&mut sink(&db, "pool")).await;
    assert!(quiet.contains("writing shares") && !quiet.contains("WARN"), "{quiet}");
    let now = SystemClock::new().unix_secs();
    let cases = [
        (now, "SET GLOBAL sql_mode = CONCAT(@@global.sql_mode, ',ONLY_FULL_GROUP_BY')", "ONLY_FULL_GROUP_BY"),
        (now - 60, "SET GLOBAL sql_mode = DEFAULT", "clocks"),
        (
            now,
            "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time) \
             VALUES (7, 'h', 1, 50, 1, UNIX_TIMESTAMP() - 700)",
            "first_height=7",
        ),
    ];
    for (clock, change, word) in cases {
        db.run_sql("pool", change).await;
        let mut sink = ShareSink::new(&db.mpos("pool"), Arc::new(ManualClock::at(clock)), "test-host");
        let log = log_of_attach(&mut sink).await;
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
        assert!(matches!(&warnings[..], [one] if one.contains(word)), "{word}: {log}");
    }
    // Young ones and orphans are none of it.
    db.run_sql("pool", "UPDATE blocks SET time = UNIX_TIMESTAMP()").await;
    assert!(!log_of_attach(&mut sink(&db, "pool")).await.contains("WARN"));
    db.run_sql("pool", "UPDATE blocks SET time = 1, confirmations = -1").await;
    assert!(!log_of_attach(&mut sink(&db, "pool")).await.contains("WARN"));
}

/// A clock that is set wrong while the writer is connected is noticed within the minute, whether there is
/// work or not, and costs no row.
#[tokio::test]
async fn clocks_that_part_while_the_writer_is_connected_are_told() {
    use mpos_stratum::clock::ManualClock;
    use mpos_stratum::mpos::skew::SKEW_CHECK_EVERY;

    let (db, _) = database("skew").await;
    let clock = Arc::new(ManualClock::at(SystemClock::new().unix_secs()));
    let mut sink = ShareSink::new(&db.mpos("skew"), Arc::clone(&clock) as Arc<dyn Clock>, "test-host");
    let skew = sink.skew();
    let ahead = |skew: &tokio::sync::watch::Receiver<_>| {
        let skew: Option<mpos_stratum::mpos::skew::Skew> = *skew.borrow();
        skew.map(|skew| skew.ahead_ms)
    };
    sink.attach(SPOOL, 0, &ANY).await.unwrap();
    assert_eq!(ahead(&skew), None);
    let set = |ahead_secs: i64| clock.step_to(SystemClock::new().unix_secs().saturating_add_signed(ahead_secs));
    set(120);
    let log = log_of(async { sink.commit(&numbered(1, 1), 0, 1).await.unwrap() }).await;
    assert!(ahead(&skew).is_none() && !log.contains("clocks"), "not at every batch: {log}");
    clock.advance(SKEW_CHECK_EVERY);
    set(120);
    let log = log_of(async { sink.commit(&numbered(2, 3), 1, 3).await.unwrap() }).await;
    assert!(log.contains("WARN") && log.contains("the clocks of this machine"), "{log}");
    assert!((110_000..130_000).contains(&ahead(&skew).unwrap()), "{:?}", ahead(&skew));
    // Told once, and once more when it is over; here while there is nothing to store.
    clock.advance(SKEW_CHECK_EVERY);
    set(-300);
    let log = log_of(async { sink.keep_alive().await.unwrap() }).await;
    assert!(!log.contains("clocks") && ahead(&skew).unwrap() < -290_000, "{log}");
    clock.advance(SKEW_CHECK_EVERY);
    set(0);
    let log = log_of(async { sink.keep_alive().await.unwrap() }).await;
    assert!(log.contains("agree again") && ahead(&skew).is_none(), "{log}");
    sink.commit(&numbered(4, 4), 3, 4).await.unwrap();
    assert_eq!(stored(&db, "skew").await, [1, 2, 3, 4]);
}

/// The example grants are enough for everything the daemon does.
#[tokio::test]
async fn the_example_grants_are_enough() {
    use mpos_stratum::config::Mpos;
    use mpos_stratum::config::secret::Secret;
    use mpos_stratum::mpos::pool_worker::PoolWorkerColumn;
    use mpos_stratum::mpos::worker_source::PoolWorkers;
    use mpos_stratum::worker::difficulties::DifficultyStore;
    use mpos_stratum::worker::source::{Found, StoredAccount, WorkerSource};

    let db = MariaDb::start();
    db.create_database("mpos").await;
    db.load("mpos", "schema/grants.sql").await;
    let with_auto_create =
        "GRANT INSERT (account_id, username, password) ON mpos.pool_worker TO 'mpos_stratum'@'localhost'";
    assert!(include_str!("../../schema/grants.sql").contains(&format!("\n-- {with_auto_create};\n")));
    let alice = db.add_account("mpos", "Alice", 0).await;
    // Without name resolution the server knows "localhost" by its socket only.
    let mpos = Mpos { user: "mpos_stratum".into(), password: Secret::new("change-me"), ..db.mpos("mpos") };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut first = ShareSink::new(&mpos, Arc::clone(&clock), "h");
    first.attach(SPOOL, 0, &ANY).await.unwrap();
    first.commit(&[entry(1, candidate([1; 32])), verdict(2, 1, [1; 32], true)], 0, 2).await.unwrap();
    // Ending the predecessor needs no grant.
    let id: Vec<u64> = db.query("mpos", "SELECT connection_id FROM mpos_stratum_cursor").await;
    let mut second = ShareSink::new(&mpos, clock, "h");
    assert_eq!(second.attach(SPOOL, 2, &ANY).await, Ok(2));
    let sql = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {}", id[0]);
    assert_eq!(db.query::<u64>("mpos", &sql).await, [0]);
    let mut workers = PoolWorkers::new(&mpos);
    let account = StoredAccount { id: alice, name: "Alice".into(), locked: 0 };
    assert_eq!(workers.find("alice.rig").await, Ok(Found::OnlyAccount(account.clone())));
    assert!(workers.create(&account, "Alice.rig", "x").await.is_err(), "that right is for auto_create");
    db.run_sql("mpos", with_auto_create).await;
    assert_eq!(workers.create(&account, "Alice.rig", "x").await.unwrap().name, "Alice.rig");
    let mut column = PoolWorkerColumn::new(&mpos);
    column.write("Alice.rig", 8.0).await.unwrap();
    assert_eq!(column.read("Alice.rig").await, Ok(Some(8.0)));
}
