//! The socket itself: who may open it, and its bounds. It knows nothing of what is said.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Asker, Control, busy, refusal};
use crate::clock::Clock;
use crate::config::Rate;
use crate::stratum::guard::pace::Pace;

/// Connections at once; a further one is told so and closed.
pub const CONNECTIONS_MAX: usize = 16;
/// Requests of all connections together; faster ones wait.
const RATE: Rate = Rate { per_sec: 50, burst: 100 };
/// Longest request.
pub const LINE_BYTES_MAX: usize = 4096;
/// A connection that asks nothing for so long is closed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A connection that does not take an answer for so long is closed.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Pause after an accept that failed, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections the kernel may keep waiting.
const BACKLOG: u32 = 64;
/// Who may open it: user and group of the daemon.
const MODE: u32 = 0o660;

/// Makes the socket. One that nobody listens on is replaced.
///
/// # Errors
/// Another program listens there, or the directory is missing or not ours.
pub async fn bind(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let socket = UnixSocket::new_stream()?;
    // The file gets the mode of the socket: there is no moment at which others may open it.
    fchmod(&socket, Mode::from_raw_mode(0o600))?;
    socket.bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(MODE))?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped.
pub async fn serve(listener: UnixListener, clock: Arc<dyn Clock>, control: Control) {
    let (control, places) = (Arc::new(control), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let turn = Arc::new(Turn { pace: Mutex::default(), clock });
    let mut talks = JoinSet::new();
    loop {
        while talks.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the control socket cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // What it has not got room for is not worth waiting for.
            let _ = stream.try_write(busy(&format!("{CONNECTIONS_MAX} connections are open: try again")).as_bytes());
            continue;
        };
        let (control, turn) = (Arc::clone(&control), Arc::clone(&turn));
        talks.spawn(async move {
            if let Err(problem) = talk(stream, &control, &turn).await {
                tracing::debug!(%problem, "a connection to the control socket ends");
            }
            drop(place);
        });
    }
}

/// Whose turn it is.
struct Turn {
    pace: Mutex<Pace>,
    clock: Arc<dyn Clock>,
}

impl Turn {
    async fn come(&self) {
        let wait = self.pace.lock().await.take(RATE, self.clock.monotonic());
        sleep(wait).await;
    }
}

async fn talk(mut stream: UnixStream, control: &Control, turn: &Turn) -> io::Result<()> {
    let peer = stream.peer_cred().ok();
    let asker = Asker { uid: peer.as_ref().map(|peer| peer.uid()), pid: peer.and_then(|peer| peer.pid()) };
    let mut unread = Vec::new();
    loop {
        let line = match timeout(SILENCE_MAX, next_line(&mut stream, &mut unread)).await {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong) => {
                let words = refusal(&format!("a request has {LINE_BYTES_MAX} bytes at most"));
                say(&mut stream, &words).await?;
                return stream.shutdown().await;
            }
            Ok(Line::End(end)) => return end,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        turn.come().await;
        let answer = control.answer(&line, asker).await;
        say(&mut stream, &answer).await?;
    }
}

async fn say(stream: &mut UnixStream, words: &str) -> io::Result<()> {
    timeout(ANSWER_MAX, stream.write_all(words.as_bytes())).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    End(io::Result<()>),
}

/// The next line, without its end; `unread` holds what came with it.
async fn next_line(stream: &mut UnixStream, unread: &mut Vec<u8>) -> Line {
    loop {
        if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).take(end).collect();
            return if line.len() > LINE_BYTES_MAX { Line::TooLong } else { Line::Whole(line) };
        }
        if unread.len() > LINE_BYTES_MAX {
            return Line::TooLong;
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await {
            Ok(0) => return Line::End(Ok(())),
            Ok(count) => unread.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) => return Line::End(Err(error)),
        }
    }
}
