//! The service manager's side of life: READY, STATUS, STOPPING. Without one, nothing happens.

use systemd::daemon::{STATE_READY, STATE_STATUS, STATE_STOPPING, notify};
use tracing::debug;

/// The ports are bound and the spools are open.
pub fn ready(status: &str) {
    tell(&[(STATE_READY, "1"), (STATE_STATUS, status)]);
}

/// What an operator sees in `systemctl status`.
pub fn status(status: &str) {
    tell(&[(STATE_STATUS, status)]);
}

/// The daemon has been told to stop.
pub fn stopping() {
    tell(&[(STATE_STOPPING, "1"), (STATE_STATUS, "stopping: finishing what was read")]);
}

fn tell(state: &[(&str, &str)]) {
    if let Err(problem) = notify(state.iter()) {
        debug!(%problem, "the service manager cannot be told");
    }
}
