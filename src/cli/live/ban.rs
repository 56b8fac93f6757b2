//! `mpos-stratum ban`: addresses and networks that are not served.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Socket, ask, member};
use super::plain;
use crate::cli::quantity::{seconds, utc};
use crate::cli::say::{complain, tell};
use crate::exit::Exit;
use crate::service::control;
use crate::service::control::Request;

pub(in crate::cli) const LONG_ABOUT: &str = "\
See who is banned, ban an address or a network, or lift a ban.

The daemon bans addresses by itself for invalid shares (`ban_secs` and its neighbours in the configuration); what
is ordered here goes before `exempt` and holds on every port. Bans are kept in the state directory and survive
restarts, with their beginning and their reason. A ban that is ordered for an IPv6 address holds for that address alone,
one for misbehaviour for its /64.";

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum ban list
  mpos-stratum ban add 192.0.2.7 --for 12h --reason 'submits garbage'
  mpos-stratum ban add 2001:db8:7::/48 --for 4w
  mpos-stratum ban lift 192.0.2.7

Exit codes: 0 done, 64 wrong command line or no such ban, 69 the daemon does not answer.";

/// Arguments of `ban`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Ban {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the bans in force: who, until and since when, and why
    List(List),
    /// Ban an address or a network, and close its connections
    Add(Add),
    /// Lift a ban, by order or for misbehaviour
    Lift(Lift),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    socket: Socket,
    /// Pass over so many
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    after: usize,
    /// Most that are shown, up to 500
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Add {
    /// An address, or a network as 192.0.2.0/24
    network: String,
    /// How long: 90s, 15m, 12h, 7d, 4w; at most ten years
    #[arg(long = "for", value_name = "TIME", default_value = "1d", value_parser = seconds)]
    lasts: u64,
    /// Why, for the list and the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Leave connections that are open alone
    #[arg(long)]
    keep_connections: bool,
    #[command(flatten)]
    socket: Socket,
}

#[derive(Args)]
struct Lift {
    /// The address, or the network as it was banned
    network: String,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn run(ban: &Ban) -> Result<Exit, Exit> {
    match &ban.command {
        Command::List(arguments) => list(arguments),
        Command::Add(Add { network, lasts, reason, keep_connections, socket }) => {
            let request = Request::Ban {
                network: network.clone(),
                secs: *lasts,
                reason: reason.clone(),
                keep: *keep_connections,
            };
            let answer = ask(socket, &request)?;
            let ended = answer.get("ended").and_then(Value::as_u64).unwrap_or(0);
            tell(format_args!("{network} is banned; {ended} connections were closed"));
            Ok(Exit::Ok)
        }
        Command::Lift(Lift { network, socket }) => {
            ask(socket, &Request::Unban { network: network.clone() })?;
            tell(format_args!("{network} is served again"));
            Ok(Exit::Ok)
        }
    }
}

fn list(arguments: &List) -> Result<Exit, Exit> {
    let request = Request::Bans { after: arguments.after, limit: Some(usize::from(arguments.limit)) };
    let mut answer = ask(&arguments.socket, &request)?;
    let bans: Vec<control::Ban> = member(&mut answer, "bans")?;
    let next: Option<usize> = member(&mut answer, "next")?;
    if arguments.json {
        tell(json!({ "bans": bans, "next": next }));
        return Ok(Exit::Ok);
    }
    if bans.is_empty() {
        tell("nobody is banned");
    }
    for ban in &bans {
        let begun = if ban.ordered { "ordered" } else { "since" };
        let since = ban.since.map_or_else(String::new, |since| format!(", {begun} {}", utc(since)));
        tell(format_args!("{:<40} until {} UTC{since}: {}", ban.network, utc(ban.until), plain(&ban.reason)));
    }
    if let Some(next) = next {
        complain(format_args!("there are more: --after {next}"));
    }
    Ok(Exit::Ok)
}
