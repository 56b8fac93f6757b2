//! The log, and how much is said in it. That can be changed while the daemon runs; a restart forgets the change.

use std::io::{self, IsTerminal, Stderr, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Level, Metadata, warn};
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines, reload};

use super::log_file::LogFile;
use crate::config::Levels;

/// What of the program's messages is let through.
fn targets(levels: &Levels) -> Targets {
    Targets::new().with_default(levels.general()).with_targets(levels.targets())
}

/// The log of this process.
#[derive(Clone)]
pub struct Log {
    levels: Arc<Mutex<Levels>>,
    /// `None`: another log was set up before, whose levels are its own.
    handle: Option<reload::Handle<Targets, Registry>>,
    file: LogFile,
}

impl Log {
    /// Logs to standard error: in colour on a terminal; into a journal without the time and the level in words, because
    /// it has its own for both (`journalctl --priority=warning`). With a `file` into that as well, if it can be opened.
    pub fn start(levels: Levels, file: Option<&Path>) -> Self {
        let (filter, handle) = reload::Layer::new(targets(&levels));
        let into = LogFile::default();
        let opened = file.map_or(Ok(()), |path| into.want(path));
        let is_wanted = into.clone();
        let form = lines::layer().with_writer(into.clone()).with_ansi(false);
        let filed = form.with_filter(dynamic_filter_fn(move |_, _| is_wanted.is_open()));
        let log = Registry::default().with(filter).with(filed);
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
        if let Err(problem) = opened {
            warn!("there is no log file: {problem}");
        }
        Self { levels: Arc::new(Mutex::new(levels)), handle: started.is_ok().then_some(handle), file: into }
    }

    /// The file beside standard error.
    pub fn file(&self) -> &LogFile {
        &self.file
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
        handle.reload(targets(&new)).map_err(|problem| format!("the log does not take it: {problem}"))?;
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
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn every_line_tells_the_journal_its_level() {
        assert_eq!(with_priority(b"bad: a\nb\n", Level::ERROR), b"<3>bad: a\n<3>b\n");
        for (level, digit) in [(Level::WARN, '4'), (Level::INFO, '6'), (Level::DEBUG, '7'), (Level::TRACE, '7')] {
            assert_eq!(with_priority(b"x", level), format!("<{digit}>x").into_bytes());
        }
    }

    #[test]
    fn a_room_has_its_own_level() {
        let levels = Levels::all(LevelFilter::WARN).with("stratum=debug,hyper=trace").unwrap();
        let targets = targets(&levels);
        assert!(targets.would_enable("mpos_stratum::stratum::session", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("mpos_stratum::node", &tracing::Level::INFO));
        assert!(targets.would_enable("hyper::client", &tracing::Level::TRACE));
    }
}
