//! How a miner behaves: what share of its submits is bad, how often it fails to log in, what it asks
//! that nobody understands.

use std::time::Duration;

use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::Rules;

/// Least submits in a window that ends by time; fewer say nothing.
const SUBMITS_MIN: u32 = 20;
/// The pause after too many logins that failed within a minute, which doubles with each further failure until nothing has failed for as long as it lasts,
const LOGIN_PAUSE: Duration = Duration::from_secs(60);
/// up to this.
const LOGIN_PAUSE_MAX: Duration = Duration::from_secs(960);
/// Unknown methods a minute that are put up with.
const STRANGE_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// The record of one connection.
#[derive(Debug, Default)]
pub struct Conduct {
    window_from: Duration,
    submits: u32,
    bad: u32,
    /// Logins that failed since `login_from`.
    failed_logins: u32,
    login_from: Duration,
    /// The last pause that was asked for, and its end.
    login_pause: Duration,
    no_login_before: Duration,
    strange_from: Duration,
    strange: u32,
}

impl Conduct {
    /// A clean one.
    pub fn new(now: Duration) -> Self {
        Self { window_from: now, strange_from: now, ..Self::default() }
    }

    /// Writes it, for the daemon's next life.
    pub fn carry(&self, writer: &mut Writer) {
        [self.submits, self.bad, self.failed_logins, self.strange].into_iter().for_each(|count| writer.u32(count));
        let times = [self.window_from, self.login_from, self.login_pause, self.no_login_before, self.strange_from];
        times.into_iter().for_each(|time| writer.time(time));
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            submits: reader.u32()?,
            bad: reader.u32()?,
            failed_logins: reader.u32()?,
            strange: reader.u32()?,
            window_from: reader.time()?,
            login_from: reader.time()?,
            login_pause: reader.time()?,
            no_login_before: reader.time()?,
            strange_from: reader.time()?,
        })
    }

    /// Notes a submit; true if too many of the window that it completes were bad. Windows follow one
    /// another, so that neither old merits nor old sins count for ever.
    pub fn submitted(&mut self, bad: bool, now: Duration, rules: &Rules) -> bool {
        self.submits = self.submits.saturating_add(1);
        self.bad = self.bad.saturating_add(bad.into());
        let timed_out = now.saturating_sub(self.window_from) >= rules.invalid_window && self.submits >= SUBMITS_MIN;
        if self.submits < rules.invalid_window_shares && !timed_out {
            return false;
        }
        let too_bad = self.is_bad_so_far(rules);
        (self.submits, self.bad, self.window_from) = (0, 0, now);
        too_bad
    }

    /// Whether too many submits of the window were bad until now; a few say nothing.
    pub fn is_bad_so_far(&self, rules: &Rules) -> bool {
        self.submits >= SUBMITS_MIN && f64::from(self.bad) > f64::from(self.submits) * rules.invalid_ratio_max
    }

    /// Notes a login that was refused for the miner's own fault; so many workers are logged in, for each of which one
    /// more may fail: whoever speaks for many has a few that were deleted.
    pub fn login_failed(&mut self, rules: &Rules, now: Duration, workers: usize) {
        let forgiven = now >= self.no_login_before + self.login_pause;
        if now >= self.login_from + MINUTE && forgiven {
            (self.failed_logins, self.login_from, self.login_pause) = (0, now, Duration::ZERO);
        }
        self.failed_logins = self.failed_logins.saturating_add(1);
        let free = rules.failed_logins_max.saturating_add(u32::try_from(workers).unwrap_or(u32::MAX));
        // Those that were asked before the pause began may still fail in it.
        if self.failed_logins >= free && now >= self.no_login_before {
            self.login_pause = (self.login_pause * 2).clamp(LOGIN_PAUSE, LOGIN_PAUSE_MAX);
            self.no_login_before = now + self.login_pause;
        }
    }

    /// Whether a login may be tried now.
    pub fn may_log_in(&self, now: Duration) -> bool {
        now >= self.no_login_before
    }

    /// Notes a method that nobody knows; true if there are too many of them.
    pub fn asked_strange_things(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.strange_from) >= MINUTE {
            (self.strange_from, self.strange) = (now, 0);
        }
        self.strange = self.strange.saturating_add(1);
        self.strange > STRANGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b05_every_window_is_judged_by_itself() {
        let rules = Rules { invalid_window_shares: 100, ..Rules::default() };
        let mut conduct = Conduct::new(Duration::ZERO);
        let mut send = |good: u32, bad: u32, at: u64| {
            let now = Duration::from_secs(at);
            let judged = (0..good).map(|_| false).chain((0..bad).map(|_| true));
            judged.map(|bad| conduct.submitted(bad, now, &rules)).filter(|too_bad| *too_bad).count()
        };
        assert_eq!(send(1000, 0, 1), 0);
        assert_eq!(send(50, 50, 2), 0, "half is allowed");
        assert_eq!(send(49, 51, 3), 1, "a thousand good ones do not cover it");
        assert_eq!(send(100, 0, 4), 0, "nor is it remembered against good ones");
        // Few submits are judged when the time is up, unless they are next to none.
        assert_eq!(send(0, 19, 5), 0);
        assert_eq!(send(0, 1, 700), 1);
        assert_eq!(send(0, 3, 1400), 0);
    }

    #[test]
    fn b06_pauses_between_failed_logins_grow_and_end() {
        let (at, mut conduct) = (Duration::from_secs, Conduct::new(Duration::ZERO));
        for _ in 0..2 {
            conduct.login_failed(&Rules::default(), at(1), 0);
            assert!(conduct.may_log_in(at(1)));
        }
        let mut now = 2;
        for pause in [60, 120, 240, 480, 960, 960] {
            conduct.login_failed(&Rules::default(), at(now), 0);
            // Another that was under way.
            conduct.login_failed(&Rules::default(), at(now + 1), 0);
            assert!(!conduct.may_log_in(at(now + pause - 1)));
            now += pause;
            assert!(conduct.may_log_in(at(now)));
        }
        now += 960;
        for failure in 1..=3 {
            assert!(conduct.may_log_in(at(now)), "a good while later all is forgiven: {failure}");
            conduct.login_failed(&Rules::default(), at(now), 0);
        }
        assert!(!conduct.may_log_in(at(now + 59)) && conduct.may_log_in(at(now + 60)));
    }

    #[test]
    fn whoever_speaks_for_many_may_have_some_that_are_gone() {
        let mut conduct = Conduct::new(Duration::ZERO);
        let failures = (0..).take_while(|_| {
            conduct.login_failed(&Rules::default(), Duration::ZERO, 20);
            conduct.may_log_in(Duration::ZERO)
        });
        assert_eq!(failures.count(), 22);
        let mut slow = Conduct::new(Duration::ZERO);
        for minute in 0..10 {
            (0..2).for_each(|_| slow.login_failed(&Rules::default(), Duration::from_secs(minute * 60), 0));
            assert!(slow.may_log_in(Duration::from_secs(minute * 60)), "two a minute are no guesses");
        }
    }

    #[test]
    fn strange_questions_are_limited_by_the_minute() {
        let mut conduct = Conduct::new(Duration::ZERO);
        let mut asked = |secs| (0..21).filter(|_| conduct.asked_strange_things(Duration::from_secs(secs))).count();
        assert_eq!((asked(1), asked(61)), (1, 1));
    }
}
