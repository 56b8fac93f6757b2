//! `mpos-stratum audit`

mod blocks;
mod report;
mod shares;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use self::report::Report;
use super::say::fail;
use super::spool::{Place, Target, open};
use super::wait::wait;
use crate::bytes::parse_display_hash;
use crate::clock::{Clock, SystemClock};
use crate::config::Coin;
use crate::exit::Exit;
use crate::mpos::audit::block::Remark;
use crate::mpos::connect;
use crate::mpos::limits::Limits;
use crate::mpos::trouble::words;
use crate::service::server_note;

pub(super) const LONG_ABOUT: &str = "\
Compare what miners were told with what MPOS has, and explain every difference.

The events of the spool are compared with the rows of shares and shares_archive, second by second; the
block candidates with mpos_stratum_block, MPOS's blocks, the dossiers beside the spool and the node.
Only SELECTs are sent, by ranges of ids. It may be used while everything runs.

A row may be missing because it is not drained yet, in quarantine, or paid and deleted by MPOS: these are
explained and are no problem of their own.";

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum audit                                   the last 24 hours of every coin
  mpos-stratum audit --coin litecoin --since 168
  mpos-stratum audit --block 2750001                   why was this block (not) credited?

Run it as root or as the daemon's user: others may not read the spool. Only the daemon gets passwords that are
credentials of systemd; with those root runs it as
  CREDENTIALS_DIRECTORY=/etc/mpos-stratum/credentials mpos-stratum audit

Exit codes: 0 everything is explained, 1 there is a problem, 64 command line, 69 the spool or the database cannot be
read, 78 the configuration is wrong.";

/// Arguments of `audit`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    config: PathBuf,
    /// Only this coin
    #[arg(long, value_name = "NAME")]
    coin: Option<String>,
    /// How many hours back
    #[arg(long, value_name = "HOURS", default_value_t = 24.0)]
    since: f64,
    /// Only this block, by its height or hash, however old
    #[arg(long, value_name = "HEIGHT|HASH", value_parser = block)]
    block: Option<String>,
    /// Print one JSON object per spool and line
    #[arg(long)]
    json: bool,
}

/// A block's height or hash as it was given.
fn block(text: &str) -> Result<String, String> {
    let is_good = text.parse::<u32>().is_ok() || parse_display_hash(text).is_some();
    is_good.then(|| text.to_owned()).ok_or_else(|| "give a height, or a hash of 64 hexadecimal digits".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    wait(audit(arguments)).unwrap_or_else(|exit| exit)
}

async fn audit(arguments: &Arguments) -> Result<Exit, Exit> {
    let target = Target { config: arguments.config.clone(), coin: arguments.coin.clone() };
    let mut exit = Exit::Ok;
    for place in target.places()? {
        let report = of_place(arguments, &place).await?;
        if report.has_problem() {
            exit = Exit::Findings;
        }
        report.print(arguments.json);
    }
    Ok(exit)
}

async fn of_place(arguments: &Arguments, place: &Place) -> Result<Report, Exit> {
    let files = open(&place.dir)?;
    let Some(coin) = place.coins.first() else { return Err(Exit::Software) };
    if let Some(why) = coin.nodes.iter().find_map(|node| node.login.why_unread()) {
        return Err(fail(format_args!("{}: node: not asked: {why}", place.names())));
    }
    let in_use = server_note::of_daemon(&files);
    let opened = connect::open_any(&coin.mpos, in_use.as_deref(), &Limits::default()).await;
    let (mut conn, server) = opened.map_err(|problem| fail(format_args!("{}: database: {problem}", place.names())))?;
    let now = SystemClock::new().unix_secs();
    let back = std::time::Duration::try_from_secs_f64(arguments.since * 3600.0).map_or(u64::MAX, |back| back.as_secs());
    let mut report = Report::new(place.names(), place.dir.clone());
    let view = View { coin: Arc::clone(coin), server, files, since: now.saturating_sub(back), now };
    if arguments.block.is_none() {
        shares::compare(&view, &mut conn, &mut report).await?;
    }
    blocks::compare(&view, &mut conn, arguments.block.as_deref(), &mut report).await?;
    // Closed by the server anyway if that does not get through.
    let _ = conn.disconnect().await;
    if report.is_silent() && arguments.block.is_some() {
        report.say(Remark::problem(
            "no_such_block",
            "neither the spool, the database nor the dossiers know such a block of ours",
        ));
    }
    Ok(report)
}

/// What is looked at.
struct View {
    coin: Arc<Coin>,
    /// The database's server.
    server: String,
    files: crate::ledger::inspect::SpoolFiles,
    /// First second.
    since: u64,
    /// The present second.
    now: u64,
}

impl View {
    fn unreadable(&self) -> impl Fn(std::io::Error) -> Exit {
        |error| fail(format_args!("{}: {error}", self.files.dir().display()))
    }

    fn database(&self) -> impl Fn(mysql_async::Error) -> Exit {
        |error| fail(format_args!("{}: database {}: {}", self.coin.name, self.server, words(&error)))
    }
}
