//! Lines of the quarantine as an operator hands them back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::quarantine::QUARANTINE_FILE;
use super::record::{Event, ShareRecord, VerdictRecord};
use crate::bytes::{Hash, hex, parse_display_hash};

/// Longest line that is read; a share's has about 1 KiB.
pub const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Most rows of one request.
pub const ROWS_MAX: usize = 10_000;
/// Widest worker name that the table of shares takes, in characters.
const WORKER_CHARS_MAX: usize = 120;
/// Widest reason.
const REASON_BYTES_MAX: usize = 50;

/// A line of the quarantine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The event's number.
    pub seq: u64,
    /// When it was accepted, Unix seconds.
    pub time: u64,
    /// What the database said.
    #[serde(default)]
    pub error: String,
    /// A share, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareLine>,
    /// a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictLine>,
}

/// A share of the quarantine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareLine {
    worker: String,
    remote: String,
    accepted: bool,
    reason: String,
    row_difficulty: Number,
    assigned_difficulty: Number,
    share_difficulty: Number,
    network_difficulty: Number,
    height: u32,
    reward: u64,
    job: String,
    header: String,
    solution: Option<String>,
    candidate: Option<serde_json::Value>,
}

/// A verdict of the quarantine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictLine {
    candidate: u64,
    written_hash: String,
    accepted: bool,
    node_hash: String,
    reason: String,
}

/// A number as the quarantine writes it, or as people do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Plain(f64),
}

impl Number {
    fn value(&self) -> Option<f64> {
        match self {
            Number::Text(text) => text.trim().parse().ok(),
            Number::Plain(number) => Some(*number),
        }
    }
}

impl Line {
    /// The event that the line describes, or what is wrong with it. `original`: the line that the
    /// daemon wrote. What a miner was told cannot be mended: a refused share stays refused.
    pub fn event(&self, original: &Line) -> Result<Event, String> {
        match (&self.share, &self.verdict, &original.share, &original.verdict) {
            (Some(share), None, Some(before), None) => share.event(before).map(Event::Share),
            (None, Some(verdict), None, Some(before)) => verdict.event(before).map(Event::Verdict),
            _ => Err("it is not of the kind that went to quarantine".to_owned()),
        }
    }
}

impl ShareLine {
    fn event(&self, before: &Self) -> Result<ShareRecord, String> {
        if self.accepted != before.accepted {
            return Err(format!("`accepted` was {}: what the miner was told cannot be changed", before.accepted));
        }
        if self.candidate.is_some() {
            return Err("`candidate` must be null: block candidates never go to quarantine".to_owned());
        }
        let width = self.worker.chars().count();
        if self.worker.trim().is_empty() || width > WORKER_CHARS_MAX {
            return Err(format!("`worker` has {width} characters: 1 to {WORKER_CHARS_MAX} will do"));
        }
        if self.reason.len() > REASON_BYTES_MAX || !self.reason.is_ascii() {
            return Err(format!("`reason` must be ASCII of at most {REASON_BYTES_MAX} bytes"));
        }
        let row_difficulty = self.row_difficulty.value().unwrap_or(f64::NAN);
        if !(row_difficulty.is_finite() && row_difficulty > 0.0 && row_difficulty <= f64::from(f32::MAX)) {
            return Err("`row_difficulty` must be a number above zero that a FLOAT column holds".to_owned());
        }
        let number = |name: &str, number: &Number| number.value().ok_or_else(|| format!("`{name}` is not a number"));
        Ok(ShareRecord {
            worker: Arc::from(self.worker.as_str()),
            remote: self.remote.parse().map_err(|_| "`remote` is not an IP address".to_owned())?,
            accepted: self.accepted,
            reason: self.reason.clone(),
            row_difficulty,
            assigned_difficulty: number("assigned_difficulty", &self.assigned_difficulty)?,
            share_difficulty: number("share_difficulty", &self.share_difficulty)?,
            network_difficulty: number("network_difficulty", &self.network_difficulty)?,
            height: self.height,
            reward: self.reward,
            job: self.job.clone(),
            header: hex::decode(self.header.as_bytes()).ok_or("`header` is not hexadecimal")?,
            solution: self.solution.as_deref().map(|text| hash("solution", text)).transpose()?,
            candidate: None,
        })
    }
}

impl VerdictLine {
    fn event(&self, before: &Self) -> Result<VerdictRecord, String> {
        if (self.candidate, self.accepted) != (before.candidate, before.accepted) {
            return Err("`candidate` and `accepted` are what the node said and cannot be changed".to_owned());
        }
        Ok(VerdictRecord {
            candidate: self.candidate,
            written_hash: hash("written_hash", &self.written_hash)?,
            accepted: self.accepted,
            node_hash: hash("node_hash", &self.node_hash)?,
            reason: self.reason.clone(),
        })
    }
}

fn hash(name: &str, text: &str) -> Result<Hash, String> {
    parse_display_hash(text).ok_or_else(|| format!("`{name}` is not 64 hexadecimal digits"))
}

/// Reads lines of a quarantine file, or of a mended copy; those that `wanted` says. A line that cannot
/// be read is told with its number. A last line that a crash cut off is left out, with a problem too.
pub fn read(path: &Path, wanted: impl Fn(u64) -> bool) -> io::Result<(BTreeMap<u64, Line>, Vec<String>)> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut lines, mut problems) = (BTreeMap::new(), Vec::new());
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        if (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(line) if !wanted(line.seq) => {}
            Ok(line) if lines.len() >= ROWS_MAX && !lines.contains_key(&line.seq) => {
                problems.push(format!("line {number}: more than {ROWS_MAX} rows: hand them in with several calls"));
                break;
            }
            // A crash can write the same line twice.
            Ok(line) => match lines.get(&line.seq) {
                Some(before) if *before != line => {
                    problems.push(format!("line {number}: event {} stands there twice, differently", line.seq));
                }
                _ => {
                    lines.insert(line.seq, line);
                }
            },
            Err(error) => problems.push(format!("line {number}: {error}")),
        }
    }
    Ok((lines, problems))
}

/// The numbers of all rows in a quarantine file; lines that cannot be read are left out.
pub fn numbers(path: &Path) -> io::Result<BTreeSet<u64>> {
    numbers_above(path, 0, usize::MAX)
}

/// Those of them above `floor`; reading ends when there are `max`.
pub fn numbers_above(path: &Path, floor: u64, max: usize) -> io::Result<BTreeSet<u64>> {
    #[derive(Deserialize)]
    struct Number {
        seq: u64,
    }
    let mut reader = BufReader::new(File::open(path)?);
    let (mut numbers, mut bytes) = (BTreeSet::new(), Vec::new());
    while numbers.len() < max {
        bytes.clear();
        if (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        numbers.extend(serde_json::from_slice(&bytes).ok().map(|line: Number| line.seq).filter(|&seq| seq > floor));
    }
    Ok(numbers)
}

/// Pairs of the original and the mended line, or everything that is wrong.
pub type Checked = Result<Vec<(Line, Line)>, Vec<String>>;

/// Mended lines beside what the daemon wrote, checked: the rows that can be replayed, or everything
/// that is wrong.
pub fn check(dir: &Path, mended: BTreeMap<u64, Line>) -> io::Result<Checked> {
    let mut originals: BTreeMap<u64, Line> = BTreeMap::new();
    let (lines, _) = match read(&dir.join(QUARANTINE_FILE), |seq| mended.contains_key(&seq)) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), Vec::new()),
        Err(error) => return Err(error),
    };
    originals.extend(lines);
    let (mut good, mut problems) = (Vec::new(), Vec::new());
    for (seq, line) in mended {
        match originals.remove(&seq) {
            None => problems.push(format!("event {seq} is not in {QUARANTINE_FILE}")),
            Some(original) => match line.event(&original) {
                Ok(_) => good.push((original, line)),
                Err(problem) => problems.push(format!("event {seq}: {problem}")),
            },
        }
    }
    Ok(if problems.is_empty() { Ok(good) } else { Err(problems) })
}
