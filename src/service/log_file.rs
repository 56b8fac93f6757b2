//! The log's second place: a file beside the journal, for sites that keep their logs in files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Who may read a new file: messages name miners and their addresses.
const MODE: u32 = 0o640;

/// Where messages go besides standard error, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct LogFile(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    opened: Mutex<Option<Opened>>,
    /// The file that is wanted but could not be opened when it was tried last, and why.
    failed: Mutex<Option<(PathBuf, String)>>,
    /// Whether there is one, for all who would otherwise make a line for nothing.
    is_open: AtomicBool,
}

/// A file that takes messages.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    file: File,
}

impl Opened {
    /// Opens a file for appending: others may move it away or cut it off at any time.
    ///
    /// # Errors
    /// Why not, with the key that names it and what helps.
    pub fn at(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path).map_err(|problem| {
            format!(
                "daemon.log_file = {path:?}: cannot be opened for writing ({problem}): name a file in a folder that the \
                 daemon's user may write to and the unit lets it see, such as /var/log/mpos-stratum, or leave the key out"
            )
        })?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl LogFile {
    /// Messages go into `file` from now on; `None`: into none.
    pub fn take(&self, file: Option<Opened>) {
        self.0.is_open.store(file.is_some(), Ordering::Relaxed);
        *self.opened() = file;
        *lock(&self.0.failed) = None;
    }

    /// Messages go into this file, if it can be opened: without it they are all in the journal, and miners are served.
    ///
    /// # Errors
    /// Why not; [`LogFile::reopen`] tries again.
    pub fn want(&self, path: &Path) -> Result<(), String> {
        match Opened::at(path) {
            Ok(opened) => {
                self.take(Some(opened));
                Ok(())
            }
            Err(problem) => {
                *lock(&self.0.failed) = Some((path.to_owned(), problem.clone()));
                Err(problem)
            }
        }
    }

    /// Opens the file by its name again, for it may have been moved away. The one at hand stays if that fails.
    ///
    /// # Errors
    /// Why not.
    pub fn reopen(&self) -> Result<(), String> {
        let at_hand = self.opened().as_ref().map(|opened| opened.path.clone());
        let failed = || lock(&self.0.failed).as_ref().map(|(path, _)| path.clone());
        at_hand.or_else(failed).map_or(Ok(()), |path| self.want(&path))
    }

    /// Why messages do not go where they are wanted, if so.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.0.failed).as_ref().map(|(_, problem)| problem.clone())
    }

    /// Whether there is a file.
    pub fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        lock(&self.0.opened)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogFile {
    /// A message comes in one piece. One that the disk does not take is in the journal: nobody may stumble over it.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if let Some(opened) = &mut *self.opened() {
            let _lost = opened.file.write_all(message);
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        let mut log = LogFile::default();
        log.write_all(b"nowhere\n").unwrap();
        log.reopen().unwrap();
        assert!(!log.is_open());
        std::fs::write(&path, "before\n").unwrap();
        log.take(Some(Opened::at(&path).unwrap()));
        log.write_all(b"first\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.write_all(b"second\n").unwrap();
        log.reopen().unwrap();
        log.write_all(b"third\n").unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("before\nfirst\nsecond\n", "third\n"));
        // Cut off, as by logrotate's `copytruncate`: nothing is written behind a hole.
        std::fs::write(&path, "").unwrap();
        log.write_all(b"fourth\n").unwrap();
        assert_eq!(read(&path), "fourth\n");
        // What cannot be opened leaves the old one.
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        let why = log.reopen().unwrap_err();
        assert!(why.contains("daemon.log_file = ") && why.contains("/var/log/mpos-stratum"), "{why}");
        assert_eq!(log.trouble().as_ref(), Some(&why));
        log.write_all(b"fifth\n").unwrap();
        assert_eq!(read(&moved), "fourth\nfifth\n");
        // One that could not be opened at the start is tried again.
        let late = LogFile::default();
        assert!(late.want(&path).is_err() && late.trouble().is_some() && !late.is_open());
        std::fs::remove_dir(&path).unwrap();
        late.reopen().unwrap();
        assert!(late.trouble().is_none() && late.is_open());
        log.take(None);
        assert_eq!(log.trouble(), None);
        log.write_all(b"nowhere\n").unwrap();
        assert_eq!((log.is_open(), read(&moved).as_str()), (false, "fourth\nfifth\n"));
    }
}
