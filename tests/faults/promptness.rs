//! How soon a share is a row, and how many go together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mpos_stratum::ledger::pace::Pace;
use mpos_stratum::mpos::limits::Limits;

use crate::events::Kind;
use crate::rig::{Rig, Setup, mpos_at, prepare};
use crate::support::fault_proxy::FaultProxy;
use crate::support::mariadb::MariaDb;

/// A database that notes by how much every transaction moved the cursor.
async fn noting_steps(database: &str) -> Arc<MariaDb> {
    let db = MariaDb::shared();
    prepare(&db, database).await;
    db.run_sql(database, "CREATE TABLE steps (n INT AUTO_INCREMENT PRIMARY KEY, size BIGINT)").await;
    let trigger = "CREATE TRIGGER note AFTER UPDATE ON mpos_stratum_cursor FOR EACH ROW \
                   IF NEW.seq > OLD.seq THEN INSERT INTO steps (size) VALUES (NEW.seq - OLD.seq); END IF";
    db.run_sql(database, trigger).await;
    db
}

async fn steps(db: &MariaDb, database: &str) -> Vec<u64> {
    db.query(database, "SELECT size FROM steps ORDER BY n").await
}

#[tokio::test]
async fn single_rows_when_quiet_and_full_batches_in_a_backlog() {
    let db = noting_steps("steps").await;
    let line = FaultProxy::start(db.port()).await;
    line.refuse(true);
    let mut rig = Rig::start(&mpos_at(line.port(), "steps"));
    let last = rig.append(&[Kind::Accepted; 1050]);
    rig.ledger.wait_synced(last).await;
    rig.trouble("refused").await;
    line.heal();
    rig.settle().await;
    for _ in 0..5 {
        rig.append(&[Kind::Accepted]);
        rig.settle().await;
    }
    assert_eq!(steps(&db, "steps").await, [200, 200, 200, 200, 200, 50, 1, 1, 1, 1, 1]);
    // What comes in while a transaction is under way goes together in the next one.
    line.delay(Duration::from_millis(20));
    rig.mine();
    rig.drained(100).await;
    rig.check(&db, "steps").await;
    let sizes = steps(&db, "steps").await;
    assert!(sizes[11..].iter().any(|&size| size > 1 && size < 200), "{sizes:?}");
}

/// Nothing but a candidate makes the disk sync here, and what is not synced is not sent.
#[tokio::test]
async fn a_candidate_and_all_before_it_go_at_once() {
    let db = noting_steps("at_once").await;
    let mut setup = Setup::default();
    setup.ledger.sync_interval = Duration::from_secs(3600);
    let mut rig = Rig::start_with(&mpos_at(db.port(), "at_once"), setup);
    rig.append(&[Kind::Accepted; 30]);
    rig.append(&[Kind::Candidate]);
    rig.check(&db, "at_once").await;
    assert_eq!(steps(&db, "at_once").await.iter().sum::<u64>(), 31);
    rig.append(&[Kind::Accepted; 7]);
    rig.append(&[Kind::Candidate]);
    rig.check(&db, "at_once").await;
    assert_eq!(steps(&db, "at_once").await.last(), Some(&8));
}

/// With the daemon's own times. Half of the shares must be visible within the promised second, though
/// this machine may be busy with other things.
#[tokio::test]
async fn a_share_is_visible_within_a_second() {
    let db = MariaDb::shared();
    prepare(&db, "second").await;
    let mut setup = Setup { limits: Limits::default(), pace: Pace::default(), ..Setup::default() };
    setup.ledger.sync_interval = Duration::from_millis(50);
    let mut rig = Rig::start_with(&mpos_at(db.port(), "second"), setup);
    let mut waits = Vec::new();
    for row in 1..=21u64 {
        let accepted = Instant::now();
        rig.append(&[Kind::Accepted]);
        while db.query::<u64>("second", "SELECT COUNT(*) FROM shares").await != [row] {}
        waits.push(accepted.elapsed());
    }
    waits.sort();
    assert!(waits[10] < Duration::from_secs(1), "{waits:?}");
    rig.check(&db, "second").await;
}
