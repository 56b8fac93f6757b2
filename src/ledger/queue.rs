//! The front of the line of undrained events, read ahead.

use std::collections::VecDeque;

use tokio::task::JoinHandle;

use super::error::ReadError;
use super::reader::{Located, Reader};
use super::record::Entry;

/// Most events that are read ahead: what comes after the front is read while the database is busy
/// with it.
const AHEAD_ROWS_MAX: usize = 10_000;

/// Events that were read and are not yet known to be stored.
pub(super) struct Queue {
    reading: Reading,
    entries: VecDeque<Entry>,
    ends: VecDeque<u64>,
}

/// The reader is in one place at a time.
enum Reading {
    /// It waits to be asked.
    Idle(Reader),
    /// It reads, on a thread that may block.
    Busy(JoinHandle<Read>),
    /// Its thread is gone: the runtime is shutting down.
    Lost,
}

/// A reader that has read.
struct Read {
    reader: Reader,
    located: VecDeque<Located>,
    result: Result<(), ReadError>,
}

impl Queue {
    /// An empty queue that `reader` will fill.
    pub(super) fn new(reader: Reader) -> Self {
        Self { reading: Reading::Idle(reader), entries: VecDeque::new(), ends: VecDeque::new() }
    }

    /// Reads until there are `rows` entries or `through` is reached, and begins to read what follows.
    /// An error is told only when the queue is empty: what lies before damage is good.
    pub(super) async fn fill(&mut self, through: u64, rows: usize) -> Result<(), ReadError> {
        let mut result = Ok(());
        let mut is_asked = false;
        while !is_asked && self.entries.len() < rows && !self.reaches(through) {
            // What was read ahead may be less, or an error that is no more: then this is asked for too.
            is_asked = !matches!(self.reading, Reading::Busy(_));
            self.begin(through, rows - self.entries.len());
            result = self.finish().await;
        }
        if self.entries.len() >= rows && !self.reaches(through) {
            self.begin(through, rows.min(AHEAD_ROWS_MAX));
        }
        if self.entries.is_empty() { result } else { Ok(()) }
    }

    fn reaches(&self, seq: u64) -> bool {
        self.entries.back().is_some_and(|last| last.seq >= seq)
    }

    /// Lets the reader read, unless it does already.
    fn begin(&mut self, through: u64, rows: usize) {
        self.reading = match std::mem::replace(&mut self.reading, Reading::Lost) {
            Reading::Idle(mut reader) => Reading::Busy(tokio::task::spawn_blocking(move || {
                let mut located = VecDeque::new();
                let result = reader.read(through, rows, &mut located);
                Read { reader, located, result }
            })),
            other => other,
        };
    }

    /// Waits for the reader and takes what it has read.
    async fn finish(&mut self) -> Result<(), ReadError> {
        // Left in place while it is waited for: whoever stops waiting loses nothing.
        let read = match &mut self.reading {
            Reading::Busy(task) => task.await.ok(),
            Reading::Idle(_) | Reading::Lost => None,
        };
        let Some(Read { reader, located, result }) = read else {
            self.reading = Reading::Lost;
            return Err(ReadError::Io { path: Default::default(), reason: "the runtime is shutting down".to_owned() });
        };
        self.reading = Reading::Idle(reader);
        for Located { entry, end } in located {
            self.entries.push_back(entry);
            self.ends.push_back(end);
        }
        result
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them lie at or below `seq`.
    pub(super) fn through(&self, seq: u64) -> usize {
        self.entries.partition_point(|entry| entry.seq <= seq)
    }

    /// The first `count` entries.
    pub(super) fn front(&mut self, count: usize) -> &[Entry] {
        let entries = self.entries.make_contiguous();
        entries.get(..count).unwrap_or(entries)
    }

    /// Drops the entries up to `seq`; returns where the last one's record ends.
    pub(super) fn advance(&mut self, seq: u64) -> Option<u64> {
        let count = self.through(seq);
        self.entries.drain(..count);
        self.ends.drain(..count).next_back()
    }
}
