//! Workers whose right to mine changes while they do, and the names they write.

use serde_json::json;

use crate::stage::{FakeStage, PASSWORD, rows_when};
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Wanted};

/// Submits good work until it is refused as nobody's; the text of the refusal.
async fn until_refused(miner: &mut Miner, job: &Job, worker: &str) {
    let refused = async {
        loop {
            let share = miner.mine(job, Wanted::Share).unwrap();
            let reply = miner.submit(worker, &share).await.unwrap();
            if !reply.is_true() {
                assert_eq!((reply.code(), reply.text()), (Some(24), "Unauthorized worker"));
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn w25_who_is_deleted_locked_or_has_another_password_stops_while_others_go_on() {
    for (database, change) in [
        ("protocol_w25a", "DELETE FROM pool_worker WHERE username = 'alice.rig1'"),
        ("protocol_w25b", "UPDATE pool_worker SET password = 'another' WHERE username = 'alice.rig1'"),
        ("protocol_w25c", "UPDATE accounts SET is_locked = 2 WHERE username = 'alice'"),
    ] {
        let stage = FakeStage::start_with(database, |coin| {
            coin.workers = "recheck_secs = 1\ncache_secs = 1".to_owned();
            coin.ports[0] += "\nauthorize_timeout_secs = 2";
        })
        .await;
        let (mut miner, job) = stage.miner("alice.rig1").await;
        let (mut both, work) = stage.miner("alice.rig1").await;
        assert!(both.authorize("Bob.Garage", PASSWORD).await.unwrap().is_true());
        stage.db.run_sql(database, change).await;
        until_refused(&mut miner, &job, "alice.rig1").await;
        until_refused(&mut both, &work, "alice.rig1").await;
        let share = both.mine(&work, Wanted::Share).unwrap();
        assert!(both.submit("Bob.Garage", &share).await.unwrap().is_true(), "the other worker mines on");
        // Nobody is left on the first connection: it ends unless somebody logs in.
        miner.wait_for_close().await.unwrap();
        assert_eq!(both.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
    }
}

#[tokio::test]
async fn w25_while_the_database_is_away_everybody_mines_on() {
    let stage = FakeStage::start_with("protocol_w25d", |coin| {
        coin.workers = "recheck_secs = 1\ncache_secs = 1".to_owned();
    })
    .await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    // As good as away: the table that says who may mine is not there.
    stage.db.run_sql("protocol_w25d", "RENAME TABLE pool_worker TO hidden").await;
    stage.daemon.wait_for_log("cannot look up workers").await.unwrap();
    // For so long that the worker is looked up again more than once.
    for _ in 0..25 {
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    stage.db.run_sql("protocol_w25d", "RENAME TABLE hidden TO pool_worker").await;
}

#[tokio::test]
async fn what_miners_write_is_never_sql_and_never_longer_than_its_column() {
    let database = "protocol_strings";
    let stage = FakeStage::start_with(database, |coin| coin.workers = "auto_create = true".to_owned()).await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    let evil = "x'); DROP TABLE shares; -- \\\" \u{1f4a3}";
    let quoted = "x'); DROP TABLE shares; -- \\\"";
    miner.subscribe_with(json!([evil])).await.unwrap();
    let fitting = format!("alice.{}", "w".repeat(44));
    for (name, password, accepted) in [
        ("alice.rig1' OR '1'='1", PASSWORD, false),
        ("alice.\u{1f4a3}", PASSWORD, false),
        ("alice.b\\'--", PASSWORD, false),
        ("alice.rig1", "' OR '1'='1", false),
        ("alice.rig1", evil, false),
        ("alice.bomb", evil, false),
        (fitting.as_str(), quoted, true),
        (&format!("{fitting}w"), PASSWORD, false),
    ] {
        // On a connection of its own: few may fail on one.
        let mut guest = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
        let guest = if accepted { &mut miner } else { &mut guest };
        let reply = guest.authorize(name, password).await.unwrap();
        assert_eq!(reply.is_true(), accepted, "{name}: {}", reply.line);
    }
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    for field in 1..5 {
        let mut params = share.submit_params("alice.rig1");
        params[field] = json!(evil);
        assert!(miner.request("mining.submit", params).await.unwrap().error.is_some());
    }
    let reply = miner.submit(&fitting, &share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
    let rows = rows_when(&stage.db, database, "five rows", |rows| rows.len() == 5).await;
    assert_eq!(rows[4].username, fitting);
    for row in &rows[..4] {
        let reason = row.reason.as_deref().unwrap();
        assert!(row.username == "alice.rig1" && reason.len() <= 50 && !reason.contains('\''), "{row:?}");
    }
    let sql = format!("SELECT password FROM pool_worker WHERE username = '{fitting}'");
    assert_eq!(stage.db.query::<String>(database, &sql).await, [quoted]);
}
