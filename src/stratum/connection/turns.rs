//! When the lines of a connection have their turn.
//!
//! A connection whose lines come too fast is left alone until a batch of them may be handled, so that whoever
//! exceeds his rate costs one wake-up a batch and not one a line. Until a share of it has counted, its lines
//! beyond a login come out of what all such connections of its address have together: a thousand connections
//! of strangers are then no more work than one miner.

use std::time::Duration;

use crate::config::{LOGIN_LINES, Rate};
use crate::stratum::guard::Admission;
use crate::stratum::guard::pace::Pace;

/// Lines that are waited for together once lines come too fast.
const BATCH: u32 = 16;
/// A longer line counts as several: it costs as much to read.
const LINE_BYTES_USUAL: usize = 512;
/// The address has so much to wait for that nothing is promised: it is looked at again after this.
const NO_PROMISE_WAIT: Duration = Duration::from_secs(10);

/// The turns of one connection.
#[derive(Debug)]
pub struct Turns {
    pace: Pace,
    /// Lines that a newcomer may still send before its address is asked.
    allowed: u32,
    /// Nothing is read before this.
    slowed_until: Option<Duration>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { pace: Pace::default(), allowed: LOGIN_LINES, slowed_until: None }
    }
}

impl Turns {
    /// Whether lines may be read.
    pub fn may_read(&mut self, now: Duration) -> bool {
        self.slowed_until = self.slowed_until.filter(|until| now < *until);
        self.slowed_until.is_none()
    }

    /// Whether a line may be handled; if not, nothing is read for a while. `rate` is that of a connection whose
    /// shares count, `worked` whether one has.
    pub fn may_take(&mut self, rate: Rate, worked: bool, admission: &Admission, now: Duration) -> bool {
        let own = own_rate(rate, worked);
        let wait = if !self.pace.wait(own, now).is_zero() {
            self.pace.wait_for(own, BATCH, now)
        } else if worked || self.allowed > 0 {
            Duration::ZERO
        } else if let Some(wait) = admission.draw_lines(BATCH, now) {
            self.allowed = BATCH;
            wait
        } else {
            NO_PROMISE_WAIT
        };
        if !wait.is_zero() {
            self.slowed_until = Some(now + wait);
        }
        wait.is_zero()
    }

    /// A line of so many bytes is handled.
    pub fn took(&mut self, bytes: usize, rate: Rate, worked: bool, now: Duration) {
        let cost = u32::try_from(1 + bytes / LINE_BYTES_USUAL).unwrap_or(u32::MAX);
        self.pace.take_many(own_rate(rate, worked), cost, now);
        self.allowed = self.allowed.saturating_sub(cost);
    }

    /// When lines may be read again, if they may not now.
    pub fn slowed_until(&self) -> Option<Duration> {
        self.slowed_until
    }
}

fn own_rate(rate: Rate, worked: bool) -> Rate {
    if worked { rate } else { rate.of_newcomers() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Limits;
    use crate::stratum::guard::{Guard, PortGuard};

    const RATE: Rate = Rate { per_sec: 100, burst: 400 };

    /// A port, and a connection of an address to it.
    fn connections(count: usize) -> Vec<Admission> {
        let port = PortGuard::new(&Guard::new(count), &Limits::default(), count);
        let admit = |_| {
            let mut admission = Arc::clone(&port).enter().unwrap();
            admission.admit("203.0.113.1".parse().unwrap(), Duration::ZERO).unwrap();
            admission
        };
        (0..count).map(admit).collect()
    }

    /// Lines that are handled, and how often the connection is woken for them, until `end`.
    fn lines_and_wakes(admissions: &[Admission], worked: bool, end: Duration) -> (u32, u32) {
        let mut turns: Vec<Turns> = admissions.iter().map(|_| Turns::default()).collect();
        let (mut lines, mut wakes, mut now) = (0, 0, Duration::ZERO);
        while now < end {
            for (turns, admission) in turns.iter_mut().zip(admissions) {
                wakes += u32::from(turns.may_read(now));
                while turns.may_read(now) && turns.may_take(RATE, worked, admission, now) {
                    turns.took(60, RATE, worked, now);
                    lines += 1;
                }
            }
            now += Duration::from_millis(1);
        }
        (lines, wakes)
    }

    #[test]
    fn w20_who_is_too_fast_costs_a_wake_up_for_a_batch_of_lines() {
        let (lines, wakes) = lines_and_wakes(&connections(1), true, Duration::from_secs(100));
        assert!((10_300..=10_400).contains(&lines), "{lines}");
        assert!(wakes <= lines / 16 + 1, "{wakes} for {lines}");
        let (lines, wakes) = lines_and_wakes(&connections(1), false, Duration::from_secs(100));
        assert!((1_000..=1_040).contains(&lines), "{lines}");
        assert!(wakes <= lines / 16 + 1, "{wakes} for {lines}");
    }

    #[test]
    fn w20_a_hundred_strangers_of_one_address_have_together_what_one_miner_has() {
        let (lines, _) = lines_and_wakes(&connections(100), false, Duration::from_secs(100));
        let logins = 100 * LOGIN_LINES;
        assert!(lines <= logins + 400 + 100 * 100 + 100 * BATCH, "{lines}");
        assert!(lines >= logins + 100 * 100 * 9 / 10, "they share it, and it is used: {lines}");
    }

    #[test]
    fn an_address_without_limits_shares_nothing() {
        let port = PortGuard::new(&Guard::new(9), &Limits::default(), 9);
        let admissions: Vec<Admission> = (0..9)
            .map(|_| {
                let mut admission = port.enter().unwrap();
                admission.admit("127.0.0.1".parse().unwrap(), Duration::ZERO).unwrap();
                admission
            })
            .collect();
        let (lines, _) = lines_and_wakes(&admissions, false, Duration::from_secs(100));
        assert!(lines > 9 * 1000 - 100, "{lines}");
    }

    #[test]
    fn a_long_line_counts_as_several() {
        let (mut turns, admissions) = (Turns::default(), connections(1));
        let mut lines = 0;
        while turns.may_take(RATE, true, &admissions[0], Duration::ZERO) {
            turns.took(4 * LINE_BYTES_USUAL, RATE, true, Duration::ZERO);
            lines += 1;
        }
        assert_eq!(lines, 80);
    }
}
