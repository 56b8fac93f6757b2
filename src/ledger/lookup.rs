//! What the spool has under a number.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::handle::Ledger;
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
        let is_it = |event: &Event| match event {
            Event::Share(share) => share.candidate.is_some_and(|facts| facts.hash == *hash),
            Event::Verdict(_) => false,
        };
        Some(found.front().is_some_and(|located| is_it(&located.entry.event)))
    }
}
