//! Old files from the disk, within bounds, and the new one onto it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::value::{Broken, FILE_BYTES_MAX, Node, Settings};
use super::{json, php, python};

/// Why an old file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Unusable {
    pub(super) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, what: what.into() }
    }

    fn broken(path: &Path, broken: Broken) -> Self {
        Self { path: path.to_owned(), line: Some(broken.line), what: broken.what }
    }
}

/// Reads a file of JSON.
pub(super) fn json(path: &Path) -> Result<Node, Unusable> {
    json::read(&text(path)?).map_err(|broken| Unusable::broken(path, broken))
}

/// Reads a file of Python.
pub(super) fn python(path: &Path) -> Result<Settings, Unusable> {
    python::read(&text(path)?).map_err(|broken| Unusable::broken(path, broken))
}

/// Reads a file of PHP.
pub(super) fn php(path: &Path) -> Result<Settings, Unusable> {
    php::read(&text(path)?).map_err(|broken| Unusable::broken(path, broken))
}

fn text(path: &Path) -> Result<String, Unusable> {
    let failed = |error: std::io::Error| Unusable::new(path, format!("cannot be read: {error}"));
    // Whatever is no file could make us wait for ever when it is opened.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Unusable::new(path, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Unusable::new(path, format!("is larger than {FILE_BYTES_MAX} bytes: this is not a configuration")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        Unusable::broken(path, Broken { line, what: "is not UTF-8 from here on; convert it with iconv".to_owned() })
    })
}

/// Writes the new file so that nobody but its owner can read it. It must not exist.
pub(super) fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // What is left of it would be taken for a configuration.
        let _ = std::fs::remove_file(path);
    }
    written
}
