//! The service manager's store of descriptors: what lies there outlives the process. Without a service
//! manager nothing happens.
//!
//! | name | what |
//! | --- | --- |
//! | `port-127.0.0.1-3333` | a stratum port that listens; in addresses of IPv6 `_` stands for `:`, which separates names |
//! | `handover-state` | the sessions that a stopped daemon left for the next |
//! | `handover-in`, `handover-out` | the two ends of the pair in which their sockets wait |

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use systemd::daemon::{STATE_FDNAME, STATE_FDSTORE, STATE_FDSTOREREMOVE, notify, pid_notify_with_fds};
use tracing::{debug, warn};

/// The sessions that a stopped daemon left.
pub const STATE: &str = "handover-state";
/// The end that sockets are put into.
pub const SOCKETS_IN: &str = "handover-in";
/// The end that sockets are taken out of.
pub const SOCKETS_OUT: &str = "handover-out";
/// How long the service manager may take to read what it was sent.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether there is a service manager, which may have a store. Since version 254 systemd says so; before,
/// whoever has none closes what he is sent.
pub fn may_be_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some() && std::env::var_os("FDSTORE").is_none_or(|most| most != "0")
}

/// The name of a listening socket.
pub fn port_name(address: SocketAddr) -> String {
    format!("port-{}-{}", address.ip().to_string().replace(':', "_"), address.port())
}

/// Puts a descriptor into the store, which does not take the same one twice. The store lets go of one that
/// is hung up, as a socket is that neither listens nor is connected.
///
/// # Errors
/// The service manager cannot be told. Whether it had room is not known.
pub fn keep(name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
    let message = [(STATE_FDSTORE, "1"), (STATE_FDNAME, name)];
    pid_notify_with_fds(0, message.iter(), &[fd.as_raw_fd()])?;
    Ok(())
}

/// Keeps a port that listens: the next life of the daemon goes on with it.
pub fn keep_port(address: SocketAddr, listener: BorrowedFd<'_>) {
    if let Err(problem) = keep(&port_name(address), listener) {
        warn!(%address, %problem, "the service manager does not keep the port: a restart will refuse connections");
    }
}

/// Takes everything of a name out of the store.
pub fn remove(name: &str) {
    let message = [(STATE_FDSTOREREMOVE, "1"), (STATE_FDNAME, name)];
    if let Err(problem) = notify(message.iter()) {
        debug!(%problem, name, "the service manager cannot be told");
    }
}

/// Waits until the service manager has read everything it was sent: what it has not read when the process
/// ends it may not believe. Blocks, at most for [`BARRIER_TIMEOUT`].
///
/// # Errors
/// It did not, in time.
pub fn settle() -> io::Result<()> {
    let (mine, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let told = pid_notify_with_fds(0, [("BARRIER", "1")].iter(), &[theirs.as_raw_fd()])?;
    drop(theirs);
    if !told {
        return Ok(());
    }
    // It closes its end when it gets there.
    let mut wait = [PollFd::from_borrowed_fd(mine.as_fd(), PollFlags::empty())];
    let seconds = Timespec::try_from(BARRIER_TIMEOUT).map_err(io::Error::other)?;
    match poll(&mut wait, Some(&seconds))? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "the service manager does not read its messages")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_address_and_port_and_hold_no_separator() {
        let name = |address: &str| port_name(address.parse().unwrap());
        assert_eq!(name("127.0.0.1:3333"), "port-127.0.0.1-3333");
        assert_eq!(name("[::]:3333"), "port-__-3333");
        assert_eq!(name("[2001:db8::7]:1"), "port-2001_db8__7-1");
        // The bounds of the service manager's names.
        let longest = name("[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
        assert!(longest.len() <= 255 && longest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
    }
}
