//! The place where a spool is at work, as the database's row names it: a copy of the spool, of its
//! directory or of the whole machine, must be told from the spool itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bytes::hex;

/// Longest part of the machine's name that is kept: the column has 64 characters.
const NAME_CHARS_MAX: usize = 50;

/// Bytes of the digest that are kept.
const DIGEST_BYTES: usize = 6;

/// Where the kernel says which boot this is: two machines never have the same, be one a clone of the
/// other.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const MACHINE_ID: &str = "/etc/machine-id";

/// The machine's name with a digest of what a copy has otherwise: the machine and its boot, and the
/// directory itself. It stays the same when the daemon is started again. After the machine was started
/// again it is another one, as after a move of the directory: then the lease of a daemon that was not
/// stopped in order is waited for.
pub fn of_spool(dir: &Path) -> String {
    let mut digest = Sha256::new();
    for file in [MACHINE_ID, BOOT_ID] {
        // Where there is none the rest has to do.
        digest.update(std::fs::read(file).unwrap_or_default());
        digest.update([0]);
    }
    if let Ok(path) = dir.canonicalize() {
        digest.update(path.as_os_str().as_encoded_bytes());
    }
    if let Ok(facts) = dir.metadata() {
        digest.update(facts.dev().to_le_bytes());
        digest.update(facts.ino().to_le_bytes());
    }
    let name: String = rustix::system::uname().nodename().to_string_lossy().chars().take(NAME_CHARS_MAX).collect();
    format!("{name}#{}", hex::encode(digest.finalize().get(..DIGEST_BYTES).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_directory_is_another_place_and_the_same_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, copy) = (dir.path().join("spool"), dir.path().join("copy"));
        std::fs::create_dir(&spool).unwrap();
        std::fs::create_dir(&copy).unwrap();
        let place = of_spool(&spool);
        assert_eq!(place, of_spool(&dir.path().join("copy/../spool")));
        assert_ne!(place, of_spool(&copy));
        assert!(place.len() <= 64 && place.rsplit_once('#').unwrap().1.len() == 2 * DIGEST_BYTES, "{place}");
    }
}
