//! The spool in front of the database, its disk, and who writes `shares`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::report::{Check, Word, Words, fault, note, warning};
use crate::cli::quantity::utc;
use crate::cli::spool::situation::Trouble;
use crate::config::Ledger;
use crate::ledger::decision::{self, DrainNote};
use crate::ledger::error::OpenError;
use crate::ledger::inspect::{SpoolFiles, Step};
use crate::ledger::record::Event;
use crate::ledger::replay;
use crate::ledger::verify::{Meaning, survey};
use crate::mpos::doctor::Seen;
use crate::mpos::doctor::pool::examples;
use crate::mpos::doctor::rows::Row;
use crate::mpos::rows;
use crate::service::spools::{Choice, Stray};

pub(super) static FILES: Check =
    Check { id: "spool.files", means: "The spool cannot be read: its coins do not start, or nothing is known of it." };
pub(super) static ROOM: Check = Check {
    id: "spool.room",
    means: "When the disk is full shares are refused; blocks still go to the nodes. The spool needs room for everything \
            that comes while the database is away.",
};
pub(super) static INODES: Check =
    Check { id: "spool.inodes", means: "A filesystem that takes no more files refuses shares as a full one does." };
pub(super) static PLACE: Check = Check {
    id: "spool.place",
    means: "On a network filesystem neither the locks nor the promise that a share is on the disk can be relied on.",
};
pub(super) static MODES: Check =
    Check { id: "spool.modes", means: "The daemon cannot write its files, or others can change what will be paid." };
pub(super) static DRAIN: Check =
    Check { id: "spool.drain", means: "Shares are kept but do not reach MPOS until this is mended." };
pub(super) static UNDRAINED: Check =
    Check { id: "spool.undrained", means: "Shares wait in the spool: MPOS does not count them yet." };
pub(super) static BOUND: Check =
    Check { id: "spool.bound", means: "At the bound of the spool miners are told that shares are refused." };
pub(super) static QUARANTINE: Check = Check {
    id: "spool.quarantine",
    means: "The database refused these rows for good: their miners were not paid for them.",
};
pub(super) static DAMAGE: Check =
    Check { id: "spool.damage", means: "Events that were not drained cannot be read: the drain stops before them." };
pub(super) static POSITION: Check = Check {
    id: "spool.position",
    means: "Spool and database do not agree on how far the shares have come (a restored backup): the drain waits for a decision.",
};
pub(super) static STRAY: Check =
    Check { id: "spool.stray", means: "A spool with shares that were never drained is used by no coin." };
pub(super) static OTHER_WRITER: Check = Check {
    id: "writer.other",
    means: "Two daemons must not write one `shares` table: MPOS pays by the order of ids and would skip rows. The second waits.",
};
pub(super) static STRANGERS: Check = Check {
    id: "writer.strangers",
    means: "Rows in `shares` are not ours: an old stratum server still writes. Its miners are credited twice or wrongly, \
            and with two writers PPS skips rows.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 14] = [
    &FILES,
    &ROOM,
    &INODES,
    &PLACE,
    &MODES,
    &DRAIN,
    &UNDRAINED,
    &BOUND,
    &QUARANTINE,
    &DAMAGE,
    &POSITION,
    &STRAY,
    &OTHER_WRITER,
    &STRANGERS,
];

/// Inodes that should be free: segments, dossiers and small files.
const INODES_FEW: u64 = 2_000;
const INODES_NONE: u64 = 50;
/// Age of the oldest undrained event.
const WAIT_WARN_SECS: u64 = 60;
const WAIT_FAULT_SECS: u64 = 600;
/// Segments that are read to the end; of more only the sizes of the files count.
const SEGMENTS_READ_MAX: usize = 8;
/// The newest segments, in which rows are looked for.
const SEGMENTS_OF_ROWS: usize = 2;

/// The filesystem of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) free_bytes: u64,
    /// 0: it makes them as they are needed.
    pub(super) inodes: u64,
    pub(super) inodes_free: u64,
    pub(super) is_network: bool,
}

/// Owner and rights of the directory, and the files that are somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) mode: u32,
    pub(super) owner: u32,
    /// The user of the running daemon.
    pub(super) daemon: Option<u32>,
    pub(super) of_others: Vec<String>,
}

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readings {
    pub(super) spool: String,
    pub(super) holder: Option<u32>,
    pub(super) confirmed: u64,
    pub(super) explained_max: u64,
    /// When the first event was accepted that is not drained.
    pub(super) waits_since: Option<u64>,
    pub(super) undrained_bytes: u64,
    pub(super) last_time: u64,
    pub(super) quarantined: u64,
    pub(super) replayed: u64,
    pub(super) damaged: usize,
    pub(super) note: Option<DrainNote>,
}

/// Shares of the newest segments: how many of a worker in a second, and the second from which on all are there.
pub(super) struct Told {
    shares: HashMap<(u64, String), u64>,
    since: u64,
}

/// The nearest directory that exists, at or above `dir`.
fn existing(dir: &Path) -> PathBuf {
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn disk(dir: &Path) -> Seen<Disk> {
    let place = existing(dir);
    let words = |error: rustix::io::Errno| format!("{}: {error}", place.display());
    let facts = rustix::fs::statvfs(&place).map_err(words)?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(Disk {
        free_bytes: facts.f_bavail.saturating_mul(facts.f_frsize),
        inodes: facts.f_files,
        inodes_free: facts.f_favail,
        is_network: is_network(&mounts, &place.canonicalize().unwrap_or(place.clone())),
    })
}

/// Whether the longest mount above `place` is of another machine.
fn is_network(mounts: &str, place: &Path) -> bool {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.to_owned();
        let kind = right.split(' ').next()?.to_owned();
        place.starts_with(&point).then_some((point.len(), kind))
    };
    let nearest = mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length);
    nearest.is_some_and(|(_, kind)| {
        kind.starts_with("nfs") || ["cifs", "smb3", "9p", "fuse.sshfs", "ceph"].contains(&kind.as_str())
    })
}

pub(super) fn modes(dir: &Path, holder: Option<u32>) -> Seen<Modes> {
    let words = |error: std::io::Error| format!("{}: {error}", dir.display());
    let facts = dir.metadata().map_err(words)?;
    let daemon =
        holder.and_then(|process| Path::new(&format!("/proc/{process}")).metadata().ok()).map(|facts| facts.uid());
    let mut of_others = Vec::new();
    for entry in dir.read_dir().map_err(words)?.flatten() {
        if entry.metadata().is_ok_and(|file| file.uid() != facts.uid()) {
            of_others.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(Modes { mode: facts.mode(), owner: facts.uid(), daemon, of_others })
}

pub(super) fn readings(files: &SpoolFiles) -> Seen<Readings> {
    let words = |error: std::io::Error| format!("{}: {error}", files.dir().display());
    let (confirmed, _) = files.confirmed().map_err(words)?;
    let segments = files.segments().map_err(words)?;
    let waiting: Vec<_> =
        segments.iter().filter(|one| one.next_first_seq.is_none_or(|next| next > confirmed + 1)).collect();
    let newest = segments.last().map_or(1, |segment| segment.first_seq);
    let from = if waiting.len() > SEGMENTS_READ_MAX { newest } else { confirmed + 1 };
    let tail = survey(files, from, u64::MAX, confirmed).map_err(words)?;
    let by_files = waiting.iter().map(|segment| segment.file_bytes).sum();
    Ok(Readings {
        spool: files.spool().to_string(),
        holder: files.holder().unwrap_or(None),
        confirmed,
        explained_max: files.explained_max(tail.last_seq.max(confirmed)).map_err(words)?,
        waits_since: first_after(files, confirmed).map_err(words)?,
        undrained_bytes: if waiting.len() > SEGMENTS_READ_MAX { by_files } else { tail.record_bytes },
        last_time: tail.last_time,
        quarantined: files.quarantined().map_err(words)?,
        replayed: replay::replayed(files.dir()).map_err(words)?.len() as u64,
        damaged: tail.findings.iter().filter(|finding| finding.meaning == Meaning::Damage).count(),
        note: decision::drain_note(files.dir()).unwrap_or(None),
    })
}

/// The second of the first event behind `seq`.
fn first_after(files: &SpoolFiles, seq: u64) -> std::io::Result<Option<u64>> {
    let mut walk = files.walk(seq + 1)?;
    while let Some(step) = walk.step()? {
        if let Step::Event(entry, _) = step
            && entry.seq > seq
        {
            return Ok(Some(entry.time));
        }
    }
    Ok(None)
}

/// Reads the shares of the newest segments.
pub(super) fn told(files: &SpoolFiles) -> Seen<Told> {
    let words = |error: std::io::Error| format!("{}: {error}", files.dir().display());
    let segments = files.segments().map_err(words)?;
    let first = segments.iter().rev().take(SEGMENTS_OF_ROWS).next_back().map_or(1, |segment| segment.first_seq);
    let mut walk = files.walk(first).map_err(words)?;
    let mut told = Told { shares: HashMap::new(), since: u64::MAX };
    while let Some(step) = walk.step().map_err(words)? {
        let Step::Event(entry, _) = step else { continue };
        told.since = told.since.min(entry.time);
        if let Event::Share(share) = &entry.event {
            *told.shares.entry((entry.time, rows::username(&share.worker))).or_default() += 1;
        }
    }
    Ok(told)
}

/// What is to be done about a spool that cannot be opened; `None`: it just may not be looked at.
pub(super) fn files(dir: &Path, error: &OpenError) -> Option<Word> {
    let OpenError::Unusable { path, .. } = error else { return None };
    let mend = format!(
        "put {} back from a backup; if there is none, move {} away: a new spool is begun, and what waits in the old one \
         is not paid",
        path.display(),
        dir.display()
    );
    Some(fault(error.to_string(), mend))
}

pub(super) fn room(disk: &Disk, settings: &Ledger, used: u64) -> Words {
    let mend = "make room, put state_dir on a larger disk, or lower spool_mib_max and drained_mib_max in [coin.ledger]";
    let wanted = settings.spool_bytes_max.saturating_sub(used);
    let free = disk.free_bytes;
    if free < settings.segment_bytes.saturating_mul(4) {
        vec![fault(format!("{} MiB are free", free >> 20), mend)]
    } else if free < wanted {
        vec![warning(format!("{} MiB are free, the spool may grow by {} MiB", free >> 20, wanted >> 20), mend)]
    } else {
        Words::new()
    }
}

pub(super) fn inodes(disk: &Disk) -> Words {
    let free = disk.inodes_free;
    let mend = "remove small files from that filesystem (df -i), or put state_dir on another one";
    match disk.inodes {
        0 => Words::new(),
        _ if free < INODES_NONE => vec![fault(format!("{free} inodes are free"), mend)],
        _ if free < INODES_FEW => vec![warning(format!("{free} inodes are free"), mend)],
        _ => Words::new(),
    }
}

pub(super) fn place(disk: &Disk) -> Words {
    if disk.is_network {
        vec![fault("it is on a network filesystem", "put state_dir on a local disk")]
    } else {
        Words::new()
    }
}

pub(super) fn modes_words(dir: &Path, modes: &Modes) -> Words {
    let dir = dir.display();
    let mut words = Words::new();
    if modes.mode & 0o022 != 0 {
        words.push(fault(
            format!("{dir} can be written by others (mode {:o})", modes.mode & 0o7777),
            format!("chmod go-w {dir}"),
        ));
    }
    if modes.daemon.is_some_and(|daemon| daemon != 0 && daemon != modes.owner) {
        let daemon = modes.daemon.unwrap_or(0);
        words.push(fault(
            format!("{dir} belongs to user {}, the daemon is user {daemon}", modes.owner),
            format!("chown -R {daemon} {dir}"),
        ));
    }
    if !modes.of_others.is_empty() {
        let saw = format!("files of other users in {dir}: {}", examples(&modes.of_others));
        words.push(fault(saw, format!("chown -R {} {dir}", modes.owner)));
    }
    words
}

pub(super) fn drain(readings: &Readings) -> Words {
    let (Some(note), Some(_)) = (&readings.note, readings.holder) else { return Words::new() };
    let saw = format!("the drain is {} since {} UTC: {}", note.state, utc(note.since), note.reason);
    match note.state.as_str() {
        "stopped" => {
            vec![fault(saw, "mpos-stratum spool --help says how it goes on; mpos-stratum spool status what happened")]
        }
        "paused" => vec![fault(saw, "mend the table, or mpos-stratum spool resume")],
        _ => vec![warning(saw, "it goes on by itself when the database takes rows again: see the db checks")],
    }
}

pub(super) fn undrained(readings: &Readings, now: u64) -> Words {
    let Some(since) = readings.waits_since else { return Words::new() };
    let age = now.saturating_sub(since);
    let saw = format!("the oldest waits since {} UTC, {age} s", utc(since));
    let mend = match readings.holder {
        Some(_) => "mpos-stratum spool status; see spool.drain and the db checks",
        None => "start the daemon, it drains what is left: systemctl start mpos-stratum",
    };
    match age {
        age if age >= WAIT_FAULT_SECS => vec![fault(saw, mend)],
        age if age >= WAIT_WARN_SECS => vec![warning(saw, mend)],
        _ => Words::new(),
    }
}

pub(super) fn bound(readings: &Readings, settings: &Ledger) -> Words {
    let (used, max) = (readings.undrained_bytes, settings.spool_bytes_max.max(1));
    let saw = format!("{} MiB of {} are not drained", used >> 20, max >> 20);
    let mend = "see db.reachable and spool.drain; if there is disk room, raise spool_mib_max in [coin.ledger]";
    match used.saturating_mul(10) / max {
        9.. => vec![fault(saw, mend)],
        5.. => vec![warning(saw, mend)],
        _ => Words::new(),
    }
}

pub(super) fn quarantine(readings: &Readings) -> Words {
    let left = readings.quarantined.saturating_sub(readings.replayed);
    if left == 0 {
        return Words::new();
    }
    vec![warning(
        format!("{left} rows are in quarantine"),
        "quarantine.jsonl has the database's errors; mend the table, then mpos-stratum spool replay --help",
    )]
}

pub(super) fn damage(readings: &Readings) -> Words {
    match readings.damaged {
        0 => Words::new(),
        places => vec![fault(
            format!("{places} damaged places"),
            "mpos-stratum spool verify; put the segment back from a backup, or spool adopt",
        )],
    }
}

pub(super) fn position(trouble: Option<&Trouble>) -> Words {
    match trouble {
        Some(Trouble::Foreign(_) | Trouble::Copy(_)) | None => Words::new(),
        Some(trouble) => {
            vec![fault(trouble.to_string(), "mpos-stratum spool adopt or spool rewind: mpos-stratum spool --help")]
        }
    }
}

pub(super) fn other_writer(trouble: Option<&Trouble>) -> Words {
    match trouble {
        Some(trouble @ (Trouble::Foreign(_) | Trouble::Copy(_))) => {
            vec![fault(trouble.to_string(), "stop the other daemon; if it is gone for good: mpos-stratum spool adopt")]
        }
        _ => Words::new(),
    }
}

pub(super) fn strays(strays: &[Stray], choice: &Choice) -> Words {
    let rival = |dir: &PathBuf| {
        let saw = format!("{} and {} both hold shares of this database", choice.dir.display(), dir.display());
        fault(
            saw,
            "drain one after the other: move one away, start, wait until it is drained, stop, put the other back",
        )
    };
    let stray = |stray: &Stray| {
        warning(
            stray.to_string(),
            format!("mpos-stratum spool status; then name its server in failover, or mv {} away", stray.dir.display()),
        )
    };
    // What is said of a rival is enough: its server is named.
    let unnamed = strays.iter().filter(|stray| !choice.rivals.contains(&stray.dir));
    choice.rivals.iter().map(rival).chain(unnamed.map(stray)).collect()
}

/// Rows that are in the table and not among the shares that were told.
pub(super) fn strangers(newest: &[Row], told: &Told) -> Words {
    let mut left = told.shares.clone();
    // In its first second the segment before may have had some as well.
    let seen = newest.iter().filter(|row| row.time > told.since && told.since != u64::MAX);
    let is_stranger = |row: &&Row| match left.get_mut(&(row.time, row.username.clone())) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let strangers: Vec<&Row> = seen.filter(is_stranger).collect();
    if strangers.is_empty() {
        return Words::new();
    }
    let names: Vec<String> = strangers.iter().map(|row| format!("{} {}", row.id, row.username)).collect();
    vec![fault(
        format!("{} of the newest rows are not ours ({}): {}", strangers.len(), style(&strangers), examples(&names)),
        "stop the other server: systemctl stop, or kill the twistd or node process that serves the old ports",
    )]
}

/// By whom rows may be.
fn style(rows: &[&Row]) -> &'static str {
    let all = |test: fn(&Row) -> bool| rows.iter().all(|row| test(row));
    if all(|row| row.reason.is_none()) {
        "as NOMP writes them"
    } else if all(|row| row.solution == "0" || row.solution.len() == 64) {
        "as stratum-mining writes them"
    } else {
        "by hand or by a server that is not known here"
    }
}

/// Before this daemon has ever written: whether somebody else does.
pub(super) fn predecessor(newest: &[Row], now: u64) -> Words {
    let fresh = newest.iter().filter(|row| row.time.saturating_add(600) > now).count();
    match fresh {
        0 => Words::new(),
        count => vec![note(
            format!("{count} rows came within the last 10 min: another stratum server is at work"),
            "stop it before this daemon is started",
        )],
    }
}

#[cfg(test)]
#[path = "spool/tests.rs"]
mod tests;
