//! A port: bound at start, listening from the coin's first job on or from an earlier life of the daemon, and
//! never put out of service by a failed accept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, listen, sockopt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::arrival::{self, Turned};
use super::connection::{resume, serve};
use super::context::PortContext;
use super::counters::Counters;
use super::guard::Refused;
use super::lanes::{Presence, attendance};
use super::leaving::Returning;
use super::stop::{Stop, reached};

/// Connections the kernel may keep waiting for us.
const BACKLOG: u16 = 4096;
/// Connections that are accepted in one go; then those that are there have their turn.
const ACCEPTS_AT_ONCE: u32 = 16;
/// Pause before a port is bound again on which another program listens.
const TAKEN_PAUSE: Duration = Duration::from_secs(1);
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
const SEND_BUFFER_BYTES: usize = 16 * 1024;
/// Bytes the kernel keeps for us of what a miner sends (doubled likewise): some hundred lines. More stays with him:
/// left to itself, the kernel would take megabytes from everybody who sends faster than he is read.
const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;

/// A bound port.
#[derive(Debug)]
pub struct BoundPort {
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    /// It does not listen yet.
    Bound(TcpSocket),
    /// It listens already: somebody may be waiting.
    Listening(std::net::TcpListener),
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
        socket.bind(address)?;
        set_options(&socket)?;
        Ok(Self { socket: Socket::Bound(socket) })
    }

    /// Takes over a socket that listens, and says where.
    ///
    /// # Errors
    /// It is none, or not one that [`BoundPort::bind`] could have made.
    pub fn listening(socket: OwnedFd) -> Result<(SocketAddr, Self), &'static str> {
        let is_stream = sockopt::socket_type(&socket).is_ok_and(|kind| kind == SocketType::STREAM);
        let family = sockopt::socket_domain(&socket).ok();
        if !is_stream || !matches!(family, Some(AddressFamily::INET | AddressFamily::INET6)) {
            return Err("it is not a TCP socket");
        }
        if !sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            return Err("it does not listen");
        }
        if family == Some(AddressFamily::INET6) && sockopt::ipv6_v6only(&socket).unwrap_or(true) {
            return Err("it is for IPv6 alone");
        }
        let listener = std::net::TcpListener::from(socket);
        let address = listener.local_addr().map_err(|_| "it has no address")?;
        set_options(&listener).and_then(|()| listener.set_nonblocking(true)).map_err(|_| "it takes no options")?;
        Ok((address, Self { socket: Socket::Listening(listener) }))
    }

    /// Listens, if it does not yet.
    fn open(self) -> io::Result<TcpListener> {
        match self.socket {
            Socket::Bound(socket) => socket.listen(BACKLOG.into()),
            Socket::Listening(listener) => {
                // Whoever made it may have thought of fewer.
                listen(&listener, BACKLOG.into())?;
                TcpListener::from_std(listener)
            }
        }
    }

    /// Listens once the coin has work, at once if it did so already; `None`: the coin is gone. Goes on trying while
    /// another program listens there: a port that is only bound can be taken by whoever shares addresses.
    async fn open_in_the_end(self, context: &PortContext) -> io::Result<Option<TcpListener>> {
        let mut board = context.board.clone();
        if matches!(self.socket, Socket::Bound(_)) && board.wait_for(|board| board.job.is_some()).await.is_err() {
            return Ok(None);
        }
        let (mut opened, mut pace) = (self.open(), LogPace::default());
        loop {
            match opened {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if pace.may_log(context.clock.monotonic()) {
                        let listen = context.terms.port.listen;
                        error!(coin = %context.coin, %listen, "another program listens on this port: stop it; trying again");
                    }
                    sleep(TAKEN_PAUSE).await;
                    opened = Self::bind(context.terms.port.listen).and_then(Self::open);
                }
                opened => return opened.map(Some),
            }
        }
    }

    /// Waits for the coin's first job, unless it listens already, then accepts connections until the stop, and
    /// returns once the last one has ended. `opened` is told of the socket as soon as it listens; `returning`
    /// are connections of the daemon's last life.
    ///
    /// # Errors
    /// The port cannot listen, or accepting fails in a way that waiting cannot mend.
    pub async fn serve(
        self,
        mut context: PortContext,
        opened: impl FnOnce(SocketAddr, BorrowedFd<'_>),
        returning: Vec<Returning>,
    ) -> io::Result<()> {
        let mut seen = context.stop.clone();
        let mut stop = pin!(reached(&mut seen, Stop::Parting));
        let (attendance, absence) = attendance();
        for one in returning {
            let lane = if one.has_worked() { &context.lanes.miners } else { &context.lanes.strangers };
            lane.spawn(resume(one, context.clone(), Presence::new(&context.counters, &attendance)));
        }
        let open = tokio::select! {
            open = self.open_in_the_end(&context) => open?,
            () = &mut stop => None,
            () = Arc::clone(&context.standing).closed() => None,
        };
        let Some(listener) = open else {
            drop(attendance);
            absence.complete().await;
            return Ok(());
        };
        opened(listener.local_addr()?, listener.as_fd());
        info!(coin = %context.coin, listen = %listener.local_addr()?, difficulty = %context.terms.port.difficulty, "stratum port open");
        let (mut failures, mut refusals) = (LogPace::default(), LogPace::default());
        let mut accepted_in_all = 0u32;
        let mut closed = pin!(Arc::clone(&context.standing).closed());
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    context.refresh();
                    match accepted {
                    Ok((stream, remote)) => match arrival::let_in(&context, remote.ip()) {
                        Ok(entry) => {
                            let context = context.clone();
                            let presence = Presence::new(&context.counters, &attendance);
                            tokio::spawn(serve(stream, remote, entry, context, presence));
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
                () = &mut stop => break,
                () = &mut closed => break,
            }
        }
        drop((listener, attendance));
        absence.complete().await;
        Ok(())
    }
}

/// What accepted sockets inherit.
fn set_options(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES)?;
    sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER_BYTES)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    sockopt::set_tcp_user_timeout(socket, USER_TIMEOUT_MS)?;
    Ok(())
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
            sleep(EXHAUSTED_PAUSE).await;
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
            let listener = bound.open().unwrap();
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
            assert_eq!(sockopt::socket_send_buffer_size(&socket).unwrap(), 2 * SEND_BUFFER_BYTES);
            assert_eq!(sockopt::socket_recv_buffer_size(&socket).unwrap(), 2 * RECEIVE_BUFFER_BYTES);
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
