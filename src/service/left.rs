//! What would be lost with a state directory: shares that no database has got, rows in quarantine, blocks that no node
//! has answered. No configuration is asked: it may be gone or wrong when somebody wants to know.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::spools::{ID_FILE, undrained};
use super::{remembered, spools};
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::replay::replayed;

/// Folders that may lie in one another below a state directory: that of one coin is usually right below.
const DEPTH_MAX: usize = 8;
/// Folders that are looked into at most.
const FOLDERS_MAX: usize = 4096;

/// What of a spool no database has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// So many events, and all of them can be read.
    Events(u64),
    /// Not all of it can be read.
    Unreadable,
    /// It is no folder of ours, or none that can be looked through.
    Unknown,
}

/// What a spool still holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Its directory.
    pub dir: PathBuf,
    /// What no database has confirmed.
    pub holds: Holds,
    /// Rows in quarantine that were never put in again.
    pub quarantined: u64,
    /// Blocks whose bytes are kept because no node has answered them yet.
    pub blocks: u64,
}

impl Left {
    fn of(dir: PathBuf, holds: Holds) -> Self {
        Self { dir, holds, quarantined: 0, blocks: 0 }
    }

    fn is_nothing(&self) -> bool {
        self.holds == Holds::Events(0) && self.quarantined == 0 && self.blocks == 0
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, holds, quarantined, blocks } = self;
        match holds {
            Holds::Events(events) => write!(f, "{}: {events} events that no database has confirmed", dir.display())?,
            Holds::Unreadable => write!(f, "{}: not all of it can be read, so it may hold shares", dir.display())?,
            Holds::Unknown => return write!(f, "{}: unknown, so it may hold shares", dir.display()),
        }
        write!(f, ", {quarantined} rows in quarantine, {blocks} blocks without an answer")
    }
}

/// The spools below a state directory that hold something, in the order of their names; none if the daemon has made
/// no spool there yet. A coin's state may be kept in a folder of its own further down, so that every folder counts
/// unless it is known to hold nothing. A link to elsewhere does not count unless it stands for a spool: with the
/// directory only the link is lost.
///
/// # Errors
/// The directory cannot be read, or it is not there: where nothing is, nothing can be said about shares.
pub fn left_in(state_dir: &Path) -> io::Result<Vec<Left>> {
    let mut search = Search { left: Vec::new(), folders: 0 };
    search.state(state_dir, 0)?;
    search.left.retain(|left| !left.is_nothing());
    search.left.sort_by(|one, other| one.dir.cmp(&other.dir));
    Ok(search.left)
}

/// A search for spools.
struct Search {
    left: Vec<Left>,
    /// Folders that were looked into.
    folders: usize,
}

impl Search {
    /// A directory that a daemon keeps its state in: its files hold no shares.
    fn state(&mut self, dir: &Path, depth: usize) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if name == spools::FOLDER {
                self.spools(&path)?;
            } else if name != remembered::FOLDER && entry.file_type()?.is_dir() {
                self.look_into(path, depth + 1);
            }
        }
        Ok(())
    }

    /// The folder of spools.
    fn spools(&mut self, dir: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let dir = entry?.path();
            self.left.push(of_spool(dir.clone()).unwrap_or(Left::of(dir, Holds::Unreadable)));
        }
        Ok(())
    }

    /// A folder of which nothing is known yet.
    fn look_into(&mut self, dir: PathBuf, depth: usize) {
        self.folders += 1;
        let is_looked_through =
            depth <= DEPTH_MAX && self.folders <= FOLDERS_MAX && self.look_through(&dir, depth).unwrap_or(false);
        if !is_looked_through {
            self.left.push(Left::of(dir, Holds::Unknown));
        }
    }

    /// False: there is something in it that is not known.
    fn look_through(&mut self, dir: &Path, depth: usize) -> io::Result<bool> {
        if dir.join(ID_FILE).try_exists()? {
            self.left.push(of_spool(dir.to_owned())?);
            return Ok(true);
        }
        if dir.join(spools::FOLDER).try_exists()? {
            return self.state(dir, depth).map(|()| true);
        }
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.look_into(entry.path(), depth + 1);
            } else if !kind.is_symlink() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn of_spool(dir: PathBuf) -> io::Result<Left> {
    if !dir.join(ID_FILE).try_exists()? {
        // Without its identity nothing in it can be read; an empty folder is none.
        let is_empty = std::fs::read_dir(&dir)?.next().is_none();
        return Ok(Left::of(dir, if is_empty { Holds::Events(0) } else { Holds::Unreadable }));
    }
    let quarantined = match SpoolFiles::open(&dir) {
        Ok(files) => {
            let again = u64::try_from(replayed(&dir)?.len()).unwrap_or(u64::MAX);
            files.quarantined()?.saturating_sub(again)
        }
        Err(_) => 0,
    };
    let blocks = blocks_in_flight(&dir.join("blocks"))?;
    let holds = undrained(&dir).map_or(Holds::Unreadable, Holds::Events);
    Ok(Left { holds, dir, quarantined, blocks })
}

fn blocks_in_flight(dir: &Path) -> io::Result<u64> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        count += u64::from(entry?.path().extension().is_some_and(|extension| extension == "block"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_counts_and_what_is_empty_does_not() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(left_in(state.path()).unwrap(), [], "never started");
        assert_eq!(left_in(&state.path().join("mistyped")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let spool = |name: &str| {
            let dir = state.path().join("spool").join(name);
            std::fs::create_dir_all(&dir).unwrap();
            dir
        };
        spool("a-empty");
        assert_eq!(left_in(state.path()).unwrap(), []);
        let unknown = spool("b-unknown");
        std::fs::write(unknown.join("000001.seg"), "x").unwrap();
        let damaged = spool("c-damaged");
        std::fs::write(damaged.join(ID_FILE), "x").unwrap();
        std::fs::create_dir(damaged.join("blocks")).unwrap();
        std::fs::write(damaged.join("blocks/00.block"), "x").unwrap();
        std::fs::write(damaged.join("blocks/00000001-00.json"), "x").unwrap();
        let left = |dir, blocks| Left { blocks, ..Left::of(dir, Holds::Unreadable) };
        let found = left_in(state.path()).unwrap();
        assert_eq!(found, [left(unknown, 0), left(damaged, 1)]);
        assert!(found[1].to_string().ends_with("may hold shares, 0 rows in quarantine, 1 blocks without an answer"));
    }

    #[test]
    fn a_spool_counts_wherever_it_lies_and_so_does_what_is_not_known() {
        let state = tempfile::tempdir().unwrap();
        let make = |path: &str, file: &str| {
            let dir = state.path().join(path);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(file), "x").unwrap();
            dir
        };
        make("", "bans.json");
        make("workers", "pool-00000000.json");
        std::fs::create_dir_all(state.path().join("ltc/spool/pool-00000000")).unwrap();
        make("ltc", "bans.json");
        std::fs::create_dir_all(state.path().join("lost+found/deeper")).unwrap();
        std::os::unix::fs::symlink("/", state.path().join("elsewhere")).unwrap();
        assert_eq!(left_in(state.path()).unwrap(), [], "all of it is known to hold nothing");
        let unreadable = |dir| Left::of(dir, Holds::Unreadable);
        let unknown = |dir| Left::of(dir, Holds::Unknown);
        let expected = [
            unreadable(make("coins/doge/spool/pool-00000001", ID_FILE)),
            unreadable(make("ltc/spool/pool-00000001", "1.seg")),
            unreadable(make("moved", ID_FILE)),
            unknown(make("old/backup", "spool.tar")),
            unknown(make("v/e/r/y/d/e/e/p/here", ID_FILE)),
        ];
        let found = left_in(state.path()).unwrap();
        assert_eq!(found, expected);
        assert!(found[3].to_string().ends_with("old/backup: unknown, so it may hold shares"));
    }
}
