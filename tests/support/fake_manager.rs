//! A made-up service manager: what systemd does for a service of `Type=notify` that keeps descriptors, as far as
//! a daemon can tell the difference. It reads `NOTIFY_SOCKET`, keeps passed descriptors under their names, lets
//! go of those that hang up, does not take the same one twice, and passes them to the next process it starts.

use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::sync::watch;

use super::daemon::{Daemon, binary};
use super::miner::PATIENCE;

/// Descriptors that the store has room for, as `FileDescriptorStoreMax=` says.
const STORE_MAX: usize = 64;
/// Most descriptors the kernel lets into one message.
const MESSAGE_FDS_MAX: usize = 253;

/// A kept descriptor.
struct Kept {
    name: String,
    fd: OwnedFd,
    /// The store lets go of it once it hangs up.
    is_watched: bool,
}

/// What the daemon said last, and what it had kept.
#[derive(Default)]
struct Told {
    store: Vec<Kept>,
    lines: Vec<String>,
}

/// The made-up service manager.
pub struct FakeManager {
    told: Arc<Mutex<Told>>,
    count: watch::Receiver<usize>,
    folder: tempfile::TempDir,
    /// Further variables of the daemon's environment.
    pub environment: Vec<(&'static str, String)>,
}

impl FakeManager {
    /// One that listens, with an empty store.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        let told = Arc::new(Mutex::new(Told::default()));
        let (counter, count) = watch::channel(0);
        let kept = Arc::clone(&told);
        thread::spawn(move || {
            while let Ok((text, fds)) = receive(&socket) {
                take_note(&mut lock(&kept), &text, fds);
                counter.send_modify(|count| *count += 1);
                if counter.is_closed() {
                    return;
                }
            }
        });
        Ok(Self { told, count, folder, environment: Vec::new() })
    }

    /// Starts the daemon with what is in the store, which stays there.
    pub fn run(&self, directory: &Path, config: &str) -> io::Result<Daemon> {
        let mut told = lock(&self.told);
        told.lines.clear();
        let_go(&mut told.store);
        let mappings: Vec<FdMapping> = (3..)
            .zip(&told.store)
            .map(|(child_fd, kept)| Ok(FdMapping { parent_fd: kept.fd.try_clone()?, child_fd }))
            .collect::<io::Result<_>>()?;
        let names: Vec<&str> = told.store.iter().map(|kept| kept.name.as_str()).collect();
        let mut command = Command::new("sh");
        // The number of the process is known only in the process itself.
        command.args(["-c", "LISTEN_PID=$$ WATCHDOG_PID=$$; export LISTEN_PID WATCHDOG_PID; exec \"$@\"", "sh"]);
        command.arg(binary()?);
        if !names.is_empty() {
            command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        let socket = self.folder.path().join("notify");
        Daemon::start_by(command, directory, config, &[("NOTIFY_SOCKET", OsStr::new(&socket))])
    }

    /// Keeps a descriptor as if an earlier process had handed it in.
    pub fn put(&self, name: &str, fd: OwnedFd) {
        keep(&mut lock(&self.told).store, name, fd, true);
    }

    /// Takes the first descriptor of a name out of the store.
    pub fn take(&self, name: &str) -> Option<OwnedFd> {
        let store = &mut lock(&self.told).store;
        let index = store.iter().position(|kept| kept.name == name)?;
        Some(store.remove(index).fd)
    }

    /// The names in the store, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut told = lock(&self.told);
        let_go(&mut told.store);
        let mut names: Vec<String> = told.store.iter().map(|kept| kept.name.clone()).collect();
        names.sort();
        names
    }

    /// Waits until the store holds these names, in sorted order, and no others. What a daemon sends before it
    /// writes a log line is read by the manager's own thread: the line alone does not tell that it is here.
    pub async fn wait_for_names(&self, wanted: &[String]) -> io::Result<()> {
        let late = || format!("kept: {:?}, not {wanted:?}", self.names());
        self.until(|| (self.names() == wanted).then_some(()), late).await
    }

    /// Drops everything in the store, as a stop does that is no restart.
    pub fn forget(&self) {
        lock(&self.told).store.clear();
    }

    /// What the running daemon said, line by line.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.told).lines.clone()
    }

    /// Waits until the running daemon has said a line that `wanted` likes.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> io::Result<String> {
        let late = || format!("no {what}: {:?}", self.lines());
        self.until(|| self.lines().into_iter().find(|line| wanted(line)), late).await
    }

    /// Looks after every message until something is found.
    async fn until<T>(&self, look: impl Fn() -> Option<T>, late: impl Fn() -> String) -> io::Result<T> {
        let mut count = self.count.clone();
        let search = async {
            loop {
                count.mark_unchanged();
                if let Some(found) = look() {
                    return Some(found);
                }
                count.changed().await.ok()?;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await.ok().flatten();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, late()))
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One message with its descriptors.
fn receive(socket: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; 4096];
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((String::from_utf8_lossy(&text[..got.bytes]).into_owned(), fds))
}

fn take_note(told: &mut Told, text: &str, fds: Vec<OwnedFd>) {
    let lines: Vec<&str> = text.lines().collect();
    let name = lines.iter().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    assert!(name.len() <= 255 && name.bytes().all(|byte| matches!(byte, 32..=126) && byte != b':'), "{name:?}");
    if lines.contains(&"FDSTORE=1") {
        let is_watched = !lines.contains(&"FDPOLL=0");
        fds.into_iter().for_each(|fd| keep(&mut told.store, name, fd, is_watched));
    } else if lines.contains(&"FDSTOREREMOVE=1") {
        told.store.retain(|kept| kept.name != name);
    }
    // A barrier's descriptor, and those nobody asked to keep, are closed here.
    told.lines.extend(lines.into_iter().map(str::to_owned));
}

fn keep(store: &mut Vec<Kept>, name: &str, fd: OwnedFd, is_watched: bool) {
    let_go(store);
    let is_same = |kept: &Kept| {
        let facts = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|facts| (facts.st_dev, facts.st_ino)).ok();
        facts(&kept.fd) == facts(&fd)
    };
    if store.len() < STORE_MAX && !store.iter().any(is_same) {
        store.push(Kept { name: name.to_owned(), fd, is_watched });
    }
}

/// Drops what hangs up.
fn let_go(store: &mut Vec<Kept>) {
    store.retain(|kept| {
        let mut look = [PollFd::from_borrowed_fd(kept.fd.as_fd(), PollFlags::empty())];
        let found = poll(&mut look, Some(&Timespec::default())).map(|_| look[0].revents());
        !kept.is_watched || found.is_ok_and(|events| !events.intersects(PollFlags::HUP | PollFlags::ERR))
    });
}
