//! `mpos-stratum spool`: one file per command.

mod decide;
mod dump;
mod given_up;
mod left;
mod replay;
mod resume;
pub(super) mod situation;
mod status;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::load_to_look;
use super::say::{complain, fail};
use super::wait::wait;
use crate::config::{Coin, Config};
use crate::exit::Exit;
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::verify::survey;
use crate::service::spool_dir;

pub(super) const LONG_ABOUT: &str = "\
Look into the spools, and decide where a stopped drain goes on.

Every share is written into the spool before its miner is answered; the drain carries it from there
into MPOS's table `shares`. There is one spool per `shares` table, in the state_dir of the
configuration, and every event in it has a number.

status, verify, left and dump change nothing and need neither the daemon nor the database; they may be used
while the daemon runs. adopt and rewind hand a decision to the daemon, which alone moves the position;
resume lets a paused drain put more refused rows into quarantine.";

const AFTER_HELP: &str = "\
When the drain has stopped (`spool status` says so and why), shares keep being recorded, and an
operator decides:
  The database was restored from an older backup, its newest rows are lost:
      spool rewind --to SEQ     sends the lost rows again, from the first one that is missing
      spool adopt               leaves them out and goes on with what was never sent
  The row of mpos_stratum_cursor is gone, or another machine's spool is the writer:
      spool adopt               makes this spool the writer, from the last event known to be stored
  The spool was restored from an older backup, the database is ahead of it:
      spool adopt --from SEQ    SEQ is the first event that the database has not got
  Events in the spool are damaged:
      put the segment back from a backup, or spool adopt, which gives the damaged events up
It has paused where several rows in a row were refused: mend the table, or spool resume.

Run these commands as root or as the daemon's user: nobody else may read the spool.

Only the daemon gets passwords that are credentials of systemd. Without them status shows the files only; adopt and
rewind have to ask the database: root runs them as
  CREDENTIALS_DIRECTORY=/etc/mpos-stratum/credentials mpos-stratum spool adopt";

/// Arguments of `spool`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show how far the spools are written, on the disk and drained, and whether a decision is needed
    Status(status::Arguments),
    /// Read every segment and report every damaged place and what it means; exit code 1 if there is any
    Verify(verify::Arguments),
    /// Show what would be lost with a state directory, whatever the configuration says; exit code 1 if
    /// undrained shares remain
    Left(left::Arguments),
    /// Print events, one a line, with every field
    #[command(long_about = dump::LONG_ABOUT)]
    Dump(dump::Arguments),
    /// Go on from a position: make this spool the writer again without sending anything twice
    #[command(long_about = decide::ADOPT_LONG_ABOUT)]
    Adopt(decide::Adopt),
    /// Send events again, from a position on, that the database has lost
    #[command(long_about = decide::REWIND_LONG_ABOUT)]
    Rewind(decide::Rewind),
    /// Let a paused drain put more refused rows into quarantine
    #[command(long_about = resume::LONG_ABOUT)]
    Resume(resume::Arguments),
    /// Put mended rows of the quarantine in at the end, each at most once
    #[command(long_about = replay::LONG_ABOUT)]
    Replay(replay::Arguments),
}

/// Which spool.
#[derive(Args)]
pub(super) struct Target {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    pub(super) config: PathBuf,
    /// The coin whose spool is meant; where there are several, all but status and verify need it
    #[arg(long, value_name = "NAME")]
    pub(super) coin: Option<String>,
}

/// A spool of the configuration.
pub(super) struct Place {
    /// Where it is.
    pub(super) dir: PathBuf,
    /// The coins that write into it; the first one's database and settings count.
    pub(super) coins: Vec<Arc<Coin>>,
}

impl Place {
    /// Its coins, for people.
    pub(super) fn names(&self) -> String {
        self.coins.iter().map(|coin| coin.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// By its files: the last event written, the last one that the database confirmed, and how many wait.
    pub(super) fn waiting(&self) -> Result<(u64, u64, u64), String> {
        let files = SpoolFiles::open(&self.dir).map_err(|error| error.to_string())?;
        let (confirmed, _) = files.confirmed().map_err(|error| error.to_string())?;
        let tail = survey(&files, confirmed + 1, u64::MAX, confirmed).map_err(|error| error.to_string())?;
        Ok((tail.last_seq.max(confirmed), confirmed, tail.events))
    }
}

impl Target {
    /// The spools that are meant: all without `--coin`.
    pub(super) fn places(&self) -> Result<Vec<Place>, Exit> {
        let config = load_to_look(&self.config)?;
        let mut places = places(&config);
        if let Some(name) = &self.coin {
            places.retain(|place| place.coins.iter().any(|coin| coin.name == *name));
            if places.is_empty() {
                let known: Vec<&str> = config.coins.iter().map(|coin| coin.name.as_str()).collect();
                complain(format_args!("there is no coin {name:?}; the configuration has: {}", known.join(", ")));
                return Err(Exit::Usage);
            }
        }
        Ok(places)
    }

    /// The one spool that is meant.
    pub(super) fn place(&self) -> Result<Place, Exit> {
        let mut places = self.places()?;
        match (places.pop(), places.is_empty()) {
            (Some(place), true) => Ok(place),
            (last, _) => {
                let names: Vec<String> = places.iter().chain(&last).map(Place::names).collect();
                complain(format_args!("there are several spools: say which one with --coin ({})", names.join(" | ")));
                Err(Exit::Usage)
            }
        }
    }
}

/// The spools of a configuration.
pub(super) fn places(config: &Config) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for coin in &config.coins {
        let dir = spool_dir(&config.daemon.state_dir, &coin.mpos);
        match places.iter_mut().find(|place| place.dir == dir) {
            Some(place) => place.coins.push(Arc::clone(coin)),
            None => places.push(Place { dir, coins: vec![Arc::clone(coin)] }),
        }
    }
    places
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let done = match &arguments.command {
        Command::Status(arguments) => wait(status::run(arguments)),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Left(arguments) => left::run(arguments),
        Command::Dump(arguments) => dump::run(arguments),
        Command::Adopt(arguments) => wait(decide::adopt(arguments)),
        Command::Rewind(arguments) => wait(decide::rewind(arguments)),
        Command::Resume(arguments) => wait(resume::run(arguments)),
        Command::Replay(arguments) => wait(replay::run(arguments)),
    };
    done.unwrap_or_else(|exit| exit)
}

/// Opens a spool's files.
pub(super) fn open(dir: &Path) -> Result<SpoolFiles, Exit> {
    SpoolFiles::open(dir).map_err(|error| fail(format_args!("{error}\n{}", first_start(dir))))
}

fn first_start(dir: &Path) -> &'static str {
    match dir.exists() {
        true => "Run this as root or as the daemon's user.",
        false => "The daemon makes the spool when it starts for the first time.",
    }
}
