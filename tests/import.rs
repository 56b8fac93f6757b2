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

use std::path::{Path, PathBuf};
use std::process::Command;

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

    /// Checks that it is complete, and reads it as the daemon would.
    fn config(&self) -> Config {
        assert_eq!(self.code, 0, "{}", self.complaints);
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

/// A folder with one file in it.
fn scratch(name: &str, content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}
