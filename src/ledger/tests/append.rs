//! Appending: order, time, bounds, reserve, locks.

use std::sync::Arc;
use std::time::Duration;

use super::super::appender::{Next, RESERVE_BYTES};
use super::super::error::{AppendError, OpenError};
use super::super::handle::Ledger;
use super::super::memory_sink::MemorySink;
use super::super::segments::lock;
use super::super::status::DrainState;
use super::super::sync;
use super::*;

#[test]
fn numbers_and_seconds_ascend_also_when_the_clock_steps_back_a_little() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let ledger = open_with(dir.path(), &config(), Arc::clone(&clock) as _).ledger;
    let first = ledger.append(&[accepted(1), accepted(2)]).unwrap();
    assert_eq!((first.first_seq, first.last_seq, first.time), (1, 2, T0));
    clock.advance(Duration::from_secs(5));
    assert_eq!(ledger.append(&[accepted(3)]).unwrap().time, T0 + 5);
    clock.step_to(T0 - 50);
    let back = ledger.append(&[accepted(4)]).unwrap();
    assert_eq!((back.first_seq, back.time), (4, T0 + 5));
    drop(ledger);
    let reopened = open_with(dir.path(), &config(), Arc::clone(&clock) as _);
    assert_eq!(reopened.recovered.highest_seq, 4);
    let next = reopened.ledger.append(&[accepted(5)]).unwrap();
    assert_eq!((next.first_seq, next.time), (5, T0 + 5), "also across a restart");
    let nothing = reopened.ledger.append(&[]).unwrap();
    assert_eq!((nothing.first_seq, nothing.last_seq), (6, 5));
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    assert!(matches!(Ledger::open(dir.path(), &config(), clock()), Err(OpenError::InUse { .. })));
    drop(ledger);
    open(dir.path(), &config());
}

#[test]
fn sizes_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in [
        config::Ledger { segment_bytes: 1024, ..config() },
        config::Ledger { segment_bytes: 1 << 40, ..config() },
        config::Ledger { batch_rows_max: 0, ..config() },
    ] {
        assert!(matches!(Ledger::open(dir.path(), &wrong, clock()), Err(OpenError::Sizes(_))));
    }
}

#[test]
fn a_call_that_does_not_fit_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    let long = Event::Share(ShareRecord { job: "j".repeat(20_000), ..share(2) });
    assert!(matches!(ledger.append(&[accepted(1), long]), Err(AppendError::TooLarge { .. })));
    let many: Vec<_> = (0..1000).map(accepted).collect();
    assert!(matches!(ledger.append(&many), Err(AppendError::TooLarge { .. })));
    assert_eq!(ledger.append(&[accepted(1)]).unwrap().first_seq, 1);
}

#[tokio::test]
async fn a_candidate_is_synced_without_waiting_for_the_interval() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    ledger.append(&[accepted(1)]).unwrap();
    assert_eq!(ledger.synced_seq(), 0);
    ledger.append(&[candidate(2, T0)]).unwrap();
    ledger.wait_synced(2).await;
    ledger.append(&[accepted(3)]).unwrap();
    ledger.sync_now();
    ledger.wait_synced(3).await;
}

#[test]
fn closing_syncs_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    append_shares(&ledger, 10);
    ledger.close();
    ledger.close();
    assert_eq!(ledger.synced_seq(), 10);
    assert_eq!(ledger.append(&[accepted(11)]), Err(AppendError::Closed));
}

#[tokio::test]
async fn near_the_bound_refused_shares_are_left_out_and_at_it_accepted_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Ledger { spool_bytes_max: 20_000, ..config() };
    let ledger = open(dir.path(), &config);
    let mut last = 0;
    while ledger.status().undrained_bytes < 18_000 {
        last = append(&ledger, &[refused(1)]).last_seq;
    }
    let mixed = ledger.append(&[refused(1), accepted(2), refused(3)]).unwrap();
    assert_eq!((mixed.first_seq, mixed.last_seq, mixed.unrecorded), (last + 1, last + 1, 2));
    let none = ledger.append(&[refused(1)]).unwrap();
    assert_eq!((none.first_seq, none.last_seq, none.unrecorded), (last + 2, last + 1, 1));
    while ledger.status().undrained_bytes < 20_000 {
        ledger.append(&[accepted(1)]).unwrap();
    }
    assert!(matches!(ledger.append(&[accepted(1)]), Err(AppendError::Bound { .. })));
    assert_eq!(ledger.append(&[refused(1)]).unwrap().unrecorded, 1, "a refusal needs no room");
    let block = ledger.append(&[candidate(1, T0)]).unwrap();
    assert_eq!(block.first_seq, block.last_seq);
    let status = ledger.status();
    assert_eq!((status.unrecorded, status.refused_at_bound), (4, 1));

    // Draining makes room again.
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(block.last_seq).await;
    until(&ledger, |status| status.drained == block.last_seq).await;
    assert!(ledger.status().undrained_bytes < 1000, "{}", ledger.status().undrained_bytes);
    ledger.append(&[accepted(1)]).unwrap();
    draining.stop().await;
}

#[test]
fn the_reserve_is_for_candidates_while_no_segment_is_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    // The disk is full from now on: nothing can be allocated where a directory has the name.
    lock(&ledger.shared.appender).next = Next::Missing;
    std::fs::remove_file(dir.path().join("next.seg")).unwrap();
    std::fs::create_dir(dir.path().join("next.tmp")).unwrap();
    let mut ordinary = 0_u64;
    while ledger.append(&[accepted(1)]).is_ok() {
        ordinary += 1;
    }
    assert_eq!(ledger.append(&[accepted(1)]), Err(AppendError::Full));
    let reserve = RESERVE_BYTES.min(64 * 1024 / 4);
    assert!(ordinary * 300 > 64 * 1024 - reserve - 2000 - 64 * 1024 / 4, "{ordinary}");
    let mut blocks = 0;
    while ledger.append(&[candidate(1, T0)]).is_ok() {
        blocks += 1;
    }
    assert!(blocks > 40, "only {blocks} candidates had room");
    assert!(!ledger.status().next_allocated);
    assert!(ledger.status().refused_by_disk >= 3);
    drop(ledger);
    // All that was acknowledged is there; with room on the disk again it goes on.
    std::fs::remove_dir(dir.path().join("next.tmp")).unwrap();
    let reopened = open_with(dir.path(), &config(), clock());
    assert_eq!(reopened.recovered.highest_seq, ordinary + blocks);
    assert_eq!(append(&reopened.ledger, &[accepted(1)]).first_seq, ordinary + blocks + 1);
}

#[tokio::test]
async fn segments_follow_each_other_and_old_ones_go_by_age_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config =
        config::Ledger { keep_drained: Duration::from_secs(1000), drained_bytes_max: 3 * 64 * 1024, ..config() };
    let ledger = open_with(dir.path(), &config, Arc::clone(&clock) as _).ledger;
    append_shares(&ledger, 3000);
    let files = segment_files(dir.path()).len();
    assert!(files > 8, "{files}");
    sync::tidy(&ledger.shared);
    assert_eq!(segment_files(dir.path()).len(), files, "nothing is drained yet");
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| status.drained == 3000).await;
    draining.stop().await;
    sync::tidy(&ledger.shared);
    assert_eq!(segment_files(dir.path()).len(), 4, "three drained ones and the open one");
    clock.advance(Duration::from_secs(999));
    sync::tidy(&ledger.shared);
    assert_eq!(segment_files(dir.path()).len(), 4);
    clock.advance(Duration::from_secs(1));
    sync::tidy(&ledger.shared);
    assert_eq!(segment_files(dir.path()).len(), 1);
    assert_eq!(append(&ledger, &[accepted(1)]).first_seq, 3001);
}

#[tokio::test]
async fn drained_segments_stay_while_the_database_may_have_lost_their_rows() {
    let (dir, clock, sink) = (tempfile::tempdir().unwrap(), clock(), MemorySink::new());
    let config = config::Ledger { keep_drained: Duration::from_secs(100), ..config() };
    let open = || open_with(dir.path(), &config, Arc::clone(&clock) as _).ledger;
    let ledger = open();
    append_shares(&ledger, 2000);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| status.drained == 2000).await;
    draining.stop().await;
    // An older backup of it is restored.
    sink.set_position(5);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(status.drain, DrainState::Stopped(_))).await;
    let files = segment_files(dir.path()).len();
    clock.advance(Duration::from_secs(1000));
    sync::tidy(&ledger.shared);
    draining.stop().await;
    drop(ledger);
    let ledger = open();
    sync::tidy(&ledger.shared);
    assert_eq!(segment_files(dir.path()).len(), files);
    sink.set_position(2000);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| status.drain == DrainState::Running).await;
    sync::tidy(&ledger.shared);
    draining.stop().await;
    assert!(segment_files(dir.path()).len() < files);
}

#[tokio::test]
async fn a_write_that_failed_is_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    ledger.append(&[accepted(1)]).unwrap();
    // A file that cannot be written to stands in for a disk that refuses.
    let path = segment_files(dir.path()).remove(0);
    let good = {
        let mut appender = lock(&ledger.shared.appender);
        std::mem::replace(&mut appender.place.file, Arc::new(std::fs::File::open(&path).unwrap()))
    };
    assert!(
        matches!(ledger.append(&[accepted(2)]), Err(AppendError::Failed(_))) || segment_files(dir.path()).len() == 2
    );
    // What a part of that write may have left: a whole record with the next number.
    {
        let mut appender = lock(&ledger.shared.appender);
        appender.place.file = Arc::clone(&good);
        let (offset, seq) = (appender.place.offset, appender.next_seq);
        appender.write([&accepted(666)].into_iter(), T0, false).unwrap();
        appender.torn_to = appender.place.offset;
        appender.place.offset = offset;
        appender.next_seq = seq;
    }
    ledger.append(&[accepted(3)]).unwrap();
    let sink = MemorySink::new();
    ledger.sync_now();
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(2).await;
    draining.stop().await;
    let events: Vec<_> = sink.rows().into_iter().map(|row| row.event).collect();
    assert_eq!(events, [accepted(1), accepted(3)]);
}

#[tokio::test]
async fn a_torn_write_that_cannot_be_cleared_is_void_behind_the_next_segment() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    ledger.append(&[accepted(1)]).unwrap();
    let path = segment_files(dir.path()).remove(0);
    {
        let mut appender = lock(&ledger.shared.appender);
        let (offset, seq) = (appender.place.offset, appender.next_seq);
        appender.write([&accepted(666), &accepted(667)].into_iter(), T0, false).unwrap();
        appender.torn_to = appender.place.offset;
        appender.place.offset = offset;
        appender.next_seq = seq;
        appender.place.file = Arc::new(std::fs::File::open(&path).unwrap());
    }
    append(&ledger, &[accepted(2)]);
    append(&ledger, &[accepted(3)]);
    assert_eq!(segment_files(dir.path()).len(), 2);
    let copy = copy_spool(dir.path());
    for ledger in [ledger, open(copy.path(), &config())] {
        let sink = MemorySink::new();
        ledger.sync_now();
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(3).await;
        draining.stop().await;
        let events: Vec<_> = sink.rows().into_iter().map(|row| row.event).collect();
        assert_eq!(events, [accepted(1), accepted(2), accepted(3)]);
    }
}

#[test]
fn after_a_failed_sync_shares_are_refused_until_the_same_bytes_are_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    append_shares(&ledger, 3);
    // A pipe, which no system syncs, stands in for a disk that fails.
    let (pipe, _writer) = std::io::pipe().unwrap();
    let pipe = Arc::new(std::fs::File::from(std::os::fd::OwnedFd::from(pipe)));
    let good = std::mem::replace(&mut lock(&ledger.shared.appender).place.file, pipe);
    assert!(!sync::sync_once(&ledger.shared));
    assert_eq!(ledger.synced_seq(), 0);
    assert!(ledger.status().sync_failed.is_some());
    {
        let mut appender = lock(&ledger.shared.appender);
        appender.closed.iter_mut().for_each(|region| region.file = Arc::clone(&good));
        appender.place.file = good;
    }
    // The file takes writes again, but what it took before may not be on the disk.
    assert!(matches!(ledger.append(&[accepted(4)]), Err(AppendError::Failed(_))));
    assert_eq!(appender_candidate(&ledger), 4, "a block is recorded all the same");
    assert!(sync::sync_once(&ledger.shared));
    assert_eq!((ledger.synced_seq(), ledger.status().sync_failed), (4, None));
    append_shares(&ledger, 1);
}

fn appender_candidate(ledger: &Ledger) -> u64 {
    ledger.append(&[candidate(4, T0)]).unwrap().first_seq
}

#[test]
fn a_clock_that_was_ahead_is_followed_back() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let at = |second: u64| -> (u64, Arc<Ledger>) {
        clock.step_to(second);
        let ledger = open_with(dir.path(), &config(), Arc::clone(&clock) as _).ledger;
        (append(&ledger, &[accepted(1)]).time, ledger)
    };
    assert_eq!(at(T0).0, T0);
    assert_eq!(at(T0 - 60).0, T0, "a little: times do not descend");
    assert_eq!(at(T0 + 86_400).0, T0 + 86_400);
    // It is put right while the daemon works, and while it does not.
    for ahead in [false, true] {
        let (time, ledger) = at(T0 + 200_000);
        assert_eq!(time, T0 + 200_000);
        if ahead {
            drop(ledger);
            assert_eq!(at(T0 + 10).0, T0 + 10);
        } else {
            clock.step_to(T0 + 10);
            assert_eq!(append(&ledger, &[accepted(1)]).time, T0 + 10);
            drop(ledger);
        }
        assert_eq!(at(T0 + 5).0, T0 + 10, "the times of the future are forgotten");
    }
}

#[test]
fn a_second_that_no_row_can_hold_is_refused_and_a_block_waits_for_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let ledger = open_with(dir.path(), &lazy(), Arc::clone(&clock) as _).ledger;
    clock.step_to(1 << 31);
    assert_eq!(ledger.append(&[accepted(1)]), Err(AppendError::Clock { second: 1 << 31 }));
    assert!(ledger.append_or_hold(&candidate(1, T0)).is_err());
    clock.step_to((1 << 31) - 1);
    while ledger.status().held > 0 {
        ledger.sync_now();
        std::thread::yield_now();
    }
    assert_eq!(append(&ledger, &[accepted(2)]).time, (1 << 31) - 1);
    assert_eq!(ledger.status().written, 2);
}
