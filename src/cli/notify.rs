//! `mpos-stratum notify`: what a node's `blocknotify` runs at every new block.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::say::complain;
use super::socket;
use crate::bytes::parse_display_hash;
use crate::exit::Exit;
use crate::service::local::{NotifyRequest, SOCKET_NAME};

/// How long the daemon may take to answer: the node waits for its commands.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

const AFTER_HELP: &str = "\
Examples:
  blocknotify=/usr/sbin/mpos-stratum notify litecoin %s      in litecoin.conf; the node puts the hash for %s
  mpos-stratum notify litecoin $(litecoin-cli getbestblockhash)

All it does is make the daemon look at its nodes at once; any local user may run it.

Exit codes: 0 the daemon was told, 64 command line, no such coin, or no block hash, 69 the daemon does not answer.";

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The coin's name in the configuration
    coin: String,
    /// The new block's hash: `%s` in the node's blocknotify
    hash: String,
    /// The daemon's socket. Without it notify.sock where the configuration has it, if that may be read, else
    /// /run/mpos-stratum/notify.sock
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// The daemon's configuration file: its runtime_dir has the socket. A node's user need not be able to read it
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let (exit, problem) = match told(arguments) {
        Ok(()) => return Exit::Ok,
        Err(failed) => failed,
    };
    complain(problem);
    exit
}

fn told(arguments: &Arguments) -> Result<(), (Exit, String)> {
    let Arguments { coin, hash, socket, config } = arguments;
    if parse_display_hash(hash).is_none() {
        return Err((
            Exit::Usage,
            format!("{hash:?} is not a block hash of 64 hexadecimal digits: give the node's %s"),
        ));
    }
    let places = socket.clone().map_or_else(|| socket::places(config, SOCKET_NAME), |socket| vec![socket]);
    let request = NotifyRequest { command: "notify".to_owned(), coin: coin.clone(), hash: hash.clone() };
    let answer = ask(&places, &request).map_err(|(place, error)| {
        (Exit::Unavailable, format!("cannot reach the daemon at {}: {error}", place.display()))
    })?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    match (answer.get("ok").and_then(Value::as_bool), answer.get("error").and_then(Value::as_str)) {
        (Some(true), _) => Ok(()),
        // What it does not know was ours to get right.
        (_, Some(words)) => Err((Exit::Usage, words.to_owned())),
        _ => Err((Exit::Unavailable, "the daemon gave no answer".to_owned())),
    }
}

fn ask(places: &[PathBuf], request: &NotifyRequest) -> Result<String, (PathBuf, io::Error)> {
    let (place, stream) = socket::connect(places)?;
    converse(stream, request).map_err(|error| (place, error))
}

fn converse(mut stream: UnixStream, request: &NotifyRequest) -> io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
