//! How long to wait before a connection to a node is opened again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// First wait after a connection ended.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest wait; each is twice the one before, and up to a quarter longer by chance.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A connection that stood for so long was a good one: the next wait is the first again.
const GOOD_MIN: Duration = Duration::from_secs(60);

/// Waits that grow.
pub(super) struct Backoff {
    pause: Duration,
    opened_at: Instant,
    /// The problem that was logged last.
    told: String,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { pause: PAUSE_MIN, opened_at: Instant::now(), told: String::new() }
    }

    /// A connection is being opened.
    pub(super) fn opening(&mut self) {
        self.opened_at = Instant::now();
    }

    /// It ended. True if that is worth a warning: another problem than the time before.
    pub(super) fn is_news(&mut self, problem: &str) -> bool {
        let is_news = self.told != problem;
        problem.clone_into(&mut self.told);
        is_news
    }

    /// It stands: the same problem later is news again.
    pub(super) fn stands(&mut self) {
        self.told.clear();
    }

    /// Waits before the next attempt.
    pub(super) async fn wait(&mut self) {
        if self.opened_at.elapsed() >= GOOD_MIN {
            self.pause = PAUSE_MIN;
        }
        let mut chance = [0];
        // Without a random number the waits are merely regular.
        let _ = getrandom::fill(&mut chance);
        sleep(self.pause + self.pause * u32::from(chance[0]) / 1024).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}
