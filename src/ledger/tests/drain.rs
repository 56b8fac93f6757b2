//! Draining: batches, doubt, refusals, candidates.

use std::collections::BTreeSet;

use super::super::decision::{self, Decision, Permission, Position, Verb};
use super::super::memory_sink::Failure;
use super::super::mended;
use super::super::poison::QUARANTINE_STREAK_MAX;
use super::super::quarantine::QUARANTINE_FILE;
use super::super::record::Entry;
use super::super::replay;
use super::super::segments::lock;
use super::super::sink::SinkError;
use super::super::status::DrainState;
use super::*;

fn lost() -> SinkError {
    SinkError::Unavailable("connection lost".to_owned())
}

fn seqs(sink: &MemorySink) -> Vec<u64> {
    sink.rows().iter().map(|row| row.seq).collect()
}

fn is_one_of(numbers: &[u64]) -> impl Fn(&Entry) -> bool + Send + 'static {
    let numbers: BTreeSet<u64> = numbers.iter().copied().collect();
    move |entry| numbers.contains(&entry.seq)
}

fn quarantined(dir: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(dir.join(QUARANTINE_FILE)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_backlog_goes_in_full_batches_and_a_trickle_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 1050);
    ledger.wait_synced(1050).await;
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(1050).await;
    let sizes: Vec<_> = sink.commits().iter().map(Vec::len).collect();
    assert_eq!(sizes, [vec![100; 10], vec![50]].concat());
    append_shares(&ledger, 1);
    sink.wait_position(1051).await;
    assert_eq!(seqs(&sink), (1..=1051).collect::<Vec<_>>());
    assert_eq!(sink.rows()[7], Entry { seq: 8, time: T0, event: accepted(8) });
    let before = sink.keep_alives();
    while sink.keep_alives() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(ledger.status().drain, DrainState::Running);
    draining.stop().await;
    assert_eq!(ledger.status().drain, DrainState::Off);
    // The next run goes on from there.
    drop(ledger);
    let ledger = open(dir.path(), &config());
    assert_eq!(ledger.status().drained, 1051);
    append_shares(&ledger, 1);
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(1052).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=1052).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_that_is_not_on_the_disk_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    append_shares(&ledger, 5);
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    while sink.keep_alives() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(sink.position(), 0);
    ledger.sync_now();
    sink.wait_position(5).await;
    draining.stop().await;
}

#[tokio::test]
async fn after_lost_answers_every_event_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 600);
    ledger.wait_synced(600).await;
    let sink = MemorySink::new();
    sink.script_attach(lost());
    for failure in [Failure::After(lost()), Failure::Before(lost()), Failure::Before(lost()), Failure::After(lost())] {
        sink.script_commit(Some(failure));
        sink.script_commit(None);
    }
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(600).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=600).collect::<Vec<_>>());
    assert_eq!(sink.attaches(), 6);
}

#[tokio::test]
async fn poison_rows_go_to_quarantine_and_all_others_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 300);
    ledger.wait_synced(300).await;
    let sink = MemorySink::new();
    let poison = [1, 50, 51, 100, 101, 250, 300];
    sink.refuse(is_one_of(&poison));
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(300).await;
    until(&ledger, |status| status.drained == 300).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=300).filter(|seq| !poison.contains(seq)).collect::<Vec<_>>());
    assert_eq!(quarantined(dir.path()), poison);
    assert_eq!(ledger.status().quarantined, 7);
    drop(ledger);
    assert_eq!(open(dir.path(), &config()).status().quarantined, 7);
}

#[tokio::test]
async fn a_lost_answer_after_quarantine_does_not_quarantine_twice() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 1);
    let sink = MemorySink::new();
    sink.refuse(is_one_of(&[1]));
    sink.script_commit(None);
    sink.script_commit(Some(Failure::Before(lost())));
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(1).await;
    draining.stop().await;
    assert_eq!(quarantined(dir.path()), [1]);
}

#[tokio::test]
async fn many_refused_rows_in_a_row_pause_the_drain() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 20);
    ledger.wait_synced(20).await;
    let sink = MemorySink::new();
    sink.refuse(|entry| entry.seq > 10);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(status.drain, DrainState::Paused(_)) && status.quarantined == 3).await;
    // However often it is tried again: no further row is given up.
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(quarantined(dir.path()).len(), QUARANTINE_STREAK_MAX as usize);
    let before = sink.keep_alives();
    while sink.keep_alives() < before + 2 {
        assert!(matches!(ledger.status().drain, DrainState::Paused(_)), "alive all the while");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sink.refuse(|_| false);
    sink.wait_position(20).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=10).chain(14..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_paused_drain_lets_as_many_rows_go_as_it_is_allowed_to() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 30);
    ledger.wait_synced(30).await;
    let sink = MemorySink::new();
    sink.refuse(|entry| (11..=20).contains(&entry.seq) || entry.seq >= 26);
    // One that was left behind by an earlier life has no effect.
    let permission = |id: &str, rows| Permission { id: id.to_owned(), spool: ledger.spool().to_string(), rows };
    decision::permit(dir.path(), &permission("old", 100)).unwrap();
    let draining = Draining::start(&ledger, &sink);
    let paused = async |count| {
        until(&ledger, |status| matches!(status.drain, DrainState::Paused(_)) && status.quarantined == count).await;
    };
    paused(3).await;
    let outcome = decision::outcome(dir.path()).unwrap().unwrap();
    assert!(!outcome.applied && outcome.id == "old", "{outcome:?}");
    decision::permit(dir.path(), &permission("few", 2)).unwrap();
    paused(5).await;
    assert!(decision::outcome(dir.path()).unwrap().is_some_and(|outcome| outcome.applied && outcome.id == "few"));
    decision::permit(dir.path(), &permission("many", 100)).unwrap();
    // The permission ended with the first row that was stored.
    paused(13).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=10).chain(21..=25).collect::<Vec<_>>());
    assert_eq!(quarantined(dir.path()), (11..=20).chain(26..=28).collect::<Vec<_>>());
}

/// What happens between a row's way into quarantine and its replay.
#[derive(Debug, PartialEq)]
enum Between {
    LostCommit,
    Kill,
    Rewind,
}

/// The row is refused once, goes to quarantine, and would be taken from then on.
#[tokio::test]
async fn a_row_in_quarantine_is_stored_only_by_its_replay() {
    use std::sync::atomic::{AtomicBool, Ordering};
    for between in [Between::LostCommit, Between::Kill, Between::Rewind] {
        let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
        let mut ledger = open(dir.path(), &config());
        let mended = AtomicBool::new(false);
        sink.refuse(move |_| !mended.swap(true, Ordering::SeqCst));
        sink.script_commit(None);
        let losses = match between {
            Between::LostCommit => 1,
            Between::Kill => 50,
            Between::Rewind => 0,
        };
        (0..losses).for_each(|_| sink.script_commit(Some(Failure::Before(lost()))));
        append_shares(&ledger, 1);
        let mut draining = Draining::start(&ledger, &sink);
        until(&ledger, |status| status.quarantined == 1).await;
        if between == Between::Kill {
            draining.stop().await;
            drop(ledger);
            ledger = open(dir.path(), &config());
            draining = Draining::start(&ledger, &sink);
        }
        sink.wait_position(1).await;
        if between == Between::Rewind {
            until(&ledger, |status| status.drained == 1).await;
            draining.stop().await;
            let found = Position { spool: ledger.spool().to_string(), seq: 1 };
            let rewind = Decision {
                id: "back".to_owned(),
                verb: Verb::Rewind,
                spool: found.spool.clone(),
                next_seq: 1,
                found: Some(found),
                confirmed: 1,
                decided_at: T0,
                candidates: Vec::new(),
            };
            decision::submit(dir.path(), &rewind).unwrap();
            draining = Draining::start(&ledger, &sink);
            while decision::pending(dir.path()).unwrap().is_some() {
                tokio::task::yield_now().await;
            }
            sink.wait_position(1).await;
        }
        let (lines, _) = mended::read(&dir.path().join(QUARANTINE_FILE), |_| true).unwrap();
        let fates = replay::replay(&ledger, lines.into_values().collect()).await.unwrap().unwrap();
        assert_eq!(fates, [(1, replay::Fate::Replayed(2))]);
        sink.wait_position(2).await;
        draining.stop().await;
        assert_eq!(seqs(&sink), [2], "{between:?}");
    }
}

#[tokio::test]
async fn a_refused_candidate_is_sanitised_and_else_held_but_never_quarantined() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 3);
    append(&ledger, &[candidate(4, T0)]);
    append_shares(&ledger, 3);
    append(&ledger, &[candidate(8, T0)]);
    append_shares(&ledger, 3);
    ledger.wait_synced(11).await;
    let sink = MemorySink::new();
    let address = share(4).remote;
    sink.refuse(move |entry| match &entry.event {
        Event::Share(share) => entry.seq == 8 || entry.seq == 4 && share.remote == address,
        Event::Verdict(_) => false,
    });
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(7).await;
    until(&ledger, |status| matches!(status.drain, DrainState::Held(_))).await;
    let Event::Share(row) = sink.rows()[3].event.clone() else { panic!("no share") };
    assert_eq!(row, ShareRecord { candidate: row.candidate, ..share(4).sanitised() });
    assert_eq!(sink.position(), 7);
    sink.refuse(|_| false);
    sink.wait_position(11).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=11).collect::<Vec<_>>());
    assert_eq!(quarantined(dir.path()), [0; 0]);
}

#[tokio::test]
async fn rows_of_a_backlog_wait_for_the_candidate_they_could_be_taken_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Ledger { batch_rows_max: 10, ..config() };
    let clock = clock();
    let ledger = open_with(dir.path(), &config, Arc::clone(&clock) as _).ledger;
    append_shares(&ledger, 25);
    clock.advance(Duration::from_secs(10));
    append_shares(&ledger, 40);
    append(&ledger, &[candidate(66, T0 + 10)]);
    append_shares(&ledger, 5);
    ledger.wait_synced(71).await;
    let check = |sink: &MemorySink| {
        let commits = sink.commits();
        let sizes: Vec<_> = commits.iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5, 41, 5]);
        assert_eq!(commits[3].last(), Some(&66));
    };
    // In the run that wrote them, and in the next one, which must find the candidate by itself.
    let copy = copy_spool(dir.path());
    for ledger in [Arc::clone(&ledger), open(copy.path(), &config)] {
        let sink = MemorySink::new();
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(71).await;
        draining.stop().await;
        check(&sink);
    }
}

#[tokio::test]
async fn positions_that_cannot_be_explained_stop_the_drain_and_shares_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let sink = MemorySink::new();
    {
        let ledger = open(dir.path(), &config());
        append_shares(&ledger, 50);
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(50).await;
        draining.stop().await;
    }
    for (position, word) in [(49, "lost rows"), (51, "older than the database")] {
        let ledger = open(dir.path(), &config());
        // Events of this run do not make a position ahead of the spool plausible.
        let written = append(&ledger, &[accepted(1), accepted(2)]).last_seq;
        let copy = sink.position();
        sink.set_position(position.max(written - 2 + 1).min(if position == 49 { 49 } else { u64::MAX }));
        let draining = Draining::start(&ledger, &sink);
        until(&ledger, |status| matches!(&status.drain, DrainState::Stopped(why) if why.contains(word))).await;
        assert_eq!(append(&ledger, &[accepted(3)]).last_seq, written + 1);
        // An operator's repair is noticed.
        sink.set_position(copy);
        sink.wait_position(written + 1).await;
        draining.stop().await;
    }
    assert_eq!(seqs(&sink), (1..=56).collect::<Vec<_>>());
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    append_shares(&ledger, 1);
    sink.wait_position(57).await;
    sink.set_position(40);
    append_shares(&ledger, 1);
    until(&ledger, |status| matches!(&status.drain, DrainState::Stopped(_))).await;
    draining.stop().await;
}

/// Otherwise the next start would take what was sent for somebody else's doing.
#[tokio::test]
async fn nothing_is_sent_before_it_is_noted_that_something_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 3);
    ledger.wait_synced(3).await;
    // A file opened for reading stands in for a disk that takes nothing.
    let refusing = std::fs::File::open(dir.path().join("confirmed")).unwrap();
    let good = std::mem::replace(&mut lock(&ledger.shared.confirmed).file, refusing);
    let sink = MemorySink::new();
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(&status.drain, DrainState::Held(text) if text.contains("none is"))).await;
    let attaches = sink.attaches();
    until(&ledger, |_| sink.attaches() > attaches + 3).await;
    assert_eq!(seqs(&sink), [0u64; 0], "however often it is tried");
    lock(&ledger.shared.confirmed).file = good;
    sink.wait_position(3).await;
    assert_eq!(lock(&ledger.shared.confirmed).explained_max(), None);
    draining.stop().await;
    drop(ledger);
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    append_shares(&ledger, 1);
    sink.wait_position(4).await;
    draining.stop().await;
}
