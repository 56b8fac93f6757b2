//! A Debian 12 with systemd as process 1, made new for the test (`tests/setup/systemd-box.sh`).

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/systemd-box.sh");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/package/root");

/// The running system; it is gone when dropped.
pub struct Machine {
    state: tempfile::TempDir,
    leader: String,
}

/// How a command ended, and what it said on both outputs.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub text: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        Self { code: output.status.code().unwrap_or(-1), text: String::from_utf8_lossy(&text).into_owned() }
    }
}

impl Machine {
    pub fn boot() -> Self {
        assert!(Path::new(ROOT).exists(), "there is no system to boot: run this by `make test-package`");
        let state = tempfile::Builder::new().prefix("mpos-stratum-").tempdir().unwrap();
        // What stays behind in the box must not hold the pipe open.
        let told = state.path().join("leader");
        let status = Command::new(SCRIPT)
            .arg(state.path().join("box"))
            .args(["start", ROOT])
            .stdin(Stdio::null())
            .stdout(File::create(&told).unwrap())
            .status()
            .unwrap();
        assert!(status.success());
        let leader = std::fs::read_to_string(told).unwrap().trim().to_owned();
        Self { state, leader }
    }

    /// Puts this thread, and what is started from it, into the machine's network.
    pub fn enter_network(&self) {
        let network = File::open(format!("/proc/{}/ns/net", self.leader)).unwrap();
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SCRIPT);
        command.arg(self.state.path().join("box")).arg("exec").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs a command inside.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let ended = Ended::of(&self.command(arguments).stdin(Stdio::null()).output().unwrap());
        eprintln!("--- {} -> {}\n{}", arguments.join(" "), ended.code, ended.text.trim_end());
        ended
    }

    /// Runs a command that has to succeed; returns what it said.
    pub fn must(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.text);
        ended.text.trim_end().to_owned()
    }

    /// The same with something on its standard input.
    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let ended = Ended::of(&child.wait_with_output().unwrap());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.text);
        ended.text
    }

    /// Writes a file as an editor does: one that is there keeps its owner and mode.
    pub fn put(&self, path: &str, text: &[u8]) {
        self.feed(&["sh", "-c", "cat >\"$1\"", "sh", path], text);
    }

    /// Installs a package file.
    pub fn install(&self, package: &Path) -> Ended {
        self.put("/root/package.deb", &std::fs::read(package).unwrap());
        self.run(&["dpkg", "--install", "/root/package.deb"])
    }

    /// A property of the service.
    pub fn property(&self, name: &str) -> String {
        self.must(&["systemctl", "show", "--property", name, "--value", "mpos-stratum"])
    }

    /// The service's log since a second.
    pub fn log_since(&self, second: &str) -> String {
        self.must(&["journalctl", "--unit", "mpos-stratum", "--output", "cat", "--since", &format!("@{second}")])
    }

    /// What the service manager itself and all others have said since a second.
    pub fn log_of_system_since(&self, second: &str) -> String {
        self.must(&["journalctl", "--output", "cat", "--since", &format!("@{second}")])
    }

    /// The second it is.
    pub fn now(&self) -> String {
        self.must(&["date", "+%s"])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.run(&["journalctl", "--unit", "mpos-stratum", "--output", "short-precise", "--lines", "80"]);
        }
        let _ = Command::new(SCRIPT).arg(self.state.path().join("box")).arg("stop").status();
    }
}
