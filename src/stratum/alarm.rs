//! The timer of a connection.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Longest an alarm is set ahead; then it is set again.
const ALARM_MAX: Duration = Duration::from_secs(3600);

/// Rings at a deadline. Deadlines mostly move away, so it is left as it is until one comes nearer, and
/// set anew when it rings; ringing too early does no harm.
#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
    set_to: Duration,
    rang: bool,
}

impl Alarm {
    /// One that is not set.
    pub fn new(now: Duration) -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)), set_to: now, rang: true }
    }

    /// Makes sure that it rings at `deadline` or before.
    pub fn not_later_than(&mut self, deadline: Duration, now: Duration) {
        if self.rang || deadline < self.set_to {
            self.rang = false;
            self.set_to = deadline;
            self.sleep.as_mut().reset(Instant::now() + deadline.saturating_sub(now).min(ALARM_MAX));
        }
    }

    /// Waits for it.
    pub async fn rings(&mut self) {
        self.sleep.as_mut().await;
        self.rang = true;
    }
}
