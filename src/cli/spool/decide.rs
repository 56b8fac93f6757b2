//! `mpos-stratum spool adopt` and `rewind`: an operator's decision about the position.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::situation::{self, Situation, Trouble};
use super::{Place, Target, given_up, open};
use crate::cli::say::{complain, fail, say};
use crate::clock::{Clock, SystemClock};
use crate::exit::Exit;
use crate::ledger::decision::{self, Decision, GivenUp, Verb};
use crate::ledger::files::random_id;
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::verify::{Meaning, survey};
use crate::mpos::cursor::LEASE_SECS;

/// How long a command waits for the daemon: a stopped drain looks every second, and one that waits for
/// its database connects within some seconds.
const OUTCOME_WAIT: Duration = Duration::from_secs(20);
const OUTCOME_POLL: Duration = Duration::from_millis(100);

pub(super) const ADOPT_LONG_ABOUT: &str = "\
Go on from a position: make this spool the writer again without sending anything twice.

Without --from it goes on behind the last event that the database or the spool itself knows to be
stored; damaged events right there are given up; a block candidate
among them is recorded again at the end if its dossier is there. What the database has lost stays lost: if it was
restored from a backup, `rewind` sends the lost rows again. If another spool is the writer it can no
longer write from then on; stop its daemon.

The number of rows that are given up, or sent although the database may have them, is shown first; if
there are any, nothing is done without --yes. The daemon carries the decision out within seconds if its
drain is stopped, else at its next start, and only if nothing has changed since: otherwise it refuses.";

pub(super) const REWIND_LONG_ABOUT: &str = "\
Send events again, from a position on, that the database has lost.

Every event from --to on becomes a row again. A row that the database still has is then there TWICE and
is paid twice: find the newest row that is left (its time is the event's second of acceptance, see
`spool dump`) and rewind to the event behind it. Rows in quarantine are left out; the events of their
replays are sent again like all others. The number of rows is shown; nothing is done without --yes.";

const AFTER_HELP: &str = "\
Exit codes: 0 carried out, or noted for the next start of the daemon, 64 nothing was done: the command line, nothing to
decide, or --yes is missing, 69 the spool or the database cannot be read, or the daemon refused or has not answered yet,
78 the configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Adopt {
    #[command(flatten)]
    target: Target,
    /// The next event to be sent; needed if the database is ahead of the spool
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Do it, although rows are given up or may become double
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Rewind {
    #[command(flatten)]
    target: Target,
    /// The first event to be sent again
    #[arg(long, value_name = "SEQ")]
    to: u64,
    /// Do it, although rows may become double
    #[arg(long)]
    yes: bool,
}

pub(super) async fn adopt(arguments: &Adopt) -> Result<Exit, Exit> {
    decide(&arguments.target, Verb::Adopt, arguments.from, arguments.yes).await
}

pub(super) async fn rewind(arguments: &Rewind) -> Result<Exit, Exit> {
    decide(&arguments.target, Verb::Rewind, Some(arguments.to), arguments.yes).await
}

/// What is known when it is decided.
struct View {
    place: Place,
    files: SpoolFiles,
    situation: Situation,
    confirmed: u64,
    written: u64,
    explained_max: u64,
    oldest: u64,
    holder: Option<u32>,
    stopped: bool,
}

async fn decide(target: &Target, verb: Verb, next_seq: Option<u64>, yes: bool) -> Result<Exit, Exit> {
    let view = View::take(target).await?;
    if let Some(trouble) = &view.situation.trouble {
        complain(format_args!("{}: {trouble}", view.place.names()));
    }
    let next_seq = view.next_seq(verb, next_seq)?;
    let (risky, candidates) = view.announce(next_seq)?;
    if risky && !yes {
        complain("nothing was done: add --yes if that is what you want");
        return Err(Exit::Usage);
    }
    let failed = |error: std::io::Error| fail(format_args!("{}: {error}", view.place.dir.display()));
    let decision = Decision {
        id: random_id().map_err(failed)?,
        verb,
        spool: view.files.spool().to_string(),
        next_seq,
        found: view.situation.found.clone(),
        confirmed: view.confirmed,
        decided_at: SystemClock::new().unix_secs(),
        candidates,
    };
    decision::submit(&view.place.dir, &decision).map_err(failed)?;
    if view.holder.is_none() {
        say(&mut std::io::stdout(), "decided; the daemon carries it out when it starts (see `spool status` then)");
        return Ok(Exit::Ok);
    }
    wait_for_outcome(&view.place.dir, &decision.id).await
}

impl View {
    async fn take(target: &Target) -> Result<Self, Exit> {
        let place = target.place()?;
        let files = open(&place.dir)?;
        let unreadable = |error: std::io::Error| fail(format_args!("{}: {error}", place.dir.display()));
        let (confirmed, _) = files.confirmed().map_err(unreadable)?;
        let tail = survey(&files, confirmed + 1, u64::MAX, confirmed).map_err(unreadable)?;
        let written = tail.last_seq.max(confirmed);
        let Some(coin) = place.coins.first() else { return Err(Exit::Software) };
        let database = situation::ask(&coin.mpos, &files).await.map_err(|error| {
            fail(format_args!("the database must answer, because a decision is about what it holds: {error}"))
        })?;
        let explained_max = files.explained_max(written).map_err(unreadable)?;
        let situation = situation::judge(&files.spool().to_string(), &database, confirmed, explained_max);
        let oldest = files.segments().map_err(unreadable)?.first().map_or(1, |segment| segment.first_seq);
        let holder = files.holder().map_err(unreadable)?;
        let note = decision::drain_note(&place.dir).map_err(unreadable)?;
        let stopped = note.is_some_and(|note| note.state == "stopped");
        Ok(Self { place, files, situation, confirmed, written, explained_max, oldest, holder, stopped })
    }

    /// The event to send next.
    fn next_seq(&self, verb: Verb, given: Option<u64>) -> Result<u64, Exit> {
        if self.holder.is_some() && !self.stopped {
            complain(
                "the daemon's drain is not stopped: there is nothing to decide. (To send rows again that were \
                 deleted by hand, stop the daemon, decide, and start it.)",
            );
            return Err(Exit::Usage);
        }
        let next_seq = match (given, self.situation.next_seq) {
            (Some(next_seq), _) => next_seq,
            (None, Some(next_seq)) => self.behind_damage(next_seq)?,
            (None, None) if matches!(self.situation.trouble, Some(Trouble::Copy(_))) => {
                complain("there is nothing to decide while the copy is at work: its shares have this spool's numbers");
                return Err(Exit::Usage);
            }
            (None, None) if matches!(self.situation.trouble, Some(Trouble::Diverged(_))) => {
                complain(
                    "say with --from which event of this spool is the first that the database has not got: compare its \
                     newest rows in `shares` with `spool dump`; the copy's have the same numbers. If both hold shares that \
                     the database lacks, let the copy drain first and move it away, then adopt this one behind the last \
                     event that both have",
                );
                return Err(Exit::Usage);
            }
            (None, None) => {
                complain(
                    "say with --from which event is the first that the database has not got. The spool was put back \
                     from an older backup: it is the first event that was recorded after that; look for a jump of the \
                     time in `spool dump`, and for the time of the newest row in `shares`",
                );
                return Err(Exit::Usage);
            }
        };
        if next_seq > self.written + 1 || next_seq < self.oldest {
            complain(format_args!(
                "the spool holds events {} to {}: {next_seq} is not among them",
                self.oldest, self.written
            ));
            return Err(Exit::Usage);
        }
        let known = self.situation.stored.max(self.confirmed);
        let nothing =
            verb == Verb::Adopt && given.is_none() && self.situation.trouble.is_none() && next_seq == known + 1;
        if nothing && !self.stopped {
            complain("the database and the spool agree: there is nothing to decide");
            return Err(Exit::Usage);
        }
        Ok(next_seq)
    }

    /// The first event behind damage that begins at `next_seq`.
    fn behind_damage(&self, next_seq: u64) -> Result<u64, Exit> {
        if next_seq < self.oldest {
            return Ok(self.oldest);
        }
        let failed = |error: std::io::Error| fail(format_args!("{}: {error}", self.place.dir.display()));
        let found = survey(&self.files, next_seq, u64::MAX, self.confirmed).map_err(failed)?;
        let damage = found.findings.into_iter().find(|finding| {
            finding.meaning == Meaning::Damage && (finding.place.first_seq..=finding.place.last_seq).contains(&next_seq)
        });
        Ok(damage.map_or(next_seq, |damage| damage.place.last_seq + 1))
    }

    /// Says what it does to rows; true if any are given up or may become double. Also the block candidates
    /// among those given up that are to be recorded again.
    fn announce(&self, next_seq: u64) -> Result<(bool, Vec<GivenUp>), Exit> {
        let failed = |error: std::io::Error| fail(format_args!("{}: {error}", self.place.dir.display()));
        let rows = |from: u64, through: u64| {
            if from > through { Ok(0) } else { survey(&self.files, from, through, 0).map(|found| found.rows()) }
        };
        // What the database says it has, and what it once confirmed; never more than was sent.
        let (stored, known) =
            (self.situation.stored, self.situation.stored.max(self.confirmed).min(self.explained_max));
        let (mut risky, mut candidates) = (false, Vec::new());
        let again = rows(next_seq, known).map_err(failed)?;
        if next_seq <= known {
            risky = true;
            complain(format_args!(
                "events {next_seq} to {known} ({again} rows) are sent again; those that the database still has become double"
            ));
        }
        // Numbers above what the spool has sent are not its own events.
        let first_left_out =
            if matches!(self.situation.trouble, Some(Trouble::Ahead(_))) { next_seq } else { stored + 1 };
        if first_left_out < next_seq && self.situation.found.is_some() || known + 1 < next_seq {
            let first = first_left_out.min(known + 1).max(1);
            let readable = rows(first, next_seq - 1).map_err(failed)?;
            risky = true;
            complain(format_args!(
                "events {first} to {} ({} numbers, {readable} readable rows) are given up: what the database has not got of them it never gets",
                next_seq - 1,
                next_seq - first
            ));
            candidates = given_up::candidates(&self.files, first..=next_seq - 1).map_err(failed)?;
        }
        if let Some(Trouble::Foreign(row) | Trouble::Copy(row)) = &self.situation.trouble
            && row.age_secs < LEASE_SECS
        {
            risky = true;
            complain("the other daemon is alive: stop it first, or its shares only pile up in its spool");
        }
        say(&mut std::io::stdout(), format_args!("the next event to be sent is {next_seq}"));
        Ok((risky, candidates))
    }
}

/// Waits for what the daemon makes of the decision or permission `id`, and says it.
pub(super) async fn wait_for_outcome(dir: &Path, id: &str) -> Result<Exit, Exit> {
    let end = tokio::time::Instant::now() + OUTCOME_WAIT;
    while tokio::time::Instant::now() < end {
        match decision::outcome(dir) {
            Ok(Some(outcome)) if outcome.id == id && outcome.applied => {
                say(&mut std::io::stdout(), format_args!("the daemon has carried it out: {}", outcome.text));
                return Ok(Exit::Ok);
            }
            Ok(Some(outcome)) if outcome.id == id => {
                return Err(fail(format_args!("the daemon refused: {}", outcome.text)));
            }
            _ => tokio::time::sleep(OUTCOME_POLL).await,
        }
    }
    complain(
        "the daemon has not answered yet; it carries the decision out when it reaches the database. See `spool status`",
    );
    Err(Exit::Unavailable)
}
