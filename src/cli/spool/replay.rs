//! `mpos-stratum spool replay --quarantine`

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Place, Target, open};
use crate::cli::say::{complain, fail, say};
use crate::clock::SystemClock;
use crate::exit::Exit;
use crate::ledger::error::OpenError;
use crate::ledger::files::random_id;
use crate::ledger::handle::Ledger;
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::mended::{self, Line};
use crate::ledger::quarantine::QUARANTINE_FILE;
use crate::ledger::replay::{self, Answer, Fate, Request};

/// How long the command waits for the daemon, which looks every 2 s.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const ANSWER_POLL: Duration = Duration::from_millis(100);

pub(super) const LONG_ABOUT: &str = "\
Put mended rows of the quarantine in at the end, each at most once.

Rows that the database can never store are in quarantine.jsonl in the spool's directory, one JSON
object a line, with the database's error. Either mend the table and replay the lines as they are, or
copy the lines, mend them (the fields of `share`; `seq` says which row it is and must stay) and hand the
copy in with --file. What the miner was told (`accepted`) cannot be changed.

Each becomes a new event at the end of the spool: with its worker, result and difficulties, and with
the present second as its time, because MPOS counts rows by ids that ascend with time. When it was
really accepted, and all facts before and after mending, stay in replayed.jsonl. A row that was
replayed is never taken again, whatever is killed in between.

The running daemon takes the request up within 2 seconds; without one the command writes into the spool
itself and must run as the user that owns it, not as root.";

const AFTER_HELP: &str = "\
Exit codes: 0 every row is in the spool, now or from before, 64 nothing was replayed: the command line or a line of the
file is wrong, 69 the spool cannot be read, or a row was not taken, or the daemon has not answered yet, 78 the
configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Replay rows of the quarantine
    #[arg(long, required = true)]
    quarantine: bool,
    /// A mended copy; without it the lines of quarantine.jsonl as they are
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only these rows, by the number they had: 5,9,12
    #[arg(long, value_name = "SEQ", value_delimiter = ',')]
    seq: Vec<u64>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let place = arguments.target.place()?;
    let files = open(&place.dir)?;
    let lines = read(arguments, &place.dir)?;
    let answer = match ask_daemon_or_do_it(&place, &files, lines).await? {
        Ok(answer) => answer,
        Err(problems) => {
            problems.iter().for_each(complain);
            complain("nothing was replayed");
            return Err(Exit::Usage);
        }
    };
    Ok(tell(&answer))
}

/// The lines to be replayed, all of them in order.
fn read(arguments: &Arguments, dir: &Path) -> Result<Vec<Line>, Exit> {
    let path = arguments.file.clone().unwrap_or_else(|| dir.join(QUARANTINE_FILE));
    let chosen: BTreeSet<u64> = arguments.seq.iter().copied().collect();
    let unreadable = |error: std::io::Error| fail(format_args!("{}: {error}", path.display()));
    let (lines, mut problems) =
        mended::read(&path, |seq| chosen.is_empty() || chosen.contains(&seq)).map_err(unreadable)?;
    let missing = chosen.iter().filter(|seq| !lines.contains_key(seq));
    problems.extend(missing.map(|seq| format!("event {seq} is not in {}", path.display())));
    if problems.is_empty() && lines.is_empty() {
        problems.push(format!("{} holds no row", path.display()));
    }
    if problems.is_empty() {
        match mended::check(dir, lines.clone()).map_err(unreadable)? {
            Ok(_) => return Ok(lines.into_values().collect()),
            Err(found) => problems = found,
        }
    }
    problems.iter().for_each(complain);
    complain("nothing was replayed");
    Err(Exit::Usage)
}

type Replayed = Result<Answer, Vec<String>>;

async fn ask_daemon_or_do_it(place: &Place, files: &SpoolFiles, lines: Vec<Line>) -> Result<Replayed, Exit> {
    let dir = &place.dir;
    let failed = |error: std::io::Error| fail(format_args!("{}: {error}", dir.display()));
    let id = random_id().map_err(failed)?;
    if files.holder().map_err(failed)?.is_none() {
        let own = std::fs::metadata("/proc/self").and_then(|own| Ok((own.uid(), std::fs::metadata(dir)?.uid())));
        if own.map_err(failed)?.0 != std::fs::metadata(dir).map_err(failed)?.uid() {
            let text = "no daemon works with the spool, and it belongs to another user: run this as that user (sudo -u), \
                        or start the daemon first";
            return Err(fail(text));
        }
        let Some(coin) = place.coins.first() else { return Err(Exit::Software) };
        match Ledger::open(dir, &coin.ledger, Arc::new(SystemClock::new())) {
            Ok(opened) => {
                let done = replay::replay(&opened.ledger, lines).await;
                opened.ledger.close();
                let answer = |rows| Answer { id, rows, problem: None };
                return Ok(done.map_err(failed)?.map(answer));
            }
            // A daemon that started this moment can do it.
            Err(OpenError::InUse { .. }) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    let request = Request { id, spool: files.spool().to_string(), lines };
    replay::submit(dir, &request).map_err(failed)?;
    let end = tokio::time::Instant::now() + ANSWER_WAIT;
    while tokio::time::Instant::now() < end {
        match replay::answer(dir) {
            Ok(Some(answer)) if answer.id == request.id => return Ok(Ok(answer)),
            _ => tokio::time::sleep(ANSWER_POLL).await,
        }
    }
    Err(fail("the daemon has not answered yet; the request waits for it, and a second one does not double anything"))
}

fn tell(answer: &Answer) -> Exit {
    let mut exit = Exit::Ok;
    for (seq, fate) in &answer.rows {
        let text = match fate {
            Fate::Replayed(number) => format!("event {seq}: is now event {number}"),
            Fate::Already(number) => format!("event {seq}: was replayed before, as event {number}; nothing was done"),
            Fate::Superseded(number) => {
                format!("event {seq}: event {number} is a newer verdict on the same block; nothing was done")
            }
            Fate::Refused(why) => {
                exit = Exit::Unavailable;
                format!("event {seq}: not taken, try again: {why}")
            }
            Fate::Unknown(why) => {
                exit = Exit::Unavailable;
                format!("event {seq}: an earlier attempt may have put it in; nothing was done: {why}")
            }
        };
        say(&mut std::io::stdout(), text);
    }
    if let Some(problem) = &answer.problem {
        exit = fail(problem);
    }
    exit
}
