//! What a virtual machine did not get: time that its host gave to others while it had something to do.
//!
//! Nothing inside shows it but a counter, and everything inside is as much later. On a machine of its own it is 0.

use std::io;

/// The processors' times since the machine started, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct HostTime {
    all: u64,
    stolen: u64,
}

impl HostTime {
    /// As of now: proc_stat(5), the line of all processors.
    pub fn now() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of the first two.
        let times: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|time| time.parse().ok()).collect();
        Ok(Self { all: times.iter().sum(), stolen: times.get(7).copied().unwrap_or(0) })
    }

    /// The part that was stolen since an earlier moment.
    #[expect(clippy::cast_precision_loss, reason = "a part of some thousand ticks")]
    pub fn stolen_since(self, earlier: Self) -> f64 {
        let since = |now: u64, then: u64| now.saturating_sub(then) as f64;
        since(self.stolen, earlier.stolen) / since(self.all, earlier.all).max(1.0)
    }
}
