//! A server that is restarted, killed, closed to us or closed to everybody.

use std::time::Duration;

use mysql_async::{Conn, OptsBuilder};
use tokio::task::block_in_place;

use crate::rig::{PASSWORD, Rig, mpos_at, prepare};
use crate::support::fault_proxy::FaultProxy;
use crate::support::mariadb::MariaDb;

/// A server of one's own, whose global settings may be changed.
async fn private() -> (MariaDb, Rig) {
    let db = MariaDb::start();
    prepare(&db, "pool").await;
    let mut rig = Rig::start(&mpos_at(db.port(), "pool"));
    rig.mine();
    rig.drained(50).await;
    (db, rig)
}

/// Ends the connections of the writer's user.
async fn end_writer(db: &MariaDb) {
    let ids: Vec<u64> = db.query("pool", "SELECT id FROM information_schema.processlist WHERE user = 'writer'").await;
    for id in ids {
        let mut conn = db.conn(None).await;
        let _ = mysql_async::prelude::Queryable::query_drop(&mut conn, format!("KILL {id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_in_order_under_load() {
    let (mut db, mut rig) = private().await;
    for _ in 0..3 {
        rig.mined(100).await;
        block_in_place(|| db.restart());
        rig.drained(20).await;
    }
    rig.check(&db, "pool").await;
}

/// Acceptance check 1, shortened: the server dies in the middle of batches, wherever it happens to be.
#[tokio::test(flavor = "multi_thread")]
async fn acceptance_1_killed_in_the_middle_of_batches_again_and_again() {
    const KILLS: u64 = 20;
    let (mut db, mut rig) = private().await;
    for round in 0..KILLS {
        // Moments that fall on all parts of a batch.
        tokio::time::sleep(Duration::from_micros(1000 * 7 * round + 333 * round)).await;
        block_in_place(|| db.kill());
        rig.mined(5).await;
        block_in_place(|| db.restart());
        rig.drained(20).await;
    }
    rig.check(&db, "pool").await;
}

#[tokio::test]
async fn a_wrong_password_for_a_while() {
    let (db, mut rig) = private().await;
    db.run_sql("pool", "ALTER USER 'writer'@'127.0.0.1' IDENTIFIED BY 'another'").await;
    end_writer(&db).await;
    rig.trouble("Access denied").await;
    rig.mined(100).await;
    let back = format!("ALTER USER 'writer'@'127.0.0.1' IDENTIFIED BY '{}'", PASSWORD.replace('\'', "''"));
    db.run_sql("pool", &back).await;
    rig.check(&db, "pool").await;
}

#[tokio::test]
async fn a_read_only_server() {
    let (db, mut rig) = private().await;
    db.run_sql("pool", "SET GLOBAL read_only = 1").await;
    rig.trouble("read-only").await;
    let before = db.rows("pool").await.len();
    rig.mined(100).await;
    assert_eq!(db.rows("pool").await.len(), before);
    db.run_sql("pool", "SET GLOBAL read_only = 0").await;
    rig.check(&db, "pool").await;
}

#[tokio::test]
async fn too_many_connections() {
    let db = MariaDb::start();
    prepare(&db, "pool").await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start(&mpos_at(line.port(), "pool"));
    rig.mine();
    rig.drained(50).await;
    db.run_sql("pool", "SET GLOBAL max_connections = 10").await;
    line.refuse(true);
    line.sever();
    let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(db.port()).user(Some("writer"));
    let opts = opts.pass(Some(PASSWORD));
    // The writer's old connection may take a moment to be gone.
    let (mut crowd, mut refusals) = (Vec::new(), 0);
    while refusals < 20 {
        match Conn::new(opts.clone()).await {
            Ok(conn) => crowd.push(conn),
            Err(_) => refusals += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    line.heal();
    rig.trouble("Too many connections").await;
    rig.mined(100).await;
    for conn in crowd {
        conn.disconnect().await.unwrap();
    }
    rig.check(&db, "pool").await;
}
