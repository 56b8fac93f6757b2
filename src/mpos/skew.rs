//! How far the clocks of this machine and of the database are apart. MPOS compares the times of shares,
//! which are this machine's, with the database's clock: rows of the future or the past make its hash
//! rates wrong, and its last attempts at a block's share look in the wrong seconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Conn, Params};
use tokio::sync::watch;
use tracing::{info, warn};

use super::connect::{ask_first, within};
use super::trouble::Trouble;
use crate::clock::Clock;

/// Difference from which on a warning is logged and the status says so, until it is less.
pub const SKEW_WARN_MS: u64 = 5_000;

/// How often a connected writer looks; it does so before its next statement, so an idle one looks when
/// it next shows that it is alive.
pub const SKEW_CHECK_EVERY: Duration = Duration::from_secs(60);

/// A difference of more than [`SKEW_WARN_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// This machine's clock less the database's.
    pub ahead_ms: i64,
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ahead_ms > 0 { "AHEAD OF" } else { "BEHIND" };
        write!(f, "THIS MACHINE'S CLOCK IS {} s {side} THE DATABASE'S", self.ahead_ms.unsigned_abs() / 1000)
    }
}

/// Looks at both clocks now and then.
pub(super) struct Clocks {
    clock: Arc<dyn Clock>,
    /// Monotonic; `None`: not yet.
    looked_at: Option<Duration>,
    skew: watch::Sender<Option<Skew>>,
}

impl Clocks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, looked_at: None, skew: watch::Sender::new(None) }
    }

    /// The difference as it was last seen; `None`: none to speak of.
    pub(super) fn skew(&self) -> watch::Receiver<Option<Skew>> {
        self.skew.subscribe()
    }

    /// Looks if the last look is [`SKEW_CHECK_EVERY`] ago; true if it did. The connection must be between
    /// transactions.
    pub(super) async fn look_if_due(&mut self, conn: &mut Conn, limit: Duration) -> Result<bool, Trouble> {
        let now = self.clock.monotonic();
        match self.looked_at {
            Some(at) if now.saturating_sub(at) < SKEW_CHECK_EVERY => Ok(false),
            _ => self.look(conn, limit).await.map(|()| true),
        }
    }

    /// Looks now.
    pub(super) async fn look(&mut self, conn: &mut Conn, limit: Duration) -> Result<(), Trouble> {
        let (asked_ms, asked) = (self.clock.unix_ms(), self.clock.monotonic());
        let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)";
        let theirs: Option<u64> = within(limit, ask_first(conn, sql, Params::Empty)).await?;
        let answered = self.clock.monotonic();
        self.looked_at = Some(answered);
        let took = answered.saturating_sub(asked);
        if let Some(theirs) = theirs {
            self.tell(difference(asked_ms, took, theirs));
        }
        Ok(())
    }

    fn tell(&self, skew: Option<Skew>) {
        let before = self.skew.send_replace(skew);
        match (before, skew) {
            (None, Some(Skew { ahead_ms })) => warn!(
                ahead_ms,
                "the clocks of this machine and of the database differ: MPOS will show wrong hash rates and may take a wrong share for a block; set the wrong one right"
            ),
            (Some(_), None) => info!("the clocks of this machine and of the database agree again"),
            _ => {}
        }
    }
}

/// The database said `theirs` at some moment of the time that the question took.
pub(super) fn difference(asked_ms: u64, took: Duration, theirs: u64) -> Option<Skew> {
    let half_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX) / 2;
    let ours = asked_ms.saturating_add(half_ms);
    // A slow answer says that much less.
    let is_far = ours.abs_diff(theirs) > SKEW_WARN_MS.saturating_add(half_ms);
    let ahead_ms = i64::try_from(i128::from(ours) - i128::from(theirs)).unwrap_or(i64::MAX);
    is_far.then_some(Skew { ahead_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_slow_answer_explains_is_a_difference() {
        let ms = Duration::from_millis;
        for (took, theirs, ahead_ms) in [
            (0, 100_000, None),
            (0, 105_000, None),
            (0, 105_001, Some(-5_001)),
            (0, 94_999, Some(5_001)),
            (2_000, 107_000, None),
            (2_000, 107_001, Some(-6_001)),
            (2_000, 95_000, None),
            (2_000, 94_999, Some(6_001)),
        ] {
            assert_eq!(
                difference(100_000, ms(took), theirs),
                ahead_ms.map(|ahead_ms| Skew { ahead_ms }),
                "{took} {theirs}"
            );
        }
        let words = Skew { ahead_ms: -61_200 }.to_string();
        assert_eq!(words, "THIS MACHINE'S CLOCK IS 61 s BEHIND THE DATABASE'S");
    }
}
