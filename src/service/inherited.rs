//! Descriptors that the service manager passed: from its store, or of a socket unit.
#![allow(unsafe_code, reason = "passed descriptors have only numbers; here they get an owner, once")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use systemd::daemon::listen_fds_with_names;
use tracing::warn;

/// A passed descriptor.
#[derive(Debug)]
pub struct Inherited {
    /// The name it was stored under.
    pub name: String,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// Takes what was passed to this process; nothing the second time. To be called before the process opens
/// anything itself.
pub fn take() -> Vec<Inherited> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    let passed = match listen_fds_with_names() {
        Ok(passed) => passed,
        Err(problem) => {
            warn!(%problem, "what the service manager passed cannot be used (LISTEN_FDS, LISTEN_FDNAMES)");
            return Vec::new();
        }
    };
    passed
        .iter()
        .map(|(number, name)| {
            // SAFETY: the service manager opened this descriptor for this process alone (LISTEN_PID was
            // compared, and that it is open), nothing else here knows its number, and it is taken once.
            let fd = unsafe { OwnedFd::from_raw_fd(number) };
            Inherited { name: name.to_string_lossy().into_owned(), fd }
        })
        .collect()
}
