//! The last cursor the database confirmed, kept beside the segments.
//!
//! Two slots of 32 bytes are written in turn, so that a torn write leaves the other one: the
//! sequence number (8), a generation that counts writes (8), zeros (12) and a salted checksum (4).
//! It is written after the commit and never synced for its own sake: it may be behind the
//! database, never ahead of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::envelope::{Salt, u32_at, u64_at};

const FILE: &str = "confirmed";
const SLOT_BYTES: usize = 32;
const SLOTS: usize = 2;

/// The open file.
#[derive(Debug)]
pub(super) struct Confirmed {
    file: File,
    salt: Salt,
    seq: u64,
    generation: u64,
}

impl Confirmed {
    /// Opens or creates the file. The flag is false if it was there but neither slot could be
    /// read: then the position counts as 0, and only the database knows better.
    pub(super) fn open(dir: &Path, salt: Salt) -> io::Result<(Self, bool)> {
        let path = dir.join(FILE);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; SLOT_BYTES * SLOTS];
        let length = file.metadata()?.len().min(bytes.len() as u64);
        let length = usize::try_from(length).unwrap_or(0);
        file.read_exact_at(&mut bytes[..length], 0)?;
        let best = bytes.chunks_exact(SLOT_BYTES).filter_map(|slot| decode(slot, salt)).max_by_key(|slot| slot.1);
        let readable = best.is_some() || bytes.iter().all(|&byte| byte == 0);
        let (seq, generation) = best.unwrap_or((0, 0));
        Ok((Self { file, salt, seq, generation }, readable))
    }

    /// The position in `dir`, without opening it for writing; the flag as in [`Confirmed::open`].
    pub(super) fn read(dir: &Path, salt: Salt) -> io::Result<(u64, bool)> {
        let bytes = match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, true)),
            Err(error) => return Err(error),
        };
        let best = bytes.chunks_exact(SLOT_BYTES).filter_map(|slot| decode(slot, salt)).max_by_key(|slot| slot.1);
        let readable = best.is_some() || bytes.iter().all(|&byte| byte == 0);
        Ok((best.map_or(0, |slot| slot.0), readable))
    }

    /// The position.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Stores a position that the database has committed.
    pub(super) fn store(&mut self, seq: u64) -> io::Result<()> {
        self.seq = seq;
        self.generation += 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&seq.to_le_bytes());
        slot[8..16].copy_from_slice(&self.generation.to_le_bytes());
        let crc = self.salt.crc(&slot[..28]);
        slot[28..].copy_from_slice(&crc.to_le_bytes());
        let place = self.generation % SLOTS as u64 * SLOT_BYTES as u64;
        self.file.write_all_at(&slot, place)
    }

    /// Stores a position that an operator decided on, durably: unlike a confirmed one it may be lower
    /// than the last, and a later start must not take it for a loss.
    pub(super) fn settle(&mut self, seq: u64) -> io::Result<()> {
        self.store(seq)?;
        self.file.sync_data()
    }
}

fn decode(slot: &[u8], salt: Salt) -> Option<(u64, u64)> {
    (u32_at(slot, 28) == salt.crc(&slot[..28])).then(|| (u64_at(slot, 0), u64_at(slot, 8)))
}

#[cfg(test)]
mod tests {
    use super::super::sink::SpoolId;
    use super::*;

    #[test]
    fn a_torn_write_leaves_the_position_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::of(SpoolId([7; 16]));
        let (mut confirmed, readable) = Confirmed::open(dir.path(), salt).unwrap();
        assert!(readable);
        assert_eq!(confirmed.seq(), 0);
        for seq in [10, 20, 30] {
            confirmed.store(seq).unwrap();
        }
        let read = || {
            let opened = Confirmed::open(dir.path(), salt).map(|(file, readable)| (file.seq(), readable)).unwrap();
            assert_eq!(Confirmed::read(dir.path(), salt).unwrap(), opened);
            opened
        };
        assert_eq!(read(), (30, true));
        let path = dir.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            // Generation 3 lies in the second slot.
            assert_eq!(read(), (if at < SLOT_BYTES { 30 } else { 20 }, true), "byte {at}");
        }
        std::fs::write(&path, vec![0xff; 64]).unwrap();
        assert_eq!(read(), (0, false));
        let other = Confirmed::open(dir.path(), Salt::of(SpoolId([8; 16]))).unwrap().0;
        assert_eq!(other.seq(), 0);
    }
}
