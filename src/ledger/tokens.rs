//! The tokens of this spool's attachments, noted beside its segments before the database gets them.
//!
//! A copy of the spool (of its directory or of the whole machine) that has drained for itself has left a token
//! in the database which this spool never made, or the other way round: that is how the two are told apart
//! even when neither runs any more. A token that was noted may never have got there.
//!
//! Slots of 32 bytes are written in turn: the token (16), a generation that counts writes (8), zeros (4) and a
//! salted checksum (4). The file has its whole size from the beginning, so that a full disk does not keep the
//! drain, which frees it, from attaching.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::envelope::{Salt, u32_at, u64_at};
use super::identity::sync_dir;
use super::sink::SpoolId;
use crate::bytes::hex;

const FILE: &str = "tokens";
const SLOT_BYTES: usize = 32;
/// So many are remembered: all that may still stand in a database, its replicas and backups of the same
/// position.
pub const SLOTS: usize = 64;

/// The open file.
#[derive(Debug)]
pub struct Tokens {
    file: File,
    salt: Salt,
    known: Vec<[u8; 16]>,
    generation: u64,
    /// Noted, and not in use yet.
    pending: Option<[u8; 16]>,
    /// What a version that did not note its tokens has left in the database.
    met: Option<[u8; 16]>,
}

impl Tokens {
    /// Opens or creates the file of the spool in `dir`.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(dir: &Path, spool: SpoolId) -> io::Result<Self> {
        let (path, salt) = (dir.join(FILE), Salt::of(spool));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = vec![0; SLOT_BYTES * SLOTS];
        let length = file.metadata()?.len();
        if length < bytes.len() as u64 {
            // New, or a crash came in the middle of this.
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            sync_dir(dir)?;
        }
        file.read_exact_at(&mut bytes, 0)?;
        let (known, generation) = decode(&bytes, salt);
        Ok(Self { file, salt, known, generation, pending: None, met: None })
    }

    /// Whether the spool made this one, in hexadecimal. Where none is known, every one counts: a version
    /// that did not note them was at work.
    pub fn knows(&mut self, token: &str) -> bool {
        if self.known.is_empty() {
            self.met = hex::decode_array(token.as_bytes());
        }
        is_among(&self.known, token)
    }

    /// As [`Tokens::knows`], for the spool in `dir`, without opening it for writing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn knows_in(dir: &Path, spool: SpoolId, token: &str) -> io::Result<bool> {
        match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => Ok(is_among(&decode(&bytes, Salt::of(spool)).0, token)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// A token for the next attachment, durably noted; the last one again if that was not used.
    ///
    /// # Errors
    /// The disk's.
    pub fn for_next(&mut self) -> io::Result<[u8; 16]> {
        if let Some(pending) = self.pending {
            return Ok(pending);
        }
        // An attempt that comes to nothing must still find its own.
        if let Some(met) = self.met.take_if(|_| self.known.is_empty()) {
            self.note(met)?;
        }
        let token = random()?;
        self.note(token)?;
        self.pending = Some(token);
        Ok(token)
    }

    fn note(&mut self, token: [u8; 16]) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..16].copy_from_slice(&token);
        slot[16..24].copy_from_slice(&generation.to_le_bytes());
        let crc = self.salt.crc(&slot[..28]);
        slot[28..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&slot, generation % SLOTS as u64 * SLOT_BYTES as u64)?;
        self.file.sync_data()?;
        self.generation = generation;
        if self.known.len() >= SLOTS {
            self.known.remove(0);
        }
        self.known.push(token);
        Ok(())
    }

    /// The last token has become a writer's.
    pub fn used(&mut self) {
        self.pending = None;
    }
}

/// Random bytes for a token.
///
/// # Errors
/// The operating system has none.
pub fn random() -> io::Result<[u8; 16]> {
    let mut token = [0; 16];
    getrandom::fill(&mut token)?;
    Ok(token)
}

/// The tokens, oldest first, and how often was written.
fn decode(bytes: &[u8], salt: Salt) -> (Vec<[u8; 16]>, u64) {
    let mut slots: Vec<(u64, [u8; 16])> = Vec::new();
    for slot in bytes.chunks_exact(SLOT_BYTES) {
        let mut token = [0; 16];
        token.copy_from_slice(&slot[..16]);
        if u32_at(slot, 28) == salt.crc(&slot[..28]) {
            slots.push((u64_at(slot, 16), token));
        }
    }
    slots.sort_unstable();
    let generation = slots.last().map_or(0, |slot| slot.0);
    (slots.into_iter().map(|slot| slot.1).collect(), generation)
}

fn is_among(known: &[[u8; 16]], token: &str) -> bool {
    known.is_empty() || known.iter().any(|known| hex::encode(known) == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOOL: SpoolId = SpoolId([7; 16]);

    #[test]
    fn what_was_noted_is_known_for_long_and_a_copys_is_not() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut tokens = Tokens::open(dir.path(), SPOOL).unwrap();
        let earlier = "0123456789abcdef0123456789abcdef";
        assert!(tokens.knows(earlier), "of an earlier version");
        let first = tokens.for_next().unwrap();
        assert_eq!(tokens.for_next().unwrap(), first, "nobody has used it");
        tokens.used();
        assert!(tokens.knows(earlier) && !tokens.knows("another's"));
        let text = hex::encode(&first);
        std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
        for _ in 2..SLOTS {
            assert!(tokens.knows(&text));
            tokens.for_next().unwrap();
            tokens.used();
        }
        let reopened = Tokens::open(dir.path(), SPOOL).unwrap();
        assert_eq!((&reopened.known, reopened.generation), (&tokens.known, SLOTS as u64));
        for _ in 0..2 {
            tokens.for_next().unwrap();
            tokens.used();
        }
        assert!(!tokens.knows(&text) && tokens.known.len() == SLOTS);
        assert_eq!(Tokens::open(dir.path(), SPOOL).unwrap().known, tokens.known);
        let newest = hex::encode(tokens.known.last().unwrap());
        assert!(Tokens::knows_in(dir.path(), SPOOL, &newest).unwrap());
        assert!(!Tokens::knows_in(copy.path(), SPOOL, &newest).unwrap());
        assert!(Tokens::knows_in(copy.path(), SPOOL, &text).unwrap());
    }

    #[test]
    fn a_torn_write_takes_the_oldest_with_it_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let mut tokens = Tokens::open(dir.path(), SPOOL).unwrap();
        for _ in 0..3 {
            tokens.for_next().unwrap();
            tokens.used();
        }
        let good = std::fs::read(dir.path().join(FILE)).unwrap();
        assert_eq!(good.len(), SLOT_BYTES * SLOTS);
        for at in 2 * SLOT_BYTES..3 * SLOT_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(dir.path().join(FILE), &bad).unwrap();
            let left = Tokens::open(dir.path(), SPOOL).unwrap();
            assert_eq!(left.known, [tokens.known[0], tokens.known[2]], "byte {at}");
        }
        std::fs::write(dir.path().join(FILE), &good[..40]).unwrap();
        assert!(Tokens::open(dir.path(), SPOOL).unwrap().known.is_empty(), "cut: begun anew");
    }
}
