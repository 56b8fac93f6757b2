//! The ports of all coins, bound: taken over from an earlier life of the daemon or a socket unit where there is
//! one that listens, else made.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{info, warn};

use super::fd_store;
use super::inherited::Inherited;
use crate::config::{Coin, Port};
use crate::stratum::gate::{Gate, House};
use crate::stratum::listener::BoundPort;

/// A coin's ports, bound, each with its gate.
pub type Ports = Vec<(Arc<Port>, BoundPort, Arc<Gate>)>;

/// Listening sockets that were passed and that no port has taken yet.
#[derive(Debug, Default)]
pub struct Listening {
    sockets: Vec<(String, SocketAddr, BoundPort)>,
}

impl Listening {
    /// Finds the listening sockets among what was passed, and closes the rest.
    pub fn new(passed: Vec<Inherited>) -> Self {
        let mut listening = Self::default();
        for Inherited { name, fd } in passed {
            match BoundPort::listening(fd) {
                Ok((address, port)) if listening.sockets.iter().all(|(_, known, _)| *known != address) => {
                    listening.sockets.push((name, address, port));
                }
                Ok((address, _)) => warn!(name, %address, "passed twice: the second is closed"),
                Err(problem) => {
                    warn!(name, problem, "passed by the service manager, but no port: closed");
                    fd_store::remove(&name);
                }
            }
        }
        listening
    }

    /// The socket that listens at `address`.
    fn take(&mut self, address: SocketAddr) -> Option<BoundPort> {
        let same = |(_, known, _): &(String, SocketAddr, BoundPort)| {
            (known.ip(), known.port()) == (address.ip(), address.port())
        };
        let index = self.sockets.iter().position(same)?;
        let (name, address, port) = self.sockets.swap_remove(index);
        info!(%address, name, "port taken over");
        if name != fd_store::port_name(address) {
            // It is kept again under its proper name.
            fd_store::remove(&name);
        }
        Some(port)
    }

    /// Closes the ports that the configuration does not name any more. To be called before others are bound: an
    /// address of all may be in their way.
    fn close_all_but(&mut self, wanted: &[SocketAddr]) {
        let is_wanted = |address: &SocketAddr| {
            wanted.iter().any(|wanted| (wanted.ip(), wanted.port()) == (address.ip(), address.port()))
        };
        self.sockets.retain(|(name, address, _)| {
            let stays = is_wanted(address);
            if !stays {
                info!(%address, name, "no longer a port: closed");
                fd_store::remove(name);
            }
            stays
        });
    }
}

/// Binds the ports of all coins.
///
/// # Errors
/// The first port that cannot be bound, or whose certificate cannot be used.
pub fn bind_all(coins: &[Arc<Coin>], house: &House, mut passed: Listening) -> Result<Vec<(Arc<Coin>, Ports)>, String> {
    let wanted: Vec<SocketAddr> = coins.iter().flat_map(|coin| coin.ports.iter().map(|port| port.listen)).collect();
    passed.close_all_but(&wanted);
    coins.iter().map(|coin| Ok((Arc::clone(coin), bind(coin, house, &mut passed)?))).collect()
}

fn bind(coin: &Coin, house: &House, passed: &mut Listening) -> Result<Ports, String> {
    let mut bind = |port: &Arc<Port>| match passed.take(port.listen) {
        Some(listening) => Ok((Arc::clone(port), listening, gate(&coin.name, port, house)?)),
        None => open(&coin.name, port, house).map(|(bound, gate)| (Arc::clone(port), bound, gate)),
    };
    coin.ports.iter().map(&mut bind).collect()
}

/// Binds a port.
///
/// # Errors
/// It cannot be bound, or its certificate not used.
pub fn open(coin: &str, port: &Port, house: &House) -> Result<(BoundPort, Arc<Gate>), String> {
    let gate = gate(coin, port, house)?;
    let bound = BoundPort::bind(port.listen).map_err(|problem| {
        let listen = port.listen;
        format!("coin {coin}: port {listen}: cannot listen there: {problem}; is another stratum server running there?")
    })?;
    Ok((bound, gate))
}

/// The gate of an open port with other settings.
///
/// # Errors
/// The port's certificate cannot be used.
pub fn gate_again(coin: &str, gate: &Gate, port: &Port, house: &House) -> Result<Arc<Gate>, String> {
    gate.again(port, house).map_err(|problem| format!("coin {coin}: port {}: {problem}", port.listen))
}

fn gate(coin: &str, port: &Port, house: &House) -> Result<Arc<Gate>, String> {
    Gate::new(port, house).map_err(|problem| format!("coin {coin}: port {}: {problem}", port.listen))
}
