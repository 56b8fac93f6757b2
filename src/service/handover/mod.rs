//! Miners stay connected while the daemon is started again: their sockets and everything behind them wait with the
//! service manager. A stopping daemon calls [`leave`], the next one [`arrive`],
//! and [`Waiting::take`] when nothing else can keep it from starting.

mod coin;
mod mined_by;
pub mod sockets;
pub mod state;

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

use tracing::{error, info, warn};

pub use self::coin::{Left, Restored};
use self::state::{CoinState, ConnectionState};
use super::fd_store;
use super::inherited::Inherited;

/// What the last life of the daemon left of a coin.
#[derive(Debug)]
pub struct CoinPast {
    /// Everything but the connections.
    pub state: CoinState,
    /// The connections, each with its socket.
    pub connections: Vec<(ConnectionState, OwnedFd)>,
}

/// What it left, by the coins' names.
pub type Past = HashMap<String, CoinPast>;

/// Leaves connections to the next life of the daemon. To be called when everything that was read is finished and
/// on the disk. Blocks until the service manager has them.
pub fn leave(coins: Vec<Left>) {
    let mut sockets = Vec::new();
    let mut states = Vec::new();
    for Left { state, sockets: own } in coins {
        sockets.extend(own);
        states.push(state);
    }
    match try_leave(&states, &sockets) {
        Ok(queued) => info!(connections = queued, "miners' connections wait with the service manager"),
        Err(problem) => {
            warn!(%problem, connections = sockets.len(), "miners' connections cannot wait: they are closed")
        }
    }
}

fn try_leave(coins: &[CoinState], sockets: &[OwnedFd]) -> io::Result<usize> {
    let state = state::into_memory(&state::encode(coins))?;
    let (pair, queued) = sockets::queue(sockets)?;
    // Both ends, because a lone one would be hung up, and the store lets go of those.
    fd_store::keep(fd_store::SOCKETS_IN, pair.inlet.as_fd())?;
    fd_store::keep(fd_store::SOCKETS_OUT, pair.outlet.as_fd())?;
    fd_store::keep(fd_store::STATE, state.as_fd())?;
    fd_store::settle()?;
    Ok(queued)
}

/// What the last life of the daemon left, still untouched: until it is taken, the service manager has it as well, so that
/// a start that fails for another reason costs nobody his connection.
#[derive(Debug, Default)]
pub struct Waiting {
    state: Option<OwnedFd>,
    outlet: Option<OwnedFd>,
    found: bool,
}

/// Tells what the last life of the daemon left from everything else that was passed.
pub fn arrive(passed: Vec<Inherited>) -> (Waiting, Vec<Inherited>) {
    let (mut waiting, mut rest) = (Waiting::default(), Vec::new());
    for one in passed {
        match one.name.as_str() {
            fd_store::STATE => waiting.state = Some(one.fd),
            fd_store::SOCKETS_OUT => waiting.outlet = Some(one.fd),
            fd_store::SOCKETS_IN => {}
            _ => {
                rest.push(one);
                continue;
            }
        }
        waiting.found = true;
    }
    (waiting, rest)
}

impl Waiting {
    /// Takes it. Whatever is wrong with it, the daemon starts: then the connections are closed.
    pub fn take(self) -> Past {
        let past = match (self.found, self.state, self.outlet) {
            (false, ..) => return Past::new(),
            (true, Some(state), Some(outlet)) => read(state, &outlet).unwrap_or_else(|problem| {
                error!(problem, "what the last run left of its miners' connections cannot be used: they are closed");
                Past::new()
            }),
            (true, ..) => {
                error!("the last run left its miners' connections, but not all that belongs to them: they are closed");
                Past::new()
            }
        };
        for name in [fd_store::STATE, fd_store::SOCKETS_IN, fd_store::SOCKETS_OUT] {
            fd_store::remove(name);
        }
        past
    }
}

fn read(state: OwnedFd, outlet: &OwnedFd) -> Result<Past, String> {
    let coins = state::from_memory(state).map_err(|problem| problem.to_string())?;
    let expected: usize = coins.iter().map(|coin| coin.connections.len()).sum();
    let sockets = sockets::take(outlet, expected).map_err(|problem| problem.to_string())?;
    if sockets.len() < expected {
        warn!(expected, found = sockets.len(), "not all connections of the last run could wait: the others are closed");
    }
    let mut sockets = sockets.into_iter().map(TcpStream::from);
    let mut past = Past::new();
    for mut state in coins {
        let mut connections = Vec::new();
        for (connection, socket) in std::mem::take(&mut state.connections).into_iter().zip(sockets.by_ref()) {
            match socket.peer_addr() {
                Ok(remote) if remote == connection.remote => connections.push((connection, OwnedFd::from(socket))),
                Ok(remote) => return Err(format!("a socket of {remote} stands for one of {}", connection.remote)),
                // Hung up meanwhile.
                Err(_) => {}
            }
        }
        past.insert(state.name.clone(), CoinPast { state, connections });
    }
    Ok(past)
}
