//! Events that must not be lost and that the disk did not take: they wait in memory, ahead of
//! everything newer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::record::Event;
use crate::bytes::display_hash;

/// Most events that wait. One that comes while so many do is not ahead of what follows: whoever has
/// it brings it again every second, see [`super::late::Late`].
pub const HELD_MAX: usize = 64;

/// An event that waits for the disk.
#[derive(Debug)]
pub(super) struct Waiting {
    pub event: Event,
    /// The second of acceptance.
    pub second: u64,
    /// When it came, monotonic.
    pub since: Duration,
    /// Told its number.
    pub place: oneshot::Sender<u64>,
}

/// The events that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct HeldEvents {
    waiting: VecDeque<Waiting>,
    /// When the block candidates came that found no room.
    outside: Vec<Duration>,
}

impl HeldEvents {
    /// Takes `event` of the second `second`, come at `since`; whoever waits is told its number. `None`:
    /// there is no room.
    pub(super) fn push(&mut self, event: &Event, second: u64, since: Duration) -> Option<oneshot::Receiver<u64>> {
        if self.waiting.len() >= HELD_MAX {
            return None;
        }
        let (place, told) = oneshot::channel();
        self.waiting.push_back(Waiting { event: event.clone(), second, since, place });
        Some(told)
    }

    /// When the block candidates among them came, and those that found no room.
    pub(super) fn candidates_since(&self) -> Vec<Duration> {
        let inside = self.waiting.iter().filter(|waiting| is_candidate(&waiting.event)).map(|waiting| waiting.since);
        inside.chain(self.outside.iter().copied()).collect()
    }

    /// `event`, come at `since`, found no room.
    pub(super) fn stays_outside(&mut self, event: &Event, since: Duration) {
        if is_candidate(event) {
            self.outside.push(since);
        }
    }

    /// One that had found no room does not wait outside any more.
    pub(super) fn leaves_outside(&mut self, event: &Event, since: Duration) {
        if is_candidate(event)
            && let Some(place) = self.outside.iter().position(|&other| other == since)
        {
            self.outside.remove(place);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Puts the oldest back.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.waiting.push_front(waiting);
    }

    /// Lets go of all of them: the log is the only place that still knows them.
    pub(super) fn give_up(&mut self) {
        self.waiting.drain(..).for_each(|waiting| lost(&waiting.event, waiting.second));
    }
}

fn is_candidate(event: &Event) -> bool {
    matches!(event, Event::Share(share) if share.candidate.is_some())
}

/// The event as it is written once its miner has been refused: no share that counts.
pub(super) fn late_form(event: &Event) -> Event {
    match event {
        Event::Share(share) => Event::Share(share.clone().late()),
        Event::Verdict(_) => event.clone(),
    }
}

/// Tells the log everything a row would have said.
pub(super) fn lost(event: &Event, second: u64) {
    match event {
        Event::Share(share) => tracing::error!(
            worker = ?share.worker, height = share.height, hash = share.solution.as_ref().map(display_hash),
            difficulty = share.row_difficulty, remote = %share.remote, time = second, reason = ?share.reason,
            "a block candidate could not be written down: the next start does it if the block's dossier is on the disk, otherwise enter its row by hand, with our_result N"
        ),
        Event::Verdict(verdict) => tracing::error!(
            candidate = verdict.candidate, hash = display_hash(&verdict.written_hash), accepted = verdict.accepted,
            reason = ?verdict.reason,
            "a block's verdict could not be written down: the daemon asks for it again when it starts"
        ),
    }
}
