//! Accepts connections of local programs: one line each, one answer.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::config::Rate;
use crate::stratum::guard::pace::Pace;

/// Connections served at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Connections per second in the long run, and at once; faster ones wait to be accepted. A node that catches
/// up runs its command for every block.
const RATE: Rate = Rate { per_sec: 20, burst: 100 };
/// Longest line; a longer one closes the connection.
pub const LINE_BYTES_MAX: usize = 1024;
/// How long a connection may take to say its line, and again to take its answer.
const TALK_MAX: Duration = Duration::from_secs(2);
/// Pause after an accept that failed, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is listened on.
pub enum Listener {
    /// A Unix socket.
    Unix(UnixListener),
    /// A TCP port.
    Tcp(TcpListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// Makes a Unix socket that every user may connect to. A socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// Another program listens there, or the directory is missing or not ours.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self::Unix(listener))
    }

    /// Listens on a TCP port.
    ///
    /// # Errors
    /// The system's.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tcp(TcpListener::bind(address).await?))
    }

    /// Where a TCP port listens.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Serves until it is dropped; `answer` turns a line into what is written back.
pub async fn serve<A, F>(listener: Listener, clock: Arc<dyn Clock>, answer: A)
where
    A: Fn(Vec<u8>) -> F + Send + Sync + 'static,
    F: Future<Output = String> + Send,
{
    let (answer, places) = (Arc::new(answer), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let mut talks = JoinSet::new();
    let mut pace = Pace::default();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while talks.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a local connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let wait = pace.take(RATE, clock.monotonic());
        let answer = Arc::clone(&answer);
        talks.spawn(async move {
            talk(stream, &*answer).await;
            drop(place);
        });
        sleep(wait).await;
    }
}

async fn talk<F: Future<Output = String>>(mut stream: Box<dyn Stream>, answer: &(impl Fn(Vec<u8>) -> F + Sync)) {
    let line = match timeout(TALK_MAX, read_line(&mut stream)).await {
        Ok(Ok(Some(line))) => line,
        Ok(Ok(None)) => return tracing::debug!("a local connection sent too long a line or none"),
        Ok(Err(error)) => return tracing::debug!(%error, "a local connection broke"),
        Err(_) => return tracing::debug!("a local connection said nothing in time"),
    };
    let words = answer(line).await;
    let reply = async {
        // Who has gone already did not want it.
        let _ = stream.write_all(words.as_bytes()).await;
        let _ = stream.shutdown().await;
    };
    let _ = timeout(TALK_MAX, reply).await;
}

/// One line without its end, which may be the end of the connection; `None`: too long, or nothing.
async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = stream.take(LINE_BYTES_MAX as u64 + 1);
    loop {
        let read = limited.read_buf(&mut line).await?;
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(Some(line));
        }
        if read == 0 {
            return Ok((!line.is_empty() && line.len() <= LINE_BYTES_MAX).then_some(line));
        }
    }
}
