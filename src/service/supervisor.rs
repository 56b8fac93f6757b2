//! The service manager's side of life: READY, STATUS, RELOADING, STOPPING. Without one, nothing happens.

use std::time::Duration;

use systemd::daemon::{
    STATE_READY, STATE_RELOADING, STATE_STATUS, STATE_STOPPING, STATE_WATCHDOG, notify, watchdog_enabled,
};
use tracing::debug;

/// The ports are bound and the spools are open.
pub fn ready(status: &str) {
    tell(&[(STATE_READY, "1"), (STATE_STATUS, status)]);
}

/// What an operator sees in `systemctl status`.
pub fn status(status: &str) {
    tell(&[(STATE_STATUS, status)]);
}

/// The daemon has been told to reload and is at it; `now` is the machine's monotonic time. [`ready`] ends it.
pub fn reloading(now: Duration) {
    tell(&[(STATE_RELOADING, "1"), ("MONOTONIC_USEC", &now.as_micros().to_string())]);
}

/// The daemon has been told to stop.
pub fn stopping() {
    tell(&[(STATE_STOPPING, "1"), (STATE_STATUS, "stopping: finishing what was read")]);
}

/// After so long without a word of [`alive`] the service manager ends the process; `None`: it does not.
pub fn watchdog() -> Option<Duration> {
    watchdog_enabled().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

/// The daemon makes progress.
pub fn alive() {
    tell(&[(STATE_WATCHDOG, "1")]);
}

fn tell(state: &[(&str, &str)]) {
    if let Err(problem) = notify(state.iter()) {
        debug!(%problem, "the service manager cannot be told");
    }
}
