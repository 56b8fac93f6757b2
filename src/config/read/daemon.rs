//! `[daemon]`

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeValue;
use tracing::level_filters::LevelFilter;

use crate::config::glance::given_runtime_dir;
use crate::config::problem::Source;
use crate::config::relations::Door;
use crate::config::section::Section;
use crate::config::value::{Wrong, listen, nonempty, sized, text, wrong};
use crate::config::{Daemon, Handshakes, Levels};

/// Reads the table, and besides the address that it has us listen on.
pub(super) fn read<'a>(
    section: Section<'a>,
    source: &Source,
    handshakes: Option<Handshakes>,
    metrics: Option<SocketAddr>,
) -> (Option<Daemon>, Option<Door<'a>>) {
    let state_dir: Option<PathBuf> =
        section.or("state_dir", "\"/var/lib/mpos-stratum\"", |value| nonempty(value).map(|path| source.resolve(&path)));
    let runtime_dir = section.optional("runtime_dir", |value| nonempty(value).map(|path| source.resolve(&path)));
    let nomp_listen = section.optional("nomp_listen", loopback);
    let place = section.place("nomp_listen");
    let door = nomp_listen.map(|address| Door { of: "nomp_listen", address, place });
    let worker_threads = section.optional("worker_threads", sized(1..=1024));
    let hasher_threads = section.optional("hasher_threads", sized(1..=1024));
    let log_level = section.or("log_level", "\"info\"", levels);
    let log_file = section.optional("log_file", |value| nonempty(value).map(|path| source.resolve(&path)));
    let connections_max = section.or("connections_max", "20000", sized(1..=1_000_000));
    section.finish();
    let daemon = || {
        let state_dir = state_dir?;
        Some(Daemon {
            runtime_dir: runtime_dir.or_else(given_runtime_dir).unwrap_or_else(|| state_dir.clone()),
            state_dir,
            nomp_listen,
            worker_threads,
            hasher_threads,
            log_level: log_level?,
            log_file,
            connections_max: connections_max?,
            handshakes: handshakes?,
            metrics,
        })
    };
    (daemon(), door)
}

/// An address that only this machine can reach: whoever writes there is believed.
fn loopback(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let address = listen(value)?;
    match address.ip().to_canonical().is_loopback() {
        true => Ok(address),
        false => wrong("can be reached from outside", "listen on \"127.0.0.1:17117\", NOMP's own"),
    }
}

/// Levels as `mpos-stratum log-level` takes them.
fn levels(value: &DeValue<'_>) -> Result<Levels, Wrong> {
    let levels = Levels::all(LevelFilter::INFO).with(&text(value)?);
    levels.or_else(|problem| wrong(problem, "write \"info\", or \"info,stratum=debug\" for more of one part"))
}
