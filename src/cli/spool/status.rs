//! `mpos-stratum spool status`

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use super::situation::{self, Database, Situation};
use super::{Place, Target, open};
use crate::cli::load_to_look;
use crate::cli::quantity::utc;
use crate::cli::say::{fail, say};
use crate::config::Mpos;
use crate::exit::Exit;
use crate::ledger::decision::{self, DrainNote};
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::replay;
use crate::ledger::verify::{Meaning, Survey, survey};
use crate::service::spools;

const AFTER_HELP: &str = "\
Exit codes: 0 nothing has to be decided, 1 a decision is needed, part of a spool is damaged, or a spool with shares is no
longer in the configuration, 64 command line or no such coin, 69 a spool cannot be read, 78 the configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print one JSON object per spool and line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let mut exit = Exit::Ok;
    let config = load_to_look(&arguments.target.config)?;
    let tables: Vec<&Mpos> = config.coins.iter().map(|coin| &coin.mpos).collect();
    for stray in spools::strays(&config.daemon.state_dir, &tables) {
        exit = Exit::Findings;
        let object = json!({ "dir": stray.dir, "database": stray.database, "servers": stray.servers, "forgotten": stray.undrained });
        match arguments.json {
            true => say(&mut std::io::stdout(), object),
            false => say(&mut std::io::stdout(), format_args!("FORGOTTEN   {stray}")),
        }
    }
    for place in arguments.target.places()? {
        let files = match open(&place.dir) {
            Ok(files) => files,
            Err(failed) => {
                exit = failed;
                continue;
            }
        };
        let report = Report::make(&place, &files).await?;
        if report.needs_decision() {
            exit = Exit::Findings;
        }
        match arguments.json {
            true => say(&mut std::io::stdout(), report.json()),
            false => say(&mut std::io::stdout(), report.text().trim_end()),
        }
    }
    Ok(exit)
}

struct Report<'a> {
    place: &'a Place,
    files: &'a SpoolFiles,
    holder: Option<u32>,
    confirmed: u64,
    confirmed_readable: bool,
    /// From the segment of the last confirmed event on.
    tail: Survey,
    segments: usize,
    segment_bytes: u64,
    oldest: Option<u64>,
    quarantined: u64,
    replayed: usize,
    note: Option<DrainNote>,
    database: Result<(Database, Situation), String>,
}

impl<'a> Report<'a> {
    async fn make(place: &'a Place, files: &'a SpoolFiles) -> Result<Self, Exit> {
        let unreadable = |error: std::io::Error| fail(format_args!("{}: {error}", place.dir.display()));
        let (confirmed, confirmed_readable) = files.confirmed().map_err(unreadable)?;
        let segments = files.segments().map_err(unreadable)?;
        let tail = survey(files, confirmed + 1, u64::MAX, confirmed).map_err(unreadable)?;
        let written = tail.last_seq.max(confirmed);
        let database = match place.coins.first() {
            Some(coin) => situation::ask(&coin.mpos, files).await,
            None => Err("no coin".to_owned()),
        };
        let explained_max = files.explained_max(written).map_err(unreadable)?;
        let spool = files.spool().to_string();
        Ok(Self {
            place,
            files,
            // Where the system does not say, the file of locks is not readable: nobody is known.
            holder: files.holder().unwrap_or(None),
            confirmed,
            confirmed_readable,
            segments: segments.len(),
            segment_bytes: segments.iter().map(|segment| segment.file_bytes).sum(),
            oldest: segments.first().map(|segment| segment.first_seq),
            quarantined: files.quarantined().map_err(unreadable)?,
            replayed: replay::replayed(&place.dir).map_err(unreadable)?.len(),
            note: decision::drain_note(&place.dir).unwrap_or(None),
            database: database.map(|database| {
                let situation = situation::judge(&spool, &database, confirmed, explained_max);
                (database, situation)
            }),
            tail,
        })
    }

    fn written(&self) -> u64 {
        self.tail.last_seq.max(self.confirmed)
    }

    fn damage(&self) -> usize {
        self.tail.findings.iter().filter(|finding| finding.meaning == Meaning::Damage).count()
    }

    fn stopped(&self) -> Option<&DrainNote> {
        self.note.as_ref().filter(|note| note.state == "stopped")
    }

    fn trouble(&self) -> Option<String> {
        let (_, situation) = self.database.as_ref().ok()?;
        situation.trouble.as_ref().map(ToString::to_string)
    }

    fn needs_decision(&self) -> bool {
        self.stopped().is_some() || self.trouble().is_some() || self.damage() > 0
    }

    fn drain(&self) -> String {
        match (&self.note, self.holder) {
            (Some(note), Some(_)) => format!("{} since {}: {}", note.state, utc(note.since), note.reason),
            (Some(note), None) => format!("off; it was {} at {}: {}", note.state, utc(note.since), note.reason),
            (None, Some(_)) => "running".to_owned(),
            (None, None) => "off: no process works with the spool".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let database = match &self.database {
            Ok((database, _)) => {
                json!({ "server": database.server, "cursor": database.standing, "kept": database.kept })
            }
            Err(error) => json!({ "error": error }),
        };
        json!({
            "coins": self.place.coins.iter().map(|coin| coin.name.as_str()).collect::<Vec<_>>(),
            "dir": self.place.dir,
            "spool": self.files.spool().to_string(),
            "process": self.holder,
            "written": self.written(),
            "synced": self.tail.synced.max(self.confirmed),
            "confirmed": self.confirmed,
            "confirmed_readable": self.confirmed_readable,
            "database": database,
            "undrained": { "events": self.tail.events, "rows": self.tail.rows(), "bytes": self.tail.record_bytes },
            "drain": self.note.as_ref().map_or(json!({ "state": if self.holder.is_some() { "running" } else { "off" } }), |note| json!(note)),
            "decision_needed": self.needs_decision(),
            "trouble": self.trouble(),
            "damaged_places": self.damage(),
            "segments": { "count": self.segments, "bytes": self.segment_bytes, "oldest_seq": self.oldest },
            "quarantined": self.quarantined,
            "replayed": self.replayed,
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}: {}", self.place.names(), self.place.dir.display())?;
        let holder = self.holder.map_or("not in use".to_owned(), |process| format!("in use by process {process}"));
        writeln!(out, "  spool       {}, {holder}", self.files.spool())?;
        let last =
            if self.tail.last_time > 0 { format!(", the last at {}", utc(self.tail.last_time)) } else { String::new() };
        writeln!(
            out,
            "  events      {} written{last}; on the disk for sure: {}",
            self.written(),
            self.tail.synced.max(self.confirmed)
        )?;
        let doubt = if self.confirmed_readable { "" } else { " (its file is damaged: only the database knows)" };
        writeln!(out, "  confirmed   {} by the database{doubt}", self.confirmed)?;
        match &self.database {
            Err(error) => writeln!(out, "  database    cannot be asked: {error}")?,
            Ok((Database { standing: None, server, .. }, _)) => {
                writeln!(out, "  database    has no position yet (server {server})")?;
            }
            Ok((Database { standing: Some(row), server, .. }, _)) => {
                let whose =
                    if row.position.spool == self.files.spool().to_string() { "this spool" } else { "ANOTHER SPOOL" };
                writeln!(
                    out,
                    "  database    {} of {whose}; writer on host {} (version {}), last sign of life {} s ago (server {server})",
                    row.position.seq, row.host, row.version, row.age_secs
                )?;
            }
        }
        let undrained = &self.tail;
        writeln!(
            out,
            "  undrained   {} events ({} rows), {} bytes",
            undrained.events,
            undrained.rows(),
            undrained.record_bytes
        )?;
        writeln!(out, "  drain       {}", self.drain())?;
        let oldest = self.oldest.map_or(String::new(), |seq| format!(", from event {seq} on"));
        writeln!(out, "  segments    {}, {} bytes{oldest}", self.segments, self.segment_bytes)?;
        if self.files.events_under_old_name() {
            writeln!(out, "  next.seg    holds events: the next start of the daemon gives it its name")?;
        }
        writeln!(out, "  quarantine  {} rows, {} replayed", self.quarantined, self.replayed)?;
        if let Some(trouble) = self.trouble() {
            writeln!(out, "  DECIDE      {trouble}; see `mpos-stratum spool --help`")?;
        } else if self.stopped().is_some() {
            writeln!(out, "  DECIDE      the drain has stopped; see `mpos-stratum spool --help`")?;
        }
        match self.damage() {
            0 => Ok(()),
            places => {
                writeln!(out, "  DAMAGE      in {places} places that are not drained: see `mpos-stratum spool verify`")
            }
        }
    }
}
