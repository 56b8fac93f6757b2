//! Accepts connections of local programs: one line each, one answer.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Clock;
use crate::config::Rate;
use crate::stratum::guard::pace::Pace;

/// Connections served at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Of one user, so that nobody takes all of them by saying nothing. Users that the service manager's sandbox does not
/// show (`PrivateUsers=`) are one.
const CONNECTIONS_OF_USER_MAX: usize = 4;
/// How long a connection may say nothing while another one of its user waits for its place. Who has something to say
/// does so at once.
const SILENCE_MAX: Duration = Duration::from_millis(100);
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

    /// The next connection, and whose it is if that can be told.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<u32>)> {
        Ok(match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                (Box::new(stream), Some(user))
            }
            Self::Tcp(listener) => (Box::new(listener.accept().await?.0), None),
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
    let mut talks = Talks::default();
    let mut pace = Pace::default();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, user) = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a local connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let wait = pace.take(RATE, clock.monotonic());
        talks.make_room(user).await;
        let (answer, is_heard) = (Arc::clone(&answer), Arc::new(AtomicBool::new(false)));
        let heard = Arc::clone(&is_heard);
        talks.begin(user, is_heard, async move {
            talk(stream, &heard, &*answer).await;
            drop(place);
        });
        sleep(wait).await;
    }
}

/// A connection that is served.
struct Talk {
    user: Option<u32>,
    since: Instant,
    /// It has said its line.
    is_heard: Arc<AtomicBool>,
    task: AbortHandle,
}

/// All of them, in the order in which they came.
#[derive(Default)]
struct Talks {
    all: Vec<Talk>,
    tasks: JoinSet<()>,
}

impl Talks {
    /// Waits until a user may have one more; if all of his are taken, that one ends which has been silent for longest.
    async fn make_room(&mut self, user: Option<u32>) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.all.retain(|talk| !talk.task.is_finished());
            let mut of_user = self.all.iter().filter(|talk| user.is_some() && talk.user == user);
            if of_user.clone().count() < CONNECTIONS_OF_USER_MAX {
                return;
            }
            let is_silent =
                |talk: &&Talk| !talk.is_heard.load(Ordering::Relaxed) && talk.since.elapsed() >= SILENCE_MAX;
            if let Some(silent) = of_user.find(is_silent) {
                tracing::debug!(user, "a local connection said nothing while others of its user waited");
                silent.task.abort();
            }
            let _ = timeout(SILENCE_MAX, self.tasks.join_next()).await;
        }
    }

    fn begin(&mut self, user: Option<u32>, is_heard: Arc<AtomicBool>, talk: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(talk);
        self.all.push(Talk { user, since: Instant::now(), is_heard, task });
    }
}

async fn talk<F: Future<Output = String>>(
    mut stream: Box<dyn Stream>,
    is_heard: &AtomicBool,
    answer: &(impl Fn(Vec<u8>) -> F + Sync),
) {
    let line = match timeout(TALK_MAX, read_line(&mut stream)).await {
        Ok(Ok(Some(line))) => line,
        Ok(Ok(None)) => return tracing::debug!("a local connection sent too long a line or none"),
        Ok(Err(error)) => return tracing::debug!(%error, "a local connection broke"),
        Err(_) => return tracing::debug!("a local connection said nothing in time"),
    };
    is_heard.store(true, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::clock::SystemClock;

    fn begin(talks: &mut Talks, user: Option<u32>, is_heard: bool) {
        talks.begin(user, Arc::new(AtomicBool::new(is_heard)), pending());
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_ones_of_a_user_give_way_to_his_own_and_to_nobody_else_s() {
        let mut talks = Talks::default();
        begin(&mut talks, Some(1), true);
        for _ in 1..CONNECTIONS_OF_USER_MAX {
            begin(&mut talks, Some(1), false);
        }
        let began = Instant::now();
        talks.make_room(Some(2)).await;
        talks.make_room(None).await;
        assert_eq!((talks.all.len(), began.elapsed()), (CONNECTIONS_OF_USER_MAX, Duration::ZERO));
        talks.make_room(Some(1)).await;
        let heard: Vec<bool> = talks.all.iter().map(|talk| talk.is_heard.load(Ordering::Relaxed)).collect();
        assert_eq!(heard, [true, false, false], "what was heard is answered");
        assert!((SILENCE_MAX..2 * SILENCE_MAX).contains(&began.elapsed()), "{:?}", began.elapsed());
        for _ in 0..CONNECTIONS_MAX {
            begin(&mut talks, None, false);
        }
        talks.make_room(None).await;
        assert_eq!(talks.all.len(), 3 + CONNECTIONS_MAX, "of a port nobody knows whose they are");
    }

    #[tokio::test]
    async fn who_speaks_is_answered_however_many_of_his_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.sock");
        let listener = Listener::unix(&path).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let door = tokio::spawn(serve(listener, clock, |line| std::future::ready(String::from_utf8(line).unwrap())));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(UnixStream::connect(&path).await.unwrap());
        }
        let mut speaker = UnixStream::connect(&path).await.unwrap();
        speaker.write_all(b"hello\n").await.unwrap();
        let mut words = String::new();
        // Without an end of the silent ones their time would have to pass first.
        timeout(TALK_MAX, speaker.read_to_string(&mut words)).await.unwrap().unwrap();
        assert_eq!(words, "hello");
        assert_eq!(silent[0].read(&mut [0]).await.unwrap(), 0, "the oldest was ended");
        door.abort();
    }
}
