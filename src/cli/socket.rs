//! Where the running daemon listens for commands. It makes its sockets in the `runtime_dir` of its configuration,
//! else in the directory that the service manager gave it, else in its state_dir.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::config::glance::{directories, given_runtime_dir};

/// The directory that the unit has the service manager make.
pub(super) const UNIT_RUNTIME_DIR: &str = "/run/mpos-stratum";

/// The places where the socket of this name may be for a daemon with the configuration file `config`, the likeliest
/// first. One that cannot be read, as by a coin daemon's user, leaves the unit's.
pub(super) fn places(config: &Path, name: &str) -> Vec<PathBuf> {
    places_by(config, given_runtime_dir()).into_iter().map(|directory| directory.join(name)).collect()
}

fn places_by(config: &Path, given: Option<PathBuf>) -> Vec<PathBuf> {
    let named = directories(config);
    // Never elsewhere than where it says: that might be another daemon. What was given to us was given to ours.
    let sure: Vec<PathBuf> = named.runtime_dir.into_iter().chain(given).collect();
    match sure.is_empty() {
        true => named.state_dir.into_iter().chain([PathBuf::from(UNIT_RUNTIME_DIR)]).collect(),
        false => sure,
    }
}

/// Connects to the first of some places where somebody listens.
///
/// # Errors
/// The last place that was tried, and why nobody can be reached there.
pub(super) fn connect(places: &[PathBuf]) -> Result<(PathBuf, UnixStream), (PathBuf, io::Error)> {
    let mut failed = (PathBuf::from(UNIT_RUNTIME_DIR), io::ErrorKind::NotFound.into());
    for place in places {
        match UnixStream::connect(place) {
            Ok(stream) => return Ok((place.clone(), stream)),
            Err(error) => failed = (place.clone(), error),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_looked_for_where_the_daemon_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("pool.toml");
        let places = |text: &str, given: Option<&str>| {
            std::fs::write(&config, text).unwrap();
            places_by(&config, given.map(PathBuf::from))
        };
        let (run, state, unit) =
            (folder.path().join("run3"), folder.path().join("state"), PathBuf::from("/run/mpos-stratum"));
        let both = "[daemon]\nruntime_dir = \"run3\"\nstate_dir = \"state\"\n";
        assert_eq!(places(both, None), std::slice::from_ref(&run), "and not that of another daemon");
        assert_eq!(places(both, Some("/run/other")), [run, PathBuf::from("/run/other")]);
        assert_eq!(places("[daemon]\nstate_dir = \"state\"\n", None), [state, unit.clone()]);
        assert_eq!(places("[daemon]\nstate_dir = \"state\"\n", Some("/run/other")), [PathBuf::from("/run/other")]);
        assert_eq!(places_by(&folder.path().join("none.toml"), None), [unit]);
    }

    #[test]
    fn a_place_that_nobody_listens_at_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let [stale, open, none] = ["stale", "open", "none"].map(|name| folder.path().join(name));
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        let _listener = std::os::unix::net::UnixListener::bind(&open).unwrap();
        assert_eq!(connect(&[stale.clone(), open.clone()]).unwrap().0, open);
        let (place, error) = connect(&[stale, none.clone()]).unwrap_err();
        assert_eq!((place, error.kind()), (none, io::ErrorKind::NotFound));
    }
}
