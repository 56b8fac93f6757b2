//! Rows that the database can never store, one JSON object in a line of `quarantine.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::identity::sync_dir;
use super::record::{Entry, Event, ShareRecord, VerdictRecord};
use crate::bytes::{display_hash, hex};

/// The file, in the spool's directory.
pub const QUARANTINE_FILE: &str = "quarantine.jsonl";

/// How many rows are in quarantine.
pub(super) fn count(dir: &Path) -> io::Result<u64> {
    let file = match File::open(dir.join(QUARANTINE_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut lines = 0;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(lines);
        }
        lines += 1;
    }
}

/// Appends an entry with the database's `error`, durably. A crash before the database's cursor moves
/// can make the same entry appear twice; its `seq` tells.
pub(super) fn append(dir: &Path, entry: &Entry, error: &str) -> io::Result<()> {
    let path = dir.join(QUARANTINE_FILE);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut line = Vec::new();
    if ends_within_a_line(&mut file)? {
        line.push(b'\n');
    }
    serde_json::to_writer(&mut line, &describe(entry, error))?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_all()?;
    sync_dir(dir)
}

/// Whether a crash cut the last line off.
fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn describe(entry: &Entry, error: &str) -> Value {
    let (kind, event) = match &entry.event {
        Event::Share(share) => ("share", describe_share(share)),
        Event::Verdict(verdict) => ("verdict", describe_verdict(verdict)),
    };
    json!({ "seq": entry.seq, "time": entry.time, "error": error, kind: event })
}

fn describe_share(share: &ShareRecord) -> Value {
    json!({
        "worker": &*share.worker,
        "remote": share.remote.to_string(),
        "accepted": share.accepted,
        "reason": share.reason,
        // As text too: JSON has no way to write what is not a finite number.
        "row_difficulty": share.row_difficulty.to_string(),
        "assigned_difficulty": share.assigned_difficulty.to_string(),
        "share_difficulty": share.share_difficulty.to_string(),
        "network_difficulty": share.network_difficulty.to_string(),
        "height": share.height,
        "reward": share.reward,
        "job": share.job,
        "header": hex::encode(&share.header),
        "solution": share.solution.as_ref().map(display_hash),
        "candidate": share.candidate.map(|facts| json!({
            "hash": display_hash(&facts.hash),
            "header_time": facts.header_time,
            "coinbase_txid": display_hash(&facts.coinbase_txid),
        })),
    })
}

fn describe_verdict(verdict: &VerdictRecord) -> Value {
    json!({
        "candidate": verdict.candidate,
        "written_hash": display_hash(&verdict.written_hash),
        "accepted": verdict.accepted,
        "node_hash": display_hash(&verdict.node_hash),
        "reason": verdict.reason,
    })
}
