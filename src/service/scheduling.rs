//! How a thread shares the processors with the others.
//!
//! From Linux 6.12 on the scheduler lets a thread finish its slice, some milliseconds, before it looks whether
//! somebody else has woken up, however nice the thread is; unless he who wakes up has the shorter slice. The slice
//! is the thread's own to choose (sched_setattr(2), `sched_runtime` of SCHED_OTHER). Older kernels ignore it and
//! go by niceness at once.
#![allow(unsafe_code, reason = "sched_setattr has no safe interface")]

use std::io;
use std::time::Duration;

use libc::{SCHED_OTHER, SYS_sched_setattr, c_int, c_uint, sched_attr, syscall};

/// The calling thread itself.
const SELF: c_int = 0;
/// No flag.
const FLAGS: c_uint = 0;

/// Gives the calling thread a niceness and a slice.
///
/// # Errors
/// The system does not allow it.
pub fn of_this_thread(niceness: i32, slice: Duration) -> io::Result<()> {
    let attributes = sched_attr {
        size: u32::try_from(size_of::<sched_attr>()).unwrap_or(0),
        sched_policy: SCHED_OTHER.unsigned_abs(),
        sched_flags: 0,
        sched_nice: niceness,
        sched_priority: 0,
        sched_runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of a structure that lives until the call returns, and writes none.
    match unsafe { syscall(SYS_sched_setattr, SELF, &raw const attributes, FLAGS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
