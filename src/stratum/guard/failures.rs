//! Authorisations that were refused, by source: who guesses names or passwords has to wait.

use std::time::Duration;

use super::recent::Recent;
use super::source::Source;
use crate::config::Limits;

/// Sources that are remembered; beyond it the longest forgotten one starts anew. About 120 bytes each.
const SOURCES_MAX: usize = 50_000;
/// The time over which refusals are counted.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Refusals since `since`.
    failures: u32,
    since: Duration,
    delayed_until: Duration,
}

/// Refused authorisations.
#[derive(Debug)]
pub struct Failures {
    records: Recent<Record>,
}

impl Default for Failures {
    fn default() -> Self {
        Self { records: Recent::new(SOURCES_MAX) }
    }
}

impl Failures {
    /// An authorisation of this source was refused.
    pub fn note(&mut self, source: Source, limits: &Limits, now: Duration) {
        let record = self.records.touch(source);
        if now >= record.since + WINDOW {
            (record.failures, record.since) = (0, now);
        }
        record.failures += 1;
        if record.failures >= limits.failed_authorizations_per_min {
            (record.failures, record.since) = (0, now);
            record.delayed_until = now + limits.authorization_delay;
        }
    }

    /// How long an authorisation of this source has to wait.
    pub fn delay(&self, source: Source, now: Duration) -> Duration {
        self.records.get(source).map_or(Duration::ZERO, |record| record.delayed_until.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_refusals_in_a_minute_cost_a_minute() {
        let (mut failures, limits) = (Failures::default(), Limits::default());
        let (source, other) = (Source::V4([192, 0, 2, 1]), Source::V4([192, 0, 2, 2]));
        let at = Duration::from_secs;
        for second in [1000, 1001, 1002, 1003, 1060, 1061, 1062, 1063] {
            failures.note(source, &limits, at(second));
            assert_eq!(failures.delay(source, at(second)), Duration::ZERO, "{second}");
        }
        failures.note(source, &limits, at(1119));
        assert_eq!(failures.delay(source, at(1129)), at(50));
        assert_eq!(failures.delay(other, at(1129)), Duration::ZERO);
        assert_eq!(failures.delay(source, at(1179)), Duration::ZERO);
    }
}
