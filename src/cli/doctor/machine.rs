//! This machine: its clock, its limits, its ports.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::report::{Check, Words, fault, note, warning};
use crate::cli::quantity::utc;
use crate::cli::socket::UNIT_RUNTIME_DIR;
use crate::config::Config;
use crate::mpos::doctor::Seen;

pub(super) static CLOCK: Check = Check {
    id: "machine.clock",
    means: "Shares carry this machine's second. A clock that was put back makes them older than their blocks; beyond \
            19 January 2038 MySQL's TIMESTAMP ends and shares are refused.",
};
pub(super) static OPEN_FILES: Check =
    Check { id: "machine.open_files", means: "Each connection needs a file: miners beyond the limit are turned away." };
pub(super) static PORTS: Check = Check {
    id: "machine.ports",
    means: "Another program has a port of ours: the daemon does not start, or miners meet the other.",
};
pub(super) static DAEMON: Check = Check { id: "machine.daemon", means: "The daemon does not run: nobody is served." };
pub(super) static NOTIFY: Check = Check {
    id: "machine.notify",
    means: "The node's blocknotify command cannot reach the daemon: new blocks are seen by polling only.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 5] = [&CLOCK, &OPEN_FILES, &PORTS, &DAEMON, &NOTIFY];

/// The last second of MySQL's TIMESTAMP.
const TIMESTAMP_END: u64 = 2_147_483_647;
/// A year before that there is something to be done.
const YEAR_SECS: u64 = 31_536_000;
/// No clock that is right says less: 2026-01-01.
const BEGINNING: u64 = 1_767_225_600;
/// Events that lie so far ahead of the clock say that it was put back.
const BACKWARDS_SECS: u64 = 60;
/// Files that the daemon needs beside connections.
const FILES_RESERVED: u64 = 256;

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) inode: u64,
}

/// `last`: the second of the newest event of any spool.
pub(super) fn clock(now: u64, last: u64) -> Words {
    let ntp = "timedatectl set-ntp true";
    if now > TIMESTAMP_END {
        return vec![fault(
            format!("it is {} UTC", utc(now)),
            format!("{ntp}; if that is right: ALTER TABLE shares MODIFY time DATETIME is what MPOS would need"),
        )];
    }
    if now < BEGINNING {
        return vec![fault(format!("it is {} UTC, which is long past", utc(now)), ntp)];
    }
    if last > now.saturating_add(BACKWARDS_SECS) {
        return vec![warning(
            format!("it is {} UTC, but the last share came at {} UTC: the clock was put back", utc(now), utc(last)),
            ntp,
        )];
    }
    if now > TIMESTAMP_END - YEAR_SECS {
        return vec![warning(
            format!("it is {} UTC", utc(now)),
            "MPOS and its tables must be moved to DATETIME before 19 January 2038",
        )];
    }
    Words::new()
}

/// `limit`: of the running daemon, else of this command; `None`: there is none.
pub(super) fn open_files(limit: Option<u64>, connections_max: usize, is_daemon: bool) -> Words {
    let wanted = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(FILES_RESERVED);
    let Some(limit) = limit.filter(|limit| *limit < wanted) else { return Words::new() };
    let mend =
        format!("LimitNOFILE={wanted} in the unit (systemctl edit mpos-stratum), or lower connections_max in [daemon]");
    match is_daemon {
        true => vec![warning(format!("the daemon may have {limit} files, connections_max needs {wanted}"), mend)],
        false => {
            vec![note(format!("a process of this user may have {limit} files, connections_max needs {wanted}"), mend)]
        }
    }
}

/// The limit of a process, or of this one: the hard one, to which the daemon raises itself.
pub(super) fn file_limit(process: Option<u32>) -> Seen<Option<u64>> {
    let process = process.map_or("self".to_owned(), |process| process.to_string());
    let path = format!("/proc/{process}/limits");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(hard.and_then(|number| number.parse().ok()))
}

/// Every TCP socket that listens.
pub(super) fn listeners() -> Seen<Vec<Listener>> {
    let mut all = Vec::new();
    let mut seen = false;
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(text) = std::fs::read_to_string(path) {
            seen = true;
            all.extend(text.lines().filter_map(listener));
        }
    }
    if seen { Ok(all) } else { Err("/proc/net/tcp cannot be read".to_owned()) }
}

/// A line of `/proc/net/tcp` or `tcp6` whose socket listens.
fn listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|place| Some(u32::from_str_radix(address.get(place * 8..place * 8 + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    let bytes = words?.concat();
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address: SocketAddr::new(address, port), inode: fields.get(9)?.parse().ok()? })
}

/// The sockets of a process; the text says why they cannot be seen.
pub(super) fn sockets_of(process: u32) -> Seen<Vec<u64>> {
    let dir = PathBuf::from(format!("/proc/{process}/fd"));
    let entries = dir
        .read_dir()
        .map_err(|error| format!("{}: {error}; run this as root or as the daemon's user", dir.display()))?;
    let inode = |path: PathBuf| {
        let target = std::fs::read_link(path).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Ok(entries.flatten().filter_map(|entry| inode(entry.path())).collect())
}

/// Whether a socket at `at` is in the way of one at `wanted`.
fn meets(at: SocketAddr, wanted: SocketAddr) -> bool {
    at.port() == wanted.port() && (at.ip() == wanted.ip() || at.ip().is_unspecified() || wanted.ip().is_unspecified())
}

/// `ours`: the sockets of the daemon, if it runs.
pub(super) fn ports(config: &Config, listeners: &[Listener], ours: Option<&[u64]>) -> Words {
    let mut words = Words::new();
    for port in config.coins.iter().flat_map(|coin| &coin.ports).filter(|port| port.listen.port() != 0) {
        let at: Vec<&Listener> = listeners.iter().filter(|one| meets(one.address, port.listen)).collect();
        let strange = at.iter().any(|one| ours.is_none_or(|ours| !ours.contains(&one.inode)));
        let (listen, number) = (port.listen, port.listen.port());
        if strange {
            words.push(fault(
                format!("{listen} is taken by another program"),
                format!("ss -ltnp 'sport = :{number}' shows it: stop it, or choose another port"),
            ));
        } else if at.is_empty() && ours.is_some() {
            words.push(warning(
                format!("the daemon runs, but nobody listens on {listen}"),
                "a port opens with its coin's first work: see the node checks and the daemon's log",
            ));
        }
    }
    words
}

/// `holders`: the processes that work with the spools.
pub(super) fn daemon(holders: &[u32]) -> Words {
    match holders {
        [] => vec![note("no daemon works with the spools", "systemctl start mpos-stratum")],
        _ => Words::new(),
    }
}

/// `running`: only then is there a socket to be expected.
pub(super) fn notify(runtime_dir: &Path, running: bool) -> Words {
    let places = [runtime_dir, Path::new(UNIT_RUNTIME_DIR)].map(|dir| dir.join(crate::service::local::SOCKET_NAME));
    if !running || places.iter().any(|socket| socket.exists()) {
        return Words::new();
    }
    let saw = format!("{} is not there", runtime_dir.join(crate::service::local::SOCKET_NAME).display());
    vec![warning(saw, "check runtime_dir in [daemon], and restart the daemon: systemctl restart mpos-stratum")]
}

#[cfg(test)]
#[path = "machine/tests.rs"]
mod tests;
