//! What a kill, a power cut and a failing disk leave, and what becomes of it.

use std::os::unix::fs::FileExt;

use super::super::envelope::{ENVELOPE_BYTES, Salt};
use super::super::recovery::{LossKind, Tail, judge, scan_tail};
use super::super::scan::{Found, Scan};
use super::super::segment::{self, HEADER_BYTES, NEXT_FILE};
use super::super::segments::Segments;
use super::super::sink::SpoolId;
use super::super::status::DrainState;
use super::*;

pub(super) const SYNCED: u64 = 6;
pub(super) const WRITTEN: u64 = 10;

/// A spool whose events 1 to 6 have a marker behind them and 7 to 10 not; as a kill leaves it.
pub(super) struct Image {
    pub(super) dir: tempfile::TempDir,
    spool: SpoolId,
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// Number, start and end of each record; the marker has number 0.
    pub(super) records: Vec<(u64, usize, usize)>,
    pub(super) end: usize,
}

pub(super) async fn image() -> Image {
    let source = tempfile::tempdir().unwrap();
    let ledger = open(source.path(), &lazy());
    append_shares(&ledger, SYNCED);
    ledger.sync_now();
    ledger.wait_synced(SYNCED).await;
    // The marker is written just after the number is published.
    while {
        let appender = ledger.shared.appender.lock().unwrap();
        appender.place.offset == appender.synced_to
    } {}
    append_shares(&ledger, WRITTEN - SYNCED);
    let dir = copy_spool(source.path());
    let file = segment_files(dir.path()).remove(0);
    let mut records = Vec::new();
    walk(&file, ledger.spool(), |seq, start, end| records.push((seq, start, end)));
    let end = records.last().unwrap().2;
    let spool = ledger.spool();
    Image { bytes: std::fs::read(&file).unwrap(), file, dir, spool, records: records.split_off(1), end }
}

fn walk(file: &Path, spool: SpoolId, mut each: impl FnMut(u64, usize, usize)) {
    let opened = Arc::new(std::fs::File::open(file).unwrap());
    let end = opened.metadata().unwrap().len();
    let mut scan = Scan::new(opened, Salt::of(spool), HEADER_BYTES, end, 0, u64::MAX);
    loop {
        let start = usize::try_from(scan.at()).unwrap();
        let found = scan.next().unwrap();
        let end = usize::try_from(scan.at()).unwrap();
        match found {
            Found::Event { envelope, .. } => each(envelope.seq, start, end),
            Found::Marker(_) => each(0, start, end),
            Found::End { .. } => return,
            other => panic!("{other:?}"),
        }
    }
}

impl Image {
    fn tail(&self, bytes: &[u8]) -> Tail {
        std::fs::write(&self.file, bytes).unwrap();
        scan_tail(&Segments::list(self.dir.path()).unwrap(), self.spool, 0).unwrap()
    }

    pub(super) fn range(&self, seq: u64) -> std::ops::Range<usize> {
        let &(_, start, end) = self.records.iter().find(|record| record.0 == seq).unwrap();
        start..end
    }
}

fn losses(tail: &Tail) -> Vec<(u64, u64, LossKind)> {
    tail.losses.iter().map(|loss| (loss.first_seq, loss.last_seq, judge(loss, tail.marker, 0))).collect()
}

async fn drain(ledger: &Arc<Ledger>, sink: &MemorySink) -> Vec<u64> {
    let draining = Draining::start(ledger, sink);
    ledger.sync_now();
    until(ledger, |status| status.drained == status.written || matches!(status.drain, DrainState::Stopped(_))).await;
    draining.stop().await;
    sink.rows().iter().map(|row| row.seq).collect()
}

#[tokio::test]
async fn every_flipped_byte_is_classified() {
    let image = image().await;
    for at in 0..image.end {
        let mut bytes = image.bytes.clone();
        bytes[at] ^= 0x55;
        let tail = image.tail(&bytes);
        let hit = image.records.iter().find(|record| (record.1..record.2).contains(&at)).map(|record| record.0);
        let expected = match hit {
            Some(seq) if (1..=SYNCED).contains(&seq) => vec![(seq, seq, LossKind::Damage)],
            Some(seq) if (SYNCED + 1..WRITTEN).contains(&seq) => vec![(seq, seq, LossKind::NeverSynced)],
            // Header, markers and the very last record: nothing is missing between others.
            _ => vec![],
        };
        assert_eq!(losses(&tail), expected, "byte {at}");
        assert_eq!(tail.highest_seq, if hit == Some(WRITTEN) { WRITTEN - 1 } else { WRITTEN }, "byte {at}");
        assert_eq!(tail.dirty_to > tail.end_at, hit == Some(WRITTEN), "byte {at}");
        assert!(!tail.cut);
    }
}

#[tokio::test]
async fn every_cut_of_the_file_is_classified() {
    let image = image().await;
    for length in 0..=image.end + 2 * ENVELOPE_BYTES {
        let tail = image.tail(&image.bytes[..length]);
        let whole = image.records.iter().rev().find(|record| record.0 > 0 && record.2 <= length);
        assert_eq!(tail.highest_seq, whole.map_or(0, |record| record.0), "cut at {length}");
        assert_eq!(tail.cut, length < image.end + ENVELOPE_BYTES, "cut at {length}");
        assert_eq!(losses(&tail), [], "cut at {length}");
    }
}

#[tokio::test]
async fn a_cut_spool_opens_and_no_number_comes_twice() {
    let image = image().await;
    for length in
        [0, 63, 64, image.range(3).start + 5, image.range(6).end, image.range(10).start, image.end, image.end + 8]
    {
        std::fs::write(&image.file, &image.bytes[..length]).unwrap();
        let copy = copy_spool(image.dir.path());
        let opened = open_with(copy.path(), &config(), clock());
        assert_eq!(opened.recovered.damage.len(), 1, "cut at {length}: {:?}", opened.recovered);
        assert!(append(&opened.ledger, &[accepted(1)]).first_seq > WRITTEN + 1000);
        let sink = MemorySink::new();
        let rows = drain(&opened.ledger, &sink).await;
        assert_eq!(rows, (1..=opened.recovered.highest_seq).collect::<Vec<_>>(), "what is there is drained");
        let state = opened.ledger.status().drain;
        assert_eq!(state, DrainState::Off);
    }
    let harmless = image.end + ENVELOPE_BYTES;
    std::fs::write(&image.file, &image.bytes[..harmless]).unwrap();
    let opened = open_with(image.dir.path(), &config(), clock());
    assert_eq!((opened.recovered.damage.len(), opened.recovered.next_seq), (0, WRITTEN + 1));
    assert_eq!(std::fs::metadata(&image.file).unwrap().len(), 64 * 1024, "it has its room back");
}

#[tokio::test]
async fn a_kill_loses_nothing() {
    let image = image().await;
    let opened = open_with(image.dir.path(), &config(), clock());
    let recovered = opened.recovered;
    assert_eq!((recovered.highest_seq, recovered.next_seq, recovered.torn_bytes), (WRITTEN, WRITTEN + 1, 0));
    assert!(recovered.gaps.is_empty() && recovered.damage.is_empty() && !recovered.created);
    assert_eq!(opened.ledger.synced_seq(), WRITTEN);
    assert_eq!(drain(&opened.ledger, &MemorySink::new()).await, (1..=WRITTEN).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_torn_at_the_end_is_cleared() {
    let image = image().await;
    for cut in image.range(10).step_by(13).skip(1) {
        let mut bytes = image.bytes.clone();
        bytes[cut..].fill(0);
        std::fs::write(&image.file, &bytes).unwrap();
        let copy = copy_spool(image.dir.path());
        let opened = open_with(copy.path(), &config(), clock());
        assert_eq!((opened.recovered.highest_seq, opened.recovered.damage.len()), (9, 0), "torn at {cut}");
        assert!(opened.recovered.torn_bytes > 0);
        assert_eq!(append(&opened.ledger, &[accepted(99)]).first_seq, 10);
        let sink = MemorySink::new();
        assert_eq!(drain(&opened.ledger, &sink).await, (1..=10).collect::<Vec<_>>());
        assert_eq!(sink.rows()[9].event, accepted(99));
    }
}

#[tokio::test]
async fn a_hole_of_a_power_cut_becomes_a_gap_for_good() {
    let image = image().await;
    let mut bytes = image.bytes.clone();
    bytes[image.range(7).start..image.range(8).end - 9].fill(0);
    std::fs::write(&image.file, &bytes).unwrap();
    let sink = MemorySink::new();
    for run in 0..3 {
        let opened = open_with(image.dir.path(), &config(), clock());
        let gaps: Vec<_> = opened.recovered.gaps.iter().map(|gap| (gap.first_seq, gap.last_seq)).collect();
        assert_eq!(gaps, if run == 0 { vec![(7, 8)] } else { vec![] });
        assert_eq!(opened.recovered.damage, [""; 0], "run {run}");
        append_shares(&opened.ledger, 2);
        opened.ledger.sync_now();
        opened.ledger.wait_synced(WRITTEN + 2 * (run + 1)).await;
        if run == 2 {
            let expected: Vec<_> = (1..=16).filter(|seq| ![7, 8].contains(seq)).collect();
            assert_eq!(drain(&opened.ledger, &sink).await, expected);
        }
    }
}

#[tokio::test]
async fn damage_of_synced_events_stops_the_drain_there_until_they_are_back() {
    let image = image().await;
    let mut bytes = image.bytes.clone();
    bytes[image.range(4).start + 40] ^= 1;
    std::fs::write(&image.file, &bytes).unwrap();
    let sink = MemorySink::new();
    for run in 0..2 {
        let opened = open_with(image.dir.path(), &config(), clock());
        assert_eq!(opened.recovered.damage.len(), 1 - run, "only the newest segments are looked at");
        append_shares(&opened.ledger, 1);
        let draining = Draining::start(&opened.ledger, &sink);
        let place = format!("byte {}: events 4 to 4 ", image.range(4).start);
        until(&opened.ledger, |status| matches!(&status.drain, DrainState::Stopped(why) if why.contains(&place))).await;
        assert_eq!(sink.position(), 3);
        if run == 1 {
            std::fs::write(&image.file, &image.bytes).unwrap();
            sink.wait_position(12).await;
        }
        draining.stop().await;
    }
    assert_eq!(sink.rows().iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn damage_below_the_confirmed_position_is_only_told() {
    let image = image().await;
    let sink = MemorySink::new();
    {
        let ledger = open(image.dir.path(), &config());
        drain(&ledger, &sink).await;
    }
    let file = segment::open(&image.file).unwrap();
    file.write_all_at(&[0xff; 8], image.range(4).start as u64 + 40).unwrap();
    let opened = open_with(image.dir.path(), &config(), clock());
    assert_eq!((opened.recovered.damage.len(), opened.recovered.drained_losses.len()), (0, 1));
    append_shares(&opened.ledger, 1);
    assert_eq!(drain(&opened.ledger, &sink).await, (1..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_missing_newest_segment_stops_the_drain_and_no_number_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let sink = MemorySink::new();
    {
        let ledger = open(dir.path(), &config());
        append_shares(&ledger, 1000);
        assert_eq!(drain(&ledger, &sink).await.len(), 1000);
    }
    std::fs::remove_file(segment_files(dir.path()).pop().unwrap()).unwrap();
    let opened = open_with(dir.path(), &config(), clock());
    assert!(opened.recovered.highest_seq < 1000);
    assert_eq!(opened.recovered.damage.len(), 1, "{:?}", opened.recovered);
    assert!(append(&opened.ledger, &[accepted(1)]).first_seq > 2000);
    assert_eq!(drain(&opened.ledger, &sink).await.len(), 1000);
}

#[tokio::test]
async fn a_long_spool_is_not_read_again_and_a_lost_rename_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    {
        let ledger = open(dir.path(), &config());
        append_shares(&ledger, 3000);
        ledger.sync_now();
        ledger.wait_synced(3000).await;
    }
    let _ = std::fs::remove_file(dir.path().join(NEXT_FILE));
    std::fs::rename(segment_files(dir.path()).pop().unwrap(), dir.path().join(NEXT_FILE)).unwrap();
    let opened = open_with(dir.path(), &config(), clock());
    assert_eq!((opened.recovered.highest_seq, opened.recovered.damage.len()), (3000, 0));
    assert!(opened.recovered.segments_scanned <= 2, "{}", opened.recovered.segments_scanned);
    assert_eq!(drain(&opened.ledger, &MemorySink::new()).await, (1..=3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hole_at_the_end_of_a_segment_that_was_never_synced_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, written) = {
        let ledger = open(dir.path(), &config());
        append_shares(&ledger, 400);
        (ledger.spool(), 400)
    };
    let files = segment_files(dir.path());
    assert!(files.len() >= 2);
    // As if no sync had completed, and the last pages of the first segment had not reached the disk.
    let mut last = (0, 0, 0);
    for path in &files {
        let file = segment::open(path).unwrap();
        walk(path, spool, |seq, start, end| {
            if seq == 0 {
                file.write_all_at(&[0xee; ENVELOPE_BYTES], start as u64).unwrap();
            } else if path == &files[0] {
                last = (seq, start, end);
            }
        });
    }
    let file = segment::open(&files[0]).unwrap();
    segment::write_zeros(&file, last.1 as u64, last.2 as u64).unwrap();
    let opened = open_with(dir.path(), &config(), clock());
    assert_eq!(opened.recovered.segments_scanned, files.len());
    let gaps: Vec<_> = opened.recovered.gaps.iter().map(|gap| (gap.first_seq, gap.last_seq)).collect();
    assert_eq!(gaps, [(last.0, last.0)], "{:?}", opened.recovered);
    let expected: Vec<_> = (1..=written).filter(|&seq| seq != last.0).collect();
    assert_eq!(drain(&opened.ledger, &MemorySink::new()).await, expected);
}

#[test]
fn candidates_without_a_verdict_are_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &config());
    let first = append(&ledger, &[candidate(1, T0)]).first_seq;
    append(&ledger, &[accepted(2), candidate(3, T0)]);
    let verdict = super::super::record::VerdictRecord {
        candidate: first,
        written_hash: [3; 32],
        accepted: true,
        node_hash: [3; 32],
        reason: String::new(),
    };
    append(&ledger, &[Event::Verdict(verdict)]);
    drop(ledger);
    let ledger = open(dir.path(), &config());
    let open: Vec<_> = ledger.unsettled_candidates().iter().map(|entry| entry.seq).collect();
    assert_eq!(open, [3]);
}

/// A write of three events failed part-way, could not be cleared, and the process was killed: the miners
/// were refused, so that none of the three may become a row.
#[tokio::test]
async fn of_a_call_that_was_written_in_part_nothing_is_kept() {
    let (dir, ledger, bytes) = loop {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path(), &lazy());
        // The segment ahead says how far the numbers had come when it was made.
        while !ledger.status().next_allocated {
            std::thread::yield_now();
        }
        append(&ledger, &[accepted(1), accepted(2)]);
        append(&ledger, &[accepted(3), accepted(4), accepted(5)]);
        let bytes = std::fs::read(segment_files(dir.path()).remove(0)).unwrap();
        // The thread that allocates ahead syncs as well, and if it comes late it syncs these.
        if ledger.synced_seq() == 0 {
            break (dir, ledger, bytes);
        }
    };
    let mut records = Vec::new();
    let file = segment_files(dir.path()).remove(0);
    walk(&file, ledger.spool(), |seq, start, end| records.push((seq, start, end)));
    // In front stands the marker of the start.
    records.remove(0);
    let end = records[4].2;
    for cut in (records[1].2..=end).step_by(8) {
        let mut torn = bytes.clone();
        torn[cut..end].fill(0);
        let copy = copy_spool(dir.path());
        std::fs::write(segment_files(copy.path()).remove(0), torn).unwrap();
        let kept = if cut == end { 5 } else { 2 };
        let opened = open_with(copy.path(), &config(), clock());
        let recovered = opened.recovered;
        assert_eq!((recovered.highest_seq, recovered.gaps.len(), recovered.damage.len()), (kept, 0, 0), "cut at {cut}");
        assert_eq!(append(&opened.ledger, &[accepted(99)]).first_seq, kept + 1);
        let sink = MemorySink::new();
        assert_eq!(drain(&opened.ledger, &sink).await, (1..=kept + 1).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(sink.rows().pop().unwrap().event, accepted(99));
    }
}

/// What had reached the disk is never taken back, whatever follows it.
#[tokio::test]
async fn a_synced_part_of_a_call_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), &lazy());
    append(&ledger, &[accepted(1), accepted(2)]);
    let file = segment_files(dir.path()).remove(0);
    let mut end = 0;
    walk(&file, ledger.spool(), |seq, _, to| end = if seq == 1 { to } else { end });
    drop(ledger);
    for (confirmed, highest) in [(0, 0), (1, 1)] {
        let copy = copy_spool(dir.path());
        let path = segment_files(copy.path()).remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[end..].fill(0);
        std::fs::write(&path, bytes).unwrap();
        let spool = super::super::inspect::SpoolFiles::open(copy.path()).unwrap().spool();
        let tail = scan_tail(&Segments::list(copy.path()).unwrap(), spool, confirmed).unwrap();
        assert_eq!(tail.highest_seq, highest);
    }
}
