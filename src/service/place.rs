//! The place where a spool is at work, as the database's row names it: a copy of the spool, of its
//! directory or of the whole machine, must be told from the spool itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::LazyLock;

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

/// Stands before the digest, in the place of `#`, where this boot could not be told.
const UNKNOWN_BOOT: char = '?';

/// The machine's name with a digest of what a copy has otherwise: the machine and its boot, and the
/// directory itself. It stays the same when the daemon is started again. After the machine was started
/// again it is another one, as after a move of the directory: then the lease of a daemon that was not
/// stopped in order is waited for.
///
/// Where the boot cannot be told (a sandbox that hides it) a clone of the machine would have the same place, and its
/// shares were taken for this spool's. Such a place is of this process only and says so, see [`knows_its_boot`]: the
/// next process waits for the lease of one that was not stopped in order.
pub fn of_spool(dir: &Path) -> String {
    let boot = std::fs::read(BOOT_ID).ok().filter(|id| !id.trim_ascii().is_empty());
    of_boot(dir, boot.as_deref())
}

/// Whether the boot is part of a place.
pub fn knows_its_boot(place: &str) -> bool {
    !name_of(place).ends_with(UNKNOWN_BOOT)
}

/// Whether two places are certainly not one. Of the same machine's name and without knowing the boot nothing is certain:
/// a command outside the daemon's sandbox must not take the daemon beside it for a copy.
pub fn are_apart(one: &str, other: &str) -> bool {
    let machine = |place| name_of(place).trim_end_matches(['#', UNKNOWN_BOOT]).to_owned();
    one != other && (machine(one) != machine(other) || knows_its_boot(one) && knows_its_boot(other))
}

/// What stands before the digest.
fn name_of(place: &str) -> &str {
    place.len().checked_sub(2 * DIGEST_BYTES).and_then(|end| place.get(..end)).unwrap_or(place)
}

fn of_boot(dir: &Path, boot: Option<&[u8]>) -> String {
    let mut digest = Sha256::new();
    // Where the machine has no id the rest has to do.
    digest.update(std::fs::read(MACHINE_ID).unwrap_or_default());
    digest.update([0]);
    digest.update(boot.unwrap_or(&*THIS_PROCESS));
    digest.update([0]);
    if let Ok(path) = dir.canonicalize() {
        digest.update(path.as_os_str().as_encoded_bytes());
    }
    if let Ok(facts) = dir.metadata() {
        digest.update(facts.dev().to_le_bytes());
        digest.update(facts.ino().to_le_bytes());
    }
    let name: String = rustix::system::uname().nodename().to_string_lossy().chars().take(NAME_CHARS_MAX).collect();
    let mark = if boot.is_some() { '#' } else { UNKNOWN_BOOT };
    format!("{name}{mark}{}", hex::encode(digest.finalize().get(..DIGEST_BYTES).unwrap_or_default()))
}

/// What no other process has, as far as the system gives random numbers.
static THIS_PROCESS: LazyLock<[u8; 20]> = LazyLock::new(|| {
    let mut bytes = [0; 20];
    let (random, process) = bytes.split_at_mut(16);
    process.copy_from_slice(&std::process::id().to_le_bytes());
    if let Err(problem) = getrandom::fill(random) {
        tracing::warn!(%problem, "the system gives no random numbers");
    }
    bytes
});

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

    #[test]
    fn without_the_boot_a_place_is_known_to_nobody_else_and_nobody_is_called_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let (hidden, first, second) =
            (of_boot(dir.path(), None), of_boot(dir.path(), Some(b"1")), of_boot(dir.path(), Some(b"2")));
        assert_eq!(hidden, of_boot(dir.path(), None), "as long as the process lives");
        assert!(!knows_its_boot(&hidden) && knows_its_boot(&first) && knows_its_boot(&of_spool(dir.path())));
        assert!(are_apart(&first, &second) && !are_apart(&first, &first));
        assert!(!are_apart(&hidden, &first) && !are_apart(&first, &hidden));
        assert!(are_apart(&hidden, &format!("other{first}")), "another machine by its name");
        // What older versions and other programs wrote.
        assert!(knows_its_boot("h") && knows_its_boot("") && are_apart("h", "g"));
    }
}
