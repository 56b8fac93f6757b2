//! Connections on their way from one life of the daemon to the next: the socket, and what stands behind it as bytes.
//!
//! | kind | what is written |
//! | --- | --- |
//! | 0, arriving | the bytes read so far, whom a proxy has spoken for |
//! | 1, with a session | half-read lines, the pace of lines, the session |

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::guard::pace::Pace;
use super::session::Session;
use super::session::carried::Jobs;
use super::session::effects::{Peer, Terms};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::work::extranonce::Extranonces;
use crate::work::job::Job;

/// Most bytes read and not handled that go over.
const UNREAD_BYTES_MAX: usize = 1 << 20;
/// Longest address.
const ADDRESS_BYTES_MAX: usize = 64;

const ARRIVING: u8 = 0;
const SESSION: u8 = 1;

/// A connection that leaves this life.
#[derive(Debug)]
pub struct Leaving {
    /// Its socket.
    pub socket: OwnedFd,
    /// The port it is on, as configured.
    pub port: SocketAddr,
    /// The socket's other end.
    pub remote: SocketAddr,
    /// Everything else.
    pub state: Vec<u8>,
    /// The jobs its shares may be for.
    pub jobs: Vec<Arc<Job>>,
}

/// A connection that comes from the daemon's last life.
#[derive(Debug)]
pub struct Returning {
    /// Its socket.
    pub socket: OwnedFd,
    /// The socket's other end.
    pub remote: SocketAddr,
    /// Everything else.
    pub state: Returned,
}

impl Returning {
    /// Whether a share has counted on it.
    pub fn has_worked(&self) -> bool {
        matches!(&self.state, Returned::Session(running) if running.session.has_worked())
    }
}

/// What stands behind a socket that came from the daemon's last life.
#[derive(Debug)]
pub enum Returned {
    /// It has no session yet.
    Arriving(Arriving),
    /// It has.
    Session(Box<Running>),
}

/// A connection before its session.
#[derive(Debug, PartialEq, Eq)]
pub struct Arriving {
    /// Whom it is for.
    pub address: IpAddr,
    /// The address that is limited and counted.
    pub limited: Option<IpAddr>,
    /// The header of a proxy is still to come.
    pub from_proxy: bool,
    /// Bytes read so far.
    pub first: Vec<u8>,
}

/// A connection with its session.
#[derive(Debug)]
pub struct Running {
    /// The session, with what is to be sent.
    pub session: Session,
    /// The address that is limited and counted.
    pub limited: Option<IpAddr>,
    /// Bytes read and not handled.
    pub unread: Vec<u8>,
    /// How fast lines came.
    pub pace: Pace,
    /// Nothing is read before this.
    pub slowed_until: Option<Duration>,
}

impl Arriving {
    /// Writes it.
    pub fn carry(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u8(ARRIVING);
        carry_addresses(self.address, self.limited, &mut writer);
        writer.bool(self.from_proxy);
        writer.bytes(&self.first);
        writer.into_bytes()
    }
}

/// Writes a connection with a session that can go over.
pub fn carry_session(
    session: &Session,
    out: &[u8],
    (address, limited): (IpAddr, Option<IpAddr>),
    unread: &[u8],
    (pace, slowed_until): (Pace, Option<Duration>),
) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u8(SESSION);
    carry_addresses(address, limited, &mut writer);
    writer.bytes(unread);
    writer.u64(pace.full_at_nanos());
    writer.option(slowed_until, Writer::time);
    session.carry(out, &mut writer);
    writer.into_bytes()
}

impl Returned {
    /// Reads what stands behind a socket of a port with these terms.
    ///
    /// # Errors
    /// It is damaged, or does not fit the port any more.
    pub fn read(
        bytes: &[u8],
        terms: &Arc<Terms>,
        extranonces: &Arc<Extranonces>,
        jobs: &Jobs,
    ) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let (address, limited) = (carried_address(&mut reader)?, reader.option(carried_address)?);
        let returned = match kind {
            ARRIVING => Self::Arriving(Arriving {
                address,
                limited,
                from_proxy: reader.bool()?,
                first: reader.bytes(UNREAD_BYTES_MAX)?.to_vec(),
            }),
            SESSION => {
                let unread = reader.bytes(UNREAD_BYTES_MAX)?.to_vec();
                let pace = Pace::at_nanos(reader.u64()?);
                let slowed_until = reader.option(Reader::time)?;
                let peer = Peer { address };
                let session = Session::carried(&mut reader, Arc::clone(terms), peer, extranonces, jobs)?;
                Self::Session(Box::new(Running { session, limited, unread, pace, slowed_until }))
            }
            _ => return Err(reader.damaged("a kind of connection")),
        };
        reader.end().map(|()| returned)
    }
}

fn carry_addresses(address: IpAddr, limited: Option<IpAddr>, writer: &mut Writer) {
    writer.text(&address.to_string());
    writer.option(limited, |writer, address| writer.text(&address.to_string()));
}

fn carried_address(reader: &mut Reader<'_>) -> Result<IpAddr, Damaged> {
    let text = reader.text(ADDRESS_BYTES_MAX)?;
    text.parse().map_err(|_| reader.damaged("an address"))
}
