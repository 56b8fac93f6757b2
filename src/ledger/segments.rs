//! The list of a spool's segments: shared by the appender, readers and the removal of old ones.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::segment::{file_name, parse_name};

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Sequence number of its first event.
    pub first_seq: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Bytes of all segments before it since the spool was opened: with an offset it makes a
    /// position on one line through all segments.
    pub base: u64,
    /// First sequence number of the segment behind it; records at or above it are void here.
    pub next_first_seq: Option<u64>,
    /// The file.
    pub path: PathBuf,
}

/// All segments, oldest first.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    list: Mutex<VecDeque<Segment>>,
}

impl Segments {
    /// Lists the segments of `dir`; a directory entry that is none is left alone.
    pub(super) fn list(dir: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if let Some(first_seq) = entry.file_name().to_str().and_then(parse_name) {
                found.push((first_seq, entry.metadata()?.len()));
            }
        }
        found.sort_unstable();
        let segments = Self { dir: dir.to_owned(), list: Mutex::new(VecDeque::with_capacity(found.len() + 1)) };
        for (first_seq, file_bytes) in found {
            segments.push(first_seq, file_bytes);
        }
        Ok(segments)
    }

    /// The spool's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds the segment that comes into use and returns it. It may take the place of the newest one
    /// if that holds no event and so begins with the same number.
    pub(super) fn push(&self, first_seq: u64, file_bytes: u64) -> Segment {
        let mut list = self.lock();
        let mut base = 0;
        if list.back().is_some_and(|last| last.first_seq == first_seq) {
            list.pop_back();
        }
        if let Some(last) = list.back_mut() {
            last.next_first_seq = Some(first_seq);
            base = last.base + last.file_bytes;
        }
        let path = self.dir.join(file_name(first_seq));
        let segment = Segment { first_seq, file_bytes, base, next_first_seq: None, path };
        list.push_back(segment.clone());
        segment
    }

    /// A copy of the list, for walks that may take long.
    pub(super) fn all(&self) -> Vec<Segment> {
        self.lock().iter().cloned().collect()
    }

    /// The segment that holds `seq` if it exists: the last one that does not begin above it.
    pub(super) fn holding(&self, seq: u64) -> Option<Segment> {
        let list = self.lock();
        let behind = list.partition_point(|segment| segment.first_seq <= seq);
        behind.checked_sub(1).and_then(|at| list.get(at)).cloned()
    }

    /// The oldest segment and the one behind it.
    pub(super) fn oldest_two(&self) -> (Option<Segment>, Option<Segment>) {
        let list = self.lock();
        (list.front().cloned(), list.get(1).cloned())
    }

    /// Bytes of the segments that hold nothing above `drained`, never counting the newest.
    pub(super) fn drained_bytes(&self, drained: u64) -> u64 {
        self.lock().iter().take_while(|segment| is_drained(segment, drained)).map(|segment| segment.file_bytes).sum()
    }

    /// Deletes the oldest segment if it is still `first_seq`.
    pub(super) fn remove_oldest(&self, first_seq: u64) -> io::Result<()> {
        let mut list = self.lock();
        if let Some(oldest) = list.front()
            && oldest.first_seq == first_seq
        {
            std::fs::remove_file(&oldest.path)?;
            list.pop_front();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        lock(&self.list)
    }
}

/// Whether all events of a segment lie at or below `drained`. The newest segment never counts.
pub(super) fn is_drained(segment: &Segment, drained: u64) -> bool {
    segment.next_first_seq.is_some_and(|next| next <= drained.saturating_add(1))
}

/// Locks; a panic elsewhere ends the process in a release build, so that poison is only seen by tests.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
