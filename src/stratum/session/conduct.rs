//! How a miner behaves: what share of its submits is bad, how often it fails to log in, what it asks
//! that nobody understands.

use std::time::Duration;

use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::Rules;

/// Least submits in a window that ends by time; fewer say nothing.
const SUBMITS_MIN: u32 = 20;
/// Logins that may fail before a pause is asked for; then the pause doubles with each failure.
const FAILED_LOGINS_FREE: u32 = 10;
const LOGIN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Unknown methods a minute that are put up with.
const STRANGE_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// The record of one connection.
#[derive(Debug, Default)]
pub struct Conduct {
    window_from: Duration,
    submits: u32,
    bad: u32,
    failed_logins: u32,
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
        [self.window_from, self.no_login_before, self.strange_from].into_iter().for_each(|time| writer.time(time));
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
        let too_bad = f64::from(self.bad) > f64::from(self.submits) * rules.invalid_ratio_max;
        (self.submits, self.bad, self.window_from) = (0, 0, now);
        too_bad
    }

    /// Notes a login that was refused for the miner's own fault.
    pub fn login_failed(&mut self, now: Duration) {
        self.failed_logins = self.failed_logins.saturating_add(1);
        let beyond = self.failed_logins.saturating_sub(FAILED_LOGINS_FREE).min(6);
        if beyond > 0 {
            self.no_login_before = now + Duration::from_secs(1 << beyond).min(LOGIN_PAUSE_MAX);
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
        let mut conduct = Conduct::new(Duration::ZERO);
        for _ in 0..10 {
            assert!(conduct.may_log_in(Duration::ZERO));
            conduct.login_failed(Duration::ZERO);
        }
        assert!(conduct.may_log_in(Duration::ZERO));
        let mut now = 0;
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            conduct.login_failed(Duration::from_secs(now));
            assert!(!conduct.may_log_in(Duration::from_secs(now + pause - 1)));
            now += pause;
            assert!(conduct.may_log_in(Duration::from_secs(now)));
        }
    }

    #[test]
    fn strange_questions_are_limited_by_the_minute() {
        let mut conduct = Conduct::new(Duration::ZERO);
        let mut asked = |secs| (0..21).filter(|_| conduct.asked_strange_things(Duration::from_secs(secs))).count();
        assert_eq!((asked(1), asked(61)), (1, 1));
    }
}
