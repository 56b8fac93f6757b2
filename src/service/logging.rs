//! The log, and how much is said in it: one level for everything, and others for single rooms of the house.
//! Both can be changed while the daemon runs; a restart forgets that.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
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
    /// Logs to standard error: in colour on a terminal, without the time under a journal, which has its own.
    pub fn start(level: tracing::Level) -> Self {
        let levels = Levels::all(level);
        let (filter, handle) = reload::Layer::new(levels.targets());
        let form = lines::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
        let log = Registry::default().with(filter);
        // Fails only if a log was set up before, which then stays.
        let started = match std::env::var_os("JOURNAL_STREAM") {
            Some(_) => log.with(form.without_time()).try_init(),
            None => log.with(form).try_init(),
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

#[cfg(test)]
mod tests {
    use super::*;

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
