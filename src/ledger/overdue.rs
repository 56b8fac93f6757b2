//! Block candidates that the database should have by now.
//!
//! MPOS looks for the share of a new block within a minute or so. If the row is not there it gives the
//! block to somebody else and never looks again, so that somebody has to hear of it in time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::handle::Ledger;
use super::segments::lock;

/// A candidate that is not committed in the database so long after it came is an alarm, until it is.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Candidates that wait for longer than [`OVERDUE_AFTER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// How many; at least one.
    pub candidates: usize,
    /// How long the oldest has been waiting. Of one from before the start of this process: since then.
    pub longest: Duration,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (candidates, secs) = (self.candidates, self.longest.as_secs());
        write!(f, "BLOCK CANDIDATES NOT IN THE DATABASE: {candidates}, for up to {secs} s")
    }
}

impl Ledger {
    /// The candidates that should be in the database and are not, whatever the reason: it is away, the
    /// drain has stopped, or the disk does not take them. `None`: there are none.
    pub fn overdue(&self) -> Option<Overdue> {
        let shared = &*self.shared;
        let now = shared.clock.monotonic();
        let held = lock(&shared.appender).held.candidates_since();
        let pending = lock(&shared.candidates);
        let waits = held.into_iter().chain(pending.iter().map(|pending| pending.since));
        let waits = waits.map(|since| now.saturating_sub(since)).filter(|&wait| wait >= OVERDUE_AFTER);
        waits.fold(None, |so_far: Option<Overdue>, wait| {
            let (candidates, longest) = so_far.map_or((0, wait), |it| (it.candidates, it.longest.max(wait)));
            Some(Overdue { candidates: candidates + 1, longest })
        })
    }
}

/// Tells the log when candidates become overdue, when there are more of them, and when all are in the
/// database; until `stop` is true or its sender is gone.
pub async fn watch(ledger: Arc<Ledger>, mut stop: watch::Receiver<bool>) {
    let mut told = 0;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return,
            _ = ticks.tick() => told = tell(&ledger, told),
        }
    }
}

/// `told` candidates were overdue at the last look; returns how many are.
fn tell(ledger: &Ledger, told: usize) -> usize {
    let Some(overdue) = ledger.overdue() else {
        if told > 0 {
            tracing::info!(spool = %ledger.spool(), "all block candidates are in the database");
        }
        return 0;
    };
    if overdue.candidates > told {
        tracing::error!(
            spool = %ledger.spool(), candidates = overdue.candidates, secs = overdue.longest.as_secs(),
            drain = %ledger.status().drain,
            "block candidates are not in the database: MPOS may credit their blocks to others; see to the database, and stop MPOS's findblock until they are"
        );
    }
    overdue.candidates
}
