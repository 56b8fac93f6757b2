//! What the drainer does with a row that the database refuses.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::decision::{self, Outcome};
use super::drainer::Drainer;
use super::mended;
use super::quarantine::{self, QUARANTINE_FILE};
use super::record::{Entry, Event};
use super::sink::{Sink, SinkError};
use super::status::DrainState;

/// So many rows refused one after the other pause the drain: the fault is not in the rows.
pub const QUARANTINE_STREAK_MAX: u32 = 3;
/// Most quarantined rows that may lie between the position and the end: some 50 MB of memory. With more the
/// drain stops, because it could not tell which rows it must leave out.
const QUARANTINED_KNOWN_MAX: usize = 1_000_000;

/// What is known of refused rows.
pub(super) struct Refused {
    /// Rows above the cursor that are in quarantine: they are never sent, only handed in again by command.
    pub quarantined: BTreeSet<u64>,
    /// How many went there one after the other.
    pub in_a_row: u32,
    /// So many of them pause the drain.
    pub in_a_row_max: u32,
    /// On its way to quarantine when the file failed, and why it goes there: its line may be in the file
    /// all the same, and a replay would put it in.
    pub unfinished: Option<(Entry, String)>,
}

impl Refused {
    /// Nothing is known.
    pub(super) fn none() -> Self {
        Self { quarantined: BTreeSet::new(), in_a_row: 0, in_a_row_max: QUARANTINE_STREAK_MAX, unfinished: None }
    }

    /// Rows were stored: the fault lay in those before them.
    pub(super) fn end_streak(&mut self) {
        self.in_a_row = 0;
        self.in_a_row_max = QUARANTINE_STREAK_MAX;
    }

    /// What of `batch` is to be sent.
    pub(super) fn leave_out<'a>(&self, batch: &'a [Entry]) -> Cow<'a, [Entry]> {
        let is_sent = |entry: &&Entry| !self.quarantined.contains(&entry.seq) || is_candidate(&entry.event);
        if self.quarantined.is_empty() || batch.iter().all(|entry| is_sent(&entry)) {
            return Cow::Borrowed(batch);
        }
        Cow::Owned(batch.iter().filter(is_sent).cloned().collect())
    }

    /// The sink has stored everything up to `seq`.
    pub(super) fn stored(&mut self, seq: u64) {
        if self.quarantined.first().is_some_and(|&first| first <= seq) {
            self.quarantined = self.quarantined.split_off(&seq.saturating_add(1));
        }
    }
}

fn is_candidate(event: &Event) -> bool {
    matches!(event, Event::Share(share) if share.candidate.is_some())
}

impl<S: Sink> Drainer<S> {
    /// Reads which rows above `stored` went to quarantine: a life that was killed before the position
    /// had moved over such a row, or a position that was moved back, must not send it as well.
    pub(super) async fn know_quarantined(&mut self, stored: u64) -> Result<(), DrainState> {
        let path = self.ledger.shared.dir.join(QUARANTINE_FILE);
        let read = tokio::task::spawn_blocking(move || mended::numbers_above(&path, stored, QUARANTINED_KNOWN_MAX + 1));
        let numbers = match read.await {
            Ok(Ok(numbers)) => numbers,
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => BTreeSet::new(),
            Ok(Err(error)) => return Err(DrainState::Held(format!("{QUARANTINE_FILE} cannot be read: {error}"))),
            Err(_) => return Err(shutting_down()),
        };
        if numbers.len() > QUARANTINED_KNOWN_MAX {
            return Err(DrainState::Stopped(format!(
                "more than {QUARANTINED_KNOWN_MAX} events above {stored} are in {QUARANTINE_FILE}; decide with \
                 `spool adopt --from`, or move lines of events that the database may have twice out of the file"
            )));
        }
        self.refused.quarantined = numbers;
        Ok(())
    }

    /// Deals with the one row that the sink refuses: nothing before it in the line is to be sent.
    pub(super) async fn poison(&mut self, entry: Entry, reason: String) -> Result<(), DrainState> {
        let (old, new) = (self.cursor, entry.seq);
        self.doubt = None;
        if let Event::Share(share) = &entry.event
            && share.candidate.is_some()
        {
            let safest = Entry { event: Event::Share(share.sanitised()), ..entry };
            self.doubt = Some(new);
            return match self.sink.commit(&[safest], old, new).await {
                Ok(()) => {
                    tracing::error!(spool = %self.ledger.spool(), seq = new, reason, "a block candidate's row was refused; stored without reason and address");
                    self.refused.end_streak();
                    self.stored(new);
                    Ok(())
                }
                Err(SinkError::Refused(again)) => {
                    self.doubt = None;
                    Err(DrainState::Held(format!(
                        "the row of block candidate {new} is refused ({reason}), also with the safest values ({again}): \
                         all rows behind it wait until the database takes it"
                    )))
                }
                Err(error) => Err(self.trouble(error)),
            };
        }
        if self.refused.in_a_row >= self.refused.in_a_row_max {
            return Err(self.paused(&reason));
        }
        self.set_aside(entry, reason).await
    }

    /// Ends what a failing quarantine file has left unfinished, before anything else is sent: also if the
    /// database would take the row by now. True if there was something.
    pub(super) async fn finish_quarantine(&mut self) -> Result<bool, DrainState> {
        match self.refused.unfinished.take() {
            Some((entry, reason)) => self.set_aside(entry, reason).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Brings a row to quarantine and moves the position over it.
    async fn set_aside(&mut self, entry: Entry, reason: String) -> Result<(), DrainState> {
        let (old, new) = (self.cursor, entry.seq);
        self.quarantine(entry, reason.clone()).await?;
        // From here on it is never sent, whatever becomes of this commit.
        self.doubt = Some(new);
        self.sink.commit(&[], old, new).await.map_err(|error| self.trouble(error))?;
        self.stored(new);
        if self.refused.in_a_row >= self.refused.in_a_row_max { Err(self.paused(&reason)) } else { Ok(()) }
    }

    async fn quarantine(&mut self, entry: Entry, reason: String) -> Result<(), DrainState> {
        let seq = entry.seq;
        tracing::error!(spool = %self.ledger.spool(), seq, reason, "the database can never store this row: it goes to quarantine");
        let dir = self.ledger.shared.dir.clone();
        let (line, why) = (entry.clone(), reason.clone());
        let written = tokio::task::spawn_blocking(move || quarantine::append(&dir, &line, &why)).await;
        match written {
            Ok(Ok(())) => {
                self.refused.quarantined.insert(seq);
                self.refused.in_a_row += 1;
                self.ledger.shared.counters.quarantined.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) => {
                self.refused.unfinished = Some((entry, reason));
                Err(DrainState::Held(format!(
                    "row {seq} must go to quarantine, but its file cannot be written: {error}"
                )))
            }
            Err(_) => Err(shutting_down()),
        }
    }

    fn paused(&self, reason: &str) -> DrainState {
        DrainState::Paused(format!(
            "{} rows in a row were refused, the last one: {reason}; look at the table and at {QUARANTINE_FILE}, mend \
             the table, or let more rows go there with `spool resume`",
            self.refused.in_a_row
        ))
    }

    /// Heeds an operator's word that more rows may go to quarantine, if there is one.
    pub(super) async fn heed_permission(&mut self) -> Result<(), DrainState> {
        let shared = Arc::clone(&self.ledger.shared);
        let (id, rows) = match decision::permission(&shared.dir) {
            Ok(None) => return Ok(()),
            Ok(Some(given)) if given.spool == shared.spool.to_string() => (given.id, given.rows),
            Ok(Some(given)) => (given.id, 0),
            // Whatever it says: it was not made by a command, and is answered as if it said nothing.
            Err(error) if error.kind() == ErrorKind::InvalidData => (String::new(), 0),
            Err(error) => return Err(DrainState::Held(format!("a permission cannot be read: {error}"))),
        };
        let applied = rows > 0 && self.refused.in_a_row >= self.refused.in_a_row_max;
        let text = match applied {
            true => format!("up to {rows} further rows in a row may go to quarantine"),
            false => "the drain of this spool is not paused".to_owned(),
        };
        tracing::warn!(spool = %shared.spool, applied, text, "the operator's word about refused rows");
        let outcome = Outcome { id, applied, text, at: shared.clock.unix_secs() };
        // Answered and gone before it has an effect: it is good for one time.
        match tokio::task::spawn_blocking(move || decision::settle_permission(&shared.dir, &outcome)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(DrainState::Held(format!("a permission cannot be put aside: {error}"))),
            Err(_) => return Err(shutting_down()),
        }
        if applied {
            self.refused.in_a_row_max = self.refused.in_a_row.saturating_add(rows);
        }
        Ok(())
    }
}

fn shutting_down() -> DrainState {
    DrainState::Unavailable("the runtime is shutting down".to_owned())
}
