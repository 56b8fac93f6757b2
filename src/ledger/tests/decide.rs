//! Decisions of an operator, with the drainer stopped or at work, and a crash at every step.

use std::sync::Arc;

use super::super::decision::{self, Decision, Position, Verb};
use super::super::memory_sink::MemorySink;
use super::super::record::Entry;
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
    Decision { id: format!("id {next_seq}"), verb, spool, next_seq, found, confirmed, decided_at: T0 }
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
