//! Random lives of a spool. The invariant is the promise: what was acknowledged is in the store,
//! once, in order.

use std::os::unix::fs::FileExt;

use super::super::appender::CLOCK_AHEAD_MAX_SECS;
use super::super::memory_sink::Failure;
use super::super::sink::SinkError;
use super::super::status::DrainState;
use super::*;

/// A small generator: runs must be the same every time, whatever other crates do.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % sides
    }
}

fn random_event(dice: &mut Dice, number: u64, now: u64) -> Event {
    match dice.roll(20) {
        0 => candidate(number, now - dice.roll(30)),
        1..4 => refused(number),
        _ => accepted(number),
    }
}

fn script(dice: &mut Dice, sink: &MemorySink) {
    let lost = SinkError::Unavailable("lost".to_owned());
    match dice.roll(6) {
        0 => sink.script_commit(Some(Failure::Before(lost))),
        1 | 2 => sink.script_commit(Some(Failure::After(lost))),
        3 => sink.script_attach(lost),
        _ => sink.script_commit(None),
    }
}

/// One life: appends, syncs, kills, restarts, failures of the sink.
async fn live(seed: u64) {
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config = config::Ledger { batch_rows_max: 1 + usize::try_from(dice.roll(40)).unwrap(), ..config() };
    let open = || open_with(dir.path(), &config, Arc::clone(&clock) as _);
    let sink = MemorySink::new();
    let mut acknowledged: Vec<(u64, u64, Event)> = Vec::new();
    let mut ledger = open().ledger;
    let mut draining = None;
    for _ in 0..250 {
        match dice.roll(12) {
            0 => ledger.sync_now(),
            1 => clock.advance(Duration::from_secs(dice.roll(20))),
            2 if dice.roll(4) == 0 => clock.step_to(T0 + dice.roll(500)),
            3 => script(&mut dice, &sink),
            4 => tokio::time::sleep(Duration::from_millis(dice.roll(4))).await,
            5 if draining.is_none() => draining = Some(Draining::start(&ledger, &sink)),
            6 if dice.roll(3) == 0 => {
                // A kill: the drainer stops wherever it is, nothing is flushed.
                if let Some(Draining { task, .. }) = draining.take() {
                    task.abort();
                    let _ = task.await;
                }
                drop(ledger);
                let opened = open();
                assert!(opened.recovered.damage.is_empty() && opened.recovered.gaps.is_empty(), "seed {seed}");
                ledger = opened.ledger;
            }
            _ => {
                let number = acknowledged.len() as u64;
                let now = clock.unix_secs();
                let events: Vec<_> =
                    (0..=dice.roll(5)).map(|more| random_event(&mut dice, number + more, now)).collect();
                let receipt = append(&ledger, &events);
                assert_eq!(receipt.first_seq, number + 1, "seed {seed}");
                acknowledged.extend((receipt.first_seq..).zip(events).map(|(seq, event)| (seq, receipt.time, event)));
            }
        }
    }
    let draining = draining.unwrap_or_else(|| Draining::start(&ledger, &sink));
    ledger.sync_now();
    let last = acknowledged.len() as u64;
    until(&ledger, |status| {
        assert!(!matches!(status.drain, DrainState::Stopped(_) | DrainState::Held(_)), "seed {seed}: {}", status.drain);
        status.drained == last
    })
    .await;
    draining.stop().await;
    let rows: Vec<_> = sink.rows().into_iter().map(|row| (row.seq, row.time, row.event)).collect();
    assert_eq!(rows, acknowledged, "seed {seed}");
    let is_in_order = |earlier: u64, later: u64| earlier <= later || earlier - later > CLOCK_AHEAD_MAX_SECS;
    assert!(rows.windows(2).all(|pair| is_in_order(pair[0].1, pair[1].1)), "seed {seed}: time goes back a little");
}

#[tokio::test]
async fn every_acknowledged_event_becomes_one_row_in_order() {
    for seed in 1..=15 {
        live(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed)).await;
    }
}

#[tokio::test]
async fn a_power_cut_loses_nothing_that_was_synced() {
    for seed in 1..=15_u64 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path(), &lazy());
        let (synced, unsynced) = (dice.roll(60), 1 + dice.roll(60));
        append_shares(&ledger, synced);
        ledger.sync_now();
        ledger.wait_synced(synced).await;
        let from = ledger.shared.appender.lock().unwrap().synced_to;
        append_shares(&ledger, unsynced);
        let to = ledger.shared.appender.lock().unwrap().place.offset;
        let copy = copy_spool(dir.path());
        // Unsynced bytes reach the disk in any order, or not at all.
        let file = super::super::segment::open(&segment_files(copy.path())[0]).unwrap();
        for _ in 0..dice.roll(6) {
            let at = from + dice.roll(to - from);
            let size = usize::try_from(1 + dice.roll((to - at).min(4096))).unwrap();
            let fill = if dice.roll(2) == 0 { 0 } else { 0xa7 };
            file.write_all_at(&vec![fill; size], at).unwrap();
        }
        let sink = MemorySink::new();
        let mut last = 0;
        for run in 0..2 {
            let opened = open_with(copy.path(), &config(), clock());
            assert_eq!(opened.recovered.damage, [""; 0], "seed {seed} run {run}");
            last = append(&opened.ledger, &[accepted(1_000_000 + run)]).last_seq;
            opened.ledger.sync_now();
            opened.ledger.wait_synced(last).await;
            if run == 1 {
                let draining = Draining::start(&opened.ledger, &sink);
                sink.wait_position(last).await;
                draining.stop().await;
            }
        }
        let rows = sink.rows();
        let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(seqs[..usize::try_from(synced).unwrap()], (1..=synced).collect::<Vec<_>>(), "seed {seed}");
        assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}");
        for row in &rows[..rows.len() - 2] {
            assert_eq!(row.event, accepted(row.seq), "seed {seed}");
        }
        assert_eq!(seqs.last(), Some(&last));
        assert_eq!(rows[rows.len() - 1].event, accepted(1_000_001), "seed {seed}");
    }
}
