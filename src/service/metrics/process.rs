//! The process, by the names that Prometheus' own libraries give these metrics.

use super::text::{Kind, Text};
use super::whole;

pub(super) fn tell(text: &mut Text) {
    // Where /proc is not there, neither are these.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(kib) = kib {
        text.one("process_resident_memory_bytes", Kind::Gauge, "Resident memory.", whole(kib * 1024));
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        text.one("process_open_fds", Kind::Gauge, "Open file descriptors.", whole(descriptors.count() as u64));
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        text.one("process_max_fds", Kind::Gauge, "Most file descriptors that may be open.", whole(most));
    }
}
