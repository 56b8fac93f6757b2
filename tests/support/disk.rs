//! A small disk of one's own: a tmpfs in a mount namespace that a child process holds. It needs no root
//! where unprivileged user namespaces are allowed, and is gone when the child is, however the test ends.
#![allow(dead_code, reason = "every test crate uses its own part of the disk")]

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Does what it is told, line by line, and ends with its input.
const HOLDER: &str = "while read -r line; do eval \"$line\" && echo done || echo failed; done";
/// The file that takes all room.
const BALLAST: &str = "ballast";

/// The disk.
#[derive(Debug)]
pub struct Disk {
    holder: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it is mounted, as its holder sees it.
    mount: tempfile::TempDir,
    path: PathBuf,
}

impl Disk {
    /// A disk of so many bytes.
    ///
    /// # Panics
    /// If this machine allows no mounts: what the tests of full disks are about cannot be shown then,
    /// and that must not pass for success.
    pub fn of_bytes(bytes: u64) -> Self {
        let mount = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", HOLDER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare (util-linux) must be installed");
        let orders = holder.stdin.take().unwrap();
        let answers = BufReader::new(holder.stdout.take().unwrap());
        let at = mount.path().display().to_string();
        // Another process sees the mount through its holder.
        let path = PathBuf::from(format!("/proc/{}/root{at}", holder.id()));
        let mut disk = Self { holder, orders, answers, mount, path };
        disk.order(&format!("mount -t tmpfs -o size={bytes} tmpfs {at}"));
        disk
    }

    /// Where its files are, for every process of this user.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.path.join(BALLAST)).unwrap();
        let full = loop {
            if let Err(error) = file.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
    }

    /// Gives the room back.
    pub fn free(&self) {
        fs::remove_file(self.path.join(BALLAST)).unwrap();
    }

    /// Makes it larger or smaller.
    pub fn resize(&mut self, bytes: u64) {
        self.order(&format!("mount -o remount,size={bytes} {}", self.mount.path().display()));
    }

    /// Makes it read-only, or writable again. Nothing on it may be open for writing.
    pub fn set_read_only(&mut self, read_only: bool) {
        let option = if read_only { "ro" } else { "rw" };
        self.order(&format!("mount -o remount,{option} {}", self.mount.path().display()));
    }

    fn order(&mut self, line: &str) {
        let mut answer = String::new();
        writeln!(self.orders, "{line}").and_then(|()| self.answers.read_line(&mut answer)).unwrap();
        assert_eq!(
            answer.trim_end(),
            "done",
            "`{line}` failed: tests of full disks need root, or unprivileged user namespaces \
             (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Fails only for a process that has ended already.
        let _killed = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}
