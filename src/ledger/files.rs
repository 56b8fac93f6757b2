//! Small files beside the segments, by which commands and the daemon speak to each other: each is
//! there whole or not at all.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::identity::sync_dir;

/// Largest such file that is read; a request to replay a whole quarantine may be some megabytes.
pub const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Writes `value` as JSON into `dir/name`, durably, replacing what was there. It belongs to whom the folder belongs to,
/// also when root writes it: the daemon has to read, replace and remove it.
pub fn put(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    // Several processes may write at once: none may see the other's half.
    let unfinished = dir.join(format!("{name}.{}.tmp", std::process::id()));
    // That of a process which was killed; and nobody's link is followed, root's hand least of all.
    let _ = std::fs::remove_file(&unfinished);
    let mut file = File::create_new(&unfinished)?;
    give(&file, dir);
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&unfinished, dir.join(name))) {
        // What is left of it is in nobody's way.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_dir(dir)
}

/// Root gives a new file to the owner of its folder, where the file system lets him.
fn give(file: &File, dir: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let given = dir.metadata().and_then(|folder| fchown(file, Some(folder.uid()), Some(folder.gid())));
    if let Err(error) = given {
        tracing::warn!(dir = %dir.display(), %error, "a file of root's cannot be given to the owner of its folder");
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn a_file_belongs_to_the_owner_of_its_folder_whoever_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        // Where this is not run by root, the folder stays its maker's, and so does the file.
        let _ = chown(dir.path(), Some(12_345), Some(12_346));
        put(dir.path(), "note", &1).unwrap();
        put(dir.path(), "note", &2).unwrap();
        let (folder, file) = (dir.path().metadata().unwrap(), dir.path().join("note").metadata().unwrap());
        assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()));
        assert_eq!(get(dir.path(), "note").unwrap(), Some(2));
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn nobody_s_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "kept").unwrap();
        let unfinished = dir.path().join(format!("note.{}.tmp", std::process::id()));
        std::os::unix::fs::symlink(&secret, unfinished).unwrap();
        put(dir.path(), "note", &1).unwrap();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "kept");
        assert_eq!(get(dir.path(), "note").unwrap(), Some(1));
    }
}
