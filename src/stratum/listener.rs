//! A port: bound at start, listening from the coin's first job on, and never put out of service by
//! a failed accept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpSocket;
use tokio::task::{JoinSet, yield_now};
use tracing::{info, warn};

use super::arrival::{self, Turned};
use super::connection::{PortContext, serve, stopped};
use super::counters::Counters;
use super::guard::Refused;

/// Connections the kernel may keep waiting for us.
const BACKLOG: u32 = 4096;
/// Connections that are accepted in one go; then those that are there have their turn.
const ACCEPTS_AT_ONCE: u32 = 16;
/// Pause after an accept that failed for want of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// Least time between two lines in the log about one thing that goes on and on.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// A connection without traffic is probed after so long,
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// then so often,
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// and is dead after so many probes without an answer.
const KEEPALIVE_PROBES: u32 = 3;
/// A connection is dead if what was sent is not acknowledged for so long.
const USER_TIMEOUT_MS: u32 = 30_000;
/// Bytes the kernel keeps for a miner that does not read (it doubles the number for its own use): a dozen lines
/// of work. What does not fit waits with us, where it has an age, newer work replaces it, and a further line costs
/// no call of the system.
const SEND_BUFFER_BYTES: u32 = 16 * 1024;
/// Bytes the kernel keeps for us of what a miner sends (doubled likewise): some hundred lines. More stays with him:
/// left to itself, the kernel would take megabytes from everybody who sends faster than he is read.
const RECEIVE_BUFFER_BYTES: u32 = 32 * 1024;

/// A bound port that does not listen yet.
#[derive(Debug)]
pub struct BoundPort {
    socket: TcpSocket,
}

impl BoundPort {
    /// Binds.
    ///
    /// # Errors
    /// The address is in use, not ours, or not allowed.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if address.is_ipv6() {
            // `[::]` is IPv4 too, whatever the machine's default says.
            sockopt::set_ipv6_v6only(&socket, false)?;
        }
        // A restarted daemon must not wait for the old connections to time out.
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit all of this.
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_keepalive(true)?;
        sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_PROBES)?;
        sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT_MS)?;
        socket.bind(address)?;
        Ok(Self { socket })
    }

    /// The address, with the port the system chose where none was given.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for the coin's first job, then accepts connections until the stop, and returns once the
    /// last one has ended.
    ///
    /// # Errors
    /// The port cannot listen, or accepting fails in a way that waiting cannot mend.
    pub async fn serve(self, mut context: PortContext) -> io::Result<()> {
        let mut stop = pin!(stopped(context.stop.clone()));
        tokio::select! {
            board = context.board.wait_for(|board| board.job.is_some()) => if board.is_err() { return Ok(()) },
            () = &mut stop => return Ok(()),
        }
        let listener = self.socket.listen(BACKLOG)?;
        info!(coin = %context.coin, listen = %listener.local_addr()?, difficulty = %context.terms.port.difficulty, "stratum port open");
        let mut connections = JoinSet::new();
        let (mut failures, mut refusals) = (LogPace::default(), LogPace::default());
        let mut accepted_in_all = 0u32;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    match accepted {
                    Ok((stream, remote)) => match arrival::let_in(&context, remote.ip()) {
                        Ok(entry) => {
                            connections.spawn(serve(stream, remote, entry, context.clone()));
                        }
                        Err(turned) => refuse(&context, remote.ip(), &turned, &mut refusals),
                    },
                    Err(error) => failed_accept(error, &context, &mut failures).await?,
                    }
                    accepted_in_all = accepted_in_all.wrapping_add(1);
                    if accepted_in_all.is_multiple_of(ACCEPTS_AT_ONCE) {
                        yield_now().await;
                    }
                }
                Some(_) = connections.join_next() => {}
                () = &mut stop => break,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// Survives what is not the listener's fault.
async fn failed_accept(error: io::Error, context: &PortContext, pace: &mut LogPace) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
        io::ErrorKind::InvalidInput => return Err(error),
        // No descriptors or no memory: the connection stays in the backlog meanwhile.
        _ => {
            Counters::count(&context.counters.wire.accept_failures);
            if pace.may_log(context.clock.monotonic()) {
                warn!(coin = %context.coin, listen = %context.terms.port.listen, %error, "cannot accept connections: trying again; raise LimitNOFILE if this goes on");
            }
            tokio::time::sleep(EXHAUSTED_PAUSE).await;
        }
    }
    Ok(())
}

/// Notes a connection that was closed at once.
fn refuse(context: &PortContext, remote: IpAddr, turned: &Turned, pace: &mut LogPace) {
    arrival::note(context, remote, turned);
    let why = match turned {
        Turned::Refused(Refused::PortFull) => "the port is full (connections_max)",
        Turned::Refused(Refused::DaemonFull) => {
            "the daemon is full (connections_max of [daemon], or its limit of open files)"
        }
        Turned::Refused(Refused::AddressFull) => "their address has too many (connections_per_address_max)",
        Turned::NotTrusted => "they come from no trusted proxy (trusted_proxies)",
        // Meant for those it hits; whoever asks finds them in the counters.
        _ => return,
    };
    if pace.may_log(context.clock.monotonic()) {
        warn!(coin = %context.coin, listen = %context.terms.port.listen, last = %remote, why, "connections refused");
    }
}

/// Keeps a line that could be logged thousands of times a second from being so.
#[derive(Debug, Default)]
struct LogPace {
    logged_at: Option<Duration>,
}

impl LogPace {
    fn may_log(&mut self, now: Duration) -> bool {
        let may = self.logged_at.is_none_or(|at| now >= at + LOG_INTERVAL);
        if may {
            self.logged_at = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_inherit_what_the_port_was_given() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            let bound = BoundPort::bind(address.parse().unwrap()).unwrap();
            let listener = bound.socket.listen(BACKLOG).unwrap();
            let loopback = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
            let client = tokio::net::TcpStream::connect(loopback).await.unwrap();
            let (socket, remote) = listener.accept().await.unwrap();
            assert_eq!(remote.ip().to_canonical(), loopback.ip(), "`[::]` is IPv4 too");
            assert!(sockopt::tcp_nodelay(&socket).unwrap() && sockopt::socket_keepalive(&socket).unwrap());
            assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE_IDLE);
            assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), KEEPALIVE_INTERVAL);
            assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), KEEPALIVE_PROBES);
            assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), USER_TIMEOUT_MS);
            // Linux says the doubled number.
            assert_eq!(sockopt::socket_send_buffer_size(&socket).unwrap(), 2 * SEND_BUFFER_BYTES as usize);
            assert_eq!(sockopt::socket_recv_buffer_size(&socket).unwrap(), 2 * RECEIVE_BUFFER_BYTES as usize);
            drop(client);
        }
    }

    #[test]
    fn a_storm_is_one_line_in_the_log() {
        let mut pace = LogPace::default();
        let logged = (0..100).filter(|second| pace.may_log(Duration::from_secs(*second))).count();
        assert_eq!(logged, 10);
    }
}
