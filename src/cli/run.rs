//! `mpos-stratum run`

use std::path::Path;

use super::load;
use crate::exit::Exit;
use crate::service::logging::Log;

/// Shown with the command, which has no arguments but the configuration file.
pub(super) const AFTER_HELP: &str = "\
Examples:
  mpos-stratum check --config config.toml && mpos-stratum run --config config.toml
  systemctl enable --now mpos-stratum        under systemd, as the package has it

SIGTERM and SIGINT end it: what miners have sent by then is still answered and written down. SIGHUP, or
`mpos-stratum reload`, has it read its configuration again. It logs to standard error, and to
daemon.log_file if there is one, which it opens again at SIGUSR1 and SIGHUP.

Exit codes: 0 it was told to end, 64 command line, 69 something it needs is missing, such as an address that is in use,
73 the spool cannot be written, 77 the spool may not be used, 78 configuration. After 64, 77 and 78 starting again cannot
help. A bug ends it by SIGABRT, which shells show as 134; systemd starts it again.";

pub(super) fn run(path: &Path) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let log = Log::start(config.daemon.log_level.clone(), config.daemon.log_file.as_deref());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    crate::service::run::run(config, path, log)
}
