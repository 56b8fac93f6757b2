//! Bytes on their way to a miner. A lone notify line is not copied: every idle connection writes
//! the same shared bytes. Work that a slow miner has not begun to take gives way to newer work.

use std::ops::Range;
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
    /// The last work that is queued.
    work: Option<Work>,
}

/// A line of work that is queued.
#[derive(Debug)]
struct Work {
    /// Where it stands: in the own bytes, or the shared line from its beginning.
    place: Range<usize>,
    /// It tells the miner to drop all earlier work.
    clean: bool,
}

impl Outgoing {
    /// Queues bytes of this connection alone.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unshare();
        if self.written > self.len().max(WRITTEN_BYTES_MAX) {
            self.drop_written();
        }
        self.own.extend_from_slice(bytes);
    }

    /// Queues work: a line that others write too, in two forms of which `clean` chooses the one that
    /// makes all earlier work void. Work of which nothing has been written yet is not sent any more; if it
    /// was clean, the new one is.
    pub fn push_work(&mut self, notify: &Arc<[u8]>, notify_clean: &Arc<[u8]>, clean: bool) {
        let clean = self.take_unsent_work() || clean;
        let line = if clean { notify_clean } else { notify };
        let start = if self.is_empty() {
            *self = Self { shared: Some(Arc::clone(line)), ..Self::default() };
            0
        } else {
            self.push(line);
            self.own.len() - line.len()
        };
        self.work = Some(Work { place: start..start + line.len(), clean });
    }

    /// Takes queued work back of which nothing has been written. True if it was clean.
    fn take_unsent_work(&mut self) -> bool {
        let written = self.written;
        let Some(work) = self.work.take().filter(|work| work.place.start >= written) else { return false };
        if self.shared.take().is_none() {
            self.own.drain(work.place);
        }
        work.clean
    }

    /// Makes a shared line own bytes, so that something can follow it.
    fn unshare(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.own = shared.to_vec();
        }
    }

    fn drop_written(&mut self) {
        self.own.drain(..self.written);
        self.work = self.work.take().and_then(|work| {
            let place = work.place.start.checked_sub(self.written)?..work.place.end - self.written;
            Some(Work { place, ..work })
        });
        self.written = 0;
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
            outgoing.push_work(&line, &line, false);
            outgoing.advance(2);
            outgoing.push(b"own\n");
            outgoing.push_work(&line, &line, false);
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
        outgoing.push_work(&line, &line, true);
        assert!(std::ptr::eq(outgoing.front(), &*line));
    }
    /// Work number `n` in its two forms.
    fn work(outgoing: &mut Outgoing, n: u32, clean: bool) {
        let line = |kind: &str| -> Arc<[u8]> { Arc::from(format!("{kind}{n}\n").as_bytes()) };
        outgoing.push_work(&line("work"), &line("clean"), clean);
    }

    #[test]
    fn the_newest_work_replaces_what_was_not_begun() {
        let all = |outgoing: &mut Outgoing| String::from_utf8(drain(outgoing, 3)).unwrap();
        let mut outgoing = Outgoing::default();
        work(&mut outgoing, 1, false);
        work(&mut outgoing, 2, false);
        assert_eq!(all(&mut outgoing), "work2\n");

        work(&mut outgoing, 1, true);
        work(&mut outgoing, 2, false);
        work(&mut outgoing, 3, false);
        assert_eq!(all(&mut outgoing), "clean3\n", "a new tip is never lost");

        outgoing.push(b"reply1\n");
        work(&mut outgoing, 1, true);
        outgoing.push(b"difficulty\n");
        work(&mut outgoing, 2, false);
        outgoing.push(b"reply2\n");
        assert_eq!(all(&mut outgoing), "reply1\ndifficulty\nclean2\nreply2\n", "only work is replaced");
        work(&mut outgoing, 3, false);
        assert_eq!(all(&mut outgoing), "work3\n", "what was sent is past");

        // Begun work is finished, whether it was alone or not.
        for alone in [true, false] {
            if !alone {
                outgoing.push(b"x");
            }
            work(&mut outgoing, 1, true);
            outgoing.advance(if alone { 1 } else { 2 });
            work(&mut outgoing, 2, false);
            work(&mut outgoing, 3, false);
            assert_eq!(all(&mut outgoing), "lean1\nwork3\n");
        }
    }

    #[test]
    fn a_miner_that_reads_nothing_is_owed_one_line_of_work() {
        let mut outgoing = Outgoing::default();
        outgoing.push(&[b'r'; 5000]);
        outgoing.advance(4990);
        for n in 0..10_000 {
            work(&mut outgoing, n, n == 500);
        }
        assert_eq!(outgoing.front(), b"rrrrrrrrrrclean9999\n");
        outgoing.push(b"end");
        assert_eq!(drain(&mut outgoing, 7), b"rrrrrrrrrrclean9999\nend");
    }
}
