//! Reads a spool from outside: while a daemon works with it, without its lock, changing nothing.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec;
use super::confirmed::Confirmed;
use super::envelope::Salt;
use super::error::OpenError;
use super::identity;
use super::quarantine;
use super::record::Entry;
use super::recovery::Loss;
use super::scan::{Found, Scan};
use super::segment::{HEADER_BYTES, HeaderError, NEXT_FILE, SegmentHeader};
use super::segments::{Segment, Segments};
use super::sink::SpoolId;

/// How often the end of a segment is read again where a running daemon may just be writing: one write
/// is seen half for microseconds only.
const TORN_READS_MAX: u32 = 1000;

/// A spool's directory, open for reading.
#[derive(Debug)]
pub struct SpoolFiles {
    dir: PathBuf,
    spool: SpoolId,
    salt: Salt,
}

/// A segment, as its name and its header describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// The file.
    pub path: PathBuf,
    /// Its first event.
    pub first_seq: u64,
    /// First event of the segment behind it; `None`: it is the newest.
    pub next_first_seq: Option<u64>,
    /// Its size.
    pub file_bytes: u64,
    /// Unix time of its first use, if its header is intact.
    pub created: Option<u64>,
}

/// What a walk meets.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A segment begins; the text says what is wrong with its header, if anything is.
    Segment(SegmentFile, Option<String>),
    /// An event, and how many bytes its record takes.
    Event(Entry, u64),
    /// Everything up to this event had reached the disk.
    Marker(u64),
    /// An earlier start noted here which events a power cut took.
    Gap(Loss),
    /// Bytes that are no record. `last_seq` is one less than `first_seq` where no event is missing.
    Hole(Loss),
}

impl SpoolFiles {
    /// Opens the spool in `dir`.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let (spool, _) = identity::identity(dir, false)?;
        Ok(Self { dir: dir.to_owned(), spool, salt: Salt::of(spool) })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The spool's identity.
    pub fn spool(&self) -> SpoolId {
        self.spool
    }

    /// The last event that the database confirmed, as far as the spool was told; false if the file
    /// that says it is damaged, and then 0.
    pub fn confirmed(&self) -> io::Result<(u64, bool)> {
        Confirmed::read(&self.dir, self.salt).map(|(known, readable)| (known.seq, readable))
    }

    /// The highest position of the database that can be explained, if the spool ends with `written`.
    pub fn explained_max(&self, written: u64) -> io::Result<u64> {
        let (known, _) = Confirmed::read(&self.dir, self.salt)?;
        Ok(known.explained_max.map_or(written, |max| max.min(written)))
    }

    /// The process that works with the spool.
    pub fn holder(&self) -> io::Result<Option<u32>> {
        identity::holder(&self.dir)
    }

    /// Rows in quarantine, counted by lines.
    pub fn quarantined(&self) -> io::Result<u64> {
        quarantine::count(&self.dir)
    }

    /// Whether the segment ahead holds events: a power cut can take the new name of a segment back, and
    /// the next start gives it again.
    pub fn events_under_old_name(&self) -> bool {
        let Ok(file) = File::open(self.dir.join(NEXT_FILE)) else { return false };
        matches!(SegmentHeader::read(&file), Ok(Ok(header)) if header.spool == self.spool)
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> io::Result<Vec<SegmentFile>> {
        let list = Segments::list(&self.dir)?.all();
        let described = |segment: Segment| {
            let header = File::open(&segment.path).ok().and_then(|file| SegmentHeader::read(&file).ok());
            SegmentFile {
                path: segment.path,
                first_seq: segment.first_seq,
                next_first_seq: segment.next_first_seq,
                file_bytes: segment.file_bytes,
                created: header.and_then(Result::ok).map(|header| header.created),
            }
        };
        Ok(list.into_iter().map(described).collect())
    }

    /// A walk through everything from the segment that holds `seq` on. Events below `seq` are met too.
    pub fn walk(&self, seq: u64) -> io::Result<Walk> {
        let mut waiting = self.segments()?;
        let before = waiting.partition_point(|segment| segment.first_seq <= seq);
        waiting.drain(..before.saturating_sub(1));
        waiting.reverse();
        Ok(Walk { spool: self.spool, salt: self.salt, waiting, open: None })
    }
}

/// A walk through a spool; its memory is one read buffer and one record.
#[derive(Debug)]
pub struct Walk {
    spool: SpoolId,
    salt: Salt,
    /// Newest first.
    waiting: Vec<SegmentFile>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    segment: SegmentFile,
    scan: Scan,
    /// One above the highest event it speaks of.
    expected: u64,
    /// Bytes without a record that were just met.
    hole: Option<(u64, u64)>,
    /// What to tell before going on.
    held: Option<Step>,
    torn_reads: u32,
    ended: bool,
}

impl Walk {
    /// The next thing; `None` at the end.
    pub fn step(&mut self) -> io::Result<Option<Step>> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(segment) = self.waiting.pop() else { return Ok(None) };
                match Open::new(segment, self.spool, self.salt) {
                    Ok((open, step)) => {
                        self.open = Some(open);
                        return Ok(Some(step));
                    }
                    // Removed meanwhile: it was drained and its time was over.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            };
            match open.step()? {
                Some(step) => return Ok(Some(step)),
                None => self.open = None,
            }
        }
    }
}

impl Open {
    fn new(segment: SegmentFile, spool: SpoolId, salt: Salt) -> io::Result<(Self, Step)> {
        let file = File::open(&segment.path)?;
        let header = SegmentHeader::read(&file)?;
        let problem = match header {
            Ok(header) if header.spool != spool => Some(format!("it belongs to spool {}", header.spool)),
            Ok(header) if header.first_seq != segment.first_seq => {
                Some(format!("it begins with event {}: give it its name back", header.first_seq))
            }
            Ok(header) if segment.file_bytes < header.file_bytes => {
                Some(format!("it was cut: it has {} bytes of {}", segment.file_bytes, header.file_bytes))
            }
            Ok(_) => None,
            Err(HeaderError::Damaged) => Some("its header is damaged".to_owned()),
            Err(HeaderError::Version(version)) => Some(format!("it has format version {version}")),
        };
        let (floor, ceiling) = (segment.first_seq.saturating_sub(1), segment.next_first_seq.unwrap_or(u64::MAX));
        let scan = Scan::new(Arc::new(file), salt, HEADER_BYTES, segment.file_bytes, floor, ceiling);
        let step = Step::Segment(segment.clone(), problem);
        let expected = segment.first_seq;
        Ok((Self { segment, scan, expected, hole: None, held: None, torn_reads: 0, ended: false }, step))
    }

    fn step(&mut self) -> io::Result<Option<Step>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        if self.ended {
            return Ok(None);
        }
        loop {
            let here = self.scan.at();
            let found = self.scan.next()?;
            let to = self.scan.at();
            let step = match found {
                Found::Hole { from, to } => {
                    self.hole = Some((from, to));
                    continue;
                }
                Found::Event { envelope, at } => {
                    let Some(event) = codec::decode(envelope.kind, self.scan.payload()) else {
                        self.hole = Some((at, to));
                        continue;
                    };
                    let missing = self.missing(here, envelope.seq);
                    self.expected = envelope.seq + 1;
                    let entry = Entry { seq: envelope.seq, time: envelope.time, event };
                    self.tell(missing, Step::Event(entry, to - at))
                }
                Found::Marker(seq) => {
                    let missing = self.missing(here, seq.saturating_add(1));
                    self.expected = self.expected.max(seq.saturating_add(1));
                    self.tell(missing, Step::Marker(seq))
                }
                Found::Gap(gap) => {
                    let missing = self.missing(here, gap.first_seq);
                    self.expected = self.expected.max(gap.last_seq.saturating_add(1));
                    let noted = self.loss(here, to, gap.first_seq, gap.last_seq);
                    self.tell(missing, Step::Gap(noted))
                }
                Found::End { at, dirty_to } => {
                    // Behind the last record of a spool at work a write may be under way.
                    let torn = dirty_to > at && self.segment.next_first_seq.is_none();
                    if torn && self.torn_reads < TORN_READS_MAX {
                        self.torn_reads += 1;
                        self.scan.refresh();
                        std::thread::yield_now();
                        continue;
                    }
                    self.ended = true;
                    return Ok(self.end(at, dirty_to));
                }
            };
            return Ok(Some(step));
        }
    }

    /// The loss, if numbers below `next_seq` were not met or bytes before `here` are no record.
    fn missing(&mut self, here: u64, next_seq: u64) -> Option<Step> {
        let hole = self.hole.take();
        if hole.is_none() && next_seq <= self.expected {
            return None;
        }
        let (from, to) = hole.unwrap_or((here, here));
        Some(Step::Hole(self.loss(from, to, self.expected, next_seq.max(self.expected) - 1)))
    }

    /// What is missing at the end of the segment.
    fn end(&mut self, at: u64, dirty_to: u64) -> Option<Step> {
        let next = self.segment.next_first_seq.unwrap_or(self.expected);
        let hole = self.hole.take();
        let dirty = dirty_to > at;
        if next <= self.expected && !dirty && hole.is_none() {
            return None;
        }
        let from = hole.map_or(at, |hole| hole.0);
        let to = if next > self.expected { self.segment.file_bytes } else { dirty_to.max(at) };
        let loss = self.loss(from, to, self.expected, next.max(self.expected) - 1);
        Some(Step::Hole(loss))
    }

    fn tell(&mut self, first: Option<Step>, then: Step) -> Step {
        match first {
            Some(first) => {
                self.held = Some(then);
                first
            }
            None => then,
        }
    }

    fn loss(&self, offset: u64, to: u64, first_seq: u64, last_seq: u64) -> Loss {
        Loss { path: self.segment.path.clone(), offset, to, first_seq, last_seq }
    }
}
