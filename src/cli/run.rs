//! `mpos-stratum run`

use std::io::IsTerminal;
use std::path::Path;

use super::load;
use crate::exit::Exit;

pub(super) fn run(path: &Path) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    log_to_stderr(config.daemon.log_level);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    crate::service::run::run(config, path)
}

/// Logs to standard error: in colour on a terminal, without the time under a journal, which has its own.
fn log_to_stderr(level: tracing::Level) {
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(ansi);
    // Fails only if a log was set up before, which then stays.
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => log.without_time().try_init(),
        None => log.try_init(),
    };
}
