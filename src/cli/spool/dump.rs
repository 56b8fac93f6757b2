//! `mpos-stratum spool dump`

use std::io::{self, BufWriter, ErrorKind, Write};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{Place, Target, open};
use crate::bytes::sha256::sha256d;
use crate::bytes::{display_hash, hex};
use crate::cli::quantity::utc;
use crate::cli::say::{complain, fail};
use crate::exit::Exit;
use crate::ledger::inspect::{SpoolFiles, Step};
use crate::ledger::record::{Entry, Event, ShareRecord, VerdictRecord};

pub(super) const LONG_ABOUT: &str = "\
Print events, one a line, with every field.

The fields of node-stratum-pool's share event have its names: job, ip, worker, height, reward and
blockReward, difficulty (assigned), shareDiff (what the hash really had), blockDiff and blockDiffActual
(the network's, for miners and as the network counts), blockHash (of block candidates),
blockHashInvalid (the header's hash of every other share), txHash (the coinbase of a candidate), error.
Ours: kind, seq, time (Unix seconds of acceptance) and utc, accepted, row_difficulty and solution (as in
MPOS's row), header, header_time; of verdicts candidate (its event) and nodeHash.

Events that cannot be read are reported on standard error.";

const AFTER_HELP: &str = "\
Exit codes: 0 every event could be read, 1 some could not, 64 command line or which of several spools is meant, 69 the
spool cannot be read, 78 the configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// First event; without it the oldest that is kept
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
    /// Last event; without it the newest
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// One JSON object per line (this is the default)
    #[arg(long)]
    json: bool,
    /// Comma-separated values with a line of names
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let place = arguments.target.place()?;
    let files = open(&place.dir)?;
    let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    match dump(arguments, &place, &files, out) {
        Ok(exit) => Ok(exit),
        // Whoever read it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Ok),
        Err(error) => Err(fail(format_args!("{}: {error}", place.dir.display()))),
    }
}

fn dump(arguments: &Arguments, place: &Place, files: &SpoolFiles, mut out: impl Write) -> io::Result<Exit> {
    let mut exit = Exit::Ok;
    let stratum_bits = stratum_bits(place);
    if arguments.csv {
        write_csv(&mut out, &serde_json::to_value(Line::default())?, true)?;
    }
    let mut walk = files.walk(arguments.from)?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Segment(segment, _) if segment.first_seq > arguments.to => break,
            Step::Event(entry, _) if entry.seq > arguments.to => break,
            Step::Event(entry, _) if entry.seq >= arguments.from => {
                let line = Line::of(&entry, stratum_bits);
                if arguments.csv {
                    write_csv(&mut out, &serde_json::to_value(line)?, false)?;
                } else {
                    serde_json::to_writer(&mut out, &line)?;
                    out.write_all(b"\n")?;
                }
            }
            Step::Hole(loss) | Step::Gap(loss) if loss.last_seq >= loss.first_seq.max(arguments.from) => {
                exit = Exit::Findings;
                let (first, last) = (loss.first_seq, loss.last_seq);
                complain(format_args!(
                    "events {first} to {last} cannot be read: {} at byte {}",
                    loss.path.display(),
                    loss.offset
                ));
            }
            _ => {}
        }
    }
    out.flush()?;
    Ok(exit)
}

/// What the coins of the spool count a difficulty of 1 as; `None` if they differ.
fn stratum_bits(place: &Place) -> Option<u8> {
    let mut bits = place.coins.iter().map(|coin| coin.profile.stratum_bits);
    let first = bits.next()?;
    bits.all(|other| other == first).then_some(first)
}

/// A line; all of them have the same fields.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    kind: &'static str,
    seq: u64,
    time: u64,
    utc: String,
    job: Option<&'a str>,
    ip: Option<String>,
    worker: Option<&'a str>,
    height: Option<u32>,
    reward: Option<u64>,
    block_reward: Option<u64>,
    difficulty: Option<f64>,
    share_diff: Option<f64>,
    block_diff: Option<f64>,
    block_diff_actual: Option<f64>,
    block_hash: Option<String>,
    block_hash_invalid: Option<String>,
    tx_hash: Option<String>,
    error: Option<&'a str>,
    accepted: Option<bool>,
    #[serde(rename = "row_difficulty")]
    row_difficulty: Option<f64>,
    solution: Option<String>,
    header: Option<String>,
    #[serde(rename = "header_time")]
    header_time: Option<u32>,
    candidate: Option<u64>,
    node_hash: Option<String>,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, stratum_bits: Option<u8>) -> Self {
        let place = Self { seq: entry.seq, time: entry.time, utc: utc(entry.time), ..Self::default() };
        match &entry.event {
            Event::Share(share) => place.share(share, stratum_bits),
            Event::Verdict(verdict) => place.verdict(verdict),
        }
    }

    fn share(self, share: &'a ShareRecord, stratum_bits: Option<u8>) -> Self {
        let is_hashed = !share.header.is_empty();
        let invalid = (is_hashed && share.candidate.is_none()).then(|| display_hash(&sha256d(&share.header)));
        // The network counts its difficulty in units of 2^32 hashes, whatever the algorithm.
        let actual = stratum_bits.map(|bits| share.network_difficulty * 2_f64.powi(i32::from(bits) - 32));
        Self {
            kind: "share",
            job: Some(&share.job),
            ip: Some(share.remote.to_string()),
            worker: Some(&share.worker),
            height: Some(share.height),
            reward: Some(share.reward),
            block_reward: Some(share.reward),
            difficulty: Some(share.assigned_difficulty),
            share_diff: is_hashed.then_some(share.share_difficulty),
            block_diff: Some(share.network_difficulty),
            block_diff_actual: actual,
            block_hash: share.candidate.map(|facts| display_hash(&facts.hash)),
            block_hash_invalid: invalid,
            tx_hash: share.candidate.map(|facts| display_hash(&facts.coinbase_txid)),
            error: (!share.reason.is_empty()).then_some(&share.reason),
            accepted: Some(share.accepted),
            row_difficulty: Some(share.row_difficulty),
            solution: share.solution.as_ref().map(display_hash),
            header: Some(hex::encode(&share.header)),
            header_time: share.candidate.map(|facts| facts.header_time),
            ..self
        }
    }

    fn verdict(self, verdict: &'a VerdictRecord) -> Self {
        Self {
            kind: "verdict",
            block_hash: Some(display_hash(&verdict.written_hash)),
            error: (!verdict.reason.is_empty()).then_some(&verdict.reason),
            accepted: Some(verdict.accepted),
            candidate: Some(verdict.candidate),
            node_hash: Some(display_hash(&verdict.node_hash)),
            ..self
        }
    }
}

/// Writes the members of an object as one line, or their names.
fn write_csv(out: &mut impl Write, line: &Value, names: bool) -> io::Result<()> {
    let fields = line.as_object().into_iter().flatten();
    for (at, (name, value)) in fields.enumerate() {
        let text = match value {
            _ if names => name.clone(),
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let comma = if at == 0 { "" } else { "," };
        match text.contains(['"', ',', '\n', '\r']) {
            true => write!(out, "{comma}\"{}\"", text.replace('"', "\"\""))?,
            false => write!(out, "{comma}{text}")?,
        }
    }
    out.write_all(b"\n")
}
