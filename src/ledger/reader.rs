//! Reads events back, in order, across segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::codec;
use super::envelope::{Envelope, FLAG_CANDIDATE, Salt};
use super::error::ReadError;
use super::record::{Entry, Event};
use super::scan::{Found, Scan};
use super::segment::{self, HEADER_BYTES};
use super::segments::{Segment, Segments};

/// Reads forward from a sequence number; memory is bounded by its read buffer and what it is
/// asked for.
#[derive(Debug)]
pub(super) struct Reader {
    segments: Arc<Segments>,
    salt: Salt,
    next_seq: u64,
    open: Option<(Segment, Scan)>,
}

/// An event and where its record ends, as a position on the line through all segments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Located {
    pub entry: Entry,
    pub end: u64,
}

/// A block candidate that waits to be drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// Sequence number of its share.
    pub seq: u64,
    /// The header's time, Unix seconds.
    pub header_time: u64,
    /// When this process learnt of it, monotonic.
    pub since: Duration,
}

impl Reader {
    /// A reader whose first event is the first one at or above `next_seq`.
    pub(super) fn new(segments: Arc<Segments>, salt: Salt, next_seq: u64) -> Self {
        Self { segments, salt, next_seq, open: None }
    }

    /// Appends up to `max` events with numbers up to `through` to `out`. All numbers up to `through`
    /// must have been written. Less than `max` are appended only where `through` is reached or
    /// something is wrong behind them; then the next call says what.
    pub(super) fn read(&mut self, through: u64, max: usize, out: &mut VecDeque<Located>) -> Result<(), ReadError> {
        self.refresh();
        let mut count = 0;
        while count < max {
            match self.step(through) {
                Ok(None) => break,
                Ok(Some(Step { envelope, event_at, end })) => {
                    let payload = self.open.as_ref().map(|(_, scan)| scan.payload()).unwrap_or_default();
                    let Some(event) = codec::decode(envelope.kind, payload) else {
                        self.next_seq = envelope.seq;
                        let error = self.damaged(event_at, envelope.seq);
                        self.open = None;
                        return if count == 0 { Err(error) } else { Ok(()) };
                    };
                    out.push_back(Located { entry: Entry { seq: envelope.seq, time: envelope.time, event }, end });
                    count += 1;
                }
                Err(error) => {
                    self.open = None;
                    return if count == 0 { Err(error) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }

    /// The candidates up to `through`, learnt of `now`, reading frames only. Ends early at damage, which
    /// whoever reads the events themselves will meet and report.
    pub(super) fn candidates(mut self, through: u64, now: Duration) -> Vec<Pending> {
        let mut found = Vec::new();
        while let Ok(Some(Step { envelope, .. })) = self.step(through) {
            if envelope.flags & FLAG_CANDIDATE == 0 {
                continue;
            }
            let payload = self.open.as_ref().map(|(_, scan)| scan.payload()).unwrap_or_default();
            if let Some(Event::Share(share)) = codec::decode(envelope.kind, payload)
                && let Some(facts) = share.candidate
            {
                found.push(Pending { seq: envelope.seq, header_time: u64::from(facts.header_time), since: now });
            }
        }
        found
    }

    /// Sees what the appender did since the last call: more bytes, perhaps a newer segment.
    fn refresh(&mut self) {
        if let Some((segment, scan)) = &mut self.open {
            match self.segments.holding(segment.first_seq) {
                Some(now) if now.first_seq == segment.first_seq => {
                    scan.set_ceiling(now.next_first_seq);
                    scan.refresh();
                    *segment = now;
                }
                _ => self.open = None,
            }
        }
    }

    /// The next event at or above `next_seq`; `None` if that lies above `through`.
    fn step(&mut self, through: u64) -> Result<Option<Step>, ReadError> {
        let mut hole = None;
        while self.next_seq <= through {
            let (segment, scan) = match &mut self.open {
                // All of this segment was read.
                Some((segment, _)) if segment.next_first_seq.is_some_and(|next| next <= self.next_seq) => {
                    self.open = None;
                    continue;
                }
                Some((segment, scan)) => (segment, scan),
                None => {
                    self.open = Some(self.open_segment()?);
                    hole = None;
                    continue;
                }
            };
            let here = scan.at();
            let found =
                scan.next().map_err(|error| ReadError::Io { path: segment.path.clone(), reason: error.to_string() })?;
            let end = segment.base + scan.at();
            match found {
                Found::Hole { from, .. } => {
                    hole = Some(from);
                    continue;
                }
                Found::Event { envelope, at } if envelope.seq >= self.next_seq => {
                    if envelope.seq > self.next_seq {
                        return Err(self.damaged(hole.unwrap_or(here), envelope.seq - 1));
                    }
                    self.next_seq += 1;
                    return Ok(Some(Step { envelope, event_at: at, end }));
                }
                Found::Gap(gap) if gap.last_seq >= self.next_seq => {
                    if gap.first_seq > self.next_seq {
                        return Err(self.damaged(hole.unwrap_or(here), gap.first_seq - 1));
                    }
                    self.next_seq = gap.last_seq + 1;
                }
                // It says that events had been written before it, and they were not met.
                Found::Marker(seq) if seq >= self.next_seq => {
                    return Err(self.damaged(hole.unwrap_or(here), seq));
                }
                Found::End { at, .. } => {
                    let last = segment.next_first_seq.map_or(through, |next| next - 1);
                    return Err(self.damaged(hole.unwrap_or(at), last));
                }
                Found::Event { .. } | Found::Gap(_) | Found::Marker(_) => {}
            }
            hole = None;
        }
        Ok(None)
    }

    fn open_segment(&self) -> Result<(Segment, Scan), ReadError> {
        let Some(segment) = self.segments.holding(self.next_seq) else {
            let oldest_seq = self.segments.oldest_two().0.map_or(0, |oldest| oldest.first_seq);
            return Err(ReadError::Gone { dir: self.segments.dir().to_owned(), seq: self.next_seq, oldest_seq });
        };
        let failed = |error: std::io::Error| ReadError::Io { path: segment.path.clone(), reason: error.to_string() };
        let file = segment::open(&segment.path).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        let ceiling = segment.next_first_seq.unwrap_or(u64::MAX);
        let floor = segment.first_seq.saturating_sub(1);
        let scan = Scan::new(Arc::new(file), self.salt, HEADER_BYTES, end, floor, ceiling);
        Ok((segment, scan))
    }

    fn damaged(&self, offset: u64, last_seq: u64) -> ReadError {
        let path = self.open.as_ref().map(|(segment, _)| segment.path.clone()).unwrap_or_default();
        ReadError::Damaged { path, offset, first_seq: self.next_seq, last_seq }
    }
}

struct Step {
    envelope: Envelope,
    event_at: u64,
    end: u64,
}
