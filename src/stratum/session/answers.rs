//! Answers leave a connection in the order of the requests, however long each takes to find.

use std::collections::VecDeque;
use std::time::Duration;

use super::pending::PendingShare;
use crate::bytes::Hash;
use crate::config::secret::Secret;
use crate::difficulty::Difficulty;
use crate::stratum::password::Wishes;
use crate::stratum::request::Id;
use crate::work::duplicates::ShareKey;

/// Most requests of one connection that wait for something at once. At the bound the connection
/// stops reading until the oldest is answered.
pub const OUTSTANDING_MAX: usize = 64;

/// Names a waiting request.
pub type Ticket = u64;

/// What a request waits for.
#[derive(Debug)]
pub enum Waiting {
    /// Nothing: these bytes answer it (none, for a notification).
    Nothing(Vec<u8>),
    /// The directory's word on a name.
    Authorisation {
        /// The request's id.
        id: Option<Id>,
        /// The name as the miner wrote it.
        name: Box<str>,
        /// The password without the wishes in it.
        password: Secret,
        /// What the password says besides being one.
        wishes: Wishes,
        /// The password with the wishes in it, if it had any: it may be the stored one all the same.
        whole: Option<String>,
    },
    /// The coin's work: a subscription is answered when there is some, or refused at `until`.
    Work {
        /// The request's id.
        id: Option<Id>,
        /// Then it is refused.
        until: Duration,
    },
    /// A hasher.
    Hash(Box<PendingShare>),
    /// The authorisation of its name, which is still under way; judged at the latest at `judge_by`.
    Name {
        /// The share.
        share: Box<PendingShare>,
        /// Its proof-of-work hash.
        pow: Hash,
        /// When it is judged with what is known.
        judge_by: Duration,
    },
    /// The ledger.
    Record {
        /// The request's id.
        id: Option<Id>,
        /// Whether the answer also waits for the disk.
        sync: SyncNeed,
        /// What to take back if it cannot be written down.
        key: ShareKey,
        /// Whether it is a block candidate, which is not taken back.
        candidate: bool,
        /// The difficulty that is credited.
        credited: Difficulty,
    },
    /// The disk, up to this sequence number, or until the moment given.
    Sync {
        /// Must be on the disk.
        seq: u64,
        /// Then the answer is given all the same.
        until: Option<Duration>,
        /// The answer.
        answer: Vec<u8>,
    },
}

/// Whether an answer waits until its share is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncNeed {
    /// The write is enough.
    No,
    /// It waits, but not beyond this moment.
    Until(Duration),
    /// It waits.
    Yes,
}

/// The requests of a connection that are not answered yet.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: VecDeque<Waiting>,
    first: Ticket,
}

impl Answers {
    /// Adds a request behind all others.
    pub fn push(&mut self, waiting: Waiting) -> Ticket {
        self.waiting.push_back(waiting);
        self.first + self.waiting.len() as u64 - 1
    }

    /// The request of a ticket; `None` once answered.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        let index = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(index)
    }

    /// Takes the foremost request if it waits for nothing any more.
    pub fn pop_ready(&mut self, synced: u64, now: Duration) -> Option<Vec<u8>> {
        let ready = match self.waiting.front()? {
            Waiting::Nothing(_) => true,
            Waiting::Sync { seq, until, .. } => *seq <= synced || until.is_some_and(|until| until <= now),
            _ => false,
        };
        if !ready {
            return None;
        }
        self.first += 1;
        let bytes = match self.waiting.pop_front() {
            Some(Waiting::Nothing(bytes) | Waiting::Sync { answer: bytes, .. }) => Some(bytes),
            _ => None,
        };
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        bytes
    }

    /// All waiting requests with their tickets, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Ticket, &mut Waiting)> {
        (self.first..).zip(self.waiting.iter_mut())
    }

    /// True if any authorisation is under way.
    pub fn is_authorising(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Authorisation { .. }))
    }

    /// True if an authorisation of `name` is under way.
    pub fn authorising(&self, name: &str) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting, Waiting::Authorisation { name: pending, .. } if **pending == *name))
    }

    /// True if the foremost request waits for the disk.
    pub fn wait_for_sync(&self) -> bool {
        matches!(self.waiting.front(), Some(Waiting::Sync { .. }))
    }

    /// The earliest moment at which a request stops waiting by itself. What waits for the disk does
    /// so only at the front: behind an unanswered request its moment changes nothing.
    pub fn deadline(&self) -> Option<Duration> {
        let disk = match self.waiting.front() {
            Some(Waiting::Sync { until, .. }) => *until,
            _ => None,
        };
        let name = |waiting: &Waiting| match waiting {
            Waiting::Name { judge_by, .. } => Some(*judge_by),
            Waiting::Work { until, .. } => Some(*until),
            _ => None,
        };
        self.waiting.iter().filter_map(name).chain(disk).min()
    }

    /// True if the request of `ticket` was answered.
    pub fn is_answered(&self, ticket: Ticket) -> bool {
        ticket < self.first
    }

    /// True if a submit was read whose worth is not known yet.
    pub fn has_unjudged(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Hash(_) | Waiting::Name { .. }))
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting_name() -> Waiting {
        let (name, password) = ("a.b".into(), Secret::new(""));
        Waiting::Authorisation { id: None, name, password, wishes: Wishes::default(), whole: None }
    }

    #[test]
    fn a_late_first_answer_holds_back_the_second() {
        let mut answers = Answers::default();
        let first = answers.push(waiting_name());
        answers.push(Waiting::Nothing(b"2".to_vec()));
        assert_eq!(answers.pop_ready(0, Duration::ZERO), None);
        assert!(answers.authorising("a.b"));
        assert!(!answers.authorising("a.c"));
        *answers.get_mut(first).unwrap() = Waiting::Nothing(b"1".to_vec());
        assert_eq!(answers.pop_ready(0, Duration::ZERO).as_deref(), Some(&b"1"[..]));
        assert_eq!(answers.pop_ready(0, Duration::ZERO).as_deref(), Some(&b"2"[..]));
        assert!(answers.get_mut(first).is_none());
        assert!(answers.is_empty());
    }

    #[test]
    fn a_synced_answer_waits_for_the_disk_or_its_moment() {
        let mut answers = Answers::default();
        let second = Duration::from_secs(1);
        answers.push(Waiting::Sync { seq: 7, until: None, answer: b"a".to_vec() });
        answers.push(Waiting::Sync { seq: 9, until: Some(second), answer: b"b".to_vec() });
        assert!(answers.wait_for_sync());
        assert_eq!(answers.pop_ready(6, second), None);
        assert!(answers.pop_ready(7, Duration::ZERO).is_some());
        assert_eq!(answers.pop_ready(8, Duration::ZERO), None);
        assert_eq!(answers.deadline(), Some(second));
        assert!(answers.pop_ready(8, second).is_some());
    }

    #[test]
    fn the_disk_s_moment_does_not_count_behind_an_unanswered_request() {
        let mut answers = Answers::default();
        let second = Duration::from_secs(1);
        let ticket = answers.push(waiting_name());
        answers.push(Waiting::Sync { seq: 9, until: Some(second), answer: b"b".to_vec() });
        assert_eq!(answers.deadline(), None, "the timer would fire without end");
        *answers.get_mut(ticket).unwrap() = Waiting::Nothing(Vec::new());
        assert!(!answers.is_answered(ticket));
        answers.pop_ready(0, Duration::ZERO).unwrap();
        assert!(answers.is_answered(ticket));
        assert_eq!(answers.deadline(), Some(second));
    }
}
