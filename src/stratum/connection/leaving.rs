//! The way of a connection into the daemon's next life, and back from there.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use tokio::net::TcpStream;
use tracing::{debug, warn};

use super::turns::Turns;
use super::{Connection, converse, welcome};
use crate::stratum::arrival::Arrival;
use crate::stratum::context::PortContext;
use crate::stratum::lanes::Presence;
use crate::stratum::leaving::{Arriving, Leaving, Returned, Returning, Running, carry_session};
use crate::stratum::wire::stream::Stream;

impl Connection {
    /// Whether the connection is one that goes over when the daemon stops.
    pub(super) fn goes_over(&self, stream: &Stream) -> bool {
        self.context.leaving.is_some() && matches!(stream, Stream::Plain(_))
    }

    /// Hands the connection over. What it was sent and has not taken goes with it.
    pub(super) async fn leave(mut self, stream: Stream, remote: SocketAddr) {
        let out = self.session.out().front().to_vec();
        let addresses = (self.session.address(), self.admission.limited());
        let state = carry_session(&self.session, &out, addresses, self.lines.rest(), self.turns.carried());
        let jobs = self.session.jobs().cloned().collect();
        if let Stream::Plain(tcp) = stream {
            send(tcp, remote, state, jobs, &self.context).await;
        }
    }
}

/// Hands a connection over that has no session yet.
pub(super) async fn leave_early(arrival: Arrival, remote: SocketAddr, context: &PortContext) {
    if let Some((tcp, arriving)) = arrival.leave() {
        send(tcp, remote, Arriving::carry(&arriving), Vec::new(), context).await;
    }
}

async fn send(
    tcp: TcpStream,
    remote: SocketAddr,
    state: Vec<u8>,
    jobs: Vec<std::sync::Arc<crate::work::job::Job>>,
    context: &PortContext,
) {
    let Some(leaving) = &context.leaving else { return };
    let port = context.terms.port.listen;
    match tcp.into_std() {
        // Nobody takes it any more if the stop has taken too long.
        Ok(tcp) => drop(leaving.send(Leaving { socket: tcp.into(), port, remote, state, jobs }).await),
        Err(error) => debug!(%remote, %error, "a connection cannot be handed over"),
    }
}

/// Serves a connection of the daemon's last life to its end, or until it is among the miners.
pub async fn resume(returning: Returning, context: PortContext, presence: Presence) {
    let Returning { socket, remote, state } = returning;
    match stream(socket).map(|tcp| (tcp, context.gate.guard.enter())) {
        Ok((tcp, Ok(admission))) => match state {
            Returned::Arriving(arriving) => {
                welcome(Box::new(Arrival::again(tcp, admission, arriving)), remote, context, presence).await;
            }
            Returned::Session(running) => {
                let Running { session, limited, unread, pace, slowed_until } = *running;
                let mut admission = admission;
                admission.count_again(limited);
                let mut connection = Connection::new(context, session, (admission, presence), &unread);
                connection.turns = Turns::again((pace, slowed_until));
                converse(Stream::Plain(tcp), connection, remote).await;
            }
        },
        Ok((_, Err(refused))) => {
            warn!(coin = %context.coin, %remote, ?refused, "a connection of the last run finds no place: closed");
        }
        Err(error) => debug!(coin = %context.coin, %remote, %error, "a connection of the last run is gone"),
    }
}

fn stream(socket: OwnedFd) -> io::Result<TcpStream> {
    let socket = std::net::TcpStream::from(socket);
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}
