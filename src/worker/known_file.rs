//! The file of remembered workers.
//!
//! All numbers are little-endian: magic (8 bytes), version (4), salt (16), number of workers (4); of
//! each worker, oldest knowledge first: when the store last confirmed it, Unix seconds (8), flags (1:
//! it has a password, 2: its name folds case), `is_locked` (1), the seal (16, if any), then key and
//! name, each with a 2-byte length before it; at the end CRC-32C over everything before (4).
//!
//! It is a copy of what the database said, nothing more: a file that is damaged or of another
//! version is left alone and written anew.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::known::Known;
use super::seal::{SALT_BYTES, SEAL_BYTES, Salt, Seal};

const MAGIC: [u8; 8] = *b"MSKNOWNW";
const VERSION: u32 = 1;
const HAS_PASSWORD: u8 = 1;
const FOLDS_CASE: u8 = 2;

/// Largest file that is read; a larger one is none of ours. Ours has some 100 bytes a worker.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Remembered workers, each with the key that stands for all its spellings.
pub type Workers = Vec<(Arc<str>, Arc<Known>)>;

/// What a file held.
#[derive(Debug)]
pub struct Contents {
    /// The salt of its seals.
    pub salt: Salt,
    /// The workers, oldest knowledge first.
    pub workers: Workers,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("is damaged")]
    Damaged,
    /// Another version of this daemon wrote it.
    #[error("has version {0}, this daemon knows {VERSION}")]
    Version(u32),
}

/// Reads a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Contents>, ReadError> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if size > FILE_BYTES_MAX {
        return Err(ReadError::Damaged);
    }
    decode(&std::fs::read(path)?).map(Some)
}

/// Writes a file, whole or not at all, readable by its owner only; makes the folder if it is missing.
pub fn write(path: &Path, salt: Salt, workers: &[(Arc<str>, Arc<Known>)]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let unfinished = unfinished(path);
    // What an interrupted write left may have other permissions.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(&encode(salt, workers)).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&unfinished, path));
    if renamed.is_err() {
        // The room is worth more to whoever needs the disk.
        let _ = std::fs::remove_file(&unfinished);
    }
    renamed?;
    File::open(dir)?.sync_all()
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("unfinished")
}

fn encode(salt: Salt, workers: &[(Arc<str>, Arc<Known>)]) -> Vec<u8> {
    let fits = |text: &str| u16::try_from(text.len()).is_ok();
    let workers: Vec<_> = workers.iter().filter(|(key, known)| fits(key) && fits(&known.name)).collect();
    let mut out = Vec::with_capacity(64 + 100 * workers.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&u32::try_from(workers.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (key, known) in workers {
        out.extend_from_slice(&known.confirmed_at.to_le_bytes());
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(bit(known.password.is_some(), HAS_PASSWORD) | bit(known.folds_case, FOLDS_CASE));
        out.push(known.locked);
        out.extend(known.password.iter().flat_map(|seal| *seal.bytes()));
        for text in [key, &known.name] {
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Result<Contents, ReadError> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(ReadError::Damaged)?;
    let mut input = Input(body);
    if input.array() != Some(MAGIC) || crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(ReadError::Damaged);
    }
    match input.array().map(u32::from_le_bytes).ok_or(ReadError::Damaged)? {
        VERSION => decode_body(&mut input).ok_or(ReadError::Damaged),
        other => Err(ReadError::Version(other)),
    }
}

fn decode_body(input: &mut Input<'_>) -> Option<Contents> {
    let salt = input.array::<SALT_BYTES>()?;
    let count = u32::from_le_bytes(input.array()?);
    let mut workers = Workers::new();
    for _ in 0..count {
        let confirmed_at = u64::from_le_bytes(input.array()?);
        let [flags, locked] = input.array()?;
        let password = match flags & HAS_PASSWORD {
            0 => None,
            _ => Some(Seal::from_bytes(input.array::<SEAL_BYTES>()?)),
        };
        let (key, name) = (input.text()?.into(), input.text()?.into());
        let known = Known { name, password, locked, folds_case: flags & FOLDS_CASE != 0, confirmed_at };
        workers.push((key, Arc::new(known)));
    }
    input.0.is_empty().then_some(Contents { salt, workers })
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::worker::seal::Sealer;

    fn workers() -> Workers {
        let sealer = Sealer::new([3; SALT_BYTES], "secret");
        let known = |name: &str, password: Option<&str>, locked| {
            let password = password.map(|password| sealer.seal("key", password));
            Arc::new(Known {
                name: name.into(),
                password,
                locked,
                folds_case: locked == 0,
                confirmed_at: 1_700_000_000,
            })
        };
        vec![
            ("alice.rig".into(), known("Alice.Rig", Some("Very-Secret"), 0)),
            ("bob.null".into(), known("b\u{f6}b.null", None, 2)),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_only_its_owner_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder").join("pool.known");
        assert!(read(&path).unwrap().is_none());
        write(&path, [3; SALT_BYTES], &[]).unwrap();
        // What an interrupted write left behind, for everybody to read.
        std::fs::write(unfinished(&path), b"left").unwrap();
        write(&path, [3; SALT_BYTES], &workers()).unwrap();
        let contents = read(&path).unwrap().unwrap();
        assert_eq!((contents.salt, contents.workers), ([3; SALT_BYTES], workers()));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"Secret"));
        assert!(!unfinished(&path).exists());
    }

    #[test]
    fn every_damaged_or_missing_byte_is_noticed() {
        let good = encode([3; SALT_BYTES], &workers());
        assert!(decode(&good).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(matches!(decode(&bad), Err(ReadError::Damaged)), "byte {at}");
            assert!(matches!(decode(&good[..at]), Err(ReadError::Damaged)), "{at} bytes");
        }
    }

    #[test]
    fn another_version_says_so_and_counts_beyond_the_end_are_damage() {
        let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = encode([3; SALT_BYTES], &workers());
            bytes.truncate(bytes.len() - 4);
            change(&mut bytes);
            let crc = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&crc.to_le_bytes());
            bytes
        };
        assert!(matches!(decode(&sealed(&|bytes| bytes[8] = 2)), Err(ReadError::Version(2))));
        assert!(matches!(decode(&sealed(&|bytes| bytes[28] = 200)), Err(ReadError::Damaged)));
        assert!(matches!(decode(&sealed(&|bytes| bytes.push(0))), Err(ReadError::Damaged)));
    }
}
