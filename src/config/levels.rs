//! How much is logged: one level for everything, and others for single rooms of the house.

use std::fmt;

use tracing::level_filters::LevelFilter;

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
    pub fn all(level: LevelFilter) -> Self {
        Self { general: level, rooms: Vec::new() }
    }

    /// The level of everything that has none of its own.
    pub fn general(&self) -> LevelFilter {
        self.general
    }

    /// The levels of rooms, by the names under which messages come.
    pub fn targets(&self) -> Vec<(String, LevelFilter)> {
        let path = |name: &String| match LIBRARIES.contains(&head(name)) {
            true => name.clone(),
            false => format!("mpos_stratum::{name}"),
        };
        self.rooms.iter().map(|(name, level)| (path(name), *level)).collect()
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
    found.ok_or_else(|| format!("{text:?} is not a level: one of {}", names.join(", ")))
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
            "{text:?} is not a part of the daemon: one of {}, or one inside it as stratum::session",
            ROOMS.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_strictly_and_shown_as_they_are_written() {
        let start = Levels::all(LevelFilter::INFO);
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
}
