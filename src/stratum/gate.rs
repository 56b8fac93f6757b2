//! What stands in front of the sessions of a port: its guard and its TLS.

use std::sync::Arc;

use rustls::ServerConfig;

use super::guard::{Guard, PortGuard};
use super::roster::Roster;
use super::wire::certificates::Certificates;
use super::wire::handshakes::Handshakes;
use crate::config::{Daemon, Port};

/// What the gates of all ports share.
#[derive(Debug)]
pub struct House {
    /// Who may connect.
    pub guard: Arc<Guard>,
    /// Who the pool is.
    pub certificates: Certificates,
    /// TLS handshakes.
    pub handshakes: Arc<Handshakes>,
    /// Who is connected.
    pub roster: Arc<Roster>,
}

impl House {
    /// One that takes `connections_max` connections, which may be less than the configuration asks for.
    pub fn new(daemon: &Daemon, connections_max: usize) -> Self {
        Self {
            guard: Guard::new(connections_max),
            certificates: Certificates::default(),
            handshakes: Handshakes::new(daemon.handshakes),
            roster: Arc::default(),
        }
    }

    /// Other bounds hold from now on; see [`House::new`].
    pub fn change(&self, daemon: &Daemon, connections_max: usize) {
        self.guard.change(connections_max);
        self.handshakes.change(daemon.handshakes);
    }
}

/// The gate of one port.
#[derive(Debug)]
pub struct Gate {
    /// Who may connect.
    pub guard: Arc<PortGuard>,
    /// TLS, if the port speaks it.
    pub tls: Option<PortTls>,
    /// Who is connected, of all ports.
    pub roster: Arc<Roster>,
}

/// TLS of one port.
#[derive(Debug)]
pub struct PortTls {
    /// Whether nothing else is spoken.
    pub required: bool,
    /// Protocols and certificate.
    pub server: Arc<ServerConfig>,
    /// Handshakes, of all ports.
    pub handshakes: Arc<Handshakes>,
}

impl Gate {
    /// The gate of `port`.
    ///
    /// # Errors
    /// The port's certificate cannot be used.
    pub fn new(port: &Port, house: &House) -> Result<Arc<Self>, String> {
        let guard = PortGuard::new(&house.guard, &port.transport.limits, port.connections_max);
        Ok(Arc::new(Self { guard, tls: Self::tls(port, house)?, roster: Arc::clone(&house.roster) }))
    }

    /// The gate of the same port with other settings: its guard, who knows the connections, stays and keeps his limits
    /// until [`Gate::change_limits`].
    ///
    /// # Errors
    /// The port's certificate cannot be used.
    pub fn again(&self, port: &Port, house: &House) -> Result<Arc<Self>, String> {
        let (guard, roster) = (Arc::clone(&self.guard), Arc::clone(&self.roster));
        Ok(Arc::new(Self { guard, tls: Self::tls(port, house)?, roster }))
    }

    /// The limits of `port` hold from now on.
    pub fn change_limits(&self, port: &Port) {
        self.guard.change(&port.transport.limits, port.connections_max);
    }

    fn tls(port: &Port, house: &House) -> Result<Option<PortTls>, String> {
        let tls = match &port.transport.tls {
            None => return Ok(None),
            Some(tls) => PortTls {
                required: tls.required,
                server: house.certificates.server(&tls.files)?,
                handshakes: Arc::clone(&house.handshakes),
            },
        };
        Ok(Some(tls))
    }
}
