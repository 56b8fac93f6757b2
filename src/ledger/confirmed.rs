//! The last cursor the database confirmed, kept beside the segments, and how far it can have moved.
//!
//! Two slots of 32 bytes are written in turn, so that a torn write leaves the other one: the
//! sequence number (8), a generation that counts writes (8), one more than the highest position that
//! can be explained (8; 0: any event may have been sent), zeros (4) and a salted checksum (4).
//!
//! The sequence number is written after the commit and never synced for its own sake: it may be behind
//! the database, never ahead of it. The highest position that can be explained is: while a drain is not
//! attached nothing is sent, so that events written meanwhile cannot be what moved the database. It is
//! set durably before anything is appended, and taken away durably before anything is sent. Without it
//! a spool that is older than its database would pass for a good one as soon as enough was appended.

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
    pub(super) file: File,
    salt: Salt,
    known: Known,
    generation: u64,
    /// What is known of the explained positions is on the disk, too.
    noted: bool,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// The last event that the database confirmed.
    pub seq: u64,
    /// The highest position of the database that can be explained; `None`: any event may have been sent.
    pub explained_max: Option<u64>,
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
        let (known, generation, readable) = best_of(&bytes, salt);
        Ok((Self { file, salt, known, generation, noted: true }, readable))
    }

    /// What the file in `dir` says, without opening it for writing; the flag as in [`Confirmed::open`].
    pub(super) fn read(dir: &Path, salt: Salt) -> io::Result<(Known, bool)> {
        let bytes = match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Known::default(), true)),
            Err(error) => return Err(error),
        };
        let (known, _, readable) = best_of(&bytes, salt);
        Ok((known, readable))
    }

    /// The position.
    pub(super) fn seq(&self) -> u64 {
        self.known.seq
    }

    /// The highest position of the database that can be explained; `None`: any event may have been sent.
    pub(super) fn explained_max(&self) -> Option<u64> {
        self.known.explained_max
    }

    /// Stores a position that the database has committed.
    pub(super) fn store(&mut self, seq: u64) -> io::Result<()> {
        self.known.seq = seq;
        self.write(self.known)
    }

    /// Says durably how far the database's position can be explained.
    pub(super) fn explain(&mut self, explained_max: Option<u64>) -> io::Result<()> {
        self.write_durably(Known { explained_max, ..self.known })
    }

    /// Whether the file is known to say the same about the explained positions: not after an attempt to
    /// change it that failed.
    pub(super) fn is_noted(&self) -> bool {
        self.noted
    }

    fn write_durably(&mut self, known: Known) -> io::Result<()> {
        self.noted = false;
        self.write(known)?;
        self.file.sync_data()?;
        self.known = known;
        self.noted = true;
        Ok(())
    }

    fn write(&mut self, known: Known) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&known.seq.to_le_bytes());
        slot[8..16].copy_from_slice(&generation.to_le_bytes());
        slot[16..24].copy_from_slice(&known.explained_max.map_or(0, |max| max.saturating_add(1)).to_le_bytes());
        let crc = self.salt.crc(&slot[..28]);
        slot[28..].copy_from_slice(&crc.to_le_bytes());
        let place = generation % SLOTS as u64 * SLOT_BYTES as u64;
        self.file.write_all_at(&slot, place)?;
        // After a write that failed the next one goes to the same slot: the other is the good one.
        self.generation = generation;
        Ok(())
    }

    /// Stores a position that an operator decided on, durably: unlike a confirmed one it may be lower
    /// than the last, and a later start must not take it for a loss. It explains itself.
    pub(super) fn settle(&mut self, seq: u64) -> io::Result<()> {
        self.write_durably(Known { seq, explained_max: Some(seq) })
    }
}

/// The newer slot with its generation; false if there are bytes and neither slot can be read.
fn best_of(bytes: &[u8], salt: Salt) -> (Known, u64, bool) {
    let best = bytes.chunks_exact(SLOT_BYTES).filter_map(|slot| decode(slot, salt)).max_by_key(|slot| slot.1);
    let readable = best.is_some() || bytes.iter().all(|&byte| byte == 0);
    let (known, generation) = best.unwrap_or_default();
    (known, generation, readable)
}

fn decode(slot: &[u8], salt: Salt) -> Option<(Known, u64)> {
    let known = Known { seq: u64_at(slot, 0), explained_max: u64_at(slot, 16).checked_sub(1) };
    (u32_at(slot, 28) == salt.crc(&slot[..28])).then(|| (known, u64_at(slot, 8)))
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
            let opened = Confirmed::open(dir.path(), salt).map(|(file, readable)| (file.known, readable)).unwrap();
            assert_eq!(Confirmed::read(dir.path(), salt).unwrap(), opened);
            (opened.0.seq, opened.1)
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

    #[test]
    fn what_can_be_explained_stays_through_commits_until_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::of(SpoolId([7; 16]));
        let read = || Confirmed::read(dir.path(), salt).unwrap().0;
        let known = |seq, explained_max| Known { seq, explained_max };
        let mut confirmed = Confirmed::open(dir.path(), salt).unwrap().0;
        assert_eq!(confirmed.explained_max(), None);
        for explained_max in [Some(0), Some(7), None] {
            confirmed.explain(explained_max).unwrap();
            assert_eq!(read(), known(confirmed.seq(), explained_max));
            confirmed.store(confirmed.seq() + 3).unwrap();
            assert_eq!(read(), known(confirmed.seq(), explained_max));
        }
        confirmed.settle(4).unwrap();
        assert_eq!(read(), known(4, Some(4)));
    }
}
