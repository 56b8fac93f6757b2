//! Puts mended rows of the quarantine in at the end, each at most once.
//!
//! `replayed.jsonl` remembers: a line before a row is appended (`begun`, with the original and the
//! mended facts and a random tag) and one when the row was found in the spool on the disk (`done`) or
//! not (`void`). The tag stands in the new event's `job`, so that after a crash between the two the
//! spool itself tells whether it was appended. Nothing is replayed whose fate cannot be told.
//!
//! A replayed share keeps its worker, result and difficulties, and gets the second of its replay as
//! time: MPOS counts by ids, which ascend with time, and a late row with an old time could be taken for
//! the share of an old block. When it was really accepted stays in `replayed.jsonl`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::files;
use super::handle::Ledger;
use super::identity::sync_dir;
use super::inspect::{SpoolFiles, Step};
use super::mended::{self, Line};
use super::record::{Entry, Event, VerdictRecord};

/// The file that remembers, in the spool's directory.
pub const REPLAYED_FILE: &str = "replayed.jsonl";
/// The daemon looks for a request so often.
pub const REQUEST_POLL: Duration = Duration::from_secs(2);
/// Longest wait for the disk; a row whose fate is open then is looked for again by the next replay.
const SYNC_WAIT: Duration = Duration::from_secs(30);
/// Rows that are appended together.
const CHUNK_ROWS: usize = 100;

const REQUEST_FILE: &str = "replay.json";
const ANSWER_FILE: &str = "replay-outcome.json";

/// Rows to be replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Random: the answer has the same.
    pub id: String,
    /// The spool, in hexadecimal.
    pub spool: String,
    /// The mended lines.
    pub lines: Vec<Line>,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's.
    pub id: String,
    /// Each row's old number and what became of it.
    pub rows: Vec<(u64, Fate)>,
    /// Why none was taken, if so.
    pub problem: Option<String>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is on the disk under a new number.
    Replayed(u64),
    /// It had been replayed before, under this number: nothing was done.
    Already(u64),
    /// A newer verdict on the same block, with this number, was recorded behind it: nothing was done.
    Superseded(u64),
    /// It was not taken, and may be handed in again.
    Refused(String),
    /// It cannot be told whether an earlier attempt put it in: nothing was done.
    Unknown(String),
}

/// A line of `replayed.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Note {
    Begun(Box<Begun>),
    Done { seq: u64, r#as: u64, at: u64 },
    Void { seq: u64, at: u64 },
}

/// A row that is about to be appended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    seq: u64,
    tag: String,
    /// It comes behind this event, if it comes.
    after: u64,
    at: u64,
    original: Line,
    mended: Line,
}

impl Begun {
    fn job(&self, job: &str) -> String {
        format!("replay:{}:{}:{job}", self.seq, self.tag)
    }

    /// The event to be appended.
    fn event(&self) -> Result<Event, String> {
        let mut event = self.mended.event(&self.original)?;
        if let Event::Share(share) = &mut event {
            share.job = self.job(&share.job);
        }
        Ok(event)
    }

    /// Whether an event of the spool is this row.
    fn is(&self, event: &Event) -> bool {
        match event {
            Event::Share(share) => share.job.starts_with(&self.job("")),
            // To carry out a verdict twice changes nothing, so that it needs no tag.
            Event::Verdict(_) => self.event().as_ref() == Ok(event),
        }
    }
}

/// What `replayed.jsonl` says.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) done: BTreeMap<u64, u64>,
    pub(super) open: BTreeMap<u64, Begun>,
}

impl Memory {
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let mut memory = Self::default();
        let file = match File::open(dir.join(REPLAYED_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(memory),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            // A line that a crash cut off was not followed by anything.
            match serde_json::from_slice(&line) {
                Ok(Note::Begun(begun)) => {
                    memory.open.insert(begun.seq, *begun);
                }
                Ok(Note::Done { seq, r#as, .. }) => {
                    memory.open.remove(&seq);
                    memory.done.insert(seq, r#as);
                }
                Ok(Note::Void { seq, .. }) => {
                    memory.open.remove(&seq);
                }
                Err(_) => {}
            }
            line.clear();
        }
        Ok(memory)
    }
}

/// The numbers of quarantined rows that were replayed, with their new ones.
pub fn replayed(dir: &Path) -> io::Result<BTreeMap<u64, u64>> {
    Ok(Memory::read(dir)?.done)
}

/// Appends notes, durably.
fn remember(dir: &Path, notes: &[Note]) -> io::Result<()> {
    if notes.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).open(dir.join(REPLAYED_FILE))?;
    // Behind a line that a crash cut off.
    let mut bytes = vec![b'\n'];
    for note in notes {
        serde_json::to_writer(&mut bytes, note)?;
        bytes.push(b'\n');
    }
    file.write_all(&bytes)?;
    file.sync_all()?;
    sync_dir(dir)
}

/// Finds out what became of rows whose replay was begun, and remembers it. Those whose fate cannot be
/// told stay as they are, and keep no others from being told; the text says why. `synced`: what is on the
/// disk; what is only written may still be lost.
pub(super) fn resolve(dir: &Path, memory: &mut Memory, synced: u64, now: u64) -> io::Result<Option<String>> {
    let Some(after) = memory.open.values().map(|begun| begun.after).min() else { return Ok(None) };
    let (found, unseen) = look_for(dir, memory, after)?;
    let is_told = |begun: &Begun| match found.get(&begun.seq) {
        Some(&number) => number <= synced,
        None => unseen.as_ref().is_none_or(|unseen| unseen.through <= begun.after),
    };
    let note = |begun: &Begun| match found.get(&begun.seq) {
        Some(&number) => Note::Done { seq: begun.seq, r#as: number, at: now },
        None => Note::Void { seq: begun.seq, at: now },
    };
    let notes: Vec<Note> = memory.open.values().filter(|begun| is_told(begun)).map(note).collect();
    remember(dir, &notes)?;
    memory.open.retain(|_, begun| !is_told(begun));
    memory.done.extend(found.into_iter().filter(|(_, number)| *number <= synced));
    let why =
        unseen.map_or_else(|| "it is written, but not yet on the disk: ask again".to_owned(), |unseen| unseen.why);
    Ok((!memory.open.is_empty()).then_some(why))
}

/// A part of the spool that was not seen.
struct Unseen {
    /// The last event of it.
    through: u64,
    why: String,
}

/// Looks behind event `after` for rows whose replay was begun: their numbers, and what could not be seen,
/// if anything.
fn look_for(dir: &Path, memory: &Memory, after: u64) -> io::Result<(BTreeMap<u64, u64>, Option<Unseen>)> {
    let files = SpoolFiles::open(dir).map_err(io::Error::other)?;
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    let mut unseen: Option<Unseen> = None;
    let mut walk = files.walk(after + 1)?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Event(entry, _) if entry.seq > after => {
                let row = memory.open.values().find(|begun| entry.seq > begun.after && begun.is(&entry.event));
                found.extend(row.map(|begun| (begun.seq, entry.seq)));
            }
            Step::Hole(place) if place.last_seq > after => {
                let why = format!(
                    "events {} to {} cannot be read ({} at byte {}), so it cannot be told",
                    place.first_seq,
                    place.last_seq,
                    place.path.display(),
                    place.offset
                );
                unseen = Some(Unseen { through: place.last_seq, why });
            }
            _ => {}
        }
    }
    // After the walk: what is kept now was there all the while, because the oldest goes first.
    let through = files.segments()?.first().map_or(u64::MAX, |oldest| oldest.first_seq.saturating_sub(1));
    if through > unseen.as_ref().map_or(after, |unseen| unseen.through) {
        unseen =
            Some(Unseen { through, why: format!("events behind {after} are not kept any more, so it cannot be told") });
    }
    Ok((found, unseen))
}

/// Notes rows that are about to be appended.
pub(super) fn begin(dir: &Path, rows: &[(Line, Line)], after: u64, now: u64) -> io::Result<Vec<Event>> {
    let (mut notes, mut events) = (Vec::new(), Vec::new());
    for (original, mended) in rows {
        let (original, mended) = (original.clone(), mended.clone());
        let begun = Begun { seq: original.seq, tag: files::random_id()?, after, at: now, original, mended };
        events.push(begun.event().map_err(io::Error::other)?);
        notes.push(Note::Begun(Box::new(begun)));
    }
    remember(dir, &notes)?;
    Ok(events)
}

/// Replays rows, in the order of their numbers. `ledger` is the spool's, open.
pub async fn replay(ledger: &Ledger, lines: Vec<Line>) -> io::Result<Result<Vec<(u64, Fate)>, Vec<String>>> {
    let (dir, clock) = (ledger.shared.dir.as_path(), &ledger.shared.clock);
    let mended = lines.into_iter().map(|line| (line.seq, line)).collect();
    let rows = match mended::check(dir, mended)? {
        Ok(rows) => rows,
        Err(problems) => return Ok(Err(problems)),
    };
    let mut memory = Memory::read(dir)?;
    let unclear = resolve(dir, &mut memory, ledger.synced_seq(), clock.unix_secs())?;
    let mut fates = outdated(dir, &rows)?;
    let mut fresh = Vec::new();
    for (original, line) in rows {
        let seq = original.seq;
        match memory.done.get(&seq) {
            Some(&number) => drop(fates.insert(seq, Fate::Already(number))),
            None if memory.open.contains_key(&seq) => {
                drop(fates.insert(seq, Fate::Unknown(unclear.clone().unwrap_or_default())));
            }
            None if fates.contains_key(&seq) => {}
            None => fresh.push((original, line)),
        }
    }
    for chunk in fresh.chunks(CHUNK_ROWS) {
        let events = begin(dir, chunk, ledger.synced_seq(), clock.unix_secs())?;
        let refused = match ledger.append(&events) {
            Ok(receipt) => {
                ledger.sync_now();
                // What is not on the disk by then stays open, and is looked for again.
                let _ = tokio::time::timeout(SYNC_WAIT, ledger.wait_synced(receipt.last_seq)).await;
                "the spool is near its bound and takes no refused shares".to_owned()
            }
            Err(error) => error.to_string(),
        };
        memory = Memory::read(dir)?;
        let unclear = resolve(dir, &mut memory, ledger.synced_seq(), clock.unix_secs())?;
        for seq in chunk.iter().map(|(original, _)| original.seq) {
            let fate = match memory.done.get(&seq) {
                Some(&number) => Fate::Replayed(number),
                None if memory.open.contains_key(&seq) => Fate::Unknown(unclear.clone().unwrap_or_default()),
                None => Fate::Refused(refused.clone()),
            };
            fates.insert(seq, fate);
        }
    }
    Ok(Ok(fates.into_iter().collect()))
}

/// The verdicts among `rows` that may not be put in at the end, because a newer one on the same block was
/// recorded since, or may have been.
fn outdated(dir: &Path, rows: &[(Line, Line)]) -> io::Result<BTreeMap<u64, Fate>> {
    let verdict = |(original, mended): &(Line, Line)| match mended.event(original) {
        Ok(Event::Verdict(verdict)) => Some((original.seq, verdict)),
        _ => None,
    };
    let verdicts: BTreeMap<u64, VerdictRecord> = rows.iter().filter_map(verdict).collect();
    let mut fates = BTreeMap::new();
    let Some((&first, _)) = verdicts.first_key_value() else { return Ok(fates) };
    let files = SpoolFiles::open(dir).map_err(io::Error::other)?;
    let mut walk = files.walk(first + 1)?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Event(Entry { seq, event: Event::Verdict(newer), .. }, _) => {
                let is_same = |older: &VerdictRecord| {
                    (older.candidate, older.written_hash) == (newer.candidate, newer.written_hash)
                };
                for (&older, _) in verdicts.range(..seq).filter(|(_, older)| is_same(older)) {
                    fates.insert(older, Fate::Superseded(seq));
                }
            }
            Step::Hole(place) => {
                for (&older, _) in verdicts.range(..place.last_seq) {
                    fates.entry(older).or_insert_with(|| unclear(older));
                }
            }
            _ => {}
        }
    }
    // After the walk: what is kept now was there all the while, because the oldest goes first.
    let oldest = files.segments()?.first().map_or(u64::MAX, |oldest| oldest.first_seq);
    for (&older, _) in verdicts.range(..oldest.saturating_sub(1)) {
        fates.entry(older).or_insert_with(|| unclear(older));
    }
    Ok(fates)
}

fn unclear(seq: u64) -> Fate {
    Fate::Refused(format!(
        "events behind {seq} are not kept any more or cannot be read, so it cannot be told whether there was a newer \
         verdict on the same block: look at the block's dossier and correct upstream_result by hand if it is wrong"
    ))
}

/// Hands a request to the daemon that works with the spool. One that was not taken up yet is an error.
pub fn submit(dir: &Path, request: &Request) -> io::Result<()> {
    if dir.join(REQUEST_FILE).exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another request to replay waits for the daemon"));
    }
    files::put(dir, REQUEST_FILE, request)
}

/// The answer to the last request.
pub fn answer(dir: &Path) -> io::Result<Option<Answer>> {
    files::get(dir, ANSWER_FILE)
}

/// Carries requests out until `stop` is true or its sender is gone.
pub async fn attend(ledger: Arc<Ledger>, mut stop: watch::Receiver<bool>) {
    loop {
        let (working, runtime) = (Arc::clone(&ledger), tokio::runtime::Handle::current());
        // It reads and syncs files, which may take as long as a disk likes.
        let work = tokio::task::spawn_blocking(move || runtime.block_on(attend_once(&working)));
        if let Ok(Err(error)) = work.await {
            tracing::error!(spool = %ledger.spool(), %error, "a request to replay quarantined rows cannot be carried out yet");
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return,
            () = tokio::time::sleep(REQUEST_POLL) => {}
        }
    }
}

/// Carries out the request that waits, if one does.
pub(super) async fn attend_once(ledger: &Ledger) -> io::Result<()> {
    let dir = ledger.shared.dir.clone();
    if !dir.join(REQUEST_FILE).exists() {
        return Ok(());
    }
    let answer = match files::get::<Request>(&dir, REQUEST_FILE) {
        Ok(None) => return Ok(()),
        Ok(Some(request)) if request.spool != ledger.spool().to_string() => {
            let problem = Some(format!("the request is about spool {}", request.spool));
            Answer { id: request.id, rows: Vec::new(), problem }
        }
        Ok(Some(request)) => match replay(ledger, request.lines).await? {
            Ok(rows) => Answer { id: request.id, rows, problem: None },
            Err(problems) => Answer { id: request.id, rows: Vec::new(), problem: Some(problems.join("; ")) },
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Answer { id: String::new(), rows: Vec::new(), problem: Some(format!("it cannot be read: {error}")) }
        }
        Err(error) => return Err(error),
    };
    tracing::warn!(spool = %ledger.spool(), rows = answer.rows.len(), problem = ?answer.problem, "replayed quarantined rows");
    files::put(&dir, ANSWER_FILE, &answer)?;
    files::remove(&dir, REQUEST_FILE)
}
