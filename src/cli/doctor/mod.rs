//! `mpos-stratum doctor`: everything that can be wrong between MPOS, its database and wallet, the nodes and us.
//!
//! | file | job |
//! | --- | --- |
//! | `report` | checks, what they say, the sheet |
//! | `server`, `tables`, `pool`, `workers`, `wallet`, `nodes`, `spool`, `machine` | what each check means and how it judges: pure functions over what was seen |
//! | `database`, `network`, `place` | look, and hand what was seen to the checks |

mod database;
mod machine;
mod network;
mod nodes;
mod place;
mod pool;
mod report;
mod server;
mod spool;
mod tables;
mod wallet;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

pub(super) use self::database::{Essentials, essentials};
use self::report::{Check, Sheet, fault, warning};
use super::import::settings::{self, MposSettings};
use super::say::{fail, say};
use super::wait::wait;
use crate::clock::SystemClock;
use crate::config::{Coin, Config};
use crate::exit::Exit;

pub(super) const LONG_ABOUT: &str = "\
Look at everything that can be wrong between MPOS, its database and wallet, the nodes and this daemon.

Nothing is changed, ever: the database session is read-only, its statements are bounded, nodes are only asked. It
may be used while everything runs, before the first start, and by a monitor. What cannot be looked at is told, and
keeps nothing else from being looked at.

Every finding has an id that stays the same, what was seen, what it means, and the command or SQL that mends it:
  FAULT     costs shares, blocks or payouts
  WARNING   will or may cost something
  UNSEEN    could not be looked at
  note      good to know

With --mpos it reads MPOS's own global.inc.php too (nothing in it is executed): the coin's class, the databases,
and the wallet, which is asked whether it owns the payout address. That is the surest answer.";

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum doctor --mpos /srv/mpos/include/config/global.inc.php
  mpos-stratum doctor --json | jq -r '.findings[] | select(.severity == \"fault\") | .id + \": \" + .saw'
  mpos-stratum doctor --list        every check, and what it means

Run it as root or as the daemon's user: others may not see the spool or whose ports are open. Only the daemon gets
passwords that are credentials of systemd; what needs them is UNSEEN unless root names where they are loaded from:
  CREDENTIALS_DIRECTORY=/etc/mpos-stratum/credentials mpos-stratum doctor

Exit codes: 0 nothing is wrong (notes do not count), 1 there is a warning or a fault, or something could not be
looked at, 64 command line, 78 the configuration cannot be used.";

/// Arguments of `doctor`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    config: PathBuf,
    /// Only this coin
    #[arg(long, value_name = "NAME")]
    coin: Option<String>,
    /// MPOS's configuration; once for each MPOS
    #[arg(long, value_name = "global.inc.php")]
    mpos: Vec<PathBuf>,
    /// Print one JSON object with every finding, also what is fine
    #[arg(long)]
    json: bool,
    /// Print what is fine, too
    #[arg(long)]
    all: bool,
    /// Only list the checks and what they mean
    #[arg(long)]
    list: bool,
}

static CONFIG_LOADS: Check = Check {
    id: "config.loads",
    means: "The daemon does not start, and a running one goes on with its old configuration.",
};
static CONFIG_WARNINGS: Check = Check { id: "config.warnings", means: "It is allowed, but probably not meant." };

/// Every check.
fn catalogue() -> Vec<&'static Check> {
    let rooms: [&[&'static Check]; 9] = [
        &[&CONFIG_LOADS, &CONFIG_WARNINGS],
        &machine::ALL,
        &spool::ALL,
        &server::ALL,
        &tables::ALL,
        &pool::ALL,
        &workers::ALL,
        &wallet::ALL,
        &nodes::ALL,
    ];
    rooms.into_iter().flatten().copied().collect()
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    if arguments.list {
        for check in catalogue() {
            say(&mut std::io::stdout(), format_args!("{}\n    {}", check.id, check.means));
        }
        return Exit::Ok;
    }
    let mut sheet = Sheet::default();
    sheet.turn_to("configuration");
    let exit = match crate::config::load_without_credentials(&arguments.config) {
        Ok(config) => wait(doctor(arguments, &config, &mut sheet)).unwrap_or_else(|exit| exit),
        Err(error) => {
            let told = |problem: &crate::config::Problem| {
                fault(problem.to_string(), format!("mpos-stratum check --config {}", arguments.config.display()))
            };
            sheet.say(&CONFIG_LOADS, error.problems.iter().map(told).collect());
            Exit::Config
        }
    };
    if exit == Exit::Usage {
        return exit;
    }
    match arguments.json {
        true => say(&mut std::io::stdout(), sheet.json()),
        false => say(&mut std::io::stdout(), sheet.text(arguments.all).trim_end()),
    }
    if exit == Exit::Ok && !sheet.is_good() { Exit::Findings } else { exit }
}

/// A configuration file of MPOS, and the coins that it is about.
struct MposFile {
    coins: Vec<String>,
    settings: MposSettings,
}

async fn doctor(arguments: &Arguments, config: &Config, sheet: &mut Sheet) -> Result<Exit, Exit> {
    let mut config = config.clone();
    if let Some(name) = &arguments.coin {
        let known: Vec<String> = config.coins.iter().map(|coin| coin.name.clone()).collect();
        config.coins.retain(|coin| coin.name == *name);
        if config.coins.is_empty() {
            fail(format_args!("there is no coin {name:?}; the configuration has: {}", known.join(", ")));
            return Err(Exit::Usage);
        }
    }
    sheet.say(&CONFIG_LOADS, Vec::new());
    let told = |problem: &crate::config::Problem| {
        warning(format!("{}: {}", problem.key, problem.what), problem.remedy.clone())
    };
    sheet.say(&CONFIG_WARNINGS, config.warnings.iter().map(told).collect());
    let files = mpos_files(arguments, &config, sheet);
    let clock = SystemClock::new();
    let mut holders = Vec::new();
    let mut last = 0;
    for place in super::spool::places(&config) {
        let seen = place::look(&config, &place, &clock, sheet).await;
        holders.extend(seen.holder);
        last = last.max(seen.last_time);
    }
    for coin in &config.coins {
        let of_coin = files.iter().find(|file| file.coins.contains(&coin.name)).map(|file| &file.settings);
        network::look(coin, of_coin, !arguments.mpos.is_empty(), sheet).await;
    }
    place::machine(&config, &holders, last, &clock, sheet);
    Ok(Exit::Ok)
}

/// Reads MPOS's files and finds out which coin each is about: by the name of the database, or there is only one.
fn mpos_files(arguments: &Arguments, config: &Config, sheet: &mut Sheet) -> Vec<MposFile> {
    let mut files = Vec::new();
    for path in &arguments.mpos {
        let settings = match settings::read(path) {
            Ok(settings) => settings,
            Err(why) => {
                sheet.could_not(&wallet::MPOS_FILE, &why);
                continue;
            }
        };
        let is_of = |coin: &&Arc<Coin>| settings.database.as_ref().is_some_and(|name| *name == coin.mpos.database);
        let mut coins: Vec<String> = config.coins.iter().filter(is_of).map(|coin| coin.name.clone()).collect();
        if let ([only], true) = (config.coins.as_slice(), coins.is_empty()) {
            coins.push(only.name.clone());
        }
        let mut words = Vec::new();
        if coins.is_empty() && arguments.coin.is_none() {
            let name = settings.database.as_deref().unwrap_or("?");
            words.push(warning(
                format!("{} is of the database {name:?}, which no coin has", path.display()),
                "name the coin with --coin, or mend database in [coin.mpos]",
            ));
        }
        sheet.say(&wallet::MPOS_FILE, words);
        files.push(MposFile { coins, settings });
    }
    files
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_an_id_of_its_own_and_a_meaning() {
        let all = catalogue();
        let ids: BTreeSet<&str> = all.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), all.len());
        for check in all {
            let (room, name) = check.id.split_once('.').unwrap();
            assert!(
                !room.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
                "{}",
                check.id
            );
            assert!(check.means.ends_with(|letter| ".)".contains(letter)), "{}", check.means);
        }
    }
}
