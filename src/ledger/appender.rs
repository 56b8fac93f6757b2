//! Gives events their place in the order and writes them, one write per call.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::codec;
use super::envelope::{self, Frame, Kind, Salt, record_bytes};
use super::error::AppendError;
use super::held::HeldEvents;
use super::record::Event;
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::segments::Segments;
use super::sink::SpoolId;

/// End of a segment that is kept for block candidates and verdicts while no further segment is
/// allocated; a quarter of a segment if that is less. At some 500 bytes it holds 500 of them.
pub(super) const RESERVE_BYTES: u64 = 256 * 1024;
/// A clock that was ahead by no more than this is waited for: times do not descend. Beyond it times go
/// back with the clock, because a row of the future is worse: MPOS would leave it out of everything that
/// it counts by time, for as long as the clock had been ahead.
pub(super) const CLOCK_AHEAD_MAX_SECS: u64 = 60;
/// The last second that a `TIMESTAMP` column holds. A share of a later one is refused to its miner.
pub(super) const SECOND_MAX: u64 = i32::MAX as u64;
/// Buffer that is kept between calls; a larger one is given back.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

/// The segment ahead.
#[derive(Debug)]
pub(super) enum Next {
    /// Allocated.
    Ready(File, u64),
    /// Not yet, or the disk is full.
    Missing,
}

/// Bytes of a file that fdatasync has not covered.
#[derive(Debug, Clone)]
pub(super) struct Unsynced {
    /// The file.
    pub file: Arc<File>,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
}

/// Where the appender stands in the open segment.
#[derive(Debug)]
pub(super) struct Place {
    /// The open segment.
    pub file: Arc<File>,
    /// Size of its file.
    pub file_bytes: u64,
    /// Its place on the line through all segments.
    pub base: u64,
    /// Where the next record goes.
    pub offset: u64,
}

/// The one writer of a spool; lives under a mutex.
#[derive(Debug)]
pub(super) struct Appender {
    pub spool: SpoolId,
    pub salt: Salt,
    pub segments: Arc<Segments>,
    pub place: Place,
    pub next: Next,
    pub next_seq: u64,
    pub last_time: u64,
    /// Offset in the open segment up to which it was handed to fdatasync.
    pub synced_to: u64,
    /// Closed segments with bytes that were not handed to fdatasync.
    pub closed: Vec<Unsynced>,
    /// A segment came into use whose name is not yet durable.
    pub new_name: bool,
    /// Whether the sync thread was told that there is something to sync.
    pub told: bool,
    /// Bytes behind `offset` that a failed write may have left; they are cleared before the next.
    pub torn_to: u64,
    /// Why fdatasync fails, while it does.
    pub sync_failed: Option<String>,
    /// Whether the last write failed: told once, when it begins and when it ends.
    pub write_failing: bool,
    /// Candidates and verdicts that the disk refused: nothing newer is written before them.
    pub held: HeldEvents,
    pub closed_for_good: bool,
    pub buffer: Vec<u8>,
}

/// What one call wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub first_seq: u64,
    pub last_seq: u64,
    pub time: u64,
}

impl Appender {
    /// Position behind the last record on the line through all segments.
    pub(super) fn position(&self) -> u64 {
        self.place.base + self.place.offset
    }

    /// The last sequence number given away.
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Writes `events` at the second `now`, or nothing. `privileged` calls hold a candidate or a
    /// verdict: they may use the reserve and are tried although fdatasync fails.
    pub(super) fn write<'a>(
        &mut self,
        events: impl Iterator<Item = &'a Event> + Clone,
        now: u64,
        privileged: bool,
    ) -> Result<Written, AppendError> {
        if self.closed_for_good {
            return Err(AppendError::Closed);
        }
        if let Some(reason) = &self.sync_failed
            && !privileged
        {
            return Err(AppendError::Failed(reason.clone()));
        }
        let time =
            if self.last_time.saturating_sub(now) > CLOCK_AHEAD_MAX_SECS { now } else { self.last_time.max(now) };
        if time > SECOND_MAX {
            return Err(AppendError::Clock { second: time });
        }
        let first_seq = self.next_seq;
        let mut seq = first_seq;
        let end_seq = first_seq + events.clone().count() as u64;
        self.buffer.clear();
        for event in events {
            let following =
                u16::try_from(end_seq - seq - 1).map_err(|_| AppendError::TooLarge { bytes: usize::MAX })?;
            let start = envelope::open(&mut self.buffer);
            let (kind, flags) = codec::frame_of(event);
            let fits = codec::encode(event, &mut self.buffer);
            let bytes = self.buffer.len() - start;
            let frame = Frame { kind, flags, following, seq, time };
            if !fits || !envelope::close(&mut self.buffer, start, self.salt, &frame) {
                return Err(AppendError::TooLarge { bytes });
            }
            seq += 1;
        }
        if seq > first_seq {
            self.put(privileged, time)?;
        }
        self.next_seq = seq;
        if time < self.last_time {
            tracing::error!(
                spool = %self.spool, secs = self.last_time - time,
                "the clock has gone back: shares before this moment have times of the future, and MPOS counts them when those come; see to it that the clock is kept right"
            );
        }
        self.last_time = time;
        Ok(Written { first_seq, last_seq: seq - 1, time })
    }

    /// Notes that everything up to `seq` is on the disk. Left out where there is no room or the
    /// write fails: the next one says the same.
    pub(super) fn mark(&mut self, seq: u64) {
        let room = self.place.file_bytes.saturating_sub(self.place.offset);
        if room < record_bytes(0) as u64 || self.clear_torn().is_err() {
            return;
        }
        self.buffer.clear();
        let start = envelope::open(&mut self.buffer);
        let frame = Frame { kind: Kind::Marker, flags: 0, following: 0, seq, time: self.last_time };
        envelope::close(&mut self.buffer, start, self.salt, &frame);
        if let Err(error) = self.write_buffer() {
            tracing::warn!(spool = %self.spool, %error, "a marker could not be written to the spool");
        }
    }

    /// Writes the buffer, in a new segment if it does not fit.
    fn put(&mut self, privileged: bool, time: u64) -> Result<(), AppendError> {
        let need = self.buffer.len() as u64;
        let reserve = if privileged || matches!(self.next, Next::Ready(..)) { 0 } else { self.reserve_bytes() };
        if self.clear_torn().is_err() {
            // What a failed write left cannot be cleared: a segment that begins with the next
            // number makes it void.
            self.roll(time)?;
        }
        if self.place.offset + need > self.place.file_bytes.saturating_sub(reserve) {
            let Next::Ready(_, next_bytes) = &self.next else { return Err(AppendError::Full) };
            if HEADER_BYTES + need > *next_bytes {
                return Err(AppendError::TooLarge { bytes: self.buffer.len() });
            }
            self.roll(time)?;
        }
        self.write_buffer().map_err(|error| failed(&error))
    }

    fn reserve_bytes(&self) -> u64 {
        RESERVE_BYTES.min(self.place.file_bytes / 4)
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let end = self.place.offset + self.buffer.len() as u64;
        let written = self.place.file.write_all_at(&self.buffer, self.place.offset);
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        if let Err(error) = written {
            // Nothing of it may ever be read: cleared now if that works, else before anything else
            // is written.
            self.torn_to = self.torn_to.max(end);
            let cleared = self.clear_torn().is_ok();
            if !std::mem::replace(&mut self.write_failing, true) {
                tracing::error!(
                    spool = %self.spool, %error, cleared,
                    "the spool cannot be written: shares are refused until it can"
                );
            }
            return Err(error);
        }
        if std::mem::take(&mut self.write_failing) {
            tracing::info!(spool = %self.spool, "the spool can be written again");
        }
        self.place.offset = end;
        Ok(())
    }

    fn clear_torn(&mut self) -> io::Result<()> {
        if self.torn_to > self.place.offset {
            segment::write_zeros(&self.place.file, self.place.offset, self.torn_to)?;
        }
        self.torn_to = 0;
        Ok(())
    }

    /// Moves on to the segment ahead.
    fn roll(&mut self, time: u64) -> Result<(), AppendError> {
        let Next::Ready(file, file_bytes) = std::mem::replace(&mut self.next, Next::Missing) else {
            return Err(AppendError::Full);
        };
        let first_seq = self.next_seq;
        let header = SegmentHeader { spool: self.spool, first_seq, created: time, file_bytes };
        if let Err(error) = segment::adopt_next(self.segments.dir(), &file, &header) {
            self.next = Next::Ready(file, file_bytes);
            return Err(failed(&error));
        }
        let segment = self.segments.push(first_seq, file_bytes);
        let file = Arc::new(file);
        let place = Place { file, file_bytes, base: segment.base, offset: HEADER_BYTES };
        let old = std::mem::replace(&mut self.place, place);
        self.closed.push(Unsynced { file: old.file, from: self.synced_to, to: old.offset });
        self.synced_to = 0;
        self.torn_to = 0;
        self.new_name = true;
        Ok(())
    }
}

fn failed(error: &io::Error) -> AppendError {
    AppendError::Failed(error.to_string())
}
