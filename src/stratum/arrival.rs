//! From an accepted socket to a stream that a session can be put on: who is it, may he come in, what
//! does he speak. A connection costs next to nothing until its first byte has come.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::context::PortContext;
use super::counters::Counters;
use super::gate::PortTls;
use super::guard::{Admission, DELAY_MAX, Detention, Refused};
use super::leaving::Arriving;
use super::wire::probe;
use super::wire::proxy::{self, Header};
use super::wire::sniff::{Spoken, spoken};
use super::wire::stream::Stream;
use super::wire::tls::TlsStream;
use crate::config::Proxy;

/// A socket that was let in as far as its own address says.
#[derive(Debug)]
pub struct Entry {
    admission: Admission,
    /// The address of the socket.
    address: IpAddr,
    /// It is that of a trusted proxy, who may speak for another.
    from_proxy: bool,
    /// How long the connection has to wait.
    delay: Duration,
    /// It is banned, and has to wait before it is told.
    detained: Option<Detention>,
}

/// A connection on its way to its session.
#[derive(Debug)]
pub struct Arrival {
    /// Its bytes; `None` while it is in a TLS handshake.
    pub stream: Option<Stream>,
    /// The miner's address, IPv4-mapped ones as plain IPv4.
    pub address: IpAddr,
    /// Bytes that were read already.
    pub first: Vec<u8>,
    /// Its place; the limits of its address.
    pub admission: Admission,
    /// A trusted proxy is at the other end, and may still say for whom it speaks.
    from_proxy: bool,
    /// How long it has to wait before it is heard.
    pub delay: Duration,
    detained: Option<Detention>,
}

/// Why there will be no session.
#[derive(Debug)]
pub enum Turned {
    /// By a limit.
    Refused(Refused),
    /// Hung up, or the connection broke.
    Gone(io::Error),
    /// Said nothing, or too little, in time.
    Silent,
    /// On a port for proxies, but no trusted one; or a header of somebody not trusted.
    NotTrusted,
    /// No header of a proxy, a wrong one, or not all of it in time.
    BadProxyHeader,
    /// TLS on a plain port.
    TlsOnPlain,
    /// No TLS on a port that requires it.
    PlainOnTls,
    /// The TLS handshake failed.
    Handshake(io::Error),
    /// An HTTP request, which was answered.
    Probe,
}

/// How long a banned connection is kept waiting, unread, before it is closed.
const DETENTION: Duration = Duration::from_secs(2);

/// Looks at the address of a new socket. What is refused here costs no task.
///
/// # Errors
/// By a limit, or because only proxies may connect.
pub fn let_in(context: &PortContext, remote: IpAddr) -> Result<Entry, Turned> {
    let address = remote.to_canonical();
    let admission = context.gate.guard.enter().map_err(Turned::Refused)?;
    let proxy = context.terms.port.transport.proxy.as_ref();
    let from_proxy = proxy.is_some_and(|proxy| proxy.trusted.iter().any(|network| network.contains(address)));
    let mut entry = Entry { admission, address, from_proxy, delay: Duration::ZERO, detained: None };
    match proxy {
        // Limits hold for the miner behind it.
        _ if from_proxy => {}
        Some(Proxy { required: true, .. }) => return Err(Turned::NotTrusted),
        _ => match entry.admission.admit(address, context.clock.monotonic()) {
            Ok(delay) => entry.delay = delay,
            Err(refused) => {
                entry.detained = detained(&entry.admission, refused);
                if entry.detained.is_none() {
                    return Err(Turned::Refused(refused));
                }
            }
        },
    }
    Ok(entry)
}

/// Whoever was banned and connects again waits, if there is room.
fn detained(admission: &Admission, refused: Refused) -> Option<Detention> {
    if refused == Refused::Banned { admission.detain() } else { None }
}

/// Counts a connection that came to nothing.
pub fn note(context: &PortContext, remote: IpAddr, turned: &Turned) {
    let wire = &context.counters.wire;
    let counter = match turned {
        Turned::Refused(refused) => context.counters.of(*refused),
        Turned::Silent => &wire.silent,
        Turned::NotTrusted | Turned::BadProxyHeader => &wire.bad_proxy_headers,
        Turned::TlsOnPlain => &wire.tls_on_plain,
        Turned::PlainOnTls => &wire.plain_on_tls,
        Turned::Handshake(_) => &wire.failed_handshakes,
        Turned::Probe => &wire.probes,
        Turned::Gone(_) => return,
    };
    Counters::count(counter);
    debug!(coin = %context.coin, listen = %context.terms.port.listen, %remote, ?turned, "no session");
}

impl Arrival {
    /// A socket that was let in.
    pub fn new(tcp: TcpStream, entry: Entry) -> Self {
        let Entry { admission, address, from_proxy, delay, detained } = entry;
        Self { stream: Some(Stream::Plain(tcp)), address, first: Vec::new(), admission, from_proxy, delay, detained }
    }

    /// A socket that had come this far in the daemon's last life.
    pub fn again(tcp: TcpStream, mut admission: Admission, arriving: Arriving) -> Self {
        let Arriving { address, limited, from_proxy, first } = arriving;
        admission.count_again(limited);
        let (stream, delay) = (Some(Stream::Plain(tcp)), Duration::ZERO);
        Self { stream, address, first, admission, from_proxy, delay, detained: None }
    }

    /// Makes it ready for its session.
    ///
    /// # Errors
    /// See [`Turned`].
    pub async fn receive(&mut self, context: &PortContext) -> Result<(), Turned> {
        if self.detained.is_some() {
            return Err(Turned::Refused(Refused::Banned));
        }
        // A slow visitor has as long as one that is slow to subscribe. How long one behind a proxy has to wait is not
        // known yet.
        let delay = if self.from_proxy { DELAY_MAX } else { self.delay };
        let patience = context.terms.port.subscribe_timeout + delay;
        timeout(patience, self.received(context)).await.unwrap_or(Err(Turned::Silent))
    }

    /// Keeps a banned connection waiting, if there is room for it.
    pub async fn wait_detained(&self) {
        if self.detained.is_some() {
            sleep(DETENTION).await;
        }
    }

    /// What goes over to the daemon's next life, with the socket; `None` for one in TLS.
    pub fn leave(self) -> Option<(TcpStream, Arriving)> {
        let Some(Stream::Plain(tcp)) = self.stream else { return None };
        let Self { address, first, from_proxy, .. } = self;
        Some((tcp, Arriving { address, limited: self.admission.limited(), from_proxy, first }))
    }

    async fn received(&mut self, context: &PortContext) -> Result<(), Turned> {
        let Self { stream: place, address, first, admission, from_proxy, delay, detained: cell } = self;
        let Some(stream) = place else { return Err(Turned::Silent) };
        let proxy = context.terms.port.transport.proxy.as_ref().filter(|_| *from_proxy);
        if let Some(proxy) = proxy
            && let Some(source) = proxied(stream, first, proxy).await?
        {
            *address = source;
            *delay = admission.admit(source, context.clock.monotonic()).map_err(|refused| {
                *cell = detained(admission, refused);
                Turned::Refused(refused)
            })?;
        }
        *from_proxy = false;
        if !delay.is_zero() {
            Counters::count(&context.counters.wire.delayed);
            sleep(*delay).await;
        }
        let mut language = hear(stream, first).await?;
        match (&context.gate.tls, language) {
            (Some(tls), Spoken::Tls) => {
                // There is no TLS within TLS.
                let Some(Stream::Plain(tcp)) = place.take() else { return Err(Turned::PlainOnTls) };
                let stream = place.insert(encrypted(tcp, first, tls).await?);
                Counters::count(&context.counters.wire.handshakes);
                first.clear();
                language = hear(stream, first).await?;
            }
            (None, Spoken::Tls) => return Err(Turned::TlsOnPlain),
            // Whoever checks that the port is open need not know that it speaks TLS.
            (Some(tls), language) if tls.required && !matches!(language, Spoken::Http { .. }) => {
                return Err(Turned::PlainOnTls);
            }
            _ => {}
        }
        match language {
            Spoken::Http { head } => {
                if let Some(stream) = place {
                    probe::answer(stream, head).await;
                }
                Err(Turned::Probe)
            }
            Spoken::Proxy => Err(Turned::NotTrusted),
            _ => Ok(()),
        }
    }
}

/// Reads until it is clear what is spoken.
async fn hear(stream: &mut Stream, first: &mut Vec<u8>) -> Result<Spoken, Turned> {
    loop {
        match spoken(first) {
            Spoken::Unknown => more(stream, first).await?,
            language => return Ok(language),
        }
    }
}

async fn more(stream: &mut Stream, first: &mut Vec<u8>) -> Result<(), Turned> {
    match stream.read_into(first).await {
        Ok(0) => Err(Turned::Gone(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(()),
        Err(error) => Err(Turned::Gone(error)),
    }
}

/// Whom a trusted proxy speaks for; `None`: itself.
async fn proxied(stream: &mut Stream, first: &mut Vec<u8>, proxy: &Proxy) -> Result<Option<IpAddr>, Turned> {
    // Without the duty to send a header, it is there if the first bytes look like one.
    if !proxy.required && hear(stream, first).await? != Spoken::Proxy {
        return Ok(None);
    }
    let header = async {
        loop {
            match proxy::parse(first) {
                Ok(Header::Incomplete) => more(stream, first).await?,
                Ok(Header::Complete { length, source }) => {
                    first.drain(..length);
                    return Ok(source);
                }
                Err(proxy::NoHeader) => return Err(Turned::BadProxyHeader),
            }
        }
    };
    timeout(proxy.header_timeout, header).await.unwrap_or(Err(Turned::BadProxyHeader))
}

/// Puts TLS on a stream whose first bytes were read already.
async fn encrypted(tcp: TcpStream, first: &[u8], tls: &PortTls) -> Result<Stream, Turned> {
    let mut turn = tls.handshakes.begin();
    let late = |why: &'static str| Turned::Handshake(io::Error::new(io::ErrorKind::TimedOut, why));
    tokio::select! {
        done = timeout(tls.handshakes.timeout(), TlsStream::accept(tcp, first, tls.server.clone())) => match done {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(Turned::Handshake(error)),
            Err(_) => Err(late("it took too long")),
        },
        () = turn.lost() => Err(late("too many handshakes at once")),
    }
}
