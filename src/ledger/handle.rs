//! The ledger as the rest of the program holds it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::appender::{Appender, Next, Written};
use super::error::AppendError;
use super::identity::Lock;
use super::late::{self, Late};
use super::record::{Entry, Event};
use super::segments::lock;
use super::shared::{End, Shared};
use super::sink::SpoolId;
use super::status::Status;
use crate::histogram::Counted;
use crate::pulse::Pulse;

/// One spool, open for appending. Dropping it without [`Ledger::close`] is what a crash of the
/// process is to it.
pub struct Ledger {
    pub(super) shared: Arc<Shared>,
    pub(super) unsettled: Vec<Entry>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) _lock: Lock,
}

/// What an append wants of the sync thread.
#[derive(Clone, Copy, Default)]
struct Wanted {
    dirty: bool,
    urgent: bool,
    allocate: bool,
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
        let mut appender = lock(&self.shared.appender);
        let (result, wanted) = self.append_under(&mut appender, events);
        drop(appender);
        self.ask_for(wanted);
        result
    }

    /// Records one candidate or verdict as [`Ledger::append`] does. If that fails it is held in
    /// memory, up to [`super::held::HELD_MAX`] of them, and nothing newer is written before it; a
    /// candidate is then written as a refused share, because its miner must be refused. It is tried
    /// again with every further candidate or verdict, and once a second.
    pub fn append_or_hold(&self, event: &Event) -> Result<Receipt, Late> {
        let mut appender = lock(&self.shared.appender);
        let (result, mut wanted) = self.append_under(&mut appender, std::slice::from_ref(event));
        let result = result.map_err(|error| {
            wanted.urgent = true;
            late::hold(&self.shared, &mut appender, event, error)
        });
        drop(appender);
        self.ask_for(wanted);
        result
    }

    fn append_under(&self, appender: &mut Appender, events: &[Event]) -> (Result<Receipt, AppendError>, Wanted) {
        let shared = &*self.shared;
        let privileged = events.iter().any(is_privileged);
        let mut wanted = Wanted::default();
        if let Err(error) = self.make_way(appender, privileged, &mut wanted) {
            shared.counters.refused_by_disk.fetch_add(1, Ordering::Relaxed);
            return (Err(error), wanted);
        }
        let undrained_bytes = shared.undrained_bytes(appender);
        let bound = shared.config.spool_bytes_max;
        if undrained_bytes >= bound && !privileged && events.iter().any(|event| !is_refused(event)) {
            shared.counters.refused_at_bound.fetch_add(1, Ordering::Relaxed);
            return (Err(AppendError::Bound { undrained_bytes }), wanted);
        }
        let near = undrained_bytes >= bound / 10 * 9;
        let kept = events.iter().filter(|event| !(near && is_refused(event)));
        let had_next = matches!(appender.next, Next::Ready(..));
        let written = appender.write(kept, shared.clock.unix_secs(), privileged);
        wanted.allocate |= had_next && matches!(appender.next, Next::Missing);
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                shared.counters.refused_by_disk.fetch_add(1, Ordering::Relaxed);
                return (Err(error), wanted);
            }
        };
        let recorded = usize::try_from(written.last_seq + 1 - written.first_seq).unwrap_or(usize::MAX);
        if recorded > 0 {
            if privileged {
                let kept = events.iter().filter(|event| !(near && is_refused(event)));
                let now = shared.clock.monotonic();
                (written.first_seq..).zip(kept).for_each(|(seq, event)| late::note_candidate(shared, seq, event, now));
            }
            shared.written.store(written.last_seq, Ordering::Release);
            wanted.dirty |= !std::mem::replace(&mut appender.told, true);
            wanted.urgent |= privileged;
        }
        (Ok(self.receipt(written, events.len() - recorded)), wanted)
    }

    /// Sees to it that what is held comes first: a candidate or verdict tries to write it out, an
    /// ordinary share is refused at once and leaves that to the sync thread.
    fn make_way(&self, appender: &mut Appender, privileged: bool, wanted: &mut Wanted) -> Result<(), AppendError> {
        if appender.held.is_empty() || appender.closed_for_good {
            return Ok(());
        }
        let through = appender.last_seq();
        let free = privileged && late::write_held(&self.shared, appender);
        wanted.urgent |= appender.last_seq() > through;
        if free { Ok(()) } else { Err(AppendError::Behind { held: appender.held.len() }) }
    }

    /// Wakes the sync thread if it is to do something.
    fn ask_for(&self, wanted: Wanted) {
        if wanted.dirty || wanted.urgent || wanted.allocate {
            self.shared.request(|requests| {
                requests.dirty |= wanted.dirty;
                requests.urgent |= wanted.urgent;
                requests.allocate |= wanted.allocate;
            });
        }
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

    /// The last event that is on the disk now.
    pub fn synced_seq(&self) -> u64 {
        self.shared.synced_seq()
    }

    /// The last event the sink has confirmed by now.
    pub fn drained_seq(&self) -> u64 {
        self.shared.drained_seq()
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

    /// Signs of life of what works for it.
    pub fn pulses(&self) -> [Arc<Pulse>; 2] {
        [Arc::clone(&self.shared.sync_pulse), Arc::clone(&self.shared.drain_pulse)]
    }

    /// How long the database has taken for transactions.
    pub fn commits(&self) -> Counted {
        self.shared.counters.commits.counted()
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
            synced: shared.synced_seq(),
            drained: shared.drained_seq(),
            undrained_bytes: shared.undrained_bytes(&appender),
            drain,
            quarantined: shared.counters.quarantined.load(Ordering::Relaxed),
            unrecorded: shared.counters.unrecorded.load(Ordering::Relaxed),
            refused_at_bound: shared.counters.refused_at_bound.load(Ordering::Relaxed),
            refused_by_disk: shared.counters.refused_by_disk.load(Ordering::Relaxed),
            sync_failed: appender.sync_failed.clone(),
            held: appender.held.len(),
            next_allocated: matches!(appender.next, Next::Ready(..)),
        }
    }

    /// Candidates without a verdict that were in the newest segments when the spool was opened,
    /// oldest first: their fate must be asked for again.
    pub fn unsettled_candidates(&self) -> &[Entry] {
        &self.unsettled
    }

    /// Brings everything to the disk and takes no more events. Blocks for the disk; further calls do
    /// nothing. What is held and refused once more is told to the log.
    pub fn close(&self) {
        let mut appender = lock(&self.shared.appender);
        if !appender.closed_for_good && !late::write_held(&self.shared, &mut appender) {
            appender.held.give_up();
        }
        appender.closed_for_good = true;
        drop(appender);
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

    fn receipt(&self, written: Written, unrecorded: usize) -> Receipt {
        if unrecorded > 0 {
            self.shared.counters.unrecorded.fetch_add(unrecorded as u64, Ordering::Relaxed);
        }
        Receipt { first_seq: written.first_seq, last_seq: written.last_seq, time: written.time, unrecorded }
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
