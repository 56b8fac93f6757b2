//! Brings the spool's events into the sink, in order, each exactly once.
//!
//! The sink's own position is the only truth about what is stored. After every doubt the drainer
//! asks it, and goes on only if the answer is one of the two it can explain: the position before
//! the commit in doubt, or the one behind it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::ReadError;
use super::group::{Plan, plan};
use super::handle::Ledger;
use super::pace::Pace;
use super::poison::Refused;
use super::queue::Queue;
use super::reader::Reader;
use super::segments::lock;
use super::sink::{Sink, SinkError};
use super::status::DrainState;

/// Most rows that are held back for a candidate behind them; one that is further away is not looked for,
/// and rows become visible without it. At the 30,000 rows a second of one connection it is a commit of 3 s.
pub const HOLD_ROWS_MAX: usize = 100_000;

/// Longest that one turn may take: the sink's own limits on every step end it long before.
pub(super) const TURN_MAX: Duration = Duration::from_secs(300);

/// One spool's way into one sink.
pub struct Drainer<S> {
    pub(super) ledger: Arc<Ledger>,
    pub(super) sink: S,
    pace: Pace,
    /// The last event known to be stored; meaningful once `queue` is there.
    pub(super) cursor: u64,
    /// End of the last commit whose outcome is not known.
    pub(super) doubt: Option<u64>,
    /// There from the first attach on.
    queue: Option<Queue>,
    /// The candidates above this number are known.
    candidates_from: Option<u64>,
    attached: bool,
    /// A refused row lies between the cursor and here.
    suspect: Option<u64>,
    pub(super) refused: Refused,
    logged_at: Option<Duration>,
}

impl Ledger {
    /// A drainer into `sink`. One at a time; run it as a task.
    pub fn drainer<S: Sink>(self: &Arc<Self>, sink: S) -> Drainer<S> {
        Drainer {
            ledger: Arc::clone(self),
            sink,
            pace: Pace::default(),
            cursor: 0,
            doubt: None,
            queue: None,
            candidates_from: None,
            attached: false,
            suspect: None,
            refused: Refused::none(),
            logged_at: None,
        }
    }
}

impl<S: Sink> Drainer<S> {
    /// The same drainer with other times.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Drains until `stop` is true or its sender is gone. The commit under way is finished first.
    /// Returns the sink, to be closed.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> S {
        let mut backoff = self.pace.backoff_min;
        loop {
            self.ledger.shared.drain_pulse.beat();
            if *stop.borrow() || stop.has_changed().is_err() {
                break;
            }
            let trouble = match self.turn(&mut stop).await {
                Ok(progress) => {
                    if progress {
                        backoff = self.pace.backoff_min;
                        self.tell_running().await;
                    }
                    continue;
                }
                Err(trouble) => trouble,
            };
            let wait = match trouble {
                DrainState::Held(_) => self.pace.held_retry,
                DrainState::Paused(_) => self.pace.paused_retry,
                DrainState::Stopped(_) => {
                    self.attached = false;
                    self.nothing_is_sent();
                    self.pace.stopped_retry
                }
                DrainState::Off | DrainState::Running | DrainState::Unavailable(_) => {
                    let wait = backoff;
                    backoff = (backoff * 2).min(self.pace.backoff_max);
                    wait
                }
            };
            // A writer that waits for an operator is alive: nobody may take its table over.
            let waits = matches!(trouble, DrainState::Held(_) | DrainState::Paused(_));
            if waits && self.attached && self.sink.keep_alive().await.is_err() {
                self.attached = false;
            }
            let kind = std::mem::discriminant(&trouble);
            self.tell(trouble).await;
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => break,
                () = self.rest(wait, kind) => {}
            }
            // A drain that is paused stays attached, and so does not ask for it otherwise.
            if let Err(trouble) = self.heed_permission().await {
                self.tell(trouble).await;
            }
        }
        self.ledger.shared.set_drain(DrainState::Off);
        self.sink
    }

    /// One step; true if the sink has shown that it works.
    async fn turn(&mut self, stop: &mut watch::Receiver<bool>) -> Result<bool, DrainState> {
        if !self.attached {
            self.attach().await?;
            self.attached = true;
            if self.ledger.shared.drained_seq() == self.ledger.shared.synced_seq() {
                self.tell_running().await;
            }
            return Ok(false);
        }
        let mut synced = self.ledger.synced();
        if *synced.borrow_and_update() <= self.cursor {
            let cursor = self.cursor;
            let work = async { synced.wait_for(|&synced| synced > cursor).await.is_ok() };
            let stopped = async { stop.wait_for(|&stop| stop).await.is_err() };
            let idle = tokio::select! {
                biased;
                _ = stopped => return Ok(false),
                _ = work => false,
                () = tokio::time::sleep(self.pace.keep_alive) => true,
            };
            if idle {
                let alive = self.sink.keep_alive().await;
                return alive.map(|()| true).map_err(|error| self.trouble(error));
            }
        }
        self.commit_front().await
    }

    /// Asks the sink where it stands and makes sure that the answer can be explained.
    async fn attach(&mut self) -> Result<(), DrainState> {
        self.decide().await?;
        self.heed_permission().await?;
        let shared = Arc::clone(&self.ledger.shared);
        let confirmed = lock(&shared.confirmed).seq();
        let explained = self.explained();
        if self.queue.is_none() {
            // Also while the database is away it is known which blocks it has not got.
            self.know_candidates(confirmed).await?;
        }
        let attached = self.sink.attach(shared.spool, confirmed, &explained).await;
        let stored = attached.map_err(|error| self.trouble(error))?;
        if self.queue.is_some() {
            if stored != self.cursor && Some(stored) != self.doubt {
                return Err(DrainState::Stopped(format!(
                    "the database's position is {stored}, this process left it at {}: something else moved it; stop \
                     that, and decide with `spool adopt` or `spool rewind`",
                    self.cursor
                )));
            }
            self.about_to_send()?;
            self.stored(stored);
            return Ok(());
        }
        if stored < confirmed {
            return Err(DrainState::Stopped(format!(
                "the database's position is {stored}, but it had confirmed {confirmed}: it lost rows (restored from a \
                 backup, or another server?); decide with `spool rewind`, which sends them again, or `spool adopt`"
            )));
        }
        let explained_max = lock(&shared.confirmed).explained_max();
        if let Some(end) = explained_max.filter(|&end| end < stored) {
            return Err(DrainState::Stopped(format!(
                "the database's position is {stored}, but the spool ended with {end} when it last sent: it is older \
                 than the database (restored from a backup?); decide with `spool adopt`"
            )));
        }
        // Known before anything before them is shown.
        self.know_candidates(stored).await?;
        self.know_quarantined(stored).await?;
        self.about_to_send()?;
        self.queue = Some(Queue::new(self.reader(stored)));
        self.stored(stored);
        Ok(())
    }

    /// Learns of the candidates above `seq`, of earlier runs or behind a position that was moved back,
    /// that wait in the line.
    async fn know_candidates(&mut self, seq: u64) -> Result<(), DrainState> {
        let shared = &self.ledger.shared;
        let mut earlier = Vec::new();
        if self.candidates_from.is_none_or(|from| seq < from) {
            let (scan, through, now) = (self.reader(seq), shared.synced_seq(), shared.clock.monotonic());
            earlier = tokio::task::spawn_blocking(move || scan.candidates(through, now))
                .await
                .map_err(|_| DrainState::Unavailable("the runtime is shutting down".to_owned()))?;
        }
        shared.know_candidates(earlier, seq);
        self.candidates_from = Some(seq);
        Ok(())
    }

    /// Reads what comes after `seq`.
    fn reader(&self, seq: u64) -> Reader {
        let shared = &self.ledger.shared;
        Reader::new(Arc::clone(&shared.segments), shared.salt, seq + 1)
    }

    /// The drain has stopped: what is written from now on explains no position of the database, also not
    /// after a restart.
    fn nothing_is_sent(&self) {
        let shared = &self.ledger.shared;
        let mut confirmed = lock(&shared.confirmed);
        // One that was never attached itself cannot know how far another one before it had come.
        let explained_max = if self.queue.is_some() { self.doubt.unwrap_or(self.cursor) } else { shared.synced_seq() };
        let explained_max = confirmed.explained_max().unwrap_or(explained_max);
        if (confirmed.explained_max().is_none() || !confirmed.is_noted())
            && let Err(error) = confirmed.explain(Some(explained_max))
        {
            tracing::error!(spool = %shared.spool, %error, "it cannot be noted how far the database's position is explained");
        }
    }

    /// From now on any event may be what moves the database's position; noted durably before one is sent.
    fn about_to_send(&self) -> Result<(), DrainState> {
        let mut confirmed = lock(&self.ledger.shared.confirmed);
        if confirmed.explained_max().is_none() && confirmed.is_noted() {
            return Ok(());
        }
        confirmed.explain(None).map_err(|error| {
            DrainState::Held(format!("it cannot be noted beside the spool that events are sent, so none is: {error}"))
        })
    }

    /// The positions that the sink may stand at without anybody else having moved it.
    fn explained(&self) -> Vec<RangeInclusive<u64>> {
        if self.queue.is_some() {
            return [Some(self.cursor), self.doubt].into_iter().flatten().map(|seq| seq..=seq).collect();
        }
        let shared = &self.ledger.shared;
        let synced = shared.synced_seq();
        let known = lock(&shared.confirmed);
        vec![known.seq()..=known.explained_max().unwrap_or(synced)]
    }

    /// Commits the front of the line, or narrows down what is refused in it; true if the sink has
    /// stored something.
    async fn commit_front(&mut self) -> Result<bool, DrainState> {
        if self.finish_quarantine().await? {
            return Ok(true);
        }
        let through = self.ledger.shared.synced_seq();
        let count = self.choose(through).await?;
        let old = self.cursor;
        let Some(queue) = &mut self.queue else { return Ok(false) };
        let batch = queue.front(count);
        // Nothing to read below `through`: all of it is a gap that recovery has reported.
        let new = batch.last().map_or(through, |last| last.seq);
        let sent = self.refused.leave_out(batch);
        self.doubt = Some(new);
        let begun = self.ledger.shared.clock.monotonic();
        let stored = self.sink.commit(&sent, old, new).await;
        let took = self.ledger.shared.clock.monotonic().saturating_sub(begun);
        self.ledger.shared.counters.commits.observe(took);
        match stored {
            Ok(()) => {
                if !sent.is_empty() {
                    self.refused.end_streak();
                }
                self.stored(new);
                Ok(true)
            }
            Err(SinkError::Refused(_)) if sent.len() > 1 => {
                self.doubt = None;
                self.suspect = Some(new);
                Ok(false)
            }
            Err(SinkError::Refused(reason)) => {
                self.suspect = Some(new);
                match sent.first().cloned() {
                    Some(poison) => self.poison(poison, reason).await.map(|()| true),
                    None => Ok(false),
                }
            }
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// How many entries of the front to commit together; `through` is on the disk.
    async fn choose(&mut self, through: u64) -> Result<usize, DrainState> {
        let rows_max = self.ledger.shared.config.batch_rows_max;
        let mut synced = self.ledger.synced();
        let held_since = self.ledger.shared.clock.monotonic();
        let Some(queue) = &mut self.queue else { return Ok(0) };
        queue.fill(through, rows_max).await.map_err(|error| unreadable(&error))?;
        if let Some(suspect) = self.suspect {
            // Bisection: the refused row is in the first half or in what is left after it.
            return Ok((queue.through(suspect) / 2).max(1));
        }
        let mut count = queue.len().min(rows_max);
        loop {
            let planned = {
                let mut pending = lock(&self.ledger.shared.candidates);
                let pending = pending.make_contiguous();
                let reach = self.cursor.saturating_add(HOLD_ROWS_MAX as u64);
                let near = pending.partition_point(|candidate| candidate.seq <= reach);
                plan(queue.front(count), pending.get(..near).unwrap_or_default())
            };
            let needed = match planned {
                Plan::Take(count) => return Ok(count),
                Plan::Through(seq) => seq,
            };
            let rows = usize::try_from(needed - self.cursor).unwrap_or(usize::MAX);
            let held = self.ledger.shared.clock.monotonic().saturating_sub(held_since);
            let left = self.pace.hold_max.saturating_sub(held);
            if !left.is_zero() {
                self.ledger.sync_now();
                let on_disk = synced.wait_for(|&synced| synced >= needed);
                let on_disk = matches!(tokio::time::timeout(left, on_disk).await, Ok(Ok(_)));
                if on_disk {
                    queue.fill(needed, rows).await.map_err(|error| unreadable(&error))?;
                }
                let reached = queue.through(needed);
                if on_disk && reached > count {
                    count = reached;
                    continue;
                }
            }
            tracing::warn!(
                spool = %self.ledger.spool(), rows, candidate = needed,
                "rows become visible before a block candidate behind them: it did not reach the disk"
            );
            return Ok(count);
        }
    }

    /// The sink has stored everything up to `seq`.
    pub(super) fn stored(&mut self, seq: u64) {
        self.cursor = seq;
        self.doubt = None;
        self.refused.stored(seq);
        if self.suspect.is_some_and(|suspect| suspect <= seq) {
            self.suspect = None;
        }
        let position = self.queue.as_mut().and_then(|queue| queue.advance(seq));
        self.ledger.shared.confirm(seq, position);
    }

    /// The position was moved by decision: what is known of the line is void.
    pub(super) fn start_over(&mut self, seq: u64) {
        self.cursor = seq;
        self.doubt = None;
        self.queue = None;
        self.candidates_from = None;
        self.suspect = None;
        self.refused = Refused::none();
    }

    pub(super) fn trouble(&mut self, error: SinkError) -> DrainState {
        self.attached = false;
        match error {
            // Where no row was sent it is no row's fault.
            SinkError::Unavailable(reason) | SinkError::Refused(reason) => DrainState::Unavailable(reason),
            SinkError::Stop(reason) => DrainState::Stopped(reason),
        }
    }

    /// Publishes and logs trouble; the same kind of it not too often.
    async fn tell(&mut self, trouble: DrainState) {
        let shared = Arc::clone(&self.ledger.shared);
        let now = shared.clock.monotonic();
        let before = lock(&shared.drain).clone();
        // The note first: who reads the log may look at it next.
        if before != trouble {
            self.note(&trouble).await;
        }
        let recent = self.logged_at.is_some_and(|at| now.saturating_sub(at) < self.pace.log_every);
        if !recent || std::mem::discriminant(&before) != std::mem::discriminant(&trouble) {
            self.logged_at = Some(now);
            let undrained = shared.synced_seq().saturating_sub(self.cursor);
            match &trouble {
                DrainState::Unavailable(_) => tracing::warn!(spool = %shared.spool, undrained, "drain {trouble}"),
                _ => tracing::error!(spool = %shared.spool, undrained, "drain {trouble}"),
            }
        }
        shared.set_drain(trouble);
    }

    async fn tell_running(&self) {
        let shared = &self.ledger.shared;
        if *lock(&shared.drain) != DrainState::Running {
            self.note(&DrainState::Running).await;
            shared.set_drain(DrainState::Running);
        }
    }
}

fn unreadable(error: &ReadError) -> DrainState {
    match error {
        ReadError::Io { .. } => DrainState::Held(error.to_string()),
        ReadError::Damaged { .. } | ReadError::Gone { .. } => DrainState::Stopped(error.to_string()),
    }
}
