//! Small files beside the segments, by which commands and the daemon speak to each other: each is
//! there whole or not at all.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::identity::sync_dir;

/// Largest such file that is read; a request to replay a whole quarantine may be some megabytes.
pub const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Writes `value` as JSON into `dir/name`, durably, replacing what was there.
pub fn put(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    // Several processes may write at once: none may see the other's half.
    let unfinished = dir.join(format!("{name}.{}.tmp", std::process::id()));
    let mut file = File::create(&unfinished)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&unfinished, dir.join(name))) {
        // What is left of it is in nobody's way.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_dir(dir)
}

/// Reads `dir/name`; `None` if there is none. A file that is not what it should be is an error of
/// kind `InvalidData`.
pub fn get<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    let file = match File::open(dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL_FILE_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "the file is too large"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Removes `dir/name`, durably; that it is gone already is good.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    match std::fs::remove_file(dir.join(name)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => sync_dir(dir),
    }
}

/// A random name for a request, so that its answer can be told from older ones.
pub fn random_id() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(crate::bytes::hex::encode(&bytes))
}
