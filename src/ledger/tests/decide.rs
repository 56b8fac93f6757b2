//! Decisions of an operator, with the drainer stopped or at work, and a crash at every step.

use std::sync::Arc;

use super::super::decision::{self, Decision, GivenUp, Position, Verb};
use super::super::memory_sink::MemorySink;
use super::super::record::{Entry, VerdictRecord};
use super::super::segments::lock;
use super::super::sink::{SinkError, SpoolId};
use super::super::status::DrainState;
use super::*;

fn seqs(sink: &MemorySink) -> Vec<u64> {
    sink.rows().iter().map(|row| row.seq).collect()
}

fn decision(ledger: &Ledger, next_seq: u64, found: Option<u64>, confirmed: u64) -> Decision {
    let spool = ledger.spool().to_string();
    let found = found.map(|seq| Position { spool: spool.clone(), seq });
    let verb = Verb::Rewind;
    let (id, candidates) = (format!("id {next_seq}"), Vec::new());
    Decision { id, verb, spool, next_seq, found, confirmed, decided_at: T0, candidates }
}

async fn stopped(ledger: &Arc<Ledger>) {
    until(ledger, |status| matches!(status.drain, DrainState::Stopped(_))).await;
}

async fn outcome(dir: &Path) -> decision::Outcome {
    loop {
        // In this order: the outcome of an earlier decision is there until this one's is.
        if decision::pending(dir).unwrap().is_none()
            && let Some(outcome) = decision::outcome(dir).unwrap()
        {
            return outcome;
        }
        tokio::task::yield_now().await;
    }
}

/// A spool of ten drained events, whose database then loses the rows above 6.
async fn restored() -> (tempfile::TempDir, Arc<Ledger>, MemorySink) {
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 10);
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(10).await;
    until(&ledger, |status| status.drained == 10).await;
    draining.stop().await;
    sink.set_position(6);
    (dir, ledger, sink)
}

#[tokio::test]
async fn a_stopped_drain_goes_on_where_it_is_told() {
    for (next_seq, again) in [(7, vec![7, 8, 9, 10]), (11, vec![]), (9, vec![9, 10])] {
        let (dir, ledger, sink) = restored().await;
        let draining = Draining::start(&ledger, &sink);
        stopped(&ledger).await;
        let note = decision::drain_note(dir.path()).unwrap().unwrap();
        assert!(note.state == "stopped" && note.reason.contains("lost rows"), "{note:?}");
        decision::submit(dir.path(), &decision(&ledger, next_seq, Some(6), 10)).unwrap();
        let outcome = outcome(dir.path()).await;
        assert!(outcome.applied && outcome.id == format!("id {next_seq}"), "{outcome:?}");
        append_shares(&ledger, 1);
        sink.wait_position(11).await;
        let expected: Vec<u64> = (1..=10).chain(again).chain([11]).collect();
        assert_eq!(seqs(&sink), expected);
        until(&ledger, |status| status.drain == DrainState::Running && status.drained == 11).await;
        draining.stop().await;
        assert_eq!(decision::drain_note(dir.path()).unwrap(), None);
    }
}

#[tokio::test]
async fn a_decision_waits_for_the_next_start() {
    let (dir, ledger, sink) = restored().await;
    decision::submit(dir.path(), &decision(&ledger, 7, Some(6), 10)).unwrap();
    drop(ledger);
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(10).await;
    assert_eq!(seqs(&sink), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 7, 8, 9, 10]);
    draining.stop().await;
}

#[tokio::test]
async fn a_decision_on_another_state_is_refused() {
    for (change, word) in [
        (decision_with(|decision| decision.found = None), "stands at"),
        (decision_with(|decision| decision.found.as_mut().unwrap().seq = 5), "stands at"),
        (decision_with(|decision| decision.confirmed = 8), "knew 8"),
        (decision_with(|decision| decision.spool = SpoolId([1; 16]).to_string()), "is about spool"),
        (decision_with(|decision| decision.next_seq = 12), "neither in the spool"),
        (decision_with(|decision| decision.next_seq = 0), "neither in the spool"),
    ] {
        let (dir, ledger, sink) = restored().await;
        let draining = Draining::start(&ledger, &sink);
        stopped(&ledger).await;
        let mut wrong = decision(&ledger, 9, Some(6), 10);
        change(&mut wrong);
        decision::submit(dir.path(), &wrong).unwrap();
        let outcome = outcome(dir.path()).await;
        assert!(!outcome.applied && outcome.text.contains(word), "{outcome:?}");
        stopped(&ledger).await;
        assert_eq!((sink.position(), sink.rows().len()), (6, 10));
        draining.stop().await;
    }
}

fn decision_with(change: impl Fn(&mut Decision) + 'static) -> Box<dyn Fn(&mut Decision)> {
    Box::new(change)
}

/// The decision's file is there until everything else is done: whatever a crash leaves is carried out
/// again with the same result, and never a second time after rows were sent.
#[tokio::test]
async fn a_crash_between_the_steps_of_a_decision_does_not_repeat_it() {
    let (dir, ledger, sink) = restored().await;
    let rewind = decision(&ledger, 7, Some(6), 10);
    decision::submit(dir.path(), &rewind).unwrap();
    // The sink has moved, and its answer was lost; then the process is gone.
    sink.script_attach(SinkError::Unavailable("cut".into()));
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(10).await;
    draining.stop().await;
    assert_eq!(seqs(&sink)[10..], [7, 8, 9, 10]);
    drop(ledger);
    // The same file again, as after a restore of the directory: the database is elsewhere by now.
    decision::submit(dir.path(), &rewind).unwrap();
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    assert!(!outcome(dir.path()).await.applied);
    append_shares(&ledger, 1);
    sink.wait_position(11).await;
    draining.stop().await;
    assert_eq!(seqs(&sink)[10..], [7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn damage_is_given_up_and_the_candidates_behind_it_are_still_known() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 3);
    append(&ledger, &[candidate(4, T0)]);
    append_shares(&ledger, 1);
    ledger.close();
    drop(ledger);
    let file = segment_files(dir.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    // The second event: found by its worker's name.
    let at = bytes.windows(10).position(|window| window == b"alice.rig2").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    stopped(&ledger).await;
    assert_eq!(seqs(&sink), [1]);
    decision::submit(dir.path(), &decision(&ledger, 3, Some(1), 1)).unwrap();
    assert!(outcome(dir.path()).await.applied);
    sink.wait_position(5).await;
    assert_eq!(seqs(&sink), [1, 3, 4, 5]);
    // Event 3 is of the candidate's second: both become visible at once.
    assert!(sink.commits().iter().any(|commit| commit.contains(&3) && commit.contains(&4)), "{:?}", sink.commits());
    draining.stop().await;
    assert!(sink.rows().iter().any(|row: &Entry| row.seq == 4));
}

/// The spool is older than the database, as after the machine went back to a snapshot.
async fn rolled_back() -> (tempfile::TempDir, MemorySink) {
    let (dir, ledger, sink) = restored().await;
    drop(ledger);
    sink.set_position(20);
    (dir, sink)
}

#[tokio::test]
async fn a_spool_older_than_the_database_stays_stopped_over_restarts() {
    // With the database away during the first life, and with it there.
    for is_stopped_at_once in [false, true] {
        let (dir, sink) = rolled_back().await;
        let ledger = open(dir.path(), &config());
        if is_stopped_at_once {
            let draining = Draining::start(&ledger, &sink);
            stopped(&ledger).await;
            draining.stop().await;
        }
        // Miners go on, and what they send would soon have the numbers that the database speaks of.
        append_shares(&ledger, 20);
        drop(ledger);
        for _ in 0..2 {
            let ledger = open(dir.path(), &config());
            let draining = Draining::start(&ledger, &sink);
            stopped(&ledger).await;
            draining.stop().await;
        }
        assert_eq!(seqs(&sink), (1..=10).collect::<Vec<_>>());
        // Only a decision lets it go on, also over a restart: from then on it explains itself.
        let ledger = open(dir.path(), &config());
        decision::submit(dir.path(), &decision(&ledger, 11, Some(20), 10)).unwrap();
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(30).await;
        draining.stop().await;
        drop(ledger);
        let ledger = open(dir.path(), &config());
        append_shares(&ledger, 1);
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(31).await;
        draining.stop().await;
        assert_eq!(seqs(&sink), (1..=31).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_position_that_somebody_moved_at_work_stays_unexplained_over_restarts() {
    let (dir, ledger, sink) = restored().await;
    sink.set_position(10);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| status.drain == DrainState::Running).await;
    sink.set_position(15);
    append_shares(&ledger, 1);
    stopped(&ledger).await;
    append_shares(&ledger, 9);
    draining.stop().await;
    drop(ledger);
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    stopped(&ledger).await;
    // Put right, it goes on by itself.
    sink.set_position(10);
    sink.wait_position(20).await;
    draining.stop().await;
    assert_eq!(seqs(&sink), (1..=20).collect::<Vec<_>>());
}

/// A crash may come after any step, so that the decision is carried out again.
#[tokio::test]
async fn a_candidate_in_damage_is_recorded_again_once() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 3);
    // What is not on the disk is not there to decide about.
    ledger.sync_now();
    ledger.wait_synced(3).await;
    let Event::Share(block) = candidate(9, T0) else { unreachable!("a share") };
    let verdict = VerdictRecord {
        candidate: 2,
        written_hash: [3; 32],
        accepted: true,
        node_hash: [3; 32],
        reason: String::new(),
    };
    let candidates = vec![GivenUp::of(2, block.clone(), Some(verdict.clone())).unwrap()];
    let wish = Decision { candidates, ..decision(&ledger, 4, None, 0) };
    for _ in 0..2 {
        decision::submit(dir.path(), &wish).unwrap();
        let draining = Draining::start(&ledger, &sink);
        sink.wait_position(5).await;
        draining.stop().await;
        let outcome = decision::outcome(dir.path()).unwrap().unwrap();
        assert!(outcome.applied && ledger.status().written == 5, "{outcome:?}");
        assert!(outcome.text.ends_with("block candidate 2 is recorded again as event 4"), "{outcome:?}");
        // As a crash before the decision was put aside leaves it.
        lock(&ledger.shared.confirmed).settle(3).unwrap();
        sink.set_position(3);
    }
    let stored: Vec<Event> = sink.rows().into_iter().map(|row| row.event).collect();
    assert_eq!(stored[..2], [Event::Share(block), Event::Verdict(verdict)]);
}
