//! The limit of open files: miners may not use up what spools, nodes and databases need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Descriptors that are kept for everything but miners.
const RESERVED: u64 = 256;

/// Raises the limit as far as it goes, and says how many connections of `wanted` it leaves room for.
pub fn connections_max(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(problem) = setrlimit(Resource::Nofile, raised) {
        debug!(%problem, "the limit of open files stays as it is");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = room(files);
    if room < wanted {
        warn!(
            files,
            connections_max = room,
            wanted,
            "the limit of open files leaves room for fewer connections: raise LimitNOFILE"
        );
    }
    room.min(wanted)
}

fn room(files: u64) -> usize {
    let room = files.saturating_sub(RESERVED).max(files / 2).max(1);
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_even_of_small_limits() {
        assert_eq!(room(65_536), 65_280);
        assert_eq!(room(1024), 768);
        assert_eq!(room(300), 150);
        assert_eq!(room(0), 1);
    }
}
