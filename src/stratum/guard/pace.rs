//! How fast events may follow each other: a token bucket in eight bytes.

use std::time::Duration;

use crate::config::Rate;

/// The state of one bucket: the moment at which it is full again (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    full_at_nanos: u64,
}

impl Pace {
    /// Takes a token, on credit if there is none, and says how long it is until it was really there.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Duration {
        let wait = self.wait(rate, now);
        self.full_at_nanos = self.full_at_nanos.max(nanos(now)).saturating_add(interval(rate));
        wait
    }

    /// Takes so many tokens, likewise: how long until the last of them was really there.
    pub fn take_many(&mut self, rate: Rate, count: u32, now: Duration) -> Duration {
        let (taken, room) =
            (interval(rate).saturating_mul(u64::from(count)), interval(rate).saturating_mul(u64::from(rate.burst)));
        self.full_at_nanos = self.full_at_nanos.max(nanos(now)).saturating_add(taken);
        Duration::from_nanos(self.full_at_nanos.saturating_sub(room).saturating_sub(nanos(now)))
    }

    /// How long until there are so many tokens, or the bucket is full.
    pub fn wait_for(&self, rate: Rate, count: u32, now: Duration) -> Duration {
        let room = interval(rate).saturating_mul(u64::from(rate.burst.saturating_sub(count)));
        Duration::from_nanos(self.full_at_nanos.saturating_sub(room).saturating_sub(nanos(now)))
    }

    /// How long until there is a token.
    pub fn wait(&self, rate: Rate, now: Duration) -> Duration {
        // With the bucket empty, it takes `burst` intervals until it is full.
        self.wait_for(rate, 1, now)
    }
}

fn interval(rate: Rate) -> u64 {
    1_000_000_000 / u64::from(rate.per_sec.max(1))
}

fn nanos(time: Duration) -> u64 {
    // Enough for 584 years of uptime.
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_sec: 10, burst: 5 };

    #[test]
    fn a_burst_is_free_and_then_each_waits_for_its_turn() {
        let mut pace = Pace::default();
        let now = Duration::from_secs(100);
        for _ in 0..5 {
            assert_eq!(pace.take(RATE, now), Duration::ZERO);
        }
        assert_eq!(pace.take(RATE, now), Duration::from_millis(100));
        assert_eq!(pace.take(RATE, now), Duration::from_millis(200));
        // A second later ten tokens have come: two pay the credit, five fill the bucket, the rest is lost.
        let later = now + Duration::from_secs(1);
        let free = (0..20).filter(|_| pace.take(RATE, later) == Duration::ZERO).count();
        assert_eq!(free, 5);
    }

    #[test]
    fn many_are_waited_for_and_taken_like_one_after_another() {
        let now = Duration::from_secs(7);
        let (mut one, mut many) = (Pace::default(), Pace::default());
        let last = (0..9).map(|_| one.take(RATE, now)).last();
        assert_eq!(Some(many.take_many(RATE, 9, now)), last);
        assert_eq!(many.wait_for(RATE, 3, now), Duration::from_millis(700), "four on credit and three");
        assert_eq!(many.wait_for(RATE, 50, now), Duration::from_millis(900), "never more than the bucket holds");
        assert_eq!(many.wait(RATE, now), one.wait(RATE, now));
    }

    #[test]
    fn asking_takes_nothing() {
        let mut pace = Pace::default();
        let now = Duration::from_secs(1);
        for _ in 0..5 {
            pace.take(RATE, now);
        }
        assert_eq!(pace.wait(RATE, now), Duration::from_millis(100));
        assert_eq!(pace.wait(RATE, now), Duration::from_millis(100));
        assert_eq!(pace.wait(RATE, now + Duration::from_millis(100)), Duration::ZERO);
    }
}
