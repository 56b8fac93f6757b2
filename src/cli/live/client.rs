//! Asks the daemon by its control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::say::{complain, fail};
use crate::cli::socket;
use crate::exit::Exit;
use crate::service::control::{ANSWER_BYTES_MAX, Request, SOCKET_NAME};

/// How long the daemon may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Where the daemon is asked.
#[derive(clap::Args)]
pub(super) struct Socket {
    /// The daemon's control socket; its user and group may use it, and root. Without it control.sock where the
    /// configuration has it, else /run/mpos-stratum/control.sock
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// The daemon's configuration file: its runtime_dir has the socket
    #[arg(long, short, value_name = "FILE", default_value = "/etc/mpos-stratum/config.toml")]
    pub(super) config: PathBuf,
}

impl Socket {
    fn places(&self) -> Vec<PathBuf> {
        match &self.socket {
            Some(socket) => vec![socket.clone()],
            None => socket::places(&self.config, SOCKET_NAME),
        }
    }
}

/// Why there is no answer.
pub(super) enum Silence {
    /// No daemon listens there.
    NotRunning(PathBuf, io::Error),
    /// It listens, but there is no answer.
    Broken(String),
}

/// A connection to the daemon.
pub(super) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    pub(super) fn connect(socket: &Socket) -> Result<Self, Silence> {
        Self::connect_for(socket, ANSWER_MAX)
    }

    /// Connects for questions that take so long to answer.
    pub(super) fn connect_for(socket: &Socket, answer_max: Duration) -> Result<Self, Silence> {
        let (_, stream) = socket::connect(&socket.places()).map_err(|(path, error)| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Silence::NotRunning(path, error),
            io::ErrorKind::PermissionDenied => Silence::Broken(format!(
                "{}: {error}: run the command as root or as a member of the daemon's group",
                path.display()
            )),
            _ => Silence::Broken(format!("{}: {error}", path.display())),
        })?;
        let timed = stream.set_read_timeout(Some(answer_max)).and(stream.set_write_timeout(Some(answer_max)));
        timed.map_err(|error| Silence::Broken(error.to_string()))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks once. The outer error is silence, the inner one the daemon's own words.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Result<Map<String, Value>, String>, Silence> {
        let mut answer = String::new();
        let broken = |error: io::Error| Silence::Broken(format!("the daemon gave no answer: {error}"));
        // One that is full says so before it is asked anything, and is not there any more when it is.
        let asked = self.stream.get_mut().write_all(request.line().as_bytes());
        let most = ANSWER_BYTES_MAX as u64 + 1;
        match (&mut self.stream).take(most).read_line(&mut answer) {
            Ok(0) => return Err(asked.err().map_or_else(|| Silence::Broken("the daemon closed".to_owned()), broken)),
            Ok(_) => {}
            Err(error) => return Err(broken(error)),
        }
        let read = serde_json::from_str::<Map<String, Value>>(&answer);
        let mut members =
            read.map_err(|error| Silence::Broken(format!("the daemon's answer is not understood: {error}")))?;
        if members.get("busy").and_then(Value::as_bool) == Some(true) {
            let words = members.get("error").and_then(Value::as_str).unwrap_or("it is busy");
            return Err(Silence::Broken(format!("the daemon is busy: {words}")));
        }
        Ok(match members.remove("error") {
            Some(words) => Err(words.as_str().unwrap_or("it will not").to_owned()),
            None => Ok(members),
        })
    }
}

/// Asks once and says what is wrong.
pub(super) fn ask(socket: &Socket, request: &Request) -> Result<Map<String, Value>, Exit> {
    let mut client = Client::connect(socket).map_err(explain)?;
    answered(client.ask(request).map_err(explain)?)
}

/// The answer, or the daemon's words and their exit code.
pub(super) fn answered(answer: Result<Map<String, Value>, String>) -> Result<Map<String, Value>, Exit> {
    answer.map_err(|words| {
        complain(words);
        Exit::Usage
    })
}

/// Says why there is no answer.
pub(super) fn explain(silence: Silence) -> Exit {
    match silence {
        Silence::NotRunning(path, error) => fail(format_args!(
            "the daemon does not run, or has its socket elsewhere (--config or --socket): {}: {error}",
            path.display()
        )),
        Silence::Broken(problem) => fail(problem),
    }
}

/// A member of an answer, as what it should be.
pub(super) fn member<T: DeserializeOwned>(answer: &mut Map<String, Value>, name: &str) -> Result<T, Exit> {
    let value = answer.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|error| {
        fail(format_args!("the daemon's answer is not understood, is it of another version? {name}: {error}"))
    })
}
