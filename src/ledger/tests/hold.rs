//! Candidates and verdicts that the disk refuses: in memory, ahead of everything newer.

use std::fs::File;

use super::super::appender::Next;
use super::super::held::HELD_MAX;
use super::super::late::Late;
use super::super::overdue::{OVERDUE_AFTER, Overdue};
use super::super::record::VerdictRecord;
use super::super::segments::lock;
use super::*;

/// A spool whose open segment refuses every write, the reserve too, and that has no other: a file
/// opened for reading stands in for the disk.
struct Broken {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    ledger: Arc<Ledger>,
    good: Arc<File>,
}

impl Broken {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
        let ledger = open_with(dir.path(), &lazy(), clock.clone()).ledger;
        append_shares(&ledger, 1);
        std::fs::create_dir(dir.path().join("next.tmp")).unwrap();
        std::fs::remove_file(dir.path().join("next.seg")).unwrap();
        let refusing = Arc::new(File::open(segment_files(dir.path()).remove(0)).unwrap());
        let good = {
            let mut appender = lock(&ledger.shared.appender);
            appender.next = Next::Missing;
            std::mem::replace(&mut appender.place.file, refusing)
        };
        Self { dir, clock, ledger, good }
    }

    fn mend(&self) {
        lock(&self.ledger.shared.appender).place.file = Arc::clone(&self.good);
    }

    fn late(&self, number: u64) -> Late {
        self.ledger.append_or_hold(&candidate(number, T0)).expect_err("the disk refuses everything")
    }
}

/// The candidate as it becomes a row when its miner was refused.
fn late_row(number: u64) -> Event {
    let Event::Share(share) = candidate(number, T0) else { unreachable!() };
    Event::Share(ShareRecord { accepted: false, reason: "written down late".to_owned(), ..share })
}

async fn rows(ledger: &Arc<Ledger>) -> Vec<Event> {
    let sink = MemorySink::new();
    let draining = Draining::start(ledger, &sink);
    ledger.sync_now();
    sink.wait_position(ledger.status().written).await;
    draining.stop().await;
    sink.rows().into_iter().map(|row| row.event).collect()
}

#[tokio::test]
async fn a_candidate_that_cannot_be_written_comes_before_everything_newer() {
    let broken = Broken::new();
    let ledger = &broken.ledger;
    let first = broken.late(1);
    assert!(matches!(first.error(), AppendError::Failed(_)), "{}", first.error());
    assert_eq!(ledger.append(&[accepted(2)]), Err(AppendError::Behind { held: 1 }));
    assert_eq!(ledger.append(&[refused(2)]), Err(AppendError::Behind { held: 1 }));
    let second = broken.late(3);
    assert_eq!(second.error(), &AppendError::Behind { held: 1 });
    assert_eq!(ledger.status().held, 2);
    broken.mend();
    // An ordinary share does not overtake them, whoever writes them out.
    match ledger.append(&[accepted(4)]) {
        Ok(receipt) => assert_eq!(receipt.first_seq, 4),
        Err(error) => assert_eq!(error, AppendError::Behind { held: 2 }),
    }
    // The next candidate writes out what waits before it; its own miner is told that it counts.
    let third = ledger.append_or_hold(&candidate(5, T0)).expect("the disk takes it");
    assert_eq!((first.written().await, second.written().await), (Some(2), Some(3)));
    assert!(third.first_seq >= 4);
    append_shares(ledger, 1);
    let mut rows = rows(ledger).await;
    rows.retain(|row| *row != accepted(4));
    assert_eq!(rows[..4], [accepted(1), late_row(1), late_row(3), candidate(5, T0)]);
    assert_eq!(ledger.status().held, 0);
}

/// Written down or not, MPOS does not find it.
#[tokio::test]
async fn a_candidate_in_memory_is_overdue_like_any_other() {
    let broken = Broken::new();
    let late = broken.late(1);
    broken.clock.advance(Duration::from_secs(4));
    assert_eq!(broken.ledger.overdue(), None);
    broken.clock.advance(Duration::from_secs(2));
    let overdue = |secs| Some(Overdue { candidates: 1, longest: Duration::from_secs(secs) });
    assert_eq!(broken.ledger.overdue(), overdue(6));
    broken.mend();
    broken.ledger.sync_now();
    late.written().await.unwrap();
    broken.clock.advance(Duration::from_secs(1));
    assert_eq!(broken.ledger.overdue(), overdue(7), "the wait did not begin anew");
    rows(&broken.ledger).await;
    assert_eq!(broken.ledger.overdue(), None);
}

#[tokio::test]
async fn what_is_held_is_written_as_soon_as_the_disk_takes_it() {
    let broken = Broken::new();
    let late = broken.late(1);
    let verdict = Event::Verdict(VerdictRecord {
        candidate: 2,
        written_hash: [3; 32],
        accepted: true,
        node_hash: [3; 32],
        reason: String::new(),
    });
    let spoken = broken.ledger.append_or_hold(&verdict).expect_err("the disk refuses everything");
    broken.mend();
    // Nobody appends: the sync thread does it.
    assert_eq!((late.written().await, spoken.written().await), (Some(2), Some(3)));
    broken.ledger.wait_synced(3).await;
    assert_eq!(rows(&broken.ledger).await, [accepted(1), late_row(1), verdict]);
}

#[tokio::test]
async fn one_too_many_waits_outside_and_comes_in_later() {
    let broken = Broken::new();
    let held: Vec<_> = (0..HELD_MAX as u64).map(|number| broken.late(number)).collect();
    let outside = broken.late(HELD_MAX as u64);
    assert_eq!(broken.ledger.status().held, HELD_MAX);
    broken.clock.advance(OVERDUE_AFTER);
    let overdue = |ledger: &Ledger| ledger.overdue().map(|overdue| overdue.candidates);
    assert_eq!(overdue(&broken.ledger), Some(HELD_MAX + 1), "the one outside is late like the others");
    drop(broken.late(HELD_MAX as u64 + 1));
    assert_eq!(overdue(&broken.ledger), Some(HELD_MAX + 1), "and what nobody brings again is not");
    broken.mend();
    let mut expected = 2;
    for late in held {
        assert_eq!(late.written().await, Some(expected));
        expected += 1;
    }
    append_shares(&broken.ledger, 1);
    assert_eq!(outside.written().await, Some(expected + 1), "behind what came while it was outside");
    assert!(lock(&broken.ledger.shared.appender).held.candidates_since().is_empty());
}

#[tokio::test]
async fn a_refused_candidate_keeps_its_own_reason_and_its_second() {
    let broken = Broken::new();
    let Event::Share(share) = candidate(1, T0) else { unreachable!() };
    let stale = Event::Share(ShareRecord { accepted: false, reason: "stale".to_owned(), ..share });
    let late = broken.ledger.append_or_hold(&stale).expect_err("the disk refuses everything");
    broken.mend();
    assert_eq!(late.written().await, Some(2));
    assert_eq!(rows(&broken.ledger).await[1], stale);
}

#[tokio::test]
async fn the_second_of_acceptance_is_when_it_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let ledger = open_with(dir.path(), &lazy(), Arc::clone(&clock) as _).ledger;
    let refusing = Arc::new(File::open(segment_files(dir.path()).remove(0)).unwrap());
    let good = {
        let mut appender = lock(&ledger.shared.appender);
        appender.next = Next::Missing;
        std::mem::replace(&mut appender.place.file, refusing)
    };
    std::fs::create_dir(dir.path().join("next.tmp")).unwrap();
    let late = ledger.append_or_hold(&candidate(1, T0)).expect_err("the disk refuses everything");
    clock.advance(Duration::from_secs(30));
    lock(&ledger.shared.appender).place.file = good;
    assert_eq!(late.written().await, Some(1));
    let receipt = append(&ledger, &[accepted(2)]);
    assert_eq!(receipt.time, T0 + 30);
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    ledger.sync_now();
    sink.wait_position(2).await;
    draining.stop().await;
    assert_eq!(sink.rows()[0].time, T0);
}

#[tokio::test]
async fn what_a_stop_cannot_write_either_is_given_up() {
    let broken = Broken::new();
    let late = broken.late(1);
    broken.ledger.close();
    assert_eq!(late.written().await, None);
    let after = broken.ledger.append_or_hold(&candidate(2, T0)).expect_err("it is closed");
    assert_eq!((after.error(), broken.ledger.status().held), (&AppendError::Closed, 0));
    assert_eq!(after.written().await, None);
    drop(broken.ledger);
    let dir = broken.dir;
    std::fs::remove_dir(dir.path().join("next.tmp")).unwrap();
    assert_eq!(open_with(dir.path(), &config(), clock()).recovered.highest_seq, 1);
}

#[test]
fn an_event_that_no_disk_takes_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    let Event::Share(share) = candidate(1, T0) else { unreachable!() };
    let long = Event::Share(ShareRecord { job: "j".repeat(20_000), ..share });
    let late = ledger.append_or_hold(&long).expect_err("it does not fit");
    assert!(matches!(late.error(), AppendError::TooLarge { .. }));
    assert_eq!(ledger.append(&[accepted(1)]).unwrap().first_seq, 1);
}
