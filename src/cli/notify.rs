//! `mpos-stratum notify`: what a node's `blocknotify` runs at every new block.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::say;
use crate::exit::Exit;
use crate::service::local::NotifyRequest;

/// How long the daemon may take to answer: the node waits for its commands.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The coin's name in the configuration
    coin: String,
    /// The new block's hash: `%s` in the node's blocknotify
    hash: String,
    /// The daemon's socket
    #[arg(long, value_name = "FILE", default_value = "/run/mpos-stratum/notify.sock")]
    socket: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { coin, hash, socket } = arguments;
    let request = NotifyRequest { command: "notify".to_owned(), coin: coin.clone(), hash: hash.clone() };
    let problem = match ask(socket, &request) {
        Ok(answer) => match serde_json::from_str::<serde_json::Value>(&answer) {
            Ok(answer) if answer.get("ok").and_then(serde_json::Value::as_bool) == Some(true) => return Exit::Ok,
            Ok(answer) => answer.get("error").and_then(|words| words.as_str()).unwrap_or("no answer").to_owned(),
            Err(_) => "the daemon gave no answer".to_owned(),
        },
        Err(error) => format!("cannot reach the daemon at {}: {error}", socket.display()),
    };
    say(&mut std::io::stderr(), problem);
    Exit::Unavailable
}

fn ask(socket: &Path, request: &NotifyRequest) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
