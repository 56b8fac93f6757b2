//! The command line: one file per command.

mod algo;
mod audit;
mod check;
mod doctor;
mod generate;
mod import;
mod live;
mod notify;
mod quantity;
mod run;
mod say;
mod socket;
mod spool;
mod wait;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::exit::Exit;

const ABOUT: &str = "A stratum server for mining pools that pay through MPOS";

const LONG_ABOUT: &str = "\
A stratum server for mining pools that pay through MPOS.

One daemon serves any number of coins. It logs miners in by MPOS's own accounts and workers, hands
out work from the coins' nodes, and writes every share and every block into MPOS's database: each
acknowledged share becomes exactly one row, also when the database was away in between.";

const AFTER_HELP: &str = "\
First steps:
  1. Fill in /etc/mpos-stratum/config.toml: it needs a [[coin]] with its [[coin.node]], [[coin.port]] and [coin.mpos].
     The package has a small one to begin with; every key is in mpos-stratum.toml(5) and config.example.toml. Or let
     `mpos-stratum import` write it out of the configuration of stratum-mining, NOMP or MPOS.
  2. mpos-stratum check --config /etc/mpos-stratum/config.toml
     lists everything that is wrong at once, or shows how the configuration was understood.
  3. mpos-stratum check --online --config /etc/mpos-stratum/config.toml
     holds every coin's profile and payout address against its nodes, and looks at the tables of its database.
  4. mpos-stratum doctor --config /etc/mpos-stratum/config.toml --mpos /srv/mpos/include/config/global.inc.php
     looks at everything else between MPOS, database, wallet and nodes.
  5. mpos-stratum run --config /etc/mpos-stratum/config.toml

While it runs: `status --watch` shows it at work; `miners`, `ban` and `log-level` act on it, and `reload` has it
take over a changed configuration.

When something looks wrong: `status` and `doctor` look at everything, and `doctor` names the remedies; `spool status`,
`spool verify` and `audit` explain it in detail. None of them changes anything.

Exit codes: 0 good, 1 a check found something, 64 command line, 69 something that is needed is missing or does not answer,
73 the spool cannot be written, 77 the spool may not be used, 78 configuration. The help of each command says which of
them it has. A bug ends the program by SIGABRT, which shells show as 134.";

#[derive(Parser)]
#[command(name = "mpos-stratum", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// A command's own texts must stand here: the doc comment of a variant takes away a `long_about` of what is in it.
#[derive(Subcommand)]
enum Command {
    /// Serve miners until told to stop
    #[command(after_help = run::AFTER_HELP)]
    Run(ConfigArgument),
    /// Read the configuration, show how it was understood or everything that is wrong with it, and exit
    ///
    /// Nothing is connected to and nothing is changed: neither the nodes nor the database are asked, unless with
    /// `--online`.
    Check(check::Arguments),
    /// Write a configuration out of that of an older stratum server
    #[command(long_about = import::LONG_ABOUT)]
    Import(import::Arguments),
    /// Show the state of the running daemon: coins, miners, hash rates, shares, spools, blocks, alarms
    #[command(long_about = live::STATUS_LONG_ABOUT)]
    Status(live::Status),
    /// List the connections of the running daemon, end some, or change their difficulty
    #[command(long_about = live::MINERS_LONG_ABOUT)]
    Miners(live::Miners),
    /// See who is banned, ban an address or a network, or lift a ban
    #[command(long_about = live::BAN_LONG_ABOUT)]
    Ban(live::Ban),
    /// Show or change what the running daemon logs
    #[command(long_about = live::LOG_LEVEL_LONG_ABOUT)]
    LogLevel(live::LogLevel),
    /// Have the running daemon read its configuration again, and say what came of it
    #[command(long_about = live::RELOAD_LONG_ABOUT)]
    Reload(live::Reload),
    /// Tell the running daemon of a new block: the node's `blocknotify=mpos-stratum notify COIN %s`
    Notify(notify::Arguments),
    /// List proof-of-work algorithms, or hash headers with them
    #[command(subcommand)]
    Algo(algo::Algo),
    /// Look into the spools, and decide where a stopped drain goes on
    #[command(long_about = spool::LONG_ABOUT)]
    Spool(spool::Arguments),
    /// Compare what miners were told with what MPOS has, and explain every difference
    #[command(long_about = audit::LONG_ABOUT)]
    Audit(audit::Arguments),
    /// Write the manual pages, and the completions for bash, zsh and fish, into a directory
    #[command(hide = true)]
    Generate(generate::Arguments),
    /// Look at everything that can be wrong between MPOS, its database, wallet, nodes and this daemon
    #[command(long_about = doctor::LONG_ABOUT)]
    Doctor(doctor::Arguments),
}

#[derive(clap::Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    config: PathBuf,
}

/// Does what the command line asks for.
pub fn main() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Run(argument) => run::run(&argument.config),
            Command::Check(arguments) => check::run(&arguments),
            Command::Import(arguments) => import::run(&arguments),
            Command::Status(arguments) => live::status(&arguments),
            Command::Miners(miners) => live::miners(&miners),
            Command::Ban(ban) => live::ban(&ban),
            Command::LogLevel(arguments) => live::log_level(&arguments),
            Command::Reload(arguments) => live::reload(&arguments),
            Command::Notify(arguments) => notify::run(&arguments),
            Command::Algo(algo) => algo::run(&algo),
            Command::Spool(arguments) => spool::run(&arguments),
            Command::Audit(arguments) => audit::run(&arguments),
            Command::Generate(arguments) => generate::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments),
        },
        Err(error) => {
            // If even that cannot be written there is nobody left to tell.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    }
}

/// Loads the configuration; on mistakes writes them all to standard error.
fn load(path: &Path) -> Result<Config, Exit> {
    or_say(crate::config::load(path))
}

/// The same for commands that have much to tell without the database and the nodes: passwords that only the daemon gets
/// may be missing, and whoever would need one says so.
fn load_to_look(path: &Path) -> Result<Config, Exit> {
    or_say(crate::config::load_without_credentials(path))
}

fn or_say(loaded: Result<Config, ConfigError>) -> Result<Config, Exit> {
    loaded.map_err(|error| {
        let count = error.problems.len();
        let problems = if count == 1 { "problem" } else { "problems" };
        say::complain(format_args!("{error}\n\n{count} {problems}; nothing was started or changed."));
        Exit::Config
    })
}
