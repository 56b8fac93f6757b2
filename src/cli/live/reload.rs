//! `mpos-stratum reload`

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, Socket, explain, member};
use super::plain;
use crate::cli::say::{complain, tell};
use crate::exit::Exit;
use crate::service::control::Request;

pub(in crate::cli) const LONG_ABOUT: &str = "\
Have the running daemon read its configuration again, and say what came of it. `systemctl reload` does the same.

The file is checked as a whole, as by `check`. If anything is wrong with it, or a new port cannot be bound, nothing
is changed and everything that is wrong is listed. Otherwise it is compared with what is in force, and every
difference is applied at once while all miners stay connected, or it is listed as one that needs a restart, with
the reason; until then the old value stays in force.";

const AFTER_HELP: &str = "\
What holds at once: the log level, connections_max, [tls] and certificates; of ports everything but extranonce2_bytes,
for connections that are open too where that makes sense; ports, nodes and coins that were added or removed; users
and passwords of nodes and of the database. `config.example.toml` and the manual page say for every table what else does.

Exit codes: 0 taken over, 69 the daemon does not answer, 78 refused: nothing was changed.";

/// How long the daemon may take: new nodes are asked whose chain they are on, and the spools of new coins are read.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Arguments of `reload`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let asked = Client::connect_for(&arguments.socket, ANSWER_MAX).and_then(|mut client| client.ask(&Request::Reload));
    let mut answer = match asked.map_err(explain)? {
        Ok(answer) => answer,
        Err(words) => {
            words.lines().for_each(|line| complain(plain(line)));
            complain("\nThe reload is refused; nothing was changed.");
            return Err(Exit::Config);
        }
    };
    let generation: u64 = member(&mut answer, "generation")?;
    let applied: Vec<String> = member(&mut answer, "applied")?;
    let restart: Vec<String> = member(&mut answer, "restart")?;
    let warnings: Vec<String> = member(&mut answer, "warnings")?;
    let counts: [usize; 3] = member(&mut answer, "counts")?;
    if arguments.json {
        let all = json!({ "generation": generation, "applied": applied, "restart": restart, "warnings": warnings, "counts": counts });
        tell(Value::to_string(&all));
        return Ok(Exit::Ok);
    }
    warnings.iter().for_each(|warning| complain(format_args!("warning: {}", plain(warning))));
    applied.iter().for_each(|change| tell(plain(change)));
    restart.iter().for_each(|change| tell(plain(change)));
    let untold = counts.iter().sum::<usize>().saturating_sub(applied.len() + restart.len() + warnings.len());
    if untold > 0 {
        tell(format_args!("... and {untold} more: the daemon's log has all of them"));
    }
    match (applied.is_empty(), restart.is_empty()) {
        (true, true) => tell("Nothing has changed. Certificates were read again."),
        (_, true) => tell("Taken over."),
        (true, false) => tell("Nothing of it holds before a restart."),
        (false, false) => tell("Taken over, but for what needs a restart."),
    }
    Ok(Exit::Ok)
}
