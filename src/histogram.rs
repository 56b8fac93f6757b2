//! How long things take, counted by length: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The lengths up to which is counted, in milliseconds; what is longer counts beyond them.
pub const BOUNDS_MS: [u64; 13] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// Lengths of time since the start.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By the first bound that is not less; the last one for what is beyond all.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// What was counted at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many were as long as each of [`BOUNDS_MS`] or shorter.
    pub up_to: [u64; BOUNDS_MS.len()],
    /// All of them.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, length: Duration) {
        let bound = BOUNDS_MS.iter().position(|bound| length <= Duration::from_millis(*bound));
        if let Some(count) = self.counts.get(bound.unwrap_or(BOUNDS_MS.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted up to now.
    pub fn counted(&self) -> Counted {
        let mut counted = Counted {
            up_to: [0; BOUNDS_MS.len()],
            count: 0,
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
        };
        for (place, count) in self.counts.iter().enumerate() {
            counted.count += count.load(Ordering::Relaxed);
            if let Some(up_to) = counted.up_to.get_mut(place) {
                *up_to = counted.count;
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_up_to_every_bound_that_is_not_less() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 300_000, 10_000_000, 10_000_001, 60_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let counted = histogram.counted();
        assert_eq!(counted.up_to, [2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5]);
        assert_eq!((counted.count, counted.sum), (7, Duration::from_micros(80_302_002)));
    }
}
