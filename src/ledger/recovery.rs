//! What the end of a spool looks like when it is opened, and what must be done about it.
//!
//! Only the newest segments are read: from the newest back to the one with a marker that covers
//! everything before it. An event is lost if its number is missing between others. Lost events
//! above the last marker never reached the disk before a power cut: a gap record takes their
//! place and the spool goes on. A call whose last event is missing at the very end was never
//! acknowledged, or never reached the disk as a whole, and is dropped. Lost events at or below the last marker had reached the disk and
//! are damage: nothing is overwritten, appends go on in a new segment, and the reader stops there.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::codec;
use super::envelope::{
    self, ENVELOPE_BYTES, Envelope, FLAG_CANDIDATE, Frame, GAP_PAYLOAD_BYTES, GRID_BYTES, Gap, Kind, Salt,
};
use super::error::OpenError;
use super::record::{Entry, Event};
use super::scan::{Found, Scan};
use super::segment::{self, HEADER_BYTES, HeaderError, SegmentHeader};
use super::segments::{Segment, Segments};
use super::sink::SpoolId;

/// Candidates without a verdict that are remembered from the scan; the newest are kept.
const UNSETTLED_MAX: usize = 1000;

/// Events whose records are missing, and the bytes where they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The segment.
    pub path: PathBuf,
    /// Where the unreadable bytes begin.
    pub offset: u64,
    /// Where records begin again.
    pub to: u64,
    /// First missing event.
    pub first_seq: u64,
    /// Last missing event.
    pub last_seq: u64,
}

/// What the newest segments hold.
#[derive(Debug)]
pub(super) struct Tail {
    /// The newest segment, open, and its header if that is intact.
    pub newest: Option<(Segment, Arc<File>, Option<SegmentHeader>)>,
    /// Where the next record would start in it.
    pub end_at: u64,
    /// End of its bytes from there on that are not zero.
    pub dirty_to: u64,
    /// It is shorter than it was allocated, in a way that may have cut records off.
    pub cut: bool,
    /// Highest sequence number that is known to have been given away.
    pub highest_seq: u64,
    /// Time of the last event.
    pub last_time: u64,
    /// Everything up to here had reached the disk.
    pub marker: u64,
    /// What is missing.
    pub losses: Vec<Loss>,
    /// Candidates without a verdict.
    pub unsettled: Vec<Entry>,
    /// How many segments were read.
    pub scanned: usize,
    /// The segments that were read, oldest first: their records may not have reached the disk.
    pub files: Vec<Arc<File>>,
}

/// Reads the newest segments of a spool.
pub(super) fn scan_tail(segments: &Segments, spool: SpoolId, confirmed: u64) -> Result<Tail, OpenError> {
    let mut scanned = Vec::new();
    for segment in segments.all().into_iter().rev() {
        let first_seq = segment.first_seq;
        let one = scan_segment(segment, spool)?;
        let covered =
            one.marker.is_some_and(|marker| marker >= first_seq - 1) || first_seq <= confirmed.saturating_add(1);
        scanned.push(one);
        if covered {
            break;
        }
    }
    scanned.reverse();
    let synced = scanned.iter().filter_map(|one| one.marker).max().unwrap_or(0).max(confirmed);
    if let Some(newest) = scanned.last_mut() {
        newest.drop_unfinished(synced);
    }
    Ok(combine(scanned))
}

fn combine(mut scanned: Vec<Scanned>) -> Tail {
    let mut losses = Vec::new();
    let mut unsettled: Vec<Entry> = Vec::new();
    for at in 0..scanned.len() {
        let next_first_seq = scanned.get(at + 1).map(|next| next.segment.first_seq);
        let one = &mut scanned[at];
        losses.append(&mut one.losses);
        if let Some(next) = next_first_seq
            && one.expected < next
        {
            let path = one.segment.path.clone();
            let offset = one.end_at;
            // A cut file is damage: its end is no place for a gap.
            let to = if one.is_cut() { offset } else { one.file_bytes };
            losses.push(Loss { path, offset, to, first_seq: one.expected, last_seq: next - 1 });
        }
        unsettled.append(&mut one.candidates);
        let settled = std::mem::take(&mut one.settled);
        unsettled.retain(|entry| !settled.contains(&entry.seq));
    }
    unsettled.drain(..unsettled.len().saturating_sub(UNSETTLED_MAX));
    let files = scanned.iter().map(|one| Arc::clone(&one.file)).collect();
    let mut tail = Tail {
        newest: None,
        end_at: HEADER_BYTES,
        dirty_to: HEADER_BYTES,
        cut: false,
        highest_seq: 0,
        last_time: scanned.iter().rev().map(|one| one.last_time).find(|&time| time > 0).unwrap_or(0),
        marker: scanned.iter().filter_map(|one| one.marker).max().unwrap_or(0),
        losses,
        unsettled,
        scanned: scanned.len(),
        files,
    };
    if let Some(last) = scanned.pop() {
        tail.end_at = last.end_at;
        tail.dirty_to = last.dirty_to;
        tail.cut = last.is_cut();
        tail.highest_seq = last.expected - 1;
        tail.newest = Some((last.segment, last.file, last.header));
    }
    tail
}

/// One segment, read in full.
struct Scanned {
    segment: Segment,
    file: Arc<File>,
    file_bytes: u64,
    header: Option<SegmentHeader>,
    /// One above the highest sequence number it speaks of.
    expected: u64,
    last_time: u64,
    marker: Option<u64>,
    losses: Vec<Loss>,
    end_at: u64,
    dirty_to: u64,
    candidates: Vec<Entry>,
    settled: Vec<u64>,
    /// The last call, if it is not whole.
    unfinished: Option<Call>,
}

/// The first events of a call that are there, and what was known before them.
struct Call {
    first_seq: u64,
    last_seq: u64,
    at: u64,
    last_time: u64,
    candidates: usize,
    settled: usize,
}

impl Scanned {
    /// Whether the file lost its end, and perhaps records with it. It keeps its size from its
    /// allocation on, so that a shorter one is never the work of a power cut. Where an empty frame
    /// still stands behind the last record, only unwritten bytes are gone.
    fn is_cut(&self) -> bool {
        let short = match &self.header {
            Some(header) => self.file_bytes < header.file_bytes,
            None => self.file_bytes < HEADER_BYTES,
        };
        let empty_frame = self.dirty_to == self.end_at && self.file_bytes >= self.end_at + ENVELOPE_BYTES as u64;
        short && !empty_frame
    }

    /// An event was met at `at`, and nothing of it is noted yet.
    fn enter_call(&mut self, envelope: &Envelope, at: u64) {
        let (first_seq, last_seq) = (envelope.seq, envelope.seq.saturating_add(u64::from(envelope.following)));
        if envelope.following == 0 {
            self.unfinished = None;
        } else if self.unfinished.as_ref().is_none_or(|call| call.last_seq != last_seq) {
            let (candidates, settled) = (self.candidates.len(), self.settled.len());
            self.unfinished = Some(Call { first_seq, last_seq, at, last_time: self.last_time, candidates, settled });
        }
    }

    /// Takes the last call back if its end is missing and no more than a part of it can have been
    /// acknowledged. What had reached the disk, up to `synced`, stays; so does what a cut file has left.
    fn drop_unfinished(&mut self, synced: u64) {
        if self.is_cut() || self.unfinished.as_ref().is_none_or(|call| call.first_seq <= synced) {
            return;
        }
        let Some(call) = self.unfinished.take() else { return };
        self.dirty_to = self.dirty_to.max(self.end_at);
        self.end_at = call.at;
        self.expected = call.first_seq;
        self.last_time = call.last_time;
        self.candidates.truncate(call.candidates);
        self.settled.truncate(call.settled);
        self.losses.retain(|loss| loss.first_seq < call.first_seq);
    }

    fn lose(&mut self, offset: u64, to: u64, next_seq: u64) {
        if next_seq > self.expected {
            let path = self.segment.path.clone();
            self.losses.push(Loss { path, offset, to, first_seq: self.expected, last_seq: next_seq - 1 });
            self.expected = next_seq;
        }
    }
}

fn scan_segment(segment: Segment, spool: SpoolId) -> Result<Scanned, OpenError> {
    let path = segment.path.clone();
    let unusable = |reason: String| OpenError::Unusable { path: path.clone(), reason };
    let file = segment::open(&path).map_err(OpenError::io("open", &path))?;
    let file_bytes = file.metadata().map_err(OpenError::io("examine", &path))?.len();
    let header = match SegmentHeader::read(&file).map_err(OpenError::io("read", &path))? {
        Ok(header) if header.spool != spool => {
            return Err(unusable(format!("belongs to spool {}, not {spool}: move it away", header.spool)));
        }
        Ok(header) if header.first_seq != segment.first_seq => {
            return Err(unusable(format!("begins with event {}: give it its name back", header.first_seq)));
        }
        Ok(header) => Some(header),
        Err(HeaderError::Version(version)) => {
            return Err(unusable(format!(
                "has format version {version}: use the version of this program that wrote it"
            )));
        }
        Err(HeaderError::Damaged) => None,
    };
    let (floor, ceiling) = (segment.first_seq.saturating_sub(1), segment.next_first_seq.unwrap_or(u64::MAX));
    let file = Arc::new(file);
    let scan = Scan::new(Arc::clone(&file), Salt::of(spool), HEADER_BYTES, file_bytes, floor, ceiling);
    let scanned = Scanned {
        expected: segment.first_seq,
        segment,
        file,
        file_bytes,
        header,
        last_time: 0,
        marker: None,
        losses: Vec::new(),
        end_at: HEADER_BYTES,
        dirty_to: HEADER_BYTES,
        candidates: Vec::new(),
        settled: Vec::new(),
        unfinished: None,
    };
    walk(scan, scanned).map_err(OpenError::io("read", &path))
}

fn walk(mut scan: Scan, mut one: Scanned) -> std::io::Result<Scanned> {
    let mut hole = None;
    loop {
        let here = scan.at();
        let offset = hole.unwrap_or(here);
        match scan.next()? {
            Found::Hole { from, .. } => {
                hole = Some(from);
                continue;
            }
            Found::Event { envelope, at } => {
                one.lose(offset, here, envelope.seq);
                one.enter_call(&envelope, at);
                one.expected = envelope.seq + 1;
                one.last_time = envelope.time;
                if envelope.kind == Kind::Verdict || envelope.flags & FLAG_CANDIDATE != 0 {
                    match codec::decode(envelope.kind, scan.payload()) {
                        Some(Event::Verdict(verdict)) => one.settled.push(verdict.candidate),
                        Some(event) => one.candidates.push(Entry { seq: envelope.seq, time: envelope.time, event }),
                        None => {}
                    }
                }
            }
            Found::Marker(seq) => {
                one.lose(offset, here, seq.saturating_add(1));
                one.marker = one.marker.max(Some(seq));
                one.unfinished = None;
            }
            Found::Gap(gap) => {
                one.lose(offset, here, gap.first_seq);
                one.expected = one.expected.max(gap.last_seq.saturating_add(1));
                one.unfinished = None;
            }
            Found::End { at, dirty_to } => {
                one.end_at = at;
                one.dirty_to = dirty_to;
                return Ok(one);
            }
        }
        hole = None;
    }
}

/// What a loss means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// The database has these events: only the audit log lost them.
    Drained,
    /// They had not reached the disk when the power failed.
    NeverSynced,
    /// They had reached the disk and are not drained.
    Damage,
}

/// Judges a loss; `marker`: everything up to it had reached the disk; `confirmed`: drained.
pub fn judge(loss: &Loss, marker: u64, confirmed: u64) -> LossKind {
    let bytes = loss.to.saturating_sub(loss.offset);
    // Without room for a gap record it is no hole that a power cut can leave.
    let room = bytes >= (ENVELOPE_BYTES + GAP_PAYLOAD_BYTES) as u64 && bytes.is_multiple_of(GRID_BYTES as u64);
    if loss.last_seq <= confirmed {
        LossKind::Drained
    } else if loss.first_seq <= marker || !room {
        LossKind::Damage
    } else {
        LossKind::NeverSynced
    }
}

/// Writes a gap record over the first bytes of a loss; the bytes behind it stay as they were.
pub(super) fn fill(loss: &Loss, salt: Salt, time: u64) -> Result<(), OpenError> {
    use std::os::unix::fs::FileExt;
    let mut record = Vec::new();
    let start = envelope::open(&mut record);
    Gap { first_seq: loss.first_seq, last_seq: loss.last_seq, distance: loss.to - loss.offset }.encode(&mut record);
    let frame = Frame { kind: Kind::Gap, flags: 0, following: 0, seq: loss.last_seq, time };
    envelope::close(&mut record, start, salt, &frame);
    let file = segment::open(&loss.path).map_err(OpenError::io("open", &loss.path))?;
    file.write_all_at(&record, loss.offset).and_then(|()| file.sync_data()).map_err(OpenError::io("repair", &loss.path))
}
