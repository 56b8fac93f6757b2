//! Many connections at once, and the ways they put load on a daemon.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::stage::Stage;
use crate::tally::Tally;

/// The niceness of who keeps the pace of sending.
const PACE_NICENESS: i32 = -20;
/// Connections that log in at the same time.
const LOGINS_AT_ONCE: usize = 200;
/// Longest wait for all verdicts after the last share.
const VERDICTS_MAX: Duration = Duration::from_secs(60);

/// Logged-in connections, each read by a task of its own.
pub struct Crowd {
    connections: Vec<Arc<Connection>>,
    readers: JoinSet<()>,
    /// What they count together.
    pub tally: Arc<Tally>,
}

impl Crowd {
    /// Logs `count` workers in.
    pub async fn log_in(address: SocketAddr, count: usize) -> io::Result<Crowd> {
        let mut crowd = Crowd { connections: Vec::new(), readers: JoinSet::new(), tally: Arc::default() };
        let (mut logins, mut next) = (JoinSet::new(), 0);
        while crowd.connections.len() < count {
            while next < count && logins.len() < LOGINS_AT_ONCE {
                logins.spawn(Connection::log_in(address, Stage::worker(next)));
                next += 1;
            }
            let Some(login) = logins.join_next().await else { break };
            let connection = Arc::new(login.map_err(io::Error::other)??);
            // Read from the first moment on: a job may come at any time.
            crowd.readers.spawn(Arc::clone(&connection).read(Arc::clone(&crowd.tally)));
            crowd.connections.push(connection);
        }
        Ok(crowd)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Begins the closed loop: one share in flight on every connection.
    pub fn begin_closed_loop(&self) -> io::Result<()> {
        self.tally.keep_sending(true);
        self.connections.iter().try_for_each(|connection| connection.submit(&self.tally))
    }

    /// Submits at a fixed rate, evenly spaced and in turn, for so long; says by how much the
    /// latest share was late, in milliseconds.
    ///
    /// A thread of its own keeps the pace: the runtime's timer knows only whole milliseconds.
    pub async fn open_loop(&self, shares_per_sec: u32, length: Duration) -> io::Result<f64> {
        let (connections, tally) = (self.connections.clone(), Arc::clone(&self.tally));
        let pace = move || {
            come_first();
            let (start, step) = (Instant::now(), Duration::from_secs(1) / shares_per_sec.max(1));
            let (mut due, mut latest) = (Duration::ZERO, Duration::ZERO);
            for connection in connections.iter().cycle() {
                if due >= length {
                    break;
                }
                thread::sleep(due.saturating_sub(start.elapsed()));
                latest = latest.max(start.elapsed().saturating_sub(due));
                connection.submit(&tally)?;
                due += step;
            }
            Ok(latest.as_secs_f64() * 1000.0)
        };
        tokio::task::spawn_blocking(pace).await.map_err(io::Error::other)?
    }

    /// Stops sending and waits for the verdicts that are still due.
    pub async fn wait_for_verdicts(&self) -> io::Result<Instant> {
        self.tally.keep_sending(false);
        let deadline = Instant::now() + VERDICTS_MAX;
        while self.tally.outstanding() > 0 {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} shares were never answered", self.tally.outstanding())));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Instant::now())
    }
}

/// Has the calling thread come before all others where that is allowed, as a miner's machine has nothing to do with
/// what goes on at the pool: it must not be stopped between looking at the clock and sending.
pub fn come_first() {
    // Who may not is measured as he is.
    let _allowed = setpriority_process(None, PACE_NICENESS);
}
