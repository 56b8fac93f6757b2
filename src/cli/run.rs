//! `mpos-stratum run`

use std::path::Path;

use super::load;
use crate::exit::Exit;
use crate::service::logging::Log;

pub(super) fn run(path: &Path) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let log = Log::start(config.daemon.log_level);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    crate::service::run::run(config, path, log)
}
