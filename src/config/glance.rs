//! A glance at the configuration file, for commands that only want to know where the daemon's sockets are. Whatever
//! else is wrong with the file is no concern of theirs: the daemon may run on an older one that was good.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::problem::Source;

/// The directories that `[daemon]` names, as far as it does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// Where the sockets are made.
    pub runtime_dir: Option<PathBuf>,
    /// Where the spools live.
    pub state_dir: Option<PathBuf>,
}

/// The directory that the service manager made for us (`RuntimeDirectory=`).
pub fn given_runtime_dir() -> Option<PathBuf> {
    let given = std::env::var("RUNTIME_DIRECTORY").ok()?;
    given.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
}

/// What the file at `path` says of them; nothing if it cannot be read.
pub fn directories(path: &Path) -> Directories {
    let Ok(text) = std::fs::read_to_string(path) else { return Directories::default() };
    let source = Source::new(path, text);
    let (document, _) = DeTable::parse_recoverable(source.text());
    let daemon = document.get_ref().get("daemon").and_then(|daemon| daemon.get_ref().as_table());
    let named = |key: &str| {
        let written = daemon?.get(key)?.get_ref().as_str()?;
        (!written.trim().is_empty()).then(|| source.resolve(written))
    };
    Directories { runtime_dir: named("runtime_dir"), state_dir: named("state_dir") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_seen_whatever_else_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.toml");
        let seen = |text: &str| {
            std::fs::write(&path, text).unwrap();
            directories(&path)
        };
        let run = Some(folder.path().join("run3"));
        for text in [
            "[daemon]\nruntime_dir = \"run3\"\n",
            "nonsense = 3\n[daemon]\nstate_dir = 7\nruntime_dir = \"run3\"\n[[coin]]\nname = \n",
        ] {
            assert_eq!(seen(text), Directories { runtime_dir: run.clone(), state_dir: None }, "{text}");
        }
        let state = Some(PathBuf::from("/var/pool"));
        assert_eq!(seen("daemon = { state_dir = \"/var/pool\" }"), Directories { runtime_dir: None, state_dir: state });
        for text in ["", "daemon = 3", "[daemon]\nruntime_dir = \" \"", "[daemon", "\u{0}"] {
            assert_eq!(seen(text), Directories::default(), "{text}");
        }
        assert_eq!(directories(folder.path()), Directories::default());
    }
}
