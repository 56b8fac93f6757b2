//! What an operator decides about the position, and how the daemon hears of it.
//!
//! A command puts `decision.json` into the spool's directory. The drainer, which is the only one to
//! move the cursor, finds it when it attaches the next time: while it is stopped it looks every second.
//! It compares what the decision was based on with what it finds, moves the position or refuses, writes
//! `outcome.json`, and removes the decision before it sends anything: so a decision is carried out at
//! most once, also across a crash at any step. A paused drain looks for `resume.json`, which allows more
//! rows to go to quarantine, and is answered in the same file. `drain.json` tells commands what the drain is doing.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::codec;
use super::envelope::Kind;
use super::files;
use super::record::{Event, ShareRecord, VerdictRecord};
use crate::bytes::{Hash, hex};

const DECISION_FILE: &str = "decision.json";
const OUTCOME_FILE: &str = "outcome.json";
const DRAIN_FILE: &str = "drain.json";
const PERMISSION_FILE: &str = "resume.json";

/// Where the database says that writing stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The spool that is the writer, in hexadecimal.
    pub spool: String,
    /// Its last event that is stored.
    pub seq: u64,
}

/// Which command it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Go on from a position.
    Adopt,
    /// Send again from a position.
    Rewind,
}

/// An operator's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Random: its outcome has the same.
    pub id: String,
    /// The command.
    pub verb: Verb,
    /// The spool it is about, in hexadecimal.
    pub spool: String,
    /// The event to send next.
    pub next_seq: u64,
    /// What the database held when it was decided; `None`: no row.
    pub found: Option<Position>,
    /// What the spool knew to be confirmed when it was decided.
    pub confirmed: u64,
    /// When it was decided, Unix seconds.
    pub decided_at: u64,
    /// Block candidates in damage that is given up: they are recorded again, at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<GivenUp>,
}

/// A block candidate whose record is damaged, as its dossier describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The number that it had.
    pub seq: u64,
    /// Payload of its share, in hexadecimal.
    pub share: String,
    /// Payload of the last verdict on it, if there is one.
    pub verdict: Option<String>,
}

impl GivenUp {
    /// A candidate that had number `seq`; `None`: the share is too long to be one.
    pub fn of(seq: u64, share: ShareRecord, verdict: Option<VerdictRecord>) -> Option<Self> {
        let text = |event: &Event| {
            let mut payload = Vec::new();
            codec::encode(event, &mut payload).then(|| hex::encode(&payload))
        };
        let verdict = verdict.map(Event::Verdict).as_ref().map(text);
        Some(Self { seq, share: text(&Event::Share(share))?, verdict: verdict.flatten() })
    }

    /// Its block's hash and the events to be recorded; `None`: this is no candidate.
    pub(super) fn events(&self) -> Option<(Hash, Vec<Event>)> {
        let event = |kind, text: &str| codec::decode(kind, &hex::decode(text.as_bytes())?);
        let share = event(Kind::Share, &self.share)?;
        let Event::Share(ShareRecord { candidate: Some(facts), .. }) = &share else { return None };
        let hash = facts.hash;
        let verdict = self.verdict.as_deref().and_then(|text| event(Kind::Verdict, text));
        Some((hash, std::iter::once(share).chain(verdict).collect()))
    }
}

/// An operator's word that rows may go to quarantine though many did so in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Random: its outcome has the same.
    pub id: String,
    /// The spool it is about, in hexadecimal.
    pub spool: String,
    /// How many more in a row.
    pub rows: u32,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The decision's.
    pub id: String,
    /// Whether the position was moved.
    pub applied: bool,
    /// In words.
    pub text: String,
    /// When, Unix seconds.
    pub at: u64,
}

/// What the drain was doing when that last changed, for commands. Absent while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNote {
    /// `unavailable`, `held`, `paused` or `stopped`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Since when, Unix seconds.
    pub since: u64,
    /// The process that wrote it.
    pub process: u32,
}

/// Hands a decision to the drainer. One that was not carried out yet is replaced.
pub fn submit(dir: &Path, decision: &Decision) -> io::Result<()> {
    files::put(dir, DECISION_FILE, decision)
}

/// The decision that waits.
pub fn pending(dir: &Path) -> io::Result<Option<Decision>> {
    files::get(dir, DECISION_FILE)
}

/// Whether a decision waits, however it looks inside.
pub(super) fn is_pending(dir: &Path) -> bool {
    dir.join(DECISION_FILE).exists()
}

/// What became of the last decision.
pub fn outcome(dir: &Path) -> io::Result<Option<Outcome>> {
    files::get(dir, OUTCOME_FILE)
}

/// Answers a decision, and then removes it.
pub(super) fn settle(dir: &Path, outcome: &Outcome) -> io::Result<()> {
    files::put(dir, OUTCOME_FILE, outcome)?;
    files::remove(dir, DECISION_FILE)
}

/// Hands a permission to the drainer. One that was not heeded yet is replaced.
pub fn permit(dir: &Path, permission: &Permission) -> io::Result<()> {
    files::put(dir, PERMISSION_FILE, permission)
}

/// The permission that waits.
pub fn permission(dir: &Path) -> io::Result<Option<Permission>> {
    if is_permitted(dir) { files::get(dir, PERMISSION_FILE) } else { Ok(None) }
}

/// Whether a permission waits, however it looks inside.
pub(super) fn is_permitted(dir: &Path) -> bool {
    dir.join(PERMISSION_FILE).exists()
}

/// Answers a permission, and then removes it.
pub(super) fn settle_permission(dir: &Path, outcome: &Outcome) -> io::Result<()> {
    files::put(dir, OUTCOME_FILE, outcome)?;
    files::remove(dir, PERMISSION_FILE)
}

/// What the drain is doing, if it is not running.
pub fn drain_note(dir: &Path) -> io::Result<Option<DrainNote>> {
    files::get(dir, DRAIN_FILE)
}

/// Tells commands what the drain is doing; `None`: it runs.
pub(super) fn tell(dir: &Path, note: Option<&DrainNote>) -> io::Result<()> {
    match note {
        Some(note) => files::put(dir, DRAIN_FILE, note),
        None if dir.join(DRAIN_FILE).exists() => files::remove(dir, DRAIN_FILE),
        None => Ok(()),
    }
}
