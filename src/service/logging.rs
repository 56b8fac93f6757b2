//! The log, and how much is said in it: one level for everything, and others for single rooms of the house.
//! Both can be changed while the daemon runs; a restart forgets that.

use std::fmt;
use std::io::{self, IsTerminal, Stderr, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines, reload};

/// Most rooms with a level of their own; more are refused.
const ROOMS_MAX: usize = 16;
/// Names of the levels, the least first.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];
/// What a room may be: a folder of the source tree, or one of the libraries that speak to the outside.
const ROOMS: [&str; 17] = [
    "chain",
    "cli",
    "clock",
    "coin",
    "config",
    "ledger",
    "mpos",
    "node",
    "pow",
    "service",
    "stratum",
    "work",
    "worker",
    "hyper",
    "mysql_async",
    "rustls",
    "tokio",
];
/// Rooms that are libraries, not folders of ours.
const LIBRARIES: [&str; 4] = ["hyper", "mysql_async", "rustls", "tokio"];

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    general: LevelFilter,
    /// Room (`stratum`, `stratum::session`) and its level, in the order in which they were given.
    rooms: Vec<(String, LevelFilter)>,
}

impl Levels {
    /// One level for everything.
    pub fn all(level: tracing::Level) -> Self {
        Self { general: LevelFilter::from_level(level), rooms: Vec::new() }
    }

    /// Reads `LEVEL`, `ROOM=LEVEL` or several of them with commas between. What is not named stays as in
    /// `self`, except that a level for everything ends those of the rooms.
    ///
    /// # Errors
    /// What is wrong, and what may be said instead.
    pub fn with(&self, text: &str) -> Result<Self, String> {
        let mut levels = self.clone();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => levels = Self { general: level(part)?, rooms: Vec::new() },
                Some((name, own)) => {
                    let (name, own) = (room(name.trim())?, level(own.trim())?);
                    levels.rooms.retain(|(other, _)| *other != name);
                    levels.rooms.push((name, own));
                }
            }
        }
        if levels.rooms.len() > ROOMS_MAX {
            return Err(format!(
                "more than {ROOMS_MAX} rooms with a level of their own: name a LEVEL alone to end them"
            ));
        }
        Ok(levels)
    }

    fn targets(&self) -> Targets {
        let path = |name: &String| match LIBRARIES.contains(&head(name)) {
            true => name.clone(),
            false => format!("mpos_stratum::{name}"),
        };
        let rooms = self.rooms.iter().map(|(name, level)| (path(name), *level));
        Targets::new().with_default(self.general).with_targets(rooms)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(self.general))?;
        self.rooms.iter().try_for_each(|(room, level)| write!(f, ",{room}={}", name_of(*level)))
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    let found = LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level);
    let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
    found.ok_or_else(|| format!("{text:?} is no level: one of {}", names.join(", ")))
}

fn name_of(level: LevelFilter) -> &'static str {
    LEVELS.iter().find(|(_, other)| *other == level).map_or("info", |(name, _)| name)
}

fn head(room: &str) -> &str {
    room.split("::").next().unwrap_or(room)
}

fn room(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("mpos_stratum::").unwrap_or(text);
    let is_path = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b':'));
    match is_path && ROOMS.contains(&head(name)) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "{text:?} is no room of the daemon: one of {}, or one inside it as stratum::session",
            ROOMS.join(", ")
        )),
    }
}

/// The log of this process.
#[derive(Clone)]
pub struct Log {
    levels: Arc<Mutex<Levels>>,
    /// `None`: another log was set up before, whose levels are its own.
    handle: Option<reload::Handle<Targets, Registry>>,
}

impl Log {
    /// Logs to standard error: in colour on a terminal; into a journal without the time and the level in words, because
    /// it has its own for both (`journalctl --priority=warning`).
    pub fn start(level: tracing::Level) -> Self {
        let levels = Levels::all(level);
        let (filter, handle) = reload::Layer::new(levels.targets());
        let log = Registry::default().with(filter);
        // Fails only if a log was set up before, which then stays.
        let started = match goes_to_a_journal() {
            true => {
                let form = lines::layer().with_writer(Journal).with_ansi(false).without_time().with_level(false);
                log.with(form).try_init()
            }
            false => {
                let is_terminal = std::io::stderr().is_terminal();
                log.with(lines::layer().with_writer(std::io::stderr).with_ansi(is_terminal)).try_init()
            }
        };
        Self { levels: Arc::new(Mutex::new(levels)), handle: started.is_ok().then_some(handle) }
    }

    /// What is logged.
    pub fn levels(&self) -> Levels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is logged, see [`Levels::with`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set(&self, text: &str) -> Result<Levels, String> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let new = levels.with(text)?;
        let handle = self.handle.as_ref().ok_or("the log was set up by somebody else, who decides its levels")?;
        handle.reload(new.targets()).map_err(|problem| format!("the log does not take it: {problem}"))?;
        *levels = new.clone();
        Ok(new)
    }
}

/// Whether standard error is the service manager's stream into its journal: `JOURNAL_STREAM` has device and inode
/// of that, and is inherited by whoever writes elsewhere as well.
fn goes_to_a_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr().as_fd()).is_ok_and(|facts| stream == format!("{}:{}", facts.st_dev, facts.st_ino))
}

/// Standard error for a journal.
struct Journal;

/// Standard error for one message of a level.
struct Prefixed {
    level: Level,
    out: Stderr,
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Prefixed;

    fn make_writer(&'a self) -> Prefixed {
        Prefixed { level: Level::INFO, out: io::stderr() }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Prefixed {
        Prefixed { level: *meta.level(), out: io::stderr() }
    }
}

impl Write for Prefixed {
    /// A message comes in one piece.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.out.write_all(&with_priority(message, self.level))?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A message with its level as the journal understands it, before each line: see sd-daemon(3).
fn with_priority(message: &[u8], level: Level) -> Vec<u8> {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let mut prefixed = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        prefixed.extend_from_slice(format!("<{priority}>").as_bytes());
        prefixed.extend_from_slice(line);
    }
    prefixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_tells_the_journal_its_level() {
        assert_eq!(with_priority(b"bad: a\nb\n", Level::ERROR), b"<3>bad: a\n<3>b\n");
        for (level, digit) in [(Level::WARN, '4'), (Level::INFO, '6'), (Level::DEBUG, '7'), (Level::TRACE, '7')] {
            assert_eq!(with_priority(b"x", level), format!("<{digit}>x").into_bytes());
        }
    }

    #[test]
    fn levels_are_read_strictly_and_shown_as_they_are_written() {
        let start = Levels::all(tracing::Level::INFO);
        let debug = start.with("stratum::session=debug, node=trace").unwrap();
        assert_eq!(debug.to_string(), "info,stratum::session=debug,node=trace");
        assert_eq!(debug.with("node=off").unwrap().to_string(), "info,stratum::session=debug,node=off");
        assert_eq!(debug.with("warn").unwrap().to_string(), "warn", "a level alone ends the others");
        assert_eq!(debug.with("mpos_stratum::ledger=error,hyper=warn").unwrap().rooms.len(), 4);
        for wrong in ["", "loud", "stratum", "stratum=loud", "=info", "kitchen=info", "stratum::Session=info", "info,"]
        {
            assert!(start.with(wrong).is_err(), "{wrong:?}");
        }
        let many: Vec<String> = (0..=ROOMS_MAX).map(|nth| format!("stratum::{}=info", "a".repeat(nth + 1))).collect();
        assert!(start.with(&many.join(",")).unwrap_err().contains("more than 16"));
    }

    #[test]
    fn a_room_has_its_own_level() {
        let targets = Levels::all(tracing::Level::WARN).with("stratum=debug,hyper=trace").unwrap().targets();
        assert!(targets.would_enable("mpos_stratum::stratum::session", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("mpos_stratum::node", &tracing::Level::INFO));
        assert!(targets.would_enable("hyper::client", &tracing::Level::TRACE));
    }
}
