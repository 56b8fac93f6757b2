//! What the spool has under a number.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::handle::Ledger;
use super::inspect::{SpoolFiles, Step};
use super::reader::Reader;
use super::record::Event;
use crate::bytes::Hash;

impl Ledger {
    /// Whether event `seq` is the block candidate `hash`; `None`: it cannot be told, because the event is
    /// not kept any more or cannot be read. After a power cut the numbers of events that had not reached
    /// the disk are given away again, so that a number alone does not say that its event is there. Blocks
    /// for the disk.
    pub fn is_candidate(&self, seq: u64, hash: &Hash) -> Option<bool> {
        if seq == 0 || seq > self.shared.written.load(Ordering::Acquire) {
            return Some(false);
        }
        let mut found = VecDeque::new();
        Reader::new(Arc::clone(&self.shared.segments), self.shared.salt, seq).read(seq, 1, &mut found).ok()?;
        Some(found.front().is_some_and(|located| is_block(&located.entry.event, hash)))
    }

    /// The first event behind `after` that is the block candidate `hash`, as far as events are kept and can
    /// be read. Blocks for the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn find_candidate(&self, hash: &Hash, after: u64) -> io::Result<Option<u64>> {
        let files = SpoolFiles::open(&self.shared.dir).map_err(io::Error::other)?;
        let mut walk = files.walk(after.saturating_add(1))?;
        while let Some(step) = walk.step()? {
            match step {
                Step::Event(entry, _) if entry.seq > after && is_block(&entry.event, hash) => {
                    return Ok(Some(entry.seq));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The last event before the segment that was in use at the second `secs`: what came at that time is
    /// behind it.
    ///
    /// # Errors
    /// The disk's.
    pub fn last_before(&self, secs: u64) -> io::Result<u64> {
        let segments = SpoolFiles::open(&self.shared.dir).map_err(io::Error::other)?.segments()?;
        let in_use = segments.iter().rev().find(|segment| segment.created.is_some_and(|created| created < secs));
        Ok(in_use.map_or(0, |segment| segment.first_seq.saturating_sub(1)))
    }
}

fn is_block(event: &Event, hash: &Hash) -> bool {
    match event {
        Event::Share(share) => share.candidate.is_some_and(|facts| facts.hash == *hash),
        Event::Verdict(_) => false,
    }
}
