//! Costs that grow with the time in the header: scrypt-n and scrypt-jane.
//!
//! The miner chooses that time. A share is only hashed when its time is one that a block may have now, so
//! that the cost is one that the chain itself has reached; and what would need more memory than
//! a hash may have is not hashed at all.

use std::ops::RangeInclusive;

/// The most steps of a [`Steps`].
pub const STEPS_MAX: usize = 24;

/// A table of costs: from a moment on, N is 2^`log_n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Steps {
    /// Seconds and log2 of N, by time; unused places repeat the last one.
    steps: [(u32, u8); STEPS_MAX],
}

impl Steps {
    /// A table of (log2 of N, first second), in any order. `None`: it is empty or has more than
    /// [`STEPS_MAX`] entries.
    pub fn new(table: impl IntoIterator<Item = (u8, u32)>) -> Option<Self> {
        let mut sorted: Vec<(u32, u8)> = table.into_iter().map(|(log_n, from)| (from, log_n)).collect();
        sorted.sort_unstable();
        let mut steps = [*sorted.last()?; STEPS_MAX];
        steps.get_mut(..sorted.len())?.copy_from_slice(&sorted);
        Some(Self { steps })
    }

    /// Vertcoin's, which scrypt-n has where nothing else is said.
    pub const VERTCOIN: Self = {
        // The moments at which [`vertcoin_log_n`] moves on.
        let known = [
            (0, 11),
            (1_456_415_081, 12),
            (1_506_746_729, 13),
            (1_557_078_377, 14),
            (1_657_741_673, 15),
            (1_859_068_265, 16),
            (2_060_394_857, 17),
            (2_463_048_041, 18),
            (2_999_918_953, 19),
            (3_536_789_865, 20),
        ];
        let mut steps = [known[known.len() - 1]; STEPS_MAX];
        let mut at = 0;
        while at < known.len() {
            steps[at] = known[at];
            at += 1;
        }
        Self { steps }
    };

    /// log2 of N at a time; before the first step, the first step's.
    pub fn log_n(&self, time: u32) -> u8 {
        let reached = self.steps.iter().rev().find(|(from, _)| *from <= time);
        reached.unwrap_or(&self.steps[0]).1
    }

    /// The seconds with log2 of N from there on, by time; unused places repeat the last one.
    pub fn places(&self) -> &[(u32, u8); STEPS_MAX] {
        &self.steps
    }

    /// The least and the most that times within `span` give.
    pub fn log_n_within(&self, span: &RangeInclusive<u32>) -> RangeInclusive<u8> {
        let within = self.steps.iter().filter(|(from, _)| span.contains(from)).map(|(_, log_n)| *log_n);
        let first = self.log_n(*span.start());
        within.fold(first..=first, widened)
    }
}

/// A span that holds `log_n` too.
fn widened(span: RangeInclusive<u8>, log_n: u8) -> RangeInclusive<u8> {
    log_n.min(*span.start())..=log_n.max(*span.end())
}

/// How the cost of scrypt-jane grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Growth {
    /// The second at which the chain starts; until then N is 2^5.
    pub chain_start: u32,
    /// N is 2^(factor + 1); this is the least factor after the start.
    pub factor_min: u8,
    /// The greatest factor.
    pub factor_max: u8,
    /// From this second on the factor is fixed (UltraCoin).
    pub fixed_from: Option<(u32, u8)>,
}

impl Growth {
    /// YaCoin's, up to its blocks of version 7.
    pub const YACOIN: Self = Self { chain_start: 1_367_991_200, factor_min: 4, factor_max: 30, fixed_from: None };

    /// log2 of N at a time.
    pub fn log_n(&self, time: u32) -> u8 {
        let factor = match self.fixed_from {
            Some((from, factor)) if time >= from => factor,
            _ if time <= self.chain_start => 4,
            _ => {
                let [doublings, quarter] = doublings(time - self.chain_start);
                let factor = (170 * doublings + 25 * quarter - 2320) / 100;
                let bounded = factor.max(i64::from(self.factor_min)).min(i64::from(self.factor_max));
                u8::try_from(bounded).unwrap_or(u8::MAX)
            }
        };
        factor.saturating_add(1)
    }

    /// The least and the most that times within `span` give. Between the moments looked at it only grows.
    pub fn log_n_within(&self, span: &RangeInclusive<u32>) -> RangeInclusive<u8> {
        let fixed = self.fixed_from.map(|(from, _)| [from.saturating_sub(1), from]);
        // The least factor may be less than what holds until the start.
        let started = self.chain_start.saturating_add(1);
        let moments = fixed.into_iter().flatten().chain([started]).filter(|moment| span.contains(moment));
        let first = self.log_n(*span.start());
        moments.chain([*span.end()]).map(|moment| self.log_n(moment)).fold(first..=first, widened)
    }
}

/// How often `seconds` can be halved until less than 8 are left, and the lowest two bits of that.
fn doublings(mut seconds: u32) -> [i64; 2] {
    let mut count = 0;
    while seconds >> 1 > 3 {
        count += 1;
        seconds >>= 1;
    }
    [count, i64::from(seconds & 3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The function in Vertcoin's source.
    fn vertcoin_log_n(time: u32) -> u8 {
        let [doublings, quarter] = doublings(time.saturating_sub(1_389_306_217));
        u8::try_from(((158 * doublings + 28 * quarter - 2670) / 100).clamp(10, 30) + 1).unwrap()
    }

    #[test]
    fn vertcoins_table_is_its_function() {
        assert_eq!(Steps::VERTCOIN.log_n(0), 11);
        for (from, log_n) in Steps::VERTCOIN.steps {
            assert_eq!(Steps::VERTCOIN.log_n(from), log_n);
            assert_eq!(vertcoin_log_n(from), log_n, "{from}");
            assert_eq!(vertcoin_log_n(from.max(1) - 1), if from == 0 { 11 } else { log_n - 1 }, "{from}");
        }
        for time in (0..u32::MAX).step_by(99_991) {
            assert_eq!(Steps::VERTCOIN.log_n(time), vertcoin_log_n(time), "{time}");
        }
        assert_eq!(Steps::VERTCOIN.log_n_within(&(0..=u32::MAX)), 11..=20);
    }

    #[test]
    fn yacoins_steps_are_those_of_its_source() {
        let moments = [
            1_368_515_488,
            1_368_777_632,
            1_369_039_776,
            1_369_826_208,
            1_370_088_352,
            1_372_185_504,
            1_373_234_080,
            1_376_379_808,
            1_380_574_112,
            1_384_768_416,
            1_401_545_632,
            1_409_934_240,
            1_435_100_064,
            1_468_654_496,
            1_502_208_928,
            1_602_872_224,
            1_636_426_656,
            1_904_862_112,
        ];
        for (factor, from) in (5..).zip(moments) {
            assert_eq!(Growth::YACOIN.log_n(from), factor + 1, "{from}");
            assert_eq!(Growth::YACOIN.log_n(from - 1), factor, "{from}");
        }
        assert_eq!(Growth::YACOIN.log_n(0), 5);
        assert!(Growth::YACOIN.log_n(u32::MAX) <= 31);
    }

    #[test]
    fn growth_has_bounds_and_an_end() {
        let ultracoin = Growth { fixed_from: Some((1_446_336_000, 14)), ..Growth::YACOIN };
        assert_eq!(ultracoin.log_n(1_446_335_999), Growth::YACOIN.log_n(1_446_335_999));
        assert_eq!(ultracoin.log_n(1_446_336_000), 15);
        assert_eq!(ultracoin.log_n(u32::MAX), 15);
        // What comes before a fixed factor counts too, where it lies within the span.
        assert_eq!(ultracoin.log_n_within(&(1_446_336_000..=u32::MAX)), 15..=15);
        let late = Growth { fixed_from: Some((1_900_000_000, 9)), ..Growth::YACOIN };
        let spans = [1_767_225_600..=1_924_991_999, 1_900_000_000..=1_924_991_999].map(|span| late.log_n_within(&span));
        assert_eq!(spans, [10..=Growth::YACOIN.log_n(1_899_999_999), 10..=10]);
        // A fixed factor, and the first after the start, may be passed through only.
        let low = Growth { chain_start: 1_000, factor_min: 1, factor_max: 30, fixed_from: Some((u32::MAX, 0)) };
        assert_eq!(low.log_n_within(&(900..=2_000)), 2..=5);
        assert_eq!(low.log_n_within(&(1_900_000_000..=u32::MAX)), 1..=low.log_n(u32::MAX - 1));
        let bounded = Growth { factor_min: 10, factor_max: 12, ..Growth::YACOIN };
        // Before the start the least factor does not hold.
        assert_eq!(bounded.log_n(bounded.chain_start), 5);
        assert_eq!(bounded.log_n(bounded.chain_start + 1), 11);
        assert_eq!(bounded.log_n(u32::MAX), 13);
        let impossible = Growth { factor_min: 255, factor_max: 255, chain_start: 0, fixed_from: None };
        assert_eq!(impossible.log_n(u32::MAX), 255);
    }

    #[test]
    fn tables_are_sorted_by_time_not_by_text() {
        let table = Steps::new([(13, 300), (9, 100), (14, 400), (10, 200)]).unwrap();
        let at = [0, 99, 100, 199, 200, 300, 399, 400, u32::MAX].map(|time| table.log_n(time));
        assert_eq!(at, [9, 9, 9, 9, 10, 13, 13, 14, 14]);
        let spans = [0..=50, 0..=100, 150..=250, 250..=350, 350..=500].map(|span| table.log_n_within(&span));
        assert_eq!(spans, [9..=9, 9..=9, 9..=10, 10..=13, 13..=14]);
        let falling = Steps::new([(19, 0), (30, 50), (11, 100)]).unwrap();
        let spans = [60..=200, 100..=200, 0..=49].map(|span| falling.log_n_within(&span));
        assert_eq!(spans, [11..=30, 11..=11, 19..=19]);
        assert_eq!(Steps::new([]), None);
        assert_eq!(Steps::new((0..25).map(|n| (n, u32::from(n)))), None);
        assert!(Steps::new((0..24).map(|n| (n, u32::from(n)))).is_some());
    }
}
