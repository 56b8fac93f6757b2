//! `mpos-stratum spool verify`

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use super::{Place, Target, open};
use crate::cli::quantity::utc;
use crate::cli::say::{fail, say};
use crate::exit::Exit;
use crate::ledger::recovery::Loss;
use crate::ledger::verify::{Finding, Meaning, Survey, survey};

const AFTER_HELP: &str = "\
Exit codes: 0 everything can be read, 1 something is damaged, 64 command line or no such coin, 69 a spool cannot be read,
78 the configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print one JSON object per spool and line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let mut exit = Exit::Ok;
    for place in arguments.target.places()? {
        let files = match open(&place.dir) {
            Ok(files) => files,
            Err(failed) => {
                exit = failed;
                continue;
            }
        };
        let unreadable = |error: std::io::Error| fail(format_args!("{}: {error}", place.dir.display()));
        let (confirmed, readable) = files.confirmed().map_err(unreadable)?;
        let found = survey(&files, 1, u64::MAX, confirmed).map_err(unreadable)?;
        if !found.is_good() || !readable {
            exit = Exit::Findings;
        }
        let text = match arguments.json {
            true => as_json(&place, &found, confirmed, readable).to_string(),
            false => as_text(&place, &found, confirmed, readable),
        };
        say(&mut std::io::stdout(), text.trim_end());
    }
    Ok(exit)
}

fn meaning(finding: &Finding) -> (&'static str, String) {
    let Loss { first_seq, last_seq, .. } = finding.place;
    let events = format!("events {first_seq} to {last_seq}");
    match &finding.meaning {
        Meaning::Header(problem) => ("header", format!("{problem}; the records behind it are judged by themselves")),
        Meaning::NoEvent => (
            "no_event",
            "no event is missing: bytes of an unfinished write, or a damaged mark of a disk flush".to_owned(),
        ),
        Meaning::Drained => {
            ("drained", format!("{events} cannot be read; the database has them, only the audit log lost them"))
        }
        Meaning::NeverSynced => (
            "never_synced",
            format!("{events} never reached the disk before a power cut; the next start notes them and goes on"),
        ),
        Meaning::Damage => (
            "damage",
            format!(
                "{events} had reached the disk and cannot be read, and the database has not got them: the drain stops \
                 there. Put the file back from a backup, or give them up with `spool adopt`"
            ),
        ),
    }
}

fn as_json(place: &Place, found: &Survey, confirmed: u64, readable: bool) -> Value {
    let loss = |loss: &Loss| json!({ "file": loss.path, "offset": loss.offset, "to": loss.to, "first_seq": loss.first_seq, "last_seq": loss.last_seq });
    let finding = |finding: &Finding| {
        let (word, text) = meaning(finding);
        let mut value = loss(&finding.place);
        value["meaning"] = json!(word);
        value["text"] = json!(text);
        value
    };
    json!({
        "coins": place.coins.iter().map(|coin| coin.name.as_str()).collect::<Vec<_>>(),
        "dir": place.dir,
        "good": found.is_good() && readable,
        "segments": found.segments,
        "bytes": found.file_bytes,
        "first_seq": found.first_seq,
        "last_seq": found.last_seq,
        "synced": found.synced,
        "confirmed": confirmed,
        "confirmed_readable": readable,
        "events": found.events,
        "accepted": found.accepted,
        "refused": found.refused,
        "candidates": found.candidates,
        "verdicts": found.verdicts,
        "gaps": found.gaps.iter().map(loss).collect::<Vec<_>>(),
        "findings": found.findings.iter().map(finding).collect::<Vec<_>>(),
        "findings_not_listed": found.unlisted,
    })
}

fn as_text(place: &Place, found: &Survey, confirmed: u64, readable: bool) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_text(&mut out, place, found, confirmed, readable);
    out
}

fn write_text(out: &mut String, place: &Place, found: &Survey, confirmed: u64, readable: bool) -> std::fmt::Result {
    writeln!(out, "{}: {}", place.names(), place.dir.display())?;
    let events = match found.last_time {
        // No second of it is known, so nothing could be read.
        0 => "no event".to_owned(),
        last => format!("events {} to {}, the last at {}", found.first_seq, found.last_seq, utc(last)),
    };
    writeln!(out, "  {} segments, {} bytes: {events}", found.segments, found.file_bytes)?;
    writeln!(
        out,
        "  {} shares accepted, {} refused; {} block candidates, {} verdicts; database had confirmed {confirmed}",
        found.accepted, found.refused, found.candidates, found.verdicts
    )?;
    if !readable {
        writeln!(out, "  confirmed: the file is damaged; the daemon asks the database instead")?;
    }
    for gap in &found.gaps {
        let (first, last) = (gap.first_seq, gap.last_seq);
        writeln!(
            out,
            "  noted at an earlier start: events {first} to {last} were lost in a power cut ({})",
            gap.path.display()
        )?;
    }
    for finding in &found.findings {
        writeln!(out, "  {} at byte {}: {}", finding.place.path.display(), finding.place.offset, meaning(finding).1)?;
    }
    if found.unlisted > 0 {
        writeln!(out, "  and {} more damaged places", found.unlisted)?;
    }
    match found.is_good() && readable {
        true => writeln!(out, "  good"),
        false => writeln!(out, "  NOT GOOD: see above"),
    }
}
