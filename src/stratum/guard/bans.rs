//! Who is not served for a while.

use std::time::Duration;

use super::recent::Recent;
use super::source::Source;
use crate::config::Limits;

/// Sources that are remembered for misbehaving; beyond it the longest forgotten one is forgiven. About
/// 160 bytes each.
pub const SOURCES_MAX: usize = 100_000;

/// When a ban began, and what led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Unix second of its beginning.
    pub since: u64,
    /// So many connections were closed for misbehaviour...
    pub closes: u32,
    /// ...within so many seconds.
    pub window_secs: u64,
}

/// A ban in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Whose.
    pub source: Source,
    /// What is left of it.
    pub left: Duration,
    /// `None`: it was taken over from a version that did not note it.
    pub cause: Option<Cause>,
}

/// What is known of a source.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Connections closed for misbehaviour since `since`.
    closes: u32,
    since: Duration,
    /// End of the ban; zero if there is none.
    banned_until: Duration,
    /// Of that ban.
    cause: Option<Cause>,
}

/// Bans and what may lead to them.
#[derive(Debug)]
pub struct Bans {
    records: Recent<Record>,
}

impl Default for Bans {
    fn default() -> Self {
        Self { records: Recent::new(SOURCES_MAX) }
    }
}

impl Bans {
    /// A connection of this source was closed for misbehaviour. True if that bans it. `unix_secs`: the time of day.
    pub fn note_close(&mut self, source: Source, limits: &Limits, now: Duration, unix_secs: u64) -> bool {
        let record = self.records.touch(source);
        if now >= record.since + limits.ban_window {
            (record.closes, record.since) = (0, now);
        }
        record.closes += 1;
        let bans = record.closes >= limits.ban_closes && record.banned_until <= now;
        if bans {
            let window_secs = limits.ban_window.as_secs();
            record.cause = Some(Cause { since: unix_secs, closes: record.closes, window_secs });
            (record.closes, record.since, record.banned_until) = (0, now, now + limits.ban);
        }
        bans
    }

    /// Whether a source is banned.
    pub fn is_banned(&self, source: Source, now: Duration) -> bool {
        self.records.get(source).is_some_and(|record| record.banned_until > now)
    }

    /// The bans in force.
    pub fn in_force(&self, now: Duration) -> Vec<Ban> {
        let left = |record: &Record| record.banned_until.checked_sub(now).filter(|left| !left.is_zero());
        let ban = |(source, record): (Source, &Record)| Some(Ban { source, left: left(record)?, cause: record.cause });
        self.records.iter().filter_map(ban).collect()
    }

    /// Ends the ban of a source and forgets what led to it. False: it was not banned.
    pub fn lift(&mut self, source: Source, now: Duration) -> bool {
        let banned = self.is_banned(source, now);
        if banned {
            *self.records.touch(source) = Record::default();
        }
        banned
    }

    /// Takes over bans, with what is left of them.
    pub fn restore(&mut self, bans: &[Ban], now: Duration) {
        for ban in bans {
            let record = self.records.touch(ban.source);
            (record.banned_until, record.cause) = (now + ban.left, ban.cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32) -> Source {
        Source::V4(number.to_be_bytes())
    }

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn only_repetition_within_the_window_bans() {
        let (mut bans, limits) = (Bans::default(), Limits::default());
        assert!(!bans.note_close(source(1), &limits, at(1000), 7));
        assert!(!bans.note_close(source(1), &limits, at(1600), 7), "the window is over");
        assert!(!bans.is_banned(source(1), at(1600)));
        assert!(!bans.note_close(source(2), &limits, at(1601), 7), "each source for itself");
        assert!(bans.note_close(source(1), &limits, at(2199), 7));
        assert!(bans.is_banned(source(1), at(2798)) && !bans.is_banned(source(2), at(2200)));
        assert!(!bans.is_banned(source(1), at(2799)), "a ban ends");
        assert!(!bans.note_close(source(1), &limits, at(2800), 7), "and what led to it is forgotten");
    }

    #[test]
    fn bans_are_taken_over_with_what_is_left_of_them() {
        let (mut bans, limits) = (Bans::default(), Limits { ban_closes: 1, ..Limits::default() });
        assert!(bans.note_close(source(1), &limits, at(100), 7));
        assert!(bans.note_close(source(2), &limits, at(400), 7));
        let left = bans.in_force(at(700));
        let cause = Some(Cause { since: 7, closes: 1, window_secs: limits.ban_window.as_secs() });
        assert_eq!(left, [Ban { source: source(2), left: at(300), cause }]);
        let mut restored = Bans::default();
        restored.restore(&left, at(5));
        assert!(restored.is_banned(source(2), at(304)) && !restored.is_banned(source(2), at(305)));
        assert_eq!(restored.in_force(at(5)), left);
    }

    #[test]
    fn a_flood_of_bans_forgets_the_oldest() {
        let (mut bans, limits) = (Bans::default(), Limits { ban_closes: 1, ..Limits::default() });
        for number in 0..100_001 {
            bans.note_close(source(number), &limits, at(1), 7);
        }
        assert_eq!(bans.records.iter().count(), SOURCES_MAX);
        assert!(!bans.is_banned(source(0), at(2)) && bans.is_banned(source(1), at(2)));
    }
}
