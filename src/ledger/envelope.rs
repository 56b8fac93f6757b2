//! The frame around every record of the spool.
//!
//! All numbers are little-endian, every record starts on an 8-byte boundary:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | magic |
//! | 4 | kind: 1 share, 2 verdict, 3 marker, 4 gap |
//! | 5 | flags: bit 0 block candidate |
//! | 6..8 | how many events of the same call follow; zero in segments of version 1 |
//! | 8..16 | sequence number; of a marker: everything up to it had reached the disk |
//! | 16..24 | the second of acceptance, Unix time |
//! | 24..28 | bytes of payload |
//! | 28..32 | CRC-32C over the spool's id, bytes 0..28 and the padded payload |
//! | 32.. | payload, padded with zeros to 8 bytes |
//!
//! A position that holds zeros has not been written. The spool's id in the checksum keeps bytes of
//! another spool from ever being taken for records of this one. A new kind or a new meaning of a
//! byte needs a new version in the segment's header.

use super::sink::SpoolId;

/// Records start at multiples of this many bytes.
pub(super) const GRID_BYTES: usize = 8;
/// Size of the frame before the payload.
pub(super) const ENVELOPE_BYTES: usize = 32;
/// Largest payload; an event that needs more is refused at append.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// Payload of a gap record.
pub(super) const GAP_PAYLOAD_BYTES: usize = 24;
/// Flag of a share that met the network target.
pub(super) const FLAG_CANDIDATE: u8 = 1;

const MAGIC: [u8; 4] = [0xa7, b'm', b's', b'r'];
const CRC_AT: usize = 28;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A judged share.
    Share,
    /// The fate of a candidate.
    Verdict,
    /// fdatasync has completed through the record's sequence number.
    Marker,
    /// Recovery found bytes here that never reached the disk. Its payload: first and last lost
    /// sequence number, and the distance from its start to the next record.
    Gap,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Share => 1,
            Kind::Verdict => 2,
            Kind::Marker => 3,
            Kind::Gap => 4,
        }
    }

    fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Kind::Share),
            2 => Some(Kind::Verdict),
            3 => Some(Kind::Marker),
            4 => Some(Kind::Gap),
            _ => None,
        }
    }
}

/// The start of every checksum of one spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(u32);

impl Salt {
    /// The salt of a spool.
    pub(super) fn of(spool: SpoolId) -> Self {
        Self(crc32c::crc32c(&spool.0))
    }

    /// Checksum of `bytes` for this spool.
    pub(super) fn crc(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// What a record's frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: Kind,
    pub flags: u8,
    /// How many events of the same call follow: they were acknowledged together or not at all.
    pub following: u16,
    pub seq: u64,
    pub time: u64,
}

/// A record's frame, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Envelope {
    pub kind: Kind,
    pub flags: u8,
    /// How many events of the same call follow.
    pub following: u16,
    pub seq: u64,
    pub time: u64,
    /// Bytes of payload, without padding.
    pub payload_bytes: usize,
}

/// What stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A whole, valid record.
    Record(Envelope),
    /// It can be told only with so many bytes from the position on.
    Needs(usize),
    /// No valid record starts here.
    Nothing,
}

/// Bytes a record with such a payload takes.
pub(super) fn record_bytes(payload_bytes: usize) -> usize {
    ENVELOPE_BYTES + payload_bytes.next_multiple_of(GRID_BYTES)
}

/// Opens a record at the end of `out`: write the payload behind it, then call [`close`].
pub(super) fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + ENVELOPE_BYTES, 0);
    start
}

/// Completes the record opened at `start`, whose payload is all that follows. False, and the
/// record taken away again, if the payload is larger than [`PAYLOAD_BYTES_MAX`].
pub(super) fn close(out: &mut Vec<u8>, start: usize, salt: Salt, says: &Frame) -> bool {
    let payload_bytes = out.len() - start - ENVELOPE_BYTES;
    let Ok(length) = u32::try_from(payload_bytes) else {
        out.truncate(start);
        return false;
    };
    if payload_bytes > PAYLOAD_BYTES_MAX {
        out.truncate(start);
        return false;
    }
    out.resize(start + record_bytes(payload_bytes), 0);
    let (frame, payload) = out[start..].split_at_mut(ENVELOPE_BYTES);
    frame[..4].copy_from_slice(&MAGIC);
    frame[4] = says.kind.code();
    frame[5] = says.flags;
    frame[6..8].copy_from_slice(&says.following.to_le_bytes());
    frame[8..16].copy_from_slice(&says.seq.to_le_bytes());
    frame[16..24].copy_from_slice(&says.time.to_le_bytes());
    frame[24..28].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c_append(salt.crc(&frame[..CRC_AT]), payload);
    frame[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    true
}

/// Reads the record at the start of `bytes`.
pub(super) fn parse(bytes: &[u8], salt: Salt) -> Parsed {
    let Some(frame) = bytes.first_chunk::<ENVELOPE_BYTES>() else {
        return Parsed::Needs(ENVELOPE_BYTES);
    };
    if frame[..4] != MAGIC {
        return Parsed::Nothing;
    }
    let Some(kind) = Kind::of(frame[4]) else { return Parsed::Nothing };
    let payload_bytes = usize::try_from(u32_at(frame, 24)).unwrap_or(usize::MAX);
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Parsed::Nothing;
    }
    let size = record_bytes(payload_bytes);
    let Some(payload) = bytes.get(ENVELOPE_BYTES..size) else { return Parsed::Needs(size) };
    if crc32c::crc32c_append(salt.crc(&frame[..CRC_AT]), payload) != u32_at(frame, CRC_AT) {
        return Parsed::Nothing;
    }
    if payload[payload_bytes..].iter().any(|&padding| padding != 0) {
        return Parsed::Nothing;
    }
    let following = u16::from_le_bytes([frame[6], frame[7]]);
    let (seq, time) = (u64_at(frame, 8), u64_at(frame, 16));
    Parsed::Record(Envelope { kind, flags: frame[5], following, seq, time, payload_bytes })
}

/// What a gap record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// First lost sequence number.
    pub first_seq: u64,
    /// Last lost sequence number.
    pub last_seq: u64,
    /// Bytes from the start of the gap record to the next record.
    pub distance: u64,
}

impl Gap {
    /// Appends the payload.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.first_seq, self.last_seq, self.distance] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads a payload.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; GAP_PAYLOAD_BYTES] = payload.try_into().ok()?;
        let gap = Self { first_seq: u64_at(payload, 0), last_seq: u64_at(payload, 8), distance: u64_at(payload, 16) };
        let whole = gap.distance >= (ENVELOPE_BYTES + GAP_PAYLOAD_BYTES) as u64;
        (whole && gap.distance.is_multiple_of(GRID_BYTES as u64)).then_some(gap)
    }
}

/// The little-endian number at `at`, which the caller knows to lie inside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// As [`u64_at`], for 32 bits.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}
