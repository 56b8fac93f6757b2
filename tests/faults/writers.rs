//! Who writes and where: a second server when the first is gone, a second daemon beside the first.

use std::time::Duration;

use mpos_stratum::config::{Endpoint, Mpos};
use mpos_stratum::ledger::decision::{self, Decision, Outcome, Position, Verb};
use mpos_stratum::ledger::status::DrainState;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::task::block_in_place;

use crate::events::Kind;
use crate::rig::{Rig, mpos_at, prepare, same_rows};
use crate::support::mariadb::MariaDb;

/// A server and its replica, which takes no writes but those of replication.
struct Pair {
    first: MariaDb,
    second: MariaDb,
}

impl Pair {
    /// `loses_nothing`: a commit is answered only when the replica has it.
    async fn start(loses_nothing: bool) -> Self {
        let mut options = vec!["--server-id=1", "--log-bin=log", "--sync-binlog=1"];
        if loses_nothing {
            options.extend([
                "--rpl-semi-sync-master-enabled=ON",
                "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                "--rpl-semi-sync-master-timeout=60000",
            ]);
        }
        let first = MariaDb::start_with(&options);
        let second = MariaDb::start_with(&["--server-id=2", "--read-only=1", "--rpl-semi-sync-slave-enabled=ON"]);
        let replication = "SET SESSION sql_log_bin = 0; CREATE USER 'copy'@'127.0.0.1' IDENTIFIED BY 'copy'; \
                           GRANT REPLICATION SLAVE ON *.* TO 'copy'@'127.0.0.1'";
        first.run_sql("mysql", replication).await;
        let source = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'copy', \
             MASTER_PASSWORD = 'copy', MASTER_USE_GTID = slave_pos; START SLAVE",
            first.port()
        );
        second.run_sql("mysql", &source).await;
        prepare(&first, "pool").await;
        Self { first, second }
    }

    fn mpos(&self) -> Mpos {
        let failover = vec![Endpoint::Tcp("127.0.0.1".into(), self.second.port())];
        Mpos { failover, ..mpos_at(self.first.port(), "pool") }
    }

    /// What an operator does with the replica when its source is dead.
    async fn promote(&self) {
        let mut conn = self.second.conn(None).await;
        loop {
            let status: Option<Row> = conn.query_first("SHOW SLAVE STATUS").await.unwrap();
            // Nothing as long as the replica's thread starts.
            let state: Option<String> = status.unwrap().get("Slave_SQL_Running_State").unwrap();
            if state.is_some_and(|state| state.contains("has read all relay log")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        conn.query_drop("STOP SLAVE").await.unwrap();
        conn.query_drop("SET GLOBAL read_only = 0").await.unwrap();
    }
}

async fn end_writer(db: &MariaDb) {
    let id: Vec<u64> = db.query("pool", "SELECT connection_id FROM mpos_stratum_cursor").await;
    db.run_sql("pool", &format!("KILL {}", id[0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_server_dies_and_the_replica_goes_on_for_good() {
    let mut pair = Pair::start(true).await;
    let mut rig = Rig::start(&pair.mpos());
    rig.mine();
    rig.drained(300).await;
    block_in_place(|| pair.first.kill());
    // Nothing is written to a server that does not take it.
    rig.trouble("127.0.0.1").await;
    rig.mined(100).await;
    pair.promote().await;
    rig.drained(100).await;

    // The first one is back, without what was stored since: it is not even looked at.
    block_in_place(|| pair.first.restart());
    let stale = pair.first.rows("pool").await;
    for _ in 0..3 {
        end_writer(&pair.second).await;
        rig.drained(20).await;
    }
    rig.check(&pair.second, "pool").await;
    assert_eq!(pair.first.rows("pool").await, stale);
    let there: Vec<u64> = pair.first.query("pool", "SELECT seq FROM mpos_stratum_cursor").await;
    assert!(there[0] < rig.ledger.status().drained);

    // Nor does a daemon that begins with it again write to it: it lacks what is known to be stored.
    let drained = rig.ledger.status().drained;
    let (dir, book) = rig.stop().await;
    let mut rig = Rig::start_in(dir, &pair.mpos(), crate::rig::Setup::default());
    rig.book = book;
    rig.append(&[Kind::Accepted]);
    rig.trouble("was an older backup restored").await;
    assert_eq!((rig.ledger.status().drained, pair.first.rows("pool").await), (drained, stale));
    // Until the operator has put the right one first.
    let (dir, book) = rig.stop().await;
    let mut rig = Rig::start_in(dir, &mpos_at(pair.second.port(), "pool"), crate::rig::Setup::default());
    rig.book = book;
    rig.check(&pair.second, "pool").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_is_not_written_to() {
    let mut pair = Pair::start(false).await;
    let mut rig = Rig::start(&pair.mpos());
    rig.mine();
    rig.drained(100).await;
    pair.promote().await;
    rig.drained(100).await;
    let lagging = pair.second.rows("pool").await;
    block_in_place(|| pair.first.kill());
    rig.trouble("was an older backup restored").await;
    assert!(matches!(rig.ledger.status().drain, DrainState::Stopped(_)));
    rig.mined(50).await;
    assert_eq!(pair.second.rows("pool").await, lagging);
    // It never became the one in use, so the first one is still good.
    block_in_place(|| pair.first.restart());
    rig.check(&pair.first, "pool").await;
    assert_eq!(pair.second.rows("pool").await, lagging);
}

/// What an operator decides after having looked at the database: every row behind its position again.
async fn rewind(rig: &Rig, db: &MariaDb) -> Decision {
    let rows: Vec<(String, u64)> = db.query("pool", "SELECT spool_id, seq FROM mpos_stratum_cursor").await;
    let found = rows.into_iter().map(|(spool, seq)| Position { spool, seq }).next().unwrap();
    Decision {
        id: "chosen".into(),
        verb: Verb::Rewind,
        spool: rig.ledger.spool().to_string(),
        next_seq: found.seq + 1,
        found: Some(found),
        confirmed: rig.ledger.status().drained,
        decided_at: 1,
        candidates: Vec::new(),
    }
}

async fn outcome(rig: &Rig) -> Outcome {
    let told = async {
        loop {
            match decision::outcome(rig.dir.path()).unwrap() {
                Some(outcome) => return outcome,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("nobody has answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_about_the_replica_is_carried_out_there() {
    let mut pair = Pair::start(false).await;
    let mut rig = Rig::start(&pair.mpos());
    rig.mine();
    rig.drained(100).await;
    pair.promote().await;
    rig.drained(100).await;
    block_in_place(|| pair.first.kill());
    rig.trouble("was an older backup restored").await;
    decision::submit(rig.dir.path(), &rewind(&rig, &pair.second).await).unwrap();
    let told = outcome(&rig).await;
    assert!(told.applied, "{told:?}");
    // What the replica had not got is there now, and it is the one in use.
    rig.check(&pair.second, "pool").await;
    block_in_place(|| pair.first.restart());
    end_writer(&pair.second).await;
    rig.append(&[Kind::Accepted]);
    rig.check(&pair.second, "pool").await;
}

/// A decision about a server that died before it was carried out is refused, so that the next server can
/// be gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_fits_no_server_is_in_nobodys_way() {
    let mut pair = Pair::start(true).await;
    let mut rig = Rig::start(&pair.mpos());
    rig.append(&[Kind::Accepted, Kind::Accepted]);
    rig.settle().await;
    let mut wish = rewind(&rig, &pair.first).await;
    block_in_place(|| pair.first.kill());
    pair.promote().await;
    wish.found = Some(Position { spool: wish.spool.clone(), seq: 1 });
    wish.next_seq = 1;
    decision::submit(rig.dir.path(), &wish).unwrap();
    rig.append(&[Kind::Accepted]);
    let told = outcome(&rig).await;
    assert!(!told.applied && told.text.contains("is away, and on 127.0.0.1"), "{told:?}");
    rig.check(&pair.second, "pool").await;
}

/// Two daemons on one table by mistake: the second one stores nothing while the first one lives, and goes
/// on some time after that was stopped.
#[tokio::test]
async fn two_daemons_on_one_table_do_not_interleave() {
    let db = MariaDb::shared();
    prepare(&db, "two").await;
    let mpos = mpos_at(db.port(), "two");
    let mut first = Rig::start(&mpos);
    first.mine();
    first.drained(50).await;
    let mut second = Rig::start(&mpos);
    second.mine();
    second.trouble("another writer").await;
    first.drained(100).await;
    second.mined(100).await;
    assert_eq!(second.ledger.status().drained, 0);
    first.settle().await;
    let mut expected = first.book.expected();
    let (_dir, _book) = first.stop().await;
    second.drained(100).await;
    second.settle().await;
    expected.extend(second.book.expected());
    same_rows(&db.rows("two").await, &expected);
}

/// The database was away for more than a minute, and comes back for the stranger first.
#[tokio::test]
async fn after_an_outage_the_writer_goes_on_and_no_stranger() {
    let db = MariaDb::shared();
    prepare(&db, "stranger").await;
    let line = crate::support::fault_proxy::FaultProxy::start(db.port()).await;
    let mut first = Rig::start(&mpos_at(line.port(), "stranger"));
    first.mine();
    first.drained(50).await;
    let mut setup = crate::rig::Setup::default();
    setup.limits.takeover_after = Duration::from_secs(60);
    let second = Rig::start_with(&mpos_at(db.port(), "stranger"), setup);
    second.append(&[Kind::Accepted; 3]);
    second.trouble("another writer").await;
    line.refuse(true);
    line.sever();
    first.trouble("refused").await;
    db.run_sql("stranger", "UPDATE mpos_stratum_cursor SET lease_at = lease_at - INTERVAL 600 SECOND").await;
    second.trouble("last sign of life 60").await;
    line.heal();
    first.drained(50).await;
    first.check(&db, "stranger").await;
    assert_eq!(second.ledger.status().drained, 0);
}

/// A daemon whose connection is in doubt gives nothing free: its transaction may still be at work.
#[tokio::test]
async fn only_a_stop_without_doubt_gives_the_table_free() {
    let db = MariaDb::shared();
    prepare(&db, "release").await;
    let age = "SELECT TIMESTAMPDIFF(SECOND, lease_at, UTC_TIMESTAMP(3)) >= 60 FROM mpos_stratum_cursor";
    let line = crate::support::fault_proxy::FaultProxy::start(db.port()).await;
    let mut rig = Rig::start(&mpos_at(line.port(), "release"));
    rig.append(&[Kind::Accepted]);
    rig.settle().await;
    line.refuse(true);
    line.sever();
    rig.append(&[Kind::Accepted]);
    rig.trouble("refused").await;
    let (dir, book) = rig.stop().await;
    assert_eq!(db.query::<u64>("release", age).await, [0]);
    line.heal();
    let mut rig = Rig::start_in(dir, &mpos_at(line.port(), "release"), crate::rig::Setup::default());
    rig.book = book;
    rig.check(&db, "release").await;
    let _stopped = rig.stop().await;
    assert_eq!(db.query::<u64>("release", age).await, [1]);
    let connections = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'release' AND user = 'writer'";
    while db.query::<u64>("release", connections).await != [0] {}
}
