//! The difficulty stored with a worker, on a real server.

use mpos_stratum::mpos::pool_worker::PoolWorkerColumn;
use mpos_stratum::worker::difficulties::DifficultyStore;

use super::*;

#[tokio::test]
async fn a_worker_s_difficulty_is_written_and_read_by_its_stored_name() {
    let (db, _) = database("difficulty").await;
    let alice = db.add_account("difficulty", "alice", 0).await;
    db.add_worker("difficulty", alice, "alice.rig", Some("x")).await;
    db.add_worker("difficulty", alice, "alice.other", Some("x")).await;
    let mut column = PoolWorkerColumn::new(&db.mpos("difficulty"));
    assert_eq!(column.read("alice.rig").await.unwrap(), None, "zero says nothing");
    column.write("alice.rig", 0.75).await.unwrap();
    column.write("alice.nobody", 3.0).await.unwrap();
    column.write("alice'; DROP TABLE shares; --", 3.0).await.unwrap();
    assert_eq!(column.read("alice.rig").await.unwrap(), Some(0.75));
    assert_eq!(column.read("alice.nobody").await.unwrap(), None);
    let all = db.query::<f64>("difficulty", "SELECT difficulty + 0e0 FROM pool_worker ORDER BY username").await;
    assert_eq!(all, [0.0, 0.75]);
}
