//! `mpos-stratum miners`: who is connected, and what an operator does about it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Socket, ask, member};
use super::plain;
use crate::cli::quantity::{hash_rate, shown};
use crate::cli::say::{complain, tell};
use crate::difficulty::Difficulty;
use crate::exit::Exit;
use crate::service::control::{Miner, Request, Who};

pub(in crate::cli) const LONG_ABOUT: &str = "\
Look at the connections of the running daemon, end some, or change their difficulty.

Connections are chosen by worker, address, number or coin; a connection must match all that is given. A worker is
an account (all its workers), a worker's whole name, or a pattern with * and ?. Upper and lower case are the same, as
they are to MPOS.";

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum miners list                                   who is connected, the first 100
  mpos-stratum miners find alice                             all workers of the account alice
  mpos-stratum miners find 'alice.*' --address 192.0.2.0/24
  mpos-stratum miners kick --address 192.0.2.7 --reason 'firmware floods us'
  mpos-stratum miners set-difficulty alice.rig1 8192

Exit codes: 0 done, 1 no connection matches, 64 wrong command line, 69 the daemon does not answer.";

/// Arguments of `miners`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Miners {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List connections, in the order in which they came
    List(List),
    /// List the connections of a worker
    Find(Find),
    /// End connections; nobody is banned by it, and miners mostly come back
    Kick(Kick),
    /// Send another difficulty, with new work
    ///
    /// It is kept within the port's bounds and the network's difficulty. It stays until vardiff moves it, by the
    /// rate that is measured anew from then on; where there is no vardiff, or the miner's password fixed its
    /// difficulty, it stays until the connection ends.
    SetDifficulty(SetDifficulty),
}

#[derive(Args)]
struct Choice {
    /// Only this address or network
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Only the connection with this number
    #[arg(long, value_name = "NUMBER")]
    id: Option<u64>,
    /// Only connections of this coin
    #[arg(long, value_name = "NAME")]
    coin: Option<String>,
    #[command(flatten)]
    socket: Socket,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Choice {
    fn who(&self, worker: Option<&String>) -> Who {
        Who { worker: worker.cloned(), address: self.address.clone(), id: self.id, coin: self.coin.clone() }
    }
}

#[derive(Args)]
struct Page {
    /// Go on behind this connection
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
    /// Most that are shown, up to 500
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
struct Find {
    /// An account, a worker or a pattern
    worker: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
struct Kick {
    /// An account, a worker or a pattern
    worker: Option<String>,
    /// Why: for the log, and for miners whose program shows messages
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

#[derive(Args)]
struct SetDifficulty {
    /// An account, a worker or a pattern; `*` with --id or --address alone
    worker: String,
    /// Stratum difficulty
    #[arg(value_parser = difficulty)]
    difficulty: f64,
    #[command(flatten)]
    choice: Choice,
}

fn difficulty(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().and_then(Difficulty::new);
    let bounds = || format!("a number from {:e} to {:e}", Difficulty::MIN.get(), Difficulty::MAX.get());
    number.map(Difficulty::get).ok_or_else(bounds)
}

pub(super) fn run(miners: &Miners) -> Result<Exit, Exit> {
    match &miners.command {
        Command::List(List { choice, page }) => list(choice, None, page),
        Command::Find(Find { worker, choice, page }) => list(choice, Some(worker), page),
        Command::Kick(Kick { worker, reason, choice }) => {
            let request = Request::Kick { who: choice.who(worker.as_ref()), reason: reason.clone() };
            ordered(choice, &request, |told, _| format!("{told} connections end"))
        }
        Command::SetDifficulty(SetDifficulty { worker, difficulty, choice }) => {
            let request = Request::SetDifficulty { who: choice.who(Some(worker)), difficulty: *difficulty };
            ordered(choice, &request, |told, answer| {
                let number = |key: &str| answer.get(key).map_or_else(String::new, Value::to_string);
                let (least, most) = (number("least"), number("most"));
                let range = if least == most { least } else { format!("{least} to {most}") };
                format!(
                    "{told} connections are at difficulty {range}; vardiff may move {} of them again",
                    number("adjusted")
                )
            })
        }
    }
}

fn list(choice: &Choice, worker: Option<&String>, page: &Page) -> Result<Exit, Exit> {
    let who = choice.who(worker);
    let is_everybody = who.is_everybody();
    let request = Request::Miners { who, after: page.after, limit: Some(usize::from(page.limit)) };
    let mut answer = ask(&choice.socket, &request)?;
    let miners: Vec<Miner> = member(&mut answer, "miners")?;
    let next: Option<u64> = member(&mut answer, "next")?;
    if choice.json {
        tell(json!({ "miners": miners, "next": next }));
    } else {
        if !miners.is_empty() {
            tell(
                "     id coin         port                  address          worker                   difficulty accepted refused  idle      hashrate     connected program",
            );
        }
        miners.iter().for_each(|miner| tell(row(miner)));
        match (miners.is_empty(), is_everybody, page.after) {
            (false, ..) => {}
            (true, true, 0) => tell("nobody is connected"),
            (true, _, 0) => complain("no connection matches: see `miners list`"),
            (true, ..) => tell("there are no more"),
        }
        if let Some(next) = next {
            complain(format_args!("there are more: --after {next}"));
        }
    }
    // Who asks for all, or for the next page, has got what there is.
    let is_missing = miners.is_empty() && !is_everybody && page.after == 0;
    Ok(if is_missing { Exit::Findings } else { Exit::Ok })
}

fn row(miner: &Miner) -> String {
    let worker = match (miner.workers.last(), miner.workers_count) {
        (None, _) => "-".to_owned(),
        (Some(worker), 0 | 1) => plain(worker),
        (Some(worker), count) => format!("{} and {} more", plain(worker), count - 1),
    };
    let idle = miner.idle_secs.map_or_else(|| "-".to_owned(), shown);
    format!(
        "{:>7} {:<12} {:<21} {:<16} {:<24} {:>10} {:>8} {:>7}  {:<9} {:<12} {:<9} {}",
        miner.id,
        miner.coin,
        miner.port,
        miner.address.to_string(),
        worker,
        miner.difficulty,
        miner.accepted,
        miner.refused,
        idle,
        hash_rate(miner.hashrate),
        shown(miner.connected_secs),
        plain(&miner.agent)
    )
}

/// Has something ordered, and says what came of it.
fn ordered(
    choice: &Choice,
    request: &Request,
    words: impl Fn(u64, &serde_json::Map<String, Value>) -> String,
) -> Result<Exit, Exit> {
    let mut answer = ask(&choice.socket, request)?;
    let (matched, told): (u64, u64) = (member(&mut answer, "matched")?, member(&mut answer, "told")?);
    let more: bool = member(&mut answer, "more")?;
    match (choice.json, matched) {
        (true, _) => {
            answer.extend([
                ("matched".to_owned(), json!(matched)),
                ("told".to_owned(), json!(told)),
                ("more".to_owned(), json!(more)),
            ]);
            tell(Value::Object(answer));
        }
        (false, 0) => complain("no connection matches: see `miners list`"),
        (false, _) => tell(words(told, &answer)),
    }
    if told < matched {
        complain(format_args!("{} others have gone, or did not hear of it in time", matched - told));
    }
    if more {
        complain("there are more: say it again");
    }
    Ok(if matched == 0 { Exit::Findings } else { Exit::Ok })
}
