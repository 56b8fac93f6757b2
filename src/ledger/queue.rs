//! The front of the line of undrained events, read ahead.

use std::collections::VecDeque;

use super::error::ReadError;
use super::reader::{Located, Reader};
use super::record::Entry;

/// Events that were read and are not yet known to be stored.
pub(super) struct Queue {
    /// Away while a read is under way.
    reader: Option<Reader>,
    entries: VecDeque<Entry>,
    ends: VecDeque<u64>,
}

impl Queue {
    /// An empty queue that `reader` will fill.
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader: Some(reader), entries: VecDeque::new(), ends: VecDeque::new() }
    }

    /// Reads until there are `rows` entries or `through` is reached. An error is told only when the
    /// queue is empty: what lies before damage is good.
    pub(super) async fn fill(&mut self, through: u64, rows: usize) -> Result<(), ReadError> {
        let missing = rows.saturating_sub(self.entries.len());
        if missing == 0 || self.entries.back().is_some_and(|last| last.seq >= through) {
            return Ok(());
        }
        let Some(mut reader) = self.reader.take() else {
            return Err(ReadError::Io {
                path: Default::default(),
                reason: "an earlier read was broken off".to_owned(),
            });
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut located = VecDeque::new();
            let result = reader.read(through, missing, &mut located);
            (reader, located, result)
        });
        let Ok((reader, located, result)) = read.await else {
            return Err(ReadError::Io { path: Default::default(), reason: "the runtime is shutting down".to_owned() });
        };
        self.reader = Some(reader);
        for Located { entry, end } in located {
            self.entries.push_back(entry);
            self.ends.push_back(end);
        }
        if self.entries.is_empty() { result } else { Ok(()) }
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
