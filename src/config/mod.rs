//! The configuration: one TOML file, and beside it a folder for further coins, read into values that are resolved and
//! checked.
//!
//! [`load`] reads every key on its own, straight into its final type, and goes on after a mistake,
//! so that the operator sees everything that is wrong at once, each with the place it was written at.
//! (Deserialising whole tables with serde would end at the first mistake.) A coin is read through
//! layers: its own table, then `[defaults]`, with the coin's preset below the layer that names it;
//! the nearest layer that has a key decides. Keys that nobody asked for are unknown keys.
//!
//! | file | job |
//! | --- | --- |
//! | `typed`, `rules`, `transport` | what the rest of the daemon sees |
//! | `change` | what a changed file means for the running daemon |
//! | `glance` | where the daemon's sockets are, whatever else is wrong |
//! | `identity` | a certificate and its key from their files |
//! | `problem` | a mistake and its place, and the list of them |
//! | `section` | a table seen through its layers |
//! | `value` | a TOML value into a Rust value, with bounds |
//! | `read/` | one file per table |
//! | `relations` | what must hold between coins |

pub mod change;
pub mod glance;
pub mod identity;
mod levels;
pub mod problem;
mod read;
mod relations;
mod rules;
pub mod secret;
mod section;
mod transport;
mod typed;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use levels::Levels;
pub use problem::{ConfigError, Problem};
pub use rules::{AgentDifficulty, JOBS_MAX, Rules, StartFrom, WORKERS_MAX};
pub use transport::{LOGIN_LINES, Limits, Network, Proxy, Rate, Tls, TlsFiles, Transport};
pub use typed::*;
pub use value::is_host;

use crate::coin::profile::Profile;
use problem::{Report, Source};

/// The folder beside the configuration file whose `*.toml` hold further coins.
const DROP_IN_DIR: &str = "conf.d";
/// Most files there; more are a mistake.
const DROP_INS_MAX: usize = 256;

/// Reads and checks the configuration file at `path`, and the files of the folder `conf.d` beside it, in the order of
/// their names. Relative paths in a file are relative to its folder.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    read_with(Report::default(), &sources(path)?)
}

/// The same to be looked at only: credentials of the service manager that cannot be read here, as by an operator or
/// beside the daemon while it reloads, are warnings, and stand empty in what is returned.
pub fn load_without_credentials(path: &Path) -> Result<Config, ConfigError> {
    read_with(Report::without_credentials(), &sources(path)?)
}

/// Reads and checks `text` as if it stood in a file at `path`, with no other beside it.
pub fn parse(path: &Path, text: String) -> Result<Config, ConfigError> {
    read_with(Report::default(), &[Source::new(path, text)])
}

/// The file and those of the folder beside it.
fn sources(path: &Path) -> Result<Vec<Source>, ConfigError> {
    let folder = path.parent().unwrap_or(Path::new("")).join(DROP_IN_DIR);
    let mut files = match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let found: std::io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
            found.map_err(|error| unreadable(&folder, &error.to_string()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unreadable(&folder, &error.to_string())),
    };
    let is_meant = |file: &PathBuf| {
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && file.extension().is_some_and(|extension| extension == "toml")
    };
    files.retain(is_meant);
    files.sort();
    if files.len() > DROP_INS_MAX {
        return Err(unreadable(&folder, &format!("it holds {} files, more than {DROP_INS_MAX}", files.len())));
    }
    let paths = std::iter::once(path.to_owned()).chain(files);
    paths.map(|path| Ok(Source::new(&path, text_of(&path)?))).collect()
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unreadable(path, &format!("it is not UTF-8: {error}")))
}

fn read_with(report: Report, sources: &[Source]) -> Result<Config, ConfigError> {
    let config = read::config(sources, &report);
    let (problems, warnings, files) = report.into_parts();
    match config {
        Some(config) if problems.is_empty() => Ok(Config { warnings, files, ..config }),
        _ => Err(ConfigError { problems }),
    }
}

/// The profile of a shipped preset; `None` if there is none of that name. What only the operator can say, how MPOS counts
/// where it has no class for the algorithm, is some value in it.
pub fn preset_profile(name: &str) -> Option<Profile> {
    read::preset_profile(name)
}

/// Every key of the format that reading `text` asks for, written `coin.port.difficulty`, with its
/// default as it would be written in the file. For the test that keeps the example complete.
pub fn known_keys(path: &Path, text: String) -> BTreeMap<String, Option<&'static str>> {
    let source = Source::new(path, text);
    let report = Report::default();
    // Whether the text is in order is the business of `parse`; here only the questions count.
    let _ = read::config(&[source], &report);
    report.into_keys()
}

fn unreadable(path: &Path, what: &str) -> ConfigError {
    ConfigError {
        problems: vec![Problem {
            file: path.to_owned(),
            position: None,
            key: String::new(),
            value: None,
            what: format!("the file cannot be read: {what}"),
            remedy: "give the path of a readable TOML file with --config".to_owned(),
        }],
    }
}
