//! How long the drainer waits for what.

use std::time::Duration;

/// The drainer's times; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// First wait before an unavailable sink is tried again; doubled every time.
    pub backoff_min: Duration,
    /// Longest such wait: a candidate's row must be visible within a second of the sink's return.
    pub backoff_max: Duration,
    /// Wait before a refused candidate is tried again.
    pub held_retry: Duration,
    /// Wait after several refused rows in a row.
    pub paused_retry: Duration,
    /// Wait before a stopped drain looks whether an operator has decided.
    pub stopped_retry: Duration,
    /// An idle writer shows that it is alive so often.
    pub keep_alive: Duration,
    /// Longest wait for a candidate to reach the disk while rows are held back for it.
    pub hold_max: Duration,
    /// The same trouble is logged at most so often.
    pub log_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            held_retry: Duration::from_secs(1),
            paused_retry: Duration::from_secs(10),
            stopped_retry: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            hold_max: Duration::from_secs(5),
            log_every: Duration::from_secs(10),
        }
    }
}
