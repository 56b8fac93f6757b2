//! `mpos-stratum import` as a process, on configurations as operators have them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

#[path = "import/difficulties.rs"]
mod difficulties;
#[path = "import/nomp.rs"]
mod nomp;
#[path = "import/stratum_mining.rs"]
mod stratum_mining;
#[path = "import/which_coin.rs"]
mod which_coin;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mpos_stratum::config::{self, Config};

/// A file of the tests.
fn file(name: &str) -> String {
    format!("{}/tests/import/files/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What an import said.
struct Run {
    code: i32,
    text: String,
    complaints: String,
}

impl Run {
    fn of(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        let output = command.arg("import").args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), text: text(output.stdout), complaints: text(output.stderr) }
    }

    /// Checks that it is complete, and that a daemon starts with it; reads it as that does.
    fn config(&self) -> Config {
        assert_eq!(self.code, 0, "{}", self.complaints);
        starts(&self.text);
        config::parse(Path::new("/nowhere/config.toml"), self.text.clone()).unwrap()
    }

    /// The line of an old option in the list at the end, as far as it fits one.
    fn fate(&self, option: &str) -> &str {
        let at = |line: &&str| line.starts_with("#   ") && line.contains(&format!(": {option}"));
        let behind = |line: &&str| {
            let rest = line.split_once(&format!(": {option}")).map_or("", |(_, rest)| rest);
            rest.starts_with(" =") || rest.starts_with(':')
        };
        self.text.lines().filter(at).find(behind).unwrap_or_else(|| panic!("{option} is not in:\n{}", self.text))
    }

    fn complains(&self, what: &str) {
        assert!(self.complaints.contains(what), "`{what}` is not in:\n{}", self.complaints);
    }
}

/// How long a daemon may take to be ready. Only a safety net.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a daemon with a configuration until it is ready, on free ports and with a state of its own.
fn starts(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let here = |line: &str| match line.split_once("listen = \"") {
        Some((key, _)) if !line.starts_with('#') => format!("{key}listen = \"127.0.0.1:0\"\n"),
        _ => format!("{line}\n"),
    };
    let mut text: String = text.lines().map(here).collect();
    if !text.contains("\n[daemon]\n") && !text.starts_with("[daemon]\n") {
        text.push_str("[daemon]\n");
    }
    text = text.replacen("[daemon]\n", "[daemon]\nstate_dir = \"state\"\n", 1);
    let path = folder.path().join("config.toml");
    std::fs::write(&path, &text).unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    command.args(["run", "--config"]).arg(&path).env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut is_ready = false;
    let mut told = [0; 4096];
    while !is_ready && daemon.try_wait().unwrap().is_none() {
        let Ok(bytes) = manager.recv(&mut told) else { break };
        is_ready = String::from_utf8_lossy(&told[..bytes]).lines().any(|line| line == "READY=1");
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(is_ready, "it does not start:\n{text}");
}

/// A folder with one file in it.
fn scratch(name: &str, content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}
