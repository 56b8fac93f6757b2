//! What makes a directory a spool: its identity file and its lock.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use rustix::fs::FlockOperation;

use super::envelope::u32_at;
use super::error::OpenError;
use super::sink::SpoolId;

const ID_FILE: &str = "spool.id";
const ID_TEMPORARY: &str = "spool.id.tmp";
const LOCK_FILE: &str = "lock";
const MAGIC: [u8; 8] = *b"MSPOOLID";
const VERSION: u32 = 1;
const ID_BYTES: usize = 32;

/// The exclusive right to use a spool; gone with the value or the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock of `dir`.
pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(OpenError::io("open", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            let holder = match file.read_to_string(&mut text) {
                Ok(_) if text.trim().parse::<u32>().is_ok() => format!(" (pid {})", text.trim()),
                _ => String::new(),
            };
            return Err(OpenError::InUse { dir: dir.to_owned(), holder });
        }
        Err(error) => return Err(OpenError::io("lock", &path)(error.into())),
    }
    // The number only serves the message above, so that a disk which is full costs nothing else.
    let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(Lock { _file: file })
}

/// The process that holds the lock of `dir`, without touching it. A process of another container is
/// not seen.
pub(super) fn holder(dir: &Path) -> std::io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let path = dir.join(LOCK_FILE);
    let file = match std::fs::metadata(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let locks = std::fs::read_to_string("/proc/locks")?;
    // "1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF": process, then device and inode. The device is
    // left out: some filesystems name another one here. The process in the file stands for it.
    let written: Option<u32> = std::fs::read_to_string(&path)?.trim().parse().ok();
    let inode = format!(":{}", file.ino());
    let holder = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (kind, process) = (fields.next()?, fields.nth(2)?.parse().ok()?);
        (kind == "FLOCK" && fields.next()?.ends_with(&inode)).then_some(process)
    };
    let holders: Vec<u32> = locks.lines().filter_map(holder).collect();
    Ok(holders.into_iter().find(|process| Some(*process) == written))
}

/// The identity of the spool in `dir`; a new one if there is none and `may_create`.
/// The flag says whether it was created.
pub(super) fn identity(dir: &Path, may_create: bool) -> Result<(SpoolId, bool), OpenError> {
    let path = dir.join(ID_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => decode(&bytes)
            .map(|id| (id, false))
            .map_err(|reason| OpenError::Unusable { path, reason: reason.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => create(dir).map(|id| (id, true)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::Unusable {
            path,
            reason: "is missing although the directory holds segments: restore it from a backup, or move the \
                     segments away to begin a new spool"
                .to_owned(),
        }),
        Err(error) => Err(OpenError::io("read", &path)(error)),
    }
}

/// Makes the names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

fn create(dir: &Path) -> Result<SpoolId, OpenError> {
    let path = dir.join(ID_FILE);
    let temporary = dir.join(ID_TEMPORARY);
    let mut id = SpoolId([0; 16]);
    getrandom::fill(&mut id.0).map_err(|error| OpenError::Io {
        action: "make a random id for",
        path: path.clone(),
        source: error.into(),
    })?;
    let mut file = File::create(&temporary).map_err(OpenError::io("create", &temporary))?;
    file.write_all(&encode(id)).and_then(|()| file.sync_all()).map_err(OpenError::io("write", &temporary))?;
    std::fs::rename(&temporary, &path).map_err(OpenError::io("rename", &temporary))?;
    sync_dir(dir).map_err(OpenError::io("sync", dir))?;
    Ok(id)
}

fn encode(id: SpoolId) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..28].copy_from_slice(&id.0);
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<SpoolId, &'static str> {
    let damaged = "is damaged: restore it from a backup";
    let bytes: &[u8; ID_BYTES] = bytes.try_into().map_err(|_| damaged)?;
    if bytes[..8] != MAGIC || u32_at(bytes, 28) != crc32c::crc32c(&bytes[..28]) {
        return Err(damaged);
    }
    if u32_at(bytes, 8) != VERSION {
        return Err("was written by another version of this program: use that version");
    }
    let mut id = SpoolId([0; 16]);
    id.0.copy_from_slice(&bytes[12..28]);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_kept_and_every_damaged_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (id, created) = identity(dir.path(), true).unwrap();
        assert!(created);
        assert_eq!(identity(dir.path(), false).unwrap(), (id, false));
        let good = std::fs::read(dir.path().join(ID_FILE)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(decode(&bad).is_err(), "byte {at}");
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_lost_identity_is_not_replaced_under_existing_segments() {
        let dir = tempfile::tempdir().unwrap();
        let error = identity(dir.path(), false).unwrap_err().to_string();
        assert!(error.contains("spool.id") && error.contains("missing"), "{error}");
    }

    #[test]
    fn a_second_user_is_told_who_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), None);
        let held = lock(dir.path()).unwrap();
        assert_eq!(holder(dir.path()).unwrap(), Some(std::process::id()));
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(held);
        assert_eq!(holder(dir.path()).unwrap(), None);
        lock(dir.path()).unwrap();
    }
}
