//! `mpos-stratum status`

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::client::{Client, Silence, Socket, answered, explain, member};
use super::view;
use crate::cli::say::{complain, tell};
use crate::cli::spool;
use crate::cli::wait::wait;
use crate::exit::Exit;
use crate::service::control::Request;
use crate::service::status::Status;

pub(in crate::cli) const LONG_ABOUT: &str = "\
Show the state of the running daemon: coins with their tips and nodes, miners and hash rates, shares by what became
of them, the spools in front of the databases, found blocks, and whatever somebody should look at.

The hash rate is that of the shares that counted, over 1, 5 and 15 minutes. Beside it stands what MPOS makes of
the same shares over its own 180 s: once all rows are in its database, and now. If MPOS shows another number, its
coin class has another target_bits than the one named here.";

const AFTER_HELP: &str = "\
When the daemon does not run this says so and shows what waits in the spools (as far as --config can be read).

Exit codes: 0 the daemon runs and nothing is wrong, 1 it runs and has an alarm, 69 it does not run or does not
answer, 78 it does not run and the configuration is wrong.";

/// What clears a terminal and puts the cursor into its first corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Arguments of `status`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Show it again and again, until interrupted; with --json one object a line
    #[arg(long, short)]
    watch: bool,
    /// Seconds between two looks of --watch, 1 to 3600
    #[arg(long, value_name = "SECS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Found blocks shown per coin, at most 100
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=100))]
    blocks: u16,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    if !arguments.watch {
        return match look(arguments, &mut None) {
            Ok(status) => Ok(show(arguments, &status?)),
            Err(silence) => Ok(not_running(arguments, silence)),
        };
    }
    wait(watch(arguments))
}

async fn watch(arguments: &Arguments) -> Result<Exit, Exit> {
    let mut client = None;
    loop {
        if !arguments.json {
            // Whoever looks away has closed the terminal.
            let _ = std::io::stdout().write_all(CLEAR.as_bytes());
        }
        match look(arguments, &mut client) {
            Ok(status) => {
                show(arguments, &status?);
            }
            // A restart ends the connection, not the watching.
            Err(silence) => {
                client = None;
                not_running(arguments, silence);
            }
        }
        if std::io::stdout().flush().is_err() {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(Duration::from_secs(arguments.every)).await;
    }
}

fn look(arguments: &Arguments, client: &mut Option<Client>) -> Result<Result<Status, Exit>, Silence> {
    if client.is_none() {
        *client = Some(Client::connect(&arguments.socket)?);
    }
    let Some(client) = client else { return Err(Silence::Broken("no connection".to_owned())) };
    let answer = client.ask(&Request::Status { blocks: Some(usize::from(arguments.blocks)) })?;
    Ok(answered(answer).and_then(|mut answer| member(&mut answer, "status")))
}

fn show(arguments: &Arguments, status: &Status) -> Exit {
    match arguments.json {
        true => tell(json!(status)),
        false => tell(view::text(status).trim_end()),
    }
    if status.alarms.is_empty() { Exit::Ok } else { Exit::Findings }
}

/// Says that nobody answers, and what waits in the spools.
fn not_running(arguments: &Arguments, silence: Silence) -> Exit {
    let is_away = matches!(silence, Silence::NotRunning(..));
    let exit = explain(silence);
    if !is_away {
        return exit;
    }
    match spools(&arguments.socket.config) {
        Ok(spools) if arguments.json => tell(json!({ "running": false, "spools": spools })),
        Ok(spools) => {
            for spool in &spools {
                let word =
                    |key: &str| spool.get(key).map_or_else(String::new, |value| value.to_string().replace('"', ""));
                match spool.get("problem") {
                    Some(_) => tell(format_args!("spool of {}: {}", word("coins"), word("problem"))),
                    None => tell(format_args!(
                        "spool of {}: written {}, the database has {}, {} events wait; they are drained when the daemon runs",
                        word("coins"),
                        word("written"),
                        word("drained"),
                        word("waiting")
                    )),
                }
            }
        }
        Err(failed) => {
            complain("what waits in the spools is not known without the configuration (--config)");
            return failed;
        }
    }
    exit
}

/// What waits in each spool of the configuration, by its files.
fn spools(config: &Path) -> Result<Vec<serde_json::Value>, Exit> {
    let config = crate::cli::load_to_look(config)?;
    let of = |place: spool::Place| {
        let coins = place.names();
        match place.waiting() {
            Ok((written, drained, waiting)) => {
                json!({ "coins": coins, "dir": place.dir, "written": written, "drained": drained, "waiting": waiting })
            }
            Err(problem) => json!({ "coins": coins, "dir": place.dir, "problem": problem }),
        }
    };
    Ok(spool::places(&config).into_iter().map(of).collect())
}
