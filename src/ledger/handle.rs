//! The ledger as the rest of the program holds it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::appender::Next;
use super::error::AppendError;
use super::identity::Lock;
use super::reader::Pending;
use super::record::{Entry, Event};
use super::segments::lock;
use super::shared::{End, Shared};
use super::sink::SpoolId;
use super::status::Status;

/// One spool, open for appending. Dropping it without [`Ledger::close`] is what a crash of the
/// process is to it.
pub struct Ledger {
    pub(super) shared: Arc<Shared>,
    pub(super) unsettled: Vec<Entry>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) _lock: Lock,
}

/// Where an append's events are in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the first recorded event of the call; the others follow it in the call's order.
    pub first_seq: u64,
    /// Number of the last one. One less than `first_seq` if none was recorded.
    pub last_seq: u64,
    /// The second of acceptance.
    pub time: u64,
    /// Refused shares of the call that were left out because the spool is near its bound.
    pub unrecorded: usize,
}

impl Ledger {
    /// Records `events` in this order, all or none, with one write and without waiting for the
    /// disk. When it returns, a crash of the process loses none of them; a power cut loses none up
    /// to [`Ledger::synced`]. A candidate also starts a sync at once.
    pub fn append(&self, events: &[Event]) -> Result<Receipt, AppendError> {
        let shared = &*self.shared;
        let privileged = events.iter().any(is_privileged);
        let mut appender = lock(&shared.appender);
        let undrained_bytes = shared.undrained_bytes(&appender);
        let bound = shared.config.spool_bytes_max;
        if undrained_bytes >= bound && !privileged && events.iter().any(|event| !is_refused(event)) {
            shared.counters.refused_at_bound.fetch_add(1, Ordering::Relaxed);
            return Err(AppendError::Bound { undrained_bytes });
        }
        let near = undrained_bytes >= bound / 10 * 9;
        let kept = events.iter().filter(|event| !(near && is_refused(event)));
        let had_next = matches!(appender.next, Next::Ready(..));
        let written = appender.write(kept, shared.clock.unix_secs(), privileged);
        let allocate = had_next && matches!(appender.next, Next::Missing);
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                drop(appender);
                shared.counters.refused_by_disk.fetch_add(1, Ordering::Relaxed);
                if allocate {
                    shared.request(|requests| requests.allocate = true);
                }
                return Err(error);
            }
        };
        let Some(recorded) = written.last_seq.checked_sub(written.first_seq).map(|more| more + 1) else {
            drop(appender);
            return Ok(self.receipt(written.first_seq, written.last_seq, written.time, events.len()));
        };
        if privileged {
            self.note_candidates(events, near, written.first_seq);
        }
        shared.written.store(written.last_seq, Ordering::Release);
        let tell = !std::mem::replace(&mut appender.told, true);
        drop(appender);
        if tell || privileged || allocate {
            shared.request(|requests| {
                requests.dirty = true;
                requests.urgent |= privileged;
                requests.allocate |= allocate;
            });
        }
        let recorded = usize::try_from(recorded).unwrap_or(usize::MAX);
        Ok(self.receipt(written.first_seq, written.last_seq, written.time, events.len() - recorded))
    }

    /// Asks for everything written so far to be brought to the disk at once. Callers share syncs:
    /// whatever was written when one begins is covered by it.
    pub fn sync_now(&self) {
        self.shared.request(|requests| requests.urgent = true);
    }

    /// The last event that is on the disk, as it moves.
    pub fn synced(&self) -> watch::Receiver<u64> {
        self.shared.synced.subscribe()
    }

    /// The last event the sink has confirmed, as it moves.
    pub fn drained(&self) -> watch::Receiver<u64> {
        self.shared.drained.subscribe()
    }

    /// Returns when `seq` is on the disk. Bound the wait: a failing disk may never get there.
    pub async fn wait_synced(&self, seq: u64) {
        // The sender lives as long as `self`.
        let _ = self.synced().wait_for(|&synced| synced >= seq).await;
    }

    /// The spool's identity.
    pub fn spool(&self) -> SpoolId {
        self.shared.spool
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let shared = &*self.shared;
        let drain = lock(&shared.drain).clone();
        let appender = lock(&shared.appender);
        Status {
            spool: shared.spool,
            written: appender.last_seq(),
            synced: *shared.synced.borrow(),
            drained: *shared.drained.borrow(),
            undrained_bytes: shared.undrained_bytes(&appender),
            drain,
            quarantined: shared.counters.quarantined.load(Ordering::Relaxed),
            unrecorded: shared.counters.unrecorded.load(Ordering::Relaxed),
            refused_at_bound: shared.counters.refused_at_bound.load(Ordering::Relaxed),
            refused_by_disk: shared.counters.refused_by_disk.load(Ordering::Relaxed),
            sync_failed: appender.sync_failed.clone(),
            next_allocated: matches!(appender.next, Next::Ready(..)),
        }
    }

    /// Candidates without a verdict that were in the newest segments when the spool was opened,
    /// oldest first: their fate must be asked for again.
    pub fn unsettled_candidates(&self) -> &[Entry] {
        &self.unsettled
    }

    /// Brings everything to the disk and takes no more events. Blocks for the disk; further calls do
    /// nothing.
    pub fn close(&self) {
        lock(&self.shared.appender).closed_for_good = true;
        self.end(End::Flush);
    }

    fn end(&self, end: End) {
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            self.shared.request(|requests| requests.end = Some(end));
            if thread.join().is_err() {
                tracing::error!(spool = %self.shared.spool, "the spool's sync thread had ended by a panic");
            }
        }
    }

    fn receipt(&self, first_seq: u64, last_seq: u64, time: u64, unrecorded: usize) -> Receipt {
        if unrecorded > 0 {
            self.shared.counters.unrecorded.fetch_add(unrecorded as u64, Ordering::Relaxed);
        }
        Receipt { first_seq, last_seq, time, unrecorded }
    }

    /// Remembers the candidates among `events`; called under the appender's mutex, so in order.
    fn note_candidates(&self, events: &[Event], near: bool, first_seq: u64) {
        let mut candidates = lock(&self.shared.candidates);
        for (seq, event) in (first_seq..).zip(events.iter().filter(|event| !(near && is_refused(event)))) {
            if let Event::Share(share) = event
                && let Some(facts) = &share.candidate
            {
                candidates.push_back(Pending { seq, header_time: u64::from(facts.header_time) });
            }
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.end(End::Abandon);
    }
}

/// Whether an event passes every bound: block candidates and verdicts.
fn is_privileged(event: &Event) -> bool {
    match event {
        Event::Share(share) => share.candidate.is_some(),
        Event::Verdict(_) => true,
    }
}

/// Whether an event is a refused share that is no candidate: the first to go when space is short.
fn is_refused(event: &Event) -> bool {
    matches!(event, Event::Share(share) if !share.accepted && share.candidate.is_none())
}
