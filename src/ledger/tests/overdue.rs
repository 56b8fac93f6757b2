//! Block candidates that the database has not got in time.

use super::super::overdue::{OVERDUE_AFTER, Overdue};
use super::super::sink::SinkError;
use super::super::status::DrainState;
use super::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test]
async fn a_candidate_is_overdue_until_it_is_stored() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ledger = open_with(dir.path(), &config(), clock.clone()).ledger;
    append(&ledger, &[accepted(1), candidate(2, T0), accepted(3)]);
    clock.advance(OVERDUE_AFTER - Duration::from_millis(1));
    assert_eq!(ledger.overdue(), None);
    clock.advance(Duration::from_millis(1));
    assert_eq!(ledger.overdue(), Some(Overdue { candidates: 1, longest: OVERDUE_AFTER }));
    append(&ledger, &[candidate(4, T0)]);
    clock.advance(secs(7));
    let overdue = ledger.overdue().unwrap();
    assert_eq!(overdue, Overdue { candidates: 2, longest: OVERDUE_AFTER + secs(7) });
    assert_eq!(overdue.to_string(), "BLOCK CANDIDATES NOT IN THE DATABASE: 2, for up to 12 s");
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(4).await;
    until(&ledger, |status| status.drained == 4).await;
    assert_eq!(ledger.overdue(), None);
    draining.stop().await;
}

/// The drain reads the waiting candidates back when it begins: of those that came meanwhile it is known when.
#[tokio::test]
async fn a_wait_does_not_begin_anew_with_the_drain() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ledger = open_with(dir.path(), &config(), clock.clone()).ledger;
    append(&ledger, &[candidate(1, T0)]);
    ledger.wait_synced(1).await;
    clock.advance(secs(7));
    let sink = MemorySink::new();
    for _ in 0..50 {
        sink.script_attach(SinkError::Unavailable("away".to_owned()));
    }
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(status.drain, DrainState::Unavailable(_))).await;
    assert_eq!(ledger.overdue(), Some(Overdue { candidates: 1, longest: secs(7) }));
    sink.wait_position(1).await;
    draining.stop().await;
}

/// The database has been away since before this process began: nobody has told it what is missing there.
#[tokio::test]
async fn a_candidate_of_an_earlier_life_is_overdue_although_the_database_was_never_reached() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ledger = open_with(dir.path(), &config(), clock.clone()).ledger;
    append(&ledger, &[accepted(1), candidate(2, T0), candidate(3, T0)]);
    ledger.close();
    drop(ledger);
    let ledger = open_with(dir.path(), &config(), clock.clone()).ledger;
    let sink = MemorySink::new();
    for _ in 0..50 {
        sink.script_attach(SinkError::Unavailable("away".to_owned()));
    }
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(status.drain, DrainState::Unavailable(_))).await;
    clock.advance(secs(6));
    assert_eq!(ledger.overdue(), Some(Overdue { candidates: 2, longest: secs(6) }));
    sink.wait_position(3).await;
    until(&ledger, |status| status.drained == 3).await;
    assert_eq!(ledger.overdue(), None);
    assert_eq!(sink.rows().len(), 3);
    draining.stop().await;
}
