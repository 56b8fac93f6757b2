//! The folder with a coin's dossiers and with the bytes of its blocks in flight.

use std::collections::{HashSet, VecDeque};
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

    /// Reads all dossiers, oldest first, remembers the closed ones of coins that are `mine` and returns their open ones,
    /// and the hashes of all that are others'. Blocks for the disk. What is no dossier is reported and left alone.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn load(&self, mine: impl Fn(&str) -> bool) -> io::Result<(Vec<Dossier>, HashSet<String>)> {
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
        let (mut open, mut others) = (Vec::new(), HashSet::new());
        for (path, dossier) in read {
            match dossier.closed {
                _ if !mine(&dossier.coin) => drop(others.insert(dossier.hash)),
                true => {
                    // A kill may have come before who closed it had removed them.
                    self.remove_bytes(&dossier.hash);
                    self.closed().push_back(path);
                }
                false => open.push(dossier),
            }
        }
        Ok((open, others))
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

#[cfg(test)]
mod tests {
    use super::super::dossier::tests::dossier;
    use super::super::dossier::{Step, What};
    use super::*;

    /// Puts a dossier of this height on the shelf.
    fn put(shelf: &Shelf, height: u32, is_closed: bool) -> PathBuf {
        let mut dossier = Dossier { height, hash: format!("{height:064x}"), ..dossier() };
        dossier.steps = vec![Step { at_ms: u64::from(height), what: What::Found }];
        dossier.closed = is_closed;
        let path = shelf.dossier_path(height, &dossier.hash);
        std::fs::write(&path, dossier.text().unwrap()).unwrap();
        path
    }

    fn count(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn the_oldest_closed_dossiers_go_and_open_ones_never() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().to_owned());
        let open = put(&shelf, 1, false);
        let closed: Vec<PathBuf> = (2..=1001).map(|height| put(&shelf, height, true)).collect();
        std::fs::write(dir.path().join("0-damaged.json"), "{").unwrap();
        let heights = |coin: &str| {
            let (open, others) = Shelf::new(dir.path().to_owned()).load(|name| name == coin).unwrap();
            (open.iter().map(|dossier| dossier.height).collect::<Vec<_>>(), others.len())
        };
        assert_eq!(heights("another"), (vec![], 1001));
        assert_eq!(heights(&dossier().coin), (vec![1], 0));
        shelf.load(|_| true).unwrap();
        assert_eq!(count(dir.path()), 1002, "reading removes nothing");
        shelf.close(put(&shelf, 1002, true), 1);
        assert!(open.exists() && !closed[0].exists() && !closed[1].exists() && closed[2].exists());
        assert_eq!(count(dir.path()), DOSSIERS_MAX + 1, "with the damaged one, which nobody touches");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_file(&path, b"first").unwrap();
        write_file(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(count(dir.path()), 1);
        // The old one stays when the new one cannot be written.
        std::fs::create_dir(dir.path().join("a.unfinished")).unwrap();
        write_file(&path, b"third").unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
    }
}
