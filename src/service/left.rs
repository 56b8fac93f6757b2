//! What would be lost with a state directory: shares that no database has got, rows in quarantine, blocks that no node
//! has answered. No configuration is asked: it may be gone or wrong when somebody wants to know.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::spools::{ID_FILE, undrained};
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::replay::replayed;

/// What a spool still holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Its directory.
    pub dir: PathBuf,
    /// Events that no database has confirmed; `None`: it cannot be read.
    pub events: Option<u64>,
    /// Rows in quarantine that were never put in again.
    pub quarantined: u64,
    /// Blocks whose bytes are kept because no node has answered them yet.
    pub blocks: u64,
}

impl Left {
    fn is_nothing(&self) -> bool {
        self.events == Some(0) && self.quarantined == 0 && self.blocks == 0
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, events, quarantined, blocks } = self;
        match events {
            Some(events) => write!(f, "{}: {events} events that no database has confirmed", dir.display())?,
            None => write!(f, "{}: cannot be read, so it may hold shares", dir.display())?,
        }
        write!(f, ", {quarantined} rows in quarantine, {blocks} blocks without an answer")
    }
}

/// The spools below a state directory that hold something, in the order of their names; none if the daemon has made
/// no spool there yet.
///
/// # Errors
/// The directory cannot be read, or it is not there: where nothing is, nothing can be said about shares.
pub fn left_in(state_dir: &Path) -> io::Result<Vec<Left>> {
    let entries = match std::fs::read_dir(state_dir.join("spool")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::metadata(state_dir)?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut left = Vec::new();
    for entry in entries {
        let dir = entry?.path();
        let found = of_spool(dir.clone()).unwrap_or(Left { dir, events: None, quarantined: 0, blocks: 0 });
        if !found.is_nothing() {
            left.push(found);
        }
    }
    left.sort_by(|one, other| one.dir.cmp(&other.dir));
    Ok(left)
}

fn of_spool(dir: PathBuf) -> io::Result<Left> {
    if !dir.join(ID_FILE).try_exists()? {
        // Without its identity nothing in it can be read; an empty folder is none.
        let events = if std::fs::read_dir(&dir)?.next().is_none() { Some(0) } else { None };
        return Ok(Left { dir, events, quarantined: 0, blocks: 0 });
    }
    let quarantined = match SpoolFiles::open(&dir) {
        Ok(files) => {
            let again = u64::try_from(replayed(&dir)?.len()).unwrap_or(u64::MAX);
            files.quarantined()?.saturating_sub(again)
        }
        Err(_) => 0,
    };
    let blocks = blocks_in_flight(&dir.join("blocks"))?;
    Ok(Left { events: undrained(&dir), dir, quarantined, blocks })
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
        let left = |dir, blocks| Left { dir, events: None, quarantined: 0, blocks };
        let found = left_in(state.path()).unwrap();
        assert_eq!(found, [left(unknown, 0), left(damaged, 1)]);
        assert!(found[1].to_string().ends_with("may hold shares, 0 rows in quarantine, 1 blocks without an answer"));
    }
}
