//! The folder with a coin's dossiers and with the bytes of its blocks in flight.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::dossier::Dossier;

/// Most dossiers a coin keeps, years of blocks for most pools. Beyond it the oldest closed ones are
/// removed; open ones never.
pub const DOSSIERS_MAX: usize = 1000;

/// The folder.
pub struct Shelf {
    dir: PathBuf,
    /// Dossiers that may be removed, oldest first.
    closed: Mutex<VecDeque<PathBuf>>,
}

impl Shelf {
    /// A shelf in a folder that exists.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, closed: Mutex::default() }
    }

    /// Where the dossier of a block is.
    pub fn dossier_path(&self, height: u32, hash: &str) -> PathBuf {
        self.dir.join(format!("{height:08}-{hash}.json"))
    }

    /// Where the bytes of a block are while it is in flight.
    pub fn bytes_path(&self, hash: &str) -> PathBuf {
        self.dir.join(format!("{hash}.block"))
    }

    /// Reads all dossiers, oldest first, remembers the closed ones and returns the open ones. Blocks
    /// for the disk. What is no dossier is reported and left alone.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn load(&self) -> io::Result<Vec<Dossier>> {
        let is_dossier = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut read = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if !is_dossier(&path) {
                continue;
            }
            match Dossier::read(&path) {
                Ok(dossier) => read.push((path, dossier)),
                Err(error) => {
                    warn!(file = %path.display(), %error, "a block's dossier cannot be read: nobody looks after that block");
                }
            }
        }
        read.sort_by_key(|(path, dossier)| (dossier.found_ms(), path.clone()));
        let mut open = Vec::new();
        for (path, dossier) in read {
            if dossier.closed { self.closed().push_back(path) } else { open.push(dossier) }
        }
        Ok(open)
    }

    /// A dossier was closed while `open` others are not; removes the oldest closed ones beyond
    /// [`DOSSIERS_MAX`].
    pub fn close(&self, path: PathBuf, open: usize) {
        let mut closed = self.closed();
        closed.push_back(path);
        while closed.len() + open > DOSSIERS_MAX {
            let Some(oldest) = closed.pop_front() else { return };
            if let Err(error) = std::fs::remove_file(&oldest) {
                warn!(file = %oldest.display(), %error, "cannot remove an old dossier");
            }
        }
    }

    /// Whether a dossier of this block is there and closed, as far as [`Shelf::load`] saw.
    pub fn is_closed(&self, dossier: &Dossier) -> bool {
        self.closed().contains(&self.dossier_path(dossier.height, &dossier.hash))
    }

    fn closed(&self) -> MutexGuard<'_, VecDeque<PathBuf>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the bytes of a block, if they are there.
    pub fn remove_bytes(&self, hash: &str) {
        match std::fs::remove_file(self.bytes_path(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(hash, %error, "cannot remove the file of a settled block");
            }
            _ => (),
        }
    }
}

/// Writes a file whole or not at all: half a block would be refused as a wrong one, half a dossier
/// would leave a block alone.
///
/// # Errors
/// The disk's.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
