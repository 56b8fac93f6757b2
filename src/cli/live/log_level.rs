//! `mpos-stratum log-level`

use clap::Args;
use serde_json::Value;

use super::client::{Socket, ask};
use crate::cli::say::tell;
use crate::exit::Exit;
use crate::service::control::Request;

pub(in crate::cli) const LONG_ABOUT: &str = "\
Show what the running daemon logs, or change it until its next start.

A LEVEL is off, error, warn, info, debug or trace. Alone it holds for everything and ends what was said of single
parts; PART=LEVEL is for one part of the daemon (stratum, ledger, node, mpos, service, work, worker and so on, or
one inside it as stratum::session), or for one of the libraries hyper, mysql_async, rustls and tokio. At most 16
parts have a level of their own.";

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum log-level
  mpos-stratum log-level stratum=debug
  mpos-stratum log-level info,node=trace

With stratum=debug every connection is logged, with trace a great deal: on a busy pool set it back soon.

Exit codes: 0 done, 64 no such level or part, 69 the daemon does not answer.";

/// Arguments of `log-level`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    /// The change; without it what is logged is shown
    #[arg(value_name = "LEVEL|PART=LEVEL,...")]
    set: Option<String>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let answer = ask(&arguments.socket, &Request::LogLevel { set: arguments.set.clone() })?;
    tell(answer.get("log_level").and_then(Value::as_str).unwrap_or_default());
    Ok(Exit::Ok)
}
