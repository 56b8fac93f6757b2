//! How long a miner leaves unread what it is sent.

use std::time::Duration;

/// Follows what was queued and what was handed over. The queue is marked from time to time: the mark's
/// age is that of the oldest byte before it, so no byte waits for longer than twice the limit.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Bytes written so far.
    written: u64,
    /// Of these, the bytes that were handed to the kernel for certain.
    handed_over: u64,
    /// When the queue was marked, and how many bytes must be handed over to get past the mark.
    mark: Option<(Duration, u64)>,
}

impl Backlog {
    /// So many bytes of the queue were written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count as u64;
    }

    /// `queued` bytes are left to be written; `unsent` says whether written ones still wait to be handed over.
    pub fn left(&mut self, queued: usize, unsent: bool, now: Duration) {
        if !unsent {
            self.handed_over = self.written;
        }
        if queued == 0 && !unsent {
            self.mark = None;
        } else if self.mark.is_none_or(|(_, mark)| self.handed_over >= mark) {
            self.mark = Some((now, self.written + queued as u64));
        }
    }

    /// When the miner is given up unless it reads.
    pub fn deadline(&self, timeout: Duration) -> Option<Duration> {
        self.mark.map(|(since, _)| since + timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_few_bytes_now_and_then_do_not_make_a_reader() {
        let mut backlog = Backlog::default();
        backlog.left(1000, false, at(0));
        for second in 1..10 {
            backlog.wrote(1);
            backlog.left(1000, false, at(second));
            assert_eq!(backlog.deadline(LIMIT), Some(at(10)), "the first thousand is what counts");
        }
        backlog.wrote(991);
        backlog.left(1000, false, at(9));
        assert_eq!(backlog.deadline(LIMIT), Some(at(19)), "slow, but it reads");
        backlog.wrote(1000);
        backlog.left(0, false, at(10));
        assert_eq!(backlog.deadline(LIMIT), None);
    }

    #[test]
    fn encrypted_bytes_that_wait_count_as_unread() {
        let mut backlog = Backlog::default();
        backlog.wrote(500);
        backlog.left(0, true, at(3));
        backlog.left(0, true, at(8));
        assert_eq!(backlog.deadline(LIMIT), Some(at(13)));
        backlog.left(0, false, at(9));
        assert_eq!(backlog.deadline(LIMIT), None);
    }
}
