//! `[daemon]`

use std::path::PathBuf;

use crate::config::problem::Source;
use crate::config::section::Section;
use crate::config::value::{nonempty, one_of, sized};
use crate::config::{Daemon, Handshakes};

const LEVELS: &[(&str, tracing::Level)] = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

pub(super) fn read(section: Section<'_>, source: &Source, handshakes: Option<Handshakes>) -> Option<Daemon> {
    let state_dir: Option<PathBuf> =
        section.or("state_dir", "\"/var/lib/mpos-stratum\"", |value| nonempty(value).map(|path| source.resolve(&path)));
    let worker_threads = section.optional("worker_threads", sized(1..=1024));
    let hasher_threads = section.optional("hasher_threads", sized(1..=1024));
    let log_level = section.or("log_level", "\"info\"", one_of(LEVELS));
    let connections_max = section.or("connections_max", "20000", sized(1..=1_000_000));
    section.finish();
    Some(Daemon {
        state_dir: state_dir?,
        worker_threads,
        hasher_threads,
        log_level: log_level?,
        connections_max: connections_max?,
        handshakes: handshakes?,
    })
}
