//! Mended rows of the quarantine: each put in at most once, whatever is killed between the steps.

use std::sync::Arc;

use super::super::memory_sink::MemorySink;
use super::super::mended::{self, Line};
use super::super::quarantine::QUARANTINE_FILE;
use super::super::record::VerdictRecord;
use super::super::replay::{self, Fate, Memory, REPLAYED_FILE, Request};
use super::super::status::DrainState;
use super::*;

/// A spool of six events, of which 2 and 5 are in quarantine.
async fn poisoned() -> (tempfile::TempDir, Arc<Ledger>, MemorySink) {
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 4);
    append(&ledger, &[refused(5)]);
    append_shares(&ledger, 1);
    sink.refuse(|entry| [2, 5].contains(&entry.seq));
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(6).await;
    draining.stop().await;
    (dir, ledger, sink)
}

fn lines(dir: &Path) -> Vec<Line> {
    let (lines, problems) = mended::read(&dir.join(QUARANTINE_FILE), |_| true).unwrap();
    assert_eq!(problems, [""; 0]);
    lines.into_values().collect()
}

fn changed(line: &Line, field: &str, to: serde_json::Value) -> Line {
    let mut value = serde_json::to_value(line).unwrap();
    value["share"][field] = to;
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn mended_rows_go_in_at_the_end_once() {
    let (dir, ledger, sink) = poisoned().await;
    let mut rows = lines(dir.path());
    assert_eq!(rows.iter().map(|line| line.seq).collect::<Vec<_>>(), [2, 5]);
    rows[0] = changed(&rows[0], "worker", "bob.mended".into());
    let fates = replay::replay(&ledger, rows.clone()).await.unwrap().unwrap();
    assert_eq!(fates, [(2, Fate::Replayed(7)), (5, Fate::Replayed(8))]);
    let fates = replay::replay(&ledger, rows).await.unwrap().unwrap();
    assert_eq!(fates, [(2, Fate::Already(7)), (5, Fate::Already(8))]);
    assert_eq!(replay::replayed(dir.path()).unwrap(), [(2, 7), (5, 8)].into());
    drop(ledger);
    let ledger = open(dir.path(), &config());
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(8).await;
    draining.stop().await;
    let stored = sink.rows();
    assert_eq!(stored.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 3, 4, 6, 7, 8]);
    let Event::Share(row) = &stored[4].event else { panic!("no share") };
    // The facts are the mended ones, the second is that of the replay.
    assert_eq!((&*row.worker, row.row_difficulty, row.accepted), ("bob.mended", 16.0, true));
    assert!(row.job.starts_with("replay:2:") && row.job.ends_with(":4f"), "{}", row.job);
    assert!(stored.is_sorted_by_key(|row| row.time));
    let memory = std::fs::read_to_string(dir.path().join(REPLAYED_FILE)).unwrap();
    assert!(memory.contains("\"alice.rig2\"") && memory.contains("\"bob.mended\""), "{memory}");
}

#[tokio::test]
async fn a_kill_between_the_steps_of_a_replay_neither_loses_nor_doubles_a_row() {
    let (dir, ledger, _) = poisoned().await;
    let rows = lines(dir.path());
    let pairs: Vec<(Line, Line)> = rows.iter().map(|line| (line.clone(), line.clone())).collect();
    let before = copy_spool(dir.path());
    let events = replay::begin(dir.path(), &pairs, 6, T0).unwrap();
    let begun = copy_spool(dir.path());
    append(&ledger, &events);
    let appended = copy_spool(dir.path());
    drop(ledger);
    for (spool, fates) in [
        (before, [(2, Fate::Replayed(7)), (5, Fate::Replayed(8))]),
        (begun, [(2, Fate::Replayed(7)), (5, Fate::Replayed(8))]),
        (appended, [(2, Fate::Already(7)), (5, Fate::Already(8))]),
    ] {
        let ledger = open(spool.path(), &config());
        assert_eq!(replay::replay(&ledger, rows.clone()).await.unwrap().unwrap(), fates);
        assert_eq!(ledger.status().written, 8);
        assert!(Memory::read(spool.path()).unwrap().open.is_empty());
    }
}

#[tokio::test]
async fn a_row_whose_fate_cannot_be_told_is_left_alone() {
    let (dir, ledger, _) = poisoned().await;
    let rows = lines(dir.path());
    let pairs: Vec<(Line, Line)> = rows.iter().map(|line| (line.clone(), line.clone())).collect();
    let events = replay::begin(dir.path(), &pairs, 6, T0).unwrap();
    append(&ledger, &events);
    append_shares(&ledger, 1);
    ledger.close();
    drop(ledger);
    // The first of the two new events is damaged.
    let file = segment_files(dir.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(9).position(|window| window == b"replay:2:").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ledger = open(dir.path(), &config());
    let fates = replay::replay(&ledger, rows).await.unwrap().unwrap();
    assert!(matches!(&fates[0].1, Fate::Unknown(why) if why.contains("cannot be read")), "{fates:?}");
    assert_eq!(fates[1], (5, Fate::Already(8)), "that one is there for all to see");
}

/// A replay that was cut off and was never asked about again must not stand in the way of all later ones.
#[tokio::test]
async fn a_row_whose_fate_is_not_kept_any_more_does_not_hide_that_of_others() {
    let (dir, ledger, sink) = poisoned().await;
    let rows = lines(dir.path());
    replay::begin(dir.path(), &[(rows[0].clone(), rows[0].clone())], 6, T0).unwrap();
    append_shares(&ledger, 300);
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(306).await;
    draining.stop().await;
    ledger.close();
    drop(ledger);
    assert!(segment_files(dir.path()).len() > 1);
    std::fs::remove_file(segment_files(dir.path()).remove(0)).unwrap();
    let ledger = open(dir.path(), &config());
    for known in [Fate::Replayed(307), Fate::Already(307)] {
        let fates = replay::replay(&ledger, rows.clone()).await.unwrap().unwrap();
        assert!(matches!(&fates[0].1, Fate::Unknown(why) if why.contains("not kept")), "{fates:?}");
        assert_eq!(fates[1], (5, known));
    }
    assert_eq!(ledger.status().written, 307);
}

/// The line may have reached the file, and so be replayed, though writing it failed.
#[tokio::test]
async fn a_row_that_may_be_in_quarantine_is_not_stored_even_if_the_table_takes_it_by_now() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 3);
    ledger.wait_synced(3).await;
    // Takes every line and cannot bring it to a disk.
    let file = dir.path().join(QUARANTINE_FILE);
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    sink.refuse(|entry| entry.seq == 2);
    let draining = Draining::start(&ledger, &sink);
    until(&ledger, |status| matches!(&status.drain, DrainState::Held(text) if text.contains("cannot be written")))
        .await;
    sink.refuse(|_| false);
    let alive = sink.keep_alives();
    until(&ledger, |_| sink.keep_alives() > alive + 3 || sink.position() > 1).await;
    assert_eq!(sink.position(), 1, "however often it is tried");
    std::fs::remove_file(&file).unwrap();
    sink.wait_position(3).await;
    draining.stop().await;
    assert_eq!(sink.rows().iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(lines(dir.path()).iter().map(|line| line.seq).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn what_is_only_written_is_not_yet_done() {
    let (dir, ledger, _) = poisoned().await;
    let rows = lines(dir.path());
    let pairs: Vec<(Line, Line)> = rows.iter().map(|line| (line.clone(), line.clone())).collect();
    let events = replay::begin(dir.path(), &pairs, 6, T0).unwrap();
    append(&ledger, &events);
    let mut memory = Memory::read(dir.path()).unwrap();
    // The disk is said to have the first of the two.
    let unclear = replay::resolve(dir.path(), &mut memory, 7, T0).unwrap().unwrap();
    assert!(unclear.contains("not yet on the disk"), "{unclear}");
    assert_eq!((memory.done.len(), memory.open.len()), (1, 1));
    assert_eq!(replay::resolve(dir.path(), &mut memory, 8, T0).unwrap(), None);
    assert_eq!((memory.done.len(), memory.open.len()), (2, 0));
}

#[tokio::test]
async fn rows_that_are_no_good_are_refused_together() {
    let (dir, ledger, _) = poisoned().await;
    let rows = lines(dir.path());
    let written = ledger.status().written;
    let mut stranger = rows[0].clone();
    stranger.seq = 3;
    for (bad, word) in [
        (changed(&rows[1], "accepted", true.into()), "`accepted` was false"),
        (changed(&rows[0], "row_difficulty", "0".into()), "`row_difficulty`"),
        (changed(&rows[0], "row_difficulty", "NaN".into()), "`row_difficulty`"),
        (changed(&rows[0], "row_difficulty", "1e39".into()), "`row_difficulty`"),
        (changed(&rows[0], "worker", " ".into()), "`worker`"),
        (changed(&rows[0], "worker", "w".repeat(121).into()), "`worker`"),
        (changed(&rows[0], "remote", "nowhere".into()), "`remote`"),
        (changed(&rows[0], "reason", "ü".into()), "`reason`"),
        (changed(&rows[0], "header", "xy".into()), "`header`"),
        (changed(&rows[0], "candidate", 1.into()), "`candidate`"),
        (stranger, "event 3 is not in"),
    ] {
        let problems = replay::replay(&ledger, vec![rows[0].clone(), rows[1].clone(), bad]).await.unwrap().unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains(word), "{problems:?}");
    }
    assert_eq!(ledger.status().written, written);
}

#[tokio::test]
async fn the_daemon_carries_a_request_out_and_answers_it() {
    let (dir, ledger, _) = poisoned().await;
    let request = Request { id: "one".into(), spool: ledger.spool().to_string(), lines: lines(dir.path()) };
    replay::submit(dir.path(), &request).unwrap();
    assert!(replay::submit(dir.path(), &request).is_err(), "one at a time");
    replay::attend_once(&ledger).await.unwrap();
    let answer = replay::answer(dir.path()).unwrap().unwrap();
    assert_eq!((answer.id.as_str(), answer.rows.len(), answer.problem), ("one", 2, None));
    // The same request again, as if the daemon had been killed before it removed the file.
    replay::submit(dir.path(), &request).unwrap();
    replay::attend_once(&ledger).await.unwrap();
    assert_eq!(replay::answer(dir.path()).unwrap().unwrap().rows, [(2, Fate::Already(7)), (5, Fate::Already(8))]);
    replay::submit(dir.path(), &Request { spool: "another".into(), ..request }).unwrap();
    replay::attend_once(&ledger).await.unwrap();
    assert!(replay::answer(dir.path()).unwrap().unwrap().problem.is_some());
    assert_eq!(ledger.status().written, 8);
}

/// A verdict went to quarantine and a newer one on the same block was stored: what is put in at the end would
/// be carried out last.
#[tokio::test]
async fn a_verdict_does_not_come_after_a_newer_one() {
    let verdict = |candidate: u64, accepted: bool| {
        let hash = [u8::try_from(candidate).unwrap(); 32];
        let (written_hash, node_hash, reason) = (hash, hash, String::new());
        Event::Verdict(VerdictRecord { candidate, written_hash, accepted, node_hash, reason })
    };
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 2);
    for (candidate, accepted) in [(1, true), (2, true), (1, false)] {
        append(&ledger, &[verdict(candidate, accepted)]);
    }
    sink.refuse(|entry| [3, 4].contains(&entry.seq));
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(5).await;
    draining.stop().await;
    let rows = lines(dir.path());
    assert_eq!(rows.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 4]);
    let fates = replay::replay(&ledger, rows.clone()).await.unwrap().unwrap();
    assert_eq!(fates, [(3, Fate::Superseded(5)), (4, Fate::Replayed(6))]);
    let fates = replay::replay(&ledger, rows).await.unwrap().unwrap();
    assert_eq!(fates, [(3, Fate::Superseded(5)), (4, Fate::Already(6))]);
    assert_eq!(ledger.status().written, 6);
}

/// What lies behind it cannot be seen: it may have been a newer verdict.
#[tokio::test]
async fn a_verdict_is_not_put_in_behind_what_cannot_be_read() {
    let verdict = |candidate: u64| {
        let (written_hash, node_hash, reason) = ([5; 32], [5; 32], "reason-text".to_owned());
        Event::Verdict(VerdictRecord { candidate, written_hash, accepted: false, node_hash, reason })
    };
    let (dir, sink) = (tempfile::tempdir().unwrap(), MemorySink::new());
    let ledger = open(dir.path(), &config());
    append_shares(&ledger, 1);
    append(&ledger, &[verdict(1)]);
    append(&ledger, &[refused(3)]);
    append_shares(&ledger, 1);
    sink.refuse(|entry| entry.seq == 2);
    let draining = Draining::start(&ledger, &sink);
    sink.wait_position(4).await;
    draining.stop().await;
    let path = segment_files(dir.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|window| window == b"stale").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let fates = replay::replay(&ledger, lines(dir.path())).await.unwrap().unwrap();
    assert!(matches!(&fates[..], [(2, Fate::Refused(why))] if why.contains("cannot be told")), "{fates:?}");
    assert_eq!(ledger.status().written, 4);
}
