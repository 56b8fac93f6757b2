//! The drainer carries out what an operator decided.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use super::decision::{self, Decision, DrainNote, Outcome};
use super::drainer::Drainer;
use super::segments::lock;
use super::sink::{Settled, Sink};
use super::status::DrainState;

/// A stopped drain looks for a decision so often.
pub const DECISION_POLL: Duration = Duration::from_secs(1);

/// Longest wait for the disk with a candidate that is recorded again; then it is tried anew.
const SYNC_WAIT: Duration = Duration::from_secs(10);

impl<S: Sink> Drainer<S> {
    /// Waits for a while; a stopped or paused drain only until somebody has decided.
    pub(super) async fn rest(&self, wait: Duration, kind: Discriminant<DrainState>) {
        let dir = &self.ledger.shared.dir;
        let stopped = kind == discriminant(&DrainState::Stopped(String::new()));
        let paused = kind == discriminant(&DrainState::Paused(String::new()));
        let is_decided = || stopped && decision::is_pending(dir) || paused && decision::is_permitted(dir);
        let end = tokio::time::Instant::now() + wait;
        while (stopped || paused) && !is_decided() {
            if tokio::time::Instant::now() + DECISION_POLL >= end {
                break;
            }
            tokio::time::sleep(DECISION_POLL).await;
        }
        if !is_decided() {
            tokio::time::sleep_until(end).await;
        }
    }

    /// Carries out the decision that waits, if one does. Nothing is sent before it is settled: while
    /// its file is there the database stands where it was, or where the decision puts it.
    pub(super) async fn decide(&mut self) -> Result<(), DrainState> {
        let shared = Arc::clone(&self.ledger.shared);
        if !decision::is_pending(&shared.dir) {
            return Ok(());
        }
        let (applied, id, text) = match decision::pending(&shared.dir) {
            Ok(None) => return Ok(()),
            Ok(Some(decision)) => {
                let (applied, text) = self.carry_out(&decision).await?;
                (applied, decision.id, text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                (false, String::new(), format!("the decision cannot be read: {error}"))
            }
            Err(error) => return Err(DrainState::Held(format!("a decision cannot be read: {error}"))),
        };
        let outcome = Outcome { id, applied, text, at: shared.clock.unix_secs() };
        let spool = shared.spool;
        match outcome.applied {
            true => tracing::warn!(%spool, outcome = outcome.text, "the operator's decision is carried out"),
            false => tracing::error!(%spool, outcome = outcome.text, "the operator's decision is refused"),
        }
        let settled = tokio::task::spawn_blocking(move || decision::settle(&shared.dir, &outcome)).await;
        match settled {
            Ok(Ok(())) => Ok(()),
            // With its file still there the same decision could be carried out again later.
            Ok(Err(error)) => Err(DrainState::Held(format!(
                "a decision cannot be put aside, and nothing is sent before it is: {error}"
            ))),
            Err(_) => Err(DrainState::Unavailable("the runtime is shutting down".to_owned())),
        }
    }

    async fn carry_out(&mut self, decision: &Decision) -> Result<(bool, String), DrainState> {
        let shared = Arc::clone(&self.ledger.shared);
        let seq = decision.next_seq.saturating_sub(1);
        let stale = "it was decided on another state; look at `spool status` and decide again";
        if decision.spool != shared.spool.to_string() {
            return Ok((false, format!("it is about spool {}, this is {}: {stale}", decision.spool, shared.spool)));
        }
        let confirmed = lock(&shared.confirmed).seq();
        // The second number: a crash came between the steps below.
        if confirmed != decision.confirmed && confirmed != seq {
            let text =
                format!("the spool knew {} to be stored then, now it is {confirmed}: {stale}", decision.confirmed);
            return Ok((false, text));
        }
        let written = shared.synced_seq();
        if decision.next_seq == 0 || decision.next_seq > written + 1 {
            let text =
                format!("event {} is neither in the spool nor the next one ({})", decision.next_seq, written + 1);
            return Ok((false, text));
        }
        let settled = self.sink.settle(shared.spool, decision.found.as_ref(), seq).await;
        match settled.map_err(|error| self.trouble(error))? {
            Settled::Stale(found) => Ok((false, format!("{found}: {stale}"))),
            Settled::Moved => {
                if let Err(error) = lock(&shared.confirmed).settle(seq) {
                    return Err(DrainState::Held(format!("the position decided on cannot be stored: {error}")));
                }
                self.start_over(seq);
                shared.rewound(seq);
                let blocks = self.record_again(decision).await?;
                Ok((true, format!("the next event to be sent is {}{blocks}", decision.next_seq)))
            }
        }
    }

    /// Records the block candidates that are given up with damage at the end, each once, however often the
    /// decision is carried out. Returns words about them.
    async fn record_again(&self, decision: &Decision) -> Result<String, DrainState> {
        let held = |why: String| DrainState::Held(format!("a block candidate cannot be recorded again: {why}"));
        let mut words = String::new();
        for given_up in &decision.candidates {
            let Some((hash, events)) = given_up.events() else { continue };
            let (ledger, after) = (Arc::clone(&self.ledger), given_up.seq);
            let work = move || match ledger.find_candidate(&hash, after) {
                Ok(Some(seq)) => Ok((seq, seq)),
                Ok(None) => match ledger.append(&events) {
                    Ok(receipt) => Ok((receipt.first_seq, receipt.last_seq)),
                    Err(error) => Err(error.to_string()),
                },
                Err(error) => Err(error.to_string()),
            };
            let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
            let (first, last) = done.map_err(held)?;
            self.ledger.sync_now();
            if tokio::time::timeout(SYNC_WAIT, self.ledger.wait_synced(last)).await.is_err() {
                return Err(held("it does not reach the disk".to_owned()));
            }
            words.push_str(&format!("; block candidate {after} is recorded again as event {first}"));
        }
        Ok(words)
    }

    /// Tells commands that look at the files what the drain is doing.
    pub(super) async fn note(&self, state: &DrainState) {
        let shared = Arc::clone(&self.ledger.shared);
        let described = match state {
            DrainState::Off | DrainState::Running => None,
            DrainState::Unavailable(reason) => Some(("unavailable", reason)),
            DrainState::Held(reason) => Some(("held", reason)),
            DrainState::Paused(reason) => Some(("paused", reason)),
            DrainState::Stopped(reason) => Some(("stopped", reason)),
        };
        let since = shared.clock.unix_secs();
        let note = described.map(|(state, reason)| DrainNote {
            state: state.to_owned(),
            reason: reason.clone(),
            since,
            process: std::process::id(),
        });
        let told = tokio::task::spawn_blocking(move || decision::tell(&shared.dir, note.as_ref())).await;
        if let Ok(Err(error)) = told {
            tracing::debug!(%error, "the drain's state could not be written beside the spool");
        }
    }
}
