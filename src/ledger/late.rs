//! What becomes of a candidate or a verdict that the disk did not take when it came.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::appender::{Appender, Written};
use super::error::AppendError;
use super::held::{late_form, lost};
use super::reader::Pending;
use super::record::Event;
use super::segments::lock;
use super::shared::Shared;

/// Pause before an event that found no room among those that wait is brought again.
const AGAIN: Duration = Duration::from_secs(1);

/// A candidate or a verdict that could not be written when it came. Its miner must be refused. It
/// waits in memory, ahead of everything newer, and is written the moment the disk takes it.
pub struct Late {
    error: AppendError,
    wait: Wait,
}

/// How it waits.
enum Wait {
    /// In its place.
    InPlace(oneshot::Receiver<u64>),
    /// Too many others wait: it has no place yet.
    Outside(Box<Outside>),
    /// It can never be written.
    Hopeless,
}

/// An event that has no place yet.
struct Outside {
    shared: Arc<Shared>,
    event: Event,
    /// When it came, monotonic.
    since: Duration,
}

impl Drop for Outside {
    /// It has a place now, or nobody brings it again.
    fn drop(&mut self) {
        lock(&self.shared.appender).held.leaves_outside(&self.event, self.since);
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("error", &self.error).finish_non_exhaustive()
    }
}

impl Late {
    /// Why it could not be written.
    pub fn error(&self) -> &AppendError {
        &self.error
    }

    /// Its number, once it is written; `None`: it never will be, and the log says what it was.
    pub async fn written(self) -> Option<u64> {
        let told = match self.wait {
            Wait::InPlace(told) => told,
            Wait::Outside(outside) => loop {
                sleep(AGAIN).await;
                let Outside { shared, event, since } = &*outside;
                let mut appender = lock(&shared.appender);
                let second = shared.clock.unix_secs();
                if appender.closed_for_good {
                    drop(appender);
                    lost(event, second);
                    return None;
                }
                let place = appender.held.push(event, second, *since);
                drop(appender);
                if let Some(told) = place {
                    shared.request(|requests| requests.urgent = true);
                    break told;
                }
            },
            Wait::Hopeless => return None,
        };
        told.await.ok()
    }
}

/// Holds `event`, which was refused with `error`, so that nothing newer can be written before it.
pub(super) fn hold(shared: &Arc<Shared>, appender: &mut Appender, event: &Event, error: AppendError) -> Late {
    let event = late_form(event);
    let (second, since) = (shared.clock.unix_secs(), shared.clock.monotonic());
    let wait = match &error {
        AppendError::TooLarge { .. } | AppendError::Closed => {
            lost(&event, second);
            Wait::Hopeless
        }
        AppendError::Bound { .. }
        | AppendError::Full
        | AppendError::Behind { .. }
        | AppendError::Clock { .. }
        | AppendError::Failed(_) => match appender.held.push(&event, second, since) {
            Some(told) => Wait::InPlace(told),
            None => {
                appender.held.stays_outside(&event, since);
                Wait::Outside(Box::new(Outside { shared: Arc::clone(shared), event, since }))
            }
        },
    };
    tracing::error!(spool = %shared.spool, %error, held = appender.held.len(), "a candidate or verdict waits in memory for the disk");
    Late { error, wait }
}

/// Writes the events that wait, oldest first, until the disk refuses one. True if none waits any more.
pub(super) fn write_held(shared: &Shared, appender: &mut Appender) -> bool {
    while let Some(waiting) = appender.held.pop() {
        // It was accepted no later than now, whatever the clock said then.
        let second = waiting.second.min(shared.clock.unix_secs());
        match appender.write(std::iter::once(&waiting.event), second, true) {
            Ok(written) => {
                note(shared, written, &waiting.event, waiting.since);
                tracing::info!(spool = %shared.spool, seq = written.last_seq, "an event that had waited for the disk is written down");
                // Nobody may be waiting for it any more.
                let _ = waiting.place.send(written.last_seq);
            }
            Err(AppendError::TooLarge { .. }) => lost(&waiting.event, waiting.second),
            Err(_) => {
                appender.held.put_back(waiting);
                return false;
            }
        }
    }
    true
}

/// Takes note of one event that was written; under the appender's mutex, so in order.
fn note(shared: &Shared, written: Written, event: &Event, since: Duration) {
    note_candidate(shared, written.last_seq, event, since);
    shared.written.store(written.last_seq, Ordering::Release);
}

/// Remembers `event`, number `seq`, come at `since`, if it is a candidate; called in the order of the numbers.
pub(super) fn note_candidate(shared: &Shared, seq: u64, event: &Event, since: Duration) {
    if let Event::Share(share) = event
        && let Some(facts) = &share.candidate
    {
        lock(&shared.candidates).push_back(Pending { seq, header_time: u64::from(facts.header_time), since });
    }
}
