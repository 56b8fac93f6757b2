//! Segment files: header, names, allocation.
//!
//! A segment is allocated in full as `next.seg` before it is needed, so that neither a full disk
//! nor a change of the file's size stands between a share and its record. When it comes into use
//! its header is written and it is renamed to its first sequence number.
//!
//! Header, 64 bytes, little-endian: magic (8), version (4), header size (4), spool id (16), first
//! sequence number (8), Unix time of its first use (8), size of the file (8), zeros (4), CRC-32C
//! of bytes 0..60 (4).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::envelope::{u32_at, u64_at};
use super::identity::sync_dir;
use super::sink::SpoolId;

/// Where records begin.
pub(super) const HEADER_BYTES: u64 = 64;
/// Smallest segment: room for some records of the largest size beside the reserve.
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// Largest segment: recovery reads the last one in full.
pub(super) const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Name of the segment that is allocated ahead.
pub(super) const NEXT_FILE: &str = "next.seg";

const TEMPORARY_FILE: &str = "next.tmp";
const MAGIC: [u8; 8] = *b"MSEGMENT";
/// 1: records did not say how many events of their call follow; otherwise the same.
const VERSION: u32 = 2;
const VERSION_MIN: u32 = 1;

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub spool: SpoolId,
    pub first_seq: u64,
    pub created: u64,
    pub file_bytes: u64,
}

/// Why a header was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Never written, or not what was written. The records behind it are judged by themselves.
    Damaged,
    /// Intact, of a version that this program does not know.
    Version(u32),
}

impl SegmentHeader {
    /// The header's bytes.
    pub(super) fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&64_u32.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.spool.0);
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.file_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub(super) fn decode(bytes: &[u8; 64]) -> Result<Self, HeaderError> {
        if bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err(HeaderError::Damaged);
        }
        if !(VERSION_MIN..=VERSION).contains(&u32_at(bytes, 8)) || u32_at(bytes, 12) != 64 {
            return Err(HeaderError::Version(u32_at(bytes, 8)));
        }
        let mut spool = SpoolId([0; 16]);
        spool.0.copy_from_slice(&bytes[16..32]);
        let [first_seq, created, file_bytes] = [u64_at(bytes, 32), u64_at(bytes, 40), u64_at(bytes, 48)];
        Ok(Self { spool, first_seq, created, file_bytes })
    }

    /// Reads the header of `file`; a file too short for one counts as damaged.
    pub(super) fn read(file: &File) -> io::Result<Result<Self, HeaderError>> {
        let mut bytes = [0; 64];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(HeaderError::Damaged)),
            Err(error) => Err(error),
        }
    }
}

/// The name of the segment that begins with `first_seq`.
pub(super) fn file_name(first_seq: u64) -> String {
    format!("{first_seq:020}.seg")
}

/// The first sequence number in a segment's name.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Opens a segment for reading and writing.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Allocates `next.seg` with all its blocks, durably.
pub(super) fn allocate_next(dir: &Path, file_bytes: u64) -> io::Result<File> {
    let temporary = dir.join(TEMPORARY_FILE);
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary);
    let made = made.and_then(|file| {
        extend(&file, 0, file_bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, dir.join(NEXT_FILE))?;
        sync_dir(dir)?;
        Ok(file)
    });
    if made.is_err() {
        // The blocks it did get are worth more to whoever needs the disk; the next attempt starts over.
        let _ = std::fs::remove_file(&temporary);
    }
    made
}

/// Takes what an interrupted allocation left behind away.
pub(super) fn remove_temporary(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(TEMPORARY_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts `next.seg`, open as `next`, into use. The new name is durable only after the directory
/// is synced; recovery finds the records under either name.
pub(super) fn adopt_next(dir: &Path, next: &File, header: &SegmentHeader) -> io::Result<PathBuf> {
    next.write_all_at(&header.encode(), 0)?;
    let path = dir.join(file_name(header.first_seq));
    std::fs::rename(dir.join(NEXT_FILE), &path)?;
    Ok(path)
}

/// Gives a segment that ends at `from` its blocks up to `to`.
pub(super) fn extend(file: &File, from: u64, to: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), from, to - from) {
        // Filesystems without it: zeros written out take the same blocks.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(file, from, to),
        other => Ok(other?),
    }
}

/// Overwrites `from..to` with zeros.
pub(super) fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
    let mut at = from;
    while at < to {
        let size = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all_at(&ZEROS[..size], at)?;
        at += size as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips_and_every_damaged_byte_is_noticed() {
        let header =
            SegmentHeader { spool: SpoolId([9; 16]), first_seq: 5, created: 1_700_000_000, file_bytes: 1 << 24 };
        let good = header.encode();
        assert_eq!(SegmentHeader::decode(&good), Ok(header));
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 4;
            assert_eq!(SegmentHeader::decode(&bad), Err(HeaderError::Damaged), "byte {at}");
        }
        let mut newer = good;
        newer[8] = 3;
        let crc = crc32c::crc32c(&newer[..60]);
        newer[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer), Err(HeaderError::Version(3)));
        let mut older = good;
        older[8] = 1;
        let crc = crc32c::crc32c(&older[..60]);
        older[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&older), Ok(header));
    }

    #[test]
    fn names_sort_like_their_numbers() {
        assert_eq!(file_name(1), "00000000000000000001.seg");
        for seq in [1, 99, u64::MAX] {
            assert_eq!(parse_name(&file_name(seq)), Some(seq));
        }
        for bad in [
            "1.seg",
            "next.seg",
            "0000000000000000000x.seg",
            "00000000000000000001.seg.bak",
            "99999999999999999999.seg",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn allocation_takes_its_blocks_and_replaces_an_interrupted_one() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(TEMPORARY_FILE), b"left behind").unwrap();
        allocate_next(dir.path(), 100_000).unwrap();
        let metadata = std::fs::metadata(dir.path().join(NEXT_FILE)).unwrap();
        assert_eq!(metadata.len(), 100_000);
        assert!(metadata.blocks() * 512 >= 100_000, "{} blocks", metadata.blocks());
        assert!(!dir.path().join(TEMPORARY_FILE).exists());
    }
}
