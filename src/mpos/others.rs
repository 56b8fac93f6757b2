//! Rows of other spools, watched for signs of life.
//!
//! A daemon that finds another spool in the cursor's row may replace it when that one is gone for good. How
//! old its last sign of life is does not tell: after the server was away for a minute everybody's is old, and
//! a daemon that is being started again gives none either. So it must have been seen unchanged, again and
//! again, for the whole time, on a server that was there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cursor::Standing;
use crate::clock::Clock;

/// Longest pause between two looks; after a longer one, watching begins anew. A stopped drain looks every
/// ten seconds.
pub const LOOKS_APART_MAX: Duration = Duration::from_secs(30);

/// What was seen, by server.
pub struct Others {
    clock: Arc<dyn Clock>,
    takeover_after: Duration,
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// A row that has not changed.
struct Seen {
    token: String,
    lease_at: String,
    since: Duration,
    last: Duration,
}

impl Others {
    /// Nothing was seen yet. `takeover_after`: for how long a row must not change.
    pub fn new(clock: Arc<dyn Clock>, takeover_after: Duration) -> Self {
        Self { clock, takeover_after, seen: Mutex::default() }
    }

    /// For how long a row must not change.
    pub fn takeover_after(&self) -> Duration {
        self.takeover_after
    }

    /// Takes a look at the row that `server` has now; `other`: it is another spool's. Returns for how long
    /// it has been seen as it is.
    pub fn watched(&self, server: &str, other: Option<&Standing>) -> Duration {
        let now = self.clock.monotonic();
        let mut seen = self.lock();
        let before = seen.remove(server);
        let Some(Standing { token, lease_at, .. }) = other else { return Duration::ZERO };
        let goes_on = |before: &Seen| {
            (&before.token, &before.lease_at) == (token, lease_at) && now.saturating_sub(before.last) <= LOOKS_APART_MAX
        };
        let since = before.filter(goes_on).map_or(now, |before| before.since);
        seen.insert(server.to_owned(), Seen { token: token.clone(), lease_at: lease_at.clone(), since, last: now });
        now.saturating_sub(since)
    }

    /// `server` did not answer: its writer could not give a sign of life either.
    pub fn forget(&self, server: &str) {
        self.lock().remove(server);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").field("takeover_after", &self.takeover_after).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::ledger::decision::Position;

    #[test]
    fn only_a_row_that_is_seen_unchanged_all_the_while_has_been_watched() {
        let clock = Arc::new(ManualClock::at(1_700_000_000));
        let others = Others::new(Arc::clone(&clock) as Arc<dyn Clock>, Duration::from_secs(60));
        let row = |token: &str, lease_at: &str| Standing {
            position: Position { spool: "other".into(), seq: 7 },
            host: "h".into(),
            version: "1".into(),
            age_secs: 500,
            token: token.into(),
            lease_at: lease_at.into(),
        };
        let after = |secs: u64, other: Option<&Standing>| {
            clock.advance(Duration::from_secs(secs));
            others.watched("db", other).as_secs()
        };
        let quiet = row("t", "1");
        assert_eq!([after(0, Some(&quiet)), after(30, Some(&quiet)), after(30, Some(&quiet))], [0, 30, 60]);
        assert_eq!(others.watched("replica", Some(&quiet)), Duration::ZERO, "another server's row");
        // A sign of life, another attachment, a long time without a look, a server away, a row of our own.
        assert_eq!([after(10, Some(&row("t", "2"))), after(10, Some(&row("t", "2")))], [0, 10]);
        assert_eq!([after(10, Some(&row("u", "2"))), after(10, Some(&row("u", "2")))], [0, 10]);
        assert_eq!([after(31, Some(&row("u", "2"))), after(30, Some(&row("u", "2")))], [0, 30]);
        others.forget("db");
        assert_eq!([after(1, Some(&row("u", "2"))), after(5, Some(&row("u", "2")))], [0, 5]);
        assert_eq!([after(1, None), after(1, Some(&row("u", "2")))], [0, 0]);
    }
}
