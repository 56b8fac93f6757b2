//! Walks the records of one segment file, finding its way again behind damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::envelope::{ENVELOPE_BYTES, Envelope, GRID_BYTES, Gap, Kind, Parsed, Salt, parse, record_bytes};

/// First read of a walk: a drainer that keeps up needs little.
const CHUNK_BYTES_MIN: usize = 16 * 1024;
/// Reads double up to this size while a walk goes on.
const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// What a walk meets next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A share or verdict; its payload is at [`Scan::payload`].
    Event {
        /// Where it starts.
        at: u64,
        /// Its frame.
        envelope: Envelope,
    },
    /// fdatasync had completed through this sequence number.
    Marker(u64),
    /// Recovery noted here what was lost.
    Gap(Gap),
    /// Bytes that are no record, up to where a record starts again.
    Hole {
        /// Where they start.
        from: u64,
        /// Where the next record starts.
        to: u64,
    },
    /// No record follows.
    End {
        /// Where the next record would start.
        at: u64,
        /// End of the last bytes from there on that are not zero; `at` if all are.
        dirty_to: u64,
    },
}

/// A walk through one segment.
#[derive(Debug)]
pub(super) struct Scan {
    file: Arc<File>,
    salt: Salt,
    at: u64,
    end: u64,
    floor: u64,
    ceiling: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
    chunk_bytes: usize,
    payload: std::ops::Range<usize>,
}

impl Scan {
    /// A walk from offset `at` to `end`. Events must lie above `floor`, ascending, and below
    /// `ceiling`; others are void and count as damage.
    pub(super) fn new(file: Arc<File>, salt: Salt, at: u64, end: u64, floor: u64, ceiling: u64) -> Self {
        Self {
            file,
            salt,
            at,
            end,
            floor,
            ceiling,
            buffer: Vec::new(),
            buffer_at: at,
            chunk_bytes: CHUNK_BYTES_MIN,
            payload: 0..0,
        }
    }

    /// Where the next call begins to look.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Forgets what was read ahead: bytes behind the current position may have been written since.
    pub(super) fn refresh(&mut self) {
        self.buffer.clear();
        self.buffer_at = self.at;
        self.chunk_bytes = CHUNK_BYTES_MIN;
    }

    /// Events from `next_first_seq` on are void from now on.
    pub(super) fn set_ceiling(&mut self, next_first_seq: Option<u64>) {
        self.ceiling = next_first_seq.unwrap_or(u64::MAX);
    }

    /// The payload of the event found last.
    pub(super) fn payload(&self) -> &[u8] {
        self.buffer.get(self.payload.clone()).unwrap_or_default()
    }

    /// The next thing.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        let start = self.at;
        if let Some((found, bytes)) = self.found_at(start)? {
            self.at = start + bytes;
            match found {
                Found::Event { envelope, .. } => self.floor = envelope.seq,
                Found::Gap(gap) => self.floor = self.floor.max(gap.last_seq.min(self.ceiling.saturating_sub(1))),
                _ => {}
            }
            return Ok(found);
        }
        let mut at = start;
        let mut dirty_to = start;
        while at < self.end {
            if at > start && self.found_at(at)?.is_some() {
                self.at = at;
                return Ok(Found::Hole { from: start, to: at });
            }
            let cell = self.window(at, GRID_BYTES)?;
            let cell_bytes = cell.len();
            if cell_bytes == 0 {
                break;
            }
            if cell.iter().any(|&byte| byte != 0) {
                dirty_to = at + cell_bytes as u64;
            }
            at += GRID_BYTES as u64;
        }
        Ok(Found::End { at: start, dirty_to })
    }

    /// What stands at `at` and how many bytes it takes; `None` if no acceptable record does.
    fn found_at(&mut self, at: u64) -> io::Result<Option<(Found, u64)>> {
        let salt = self.salt;
        let mut parsed = parse(self.window(at, ENVELOPE_BYTES)?, salt);
        if let Parsed::Needs(bytes) = parsed {
            parsed = parse(self.window(at, bytes)?, salt);
        }
        let Parsed::Record(envelope) = parsed else { return Ok(None) };
        let bytes = record_bytes(envelope.payload_bytes) as u64;
        let from = usize::try_from(at - self.buffer_at).unwrap_or(usize::MAX) + ENVELOPE_BYTES;
        let payload = from..from + envelope.payload_bytes;
        Ok(match envelope.kind {
            Kind::Marker => Some((Found::Marker(envelope.seq), bytes)),
            Kind::Share | Kind::Verdict if envelope.seq > self.floor && envelope.seq < self.ceiling => {
                self.payload = payload;
                Some((Found::Event { at, envelope }, bytes))
            }
            Kind::Share | Kind::Verdict => None,
            Kind::Gap => match self.buffer.get(payload).and_then(Gap::decode) {
                Some(gap) if gap.distance <= self.end - at => Some((Found::Gap(gap), gap.distance)),
                _ => None,
            },
        })
    }

    /// The bytes from `at` on: `need` of them, less only at the end of the walk.
    fn window(&mut self, at: u64, need: usize) -> io::Result<&[u8]> {
        let wanted = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX).min(need);
        let mut from = usize::try_from(at - self.buffer_at).unwrap_or(usize::MAX);
        if self.buffer.len() < from.saturating_add(wanted) {
            let left = self.end.saturating_sub(at);
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk_bytes.max(wanted));
            self.buffer.resize(size, 0);
            self.buffer_at = at;
            from = 0;
            self.file.read_exact_at(&mut self.buffer, at).inspect_err(|_| self.buffer.clear())?;
            self.chunk_bytes = (self.chunk_bytes * 2).min(CHUNK_BYTES_MAX);
        }
        Ok(self.buffer.get(from..from + wanted).unwrap_or_default())
    }
}
