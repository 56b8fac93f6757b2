//! Bytes on their way to a miner. A lone notify line is not copied: every idle connection writes
//! the same shared bytes.

use std::sync::Arc;

/// Written bytes that are kept in front of as few unwritten ones before they are dropped. A miner that
/// always leaves some bytes unread must not make everything it was ever sent stay in memory.
const WRITTEN_BYTES_MAX: usize = 4096;

/// What is to be written: either own bytes or one shared line.
#[derive(Debug, Default)]
pub struct Outgoing {
    own: Vec<u8>,
    shared: Option<Arc<[u8]>>,
    /// How much of the front part has been written.
    written: usize,
}

impl Outgoing {
    /// Queues bytes of this connection alone.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unshare();
        if self.written > self.len().max(WRITTEN_BYTES_MAX) {
            self.own.drain(..self.written);
            self.written = 0;
        }
        self.own.extend_from_slice(bytes);
    }

    /// Queues a line that others write too.
    pub fn push_shared(&mut self, line: &Arc<[u8]>) {
        if self.is_empty() {
            self.shared = Some(Arc::clone(line));
        } else {
            self.push(line);
        }
    }

    fn unshare(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.own.extend_from_slice(shared.get(self.written..).unwrap_or_default());
            self.written = 0;
        }
    }

    /// What to write next.
    pub fn front(&self) -> &[u8] {
        let bytes = self.shared.as_deref().unwrap_or(&self.own);
        bytes.get(self.written..).unwrap_or_default()
    }

    /// Notes that `count` bytes of [`Outgoing::front`] were written; gives the memory back when
    /// all were.
    pub fn advance(&mut self, count: usize) {
        self.written += count;
        if self.front().is_empty() {
            *self = Self::default();
        }
    }

    /// Bytes not yet written.
    pub fn len(&self) -> usize {
        self.front().len()
    }

    /// True if all is written.
    pub fn is_empty(&self) -> bool {
        self.front().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outgoing: &mut Outgoing, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outgoing.is_empty() {
            let count = outgoing.len().min(step);
            all.extend_from_slice(&outgoing.front()[..count]);
            outgoing.advance(count);
        }
        all
    }

    #[test]
    fn order_is_kept_however_it_is_written() {
        let line: Arc<[u8]> = Arc::from(&b"shared\n"[..]);
        for step in 1..20 {
            let mut outgoing = Outgoing::default();
            outgoing.push_shared(&line);
            outgoing.advance(2);
            outgoing.push(b"own\n");
            outgoing.push_shared(&line);
            assert_eq!(drain(&mut outgoing, step), b"ared\nown\nshared\n");
            assert_eq!(outgoing.own.capacity(), 0);
        }
    }

    #[test]
    fn a_miner_that_never_reads_the_last_byte_costs_no_more_than_others() {
        let mut outgoing = Outgoing::default();
        for _ in 0..1000 {
            outgoing.push(&[b'x'; 1000]);
            outgoing.advance(outgoing.len() - 1);
        }
        assert!(outgoing.own.capacity() < 16_384, "{}", outgoing.own.capacity());
    }

    #[test]
    fn a_lone_shared_line_is_not_copied() {
        let line: Arc<[u8]> = Arc::from(&b"shared\n"[..]);
        let mut outgoing = Outgoing::default();
        outgoing.push_shared(&line);
        assert!(std::ptr::eq(outgoing.front(), &*line));
    }
}
