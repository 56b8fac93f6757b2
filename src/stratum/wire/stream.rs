//! A connection's bytes, encrypted or not, behind the calls that cost nothing while it is idle.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{Shutdown, shutdown};
use rustls::ServerConnection;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::tls::TlsStream;

/// Bytes read at once.
pub const READ_BYTES: usize = 4096;

/// A miner's connection.
#[derive(Debug)]
pub enum Stream {
    /// Bytes as they are.
    Plain(TcpStream),
    /// Bytes in TLS; its state is large, so it is kept elsewhere.
    Tls(Box<TlsStream>),
}

/// What a connection can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// So many bytes were read; none means the other side has closed.
    Read(usize),
    /// There is room to write.
    Writable,
}

impl Stream {
    /// Waits for bytes, if `read`, or for room, if `write`. What was read is handed to `take`. Dropping
    /// the future loses nothing.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn ready(&mut self, read: bool, write: bool, mut take: impl FnMut(&[u8])) -> io::Result<Ready> {
        std::future::poll_fn(move |context| {
            if write && self.tcp().poll_write_ready(context)?.is_ready() {
                return Poll::Ready(Ok(Ready::Writable));
            }
            if read {
                return self.poll_read(context, &mut take).map_ok(Ready::Read);
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for bytes and appends them; none means the other side has closed.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn read_into(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut take = |bytes: &[u8]| into.extend_from_slice(bytes);
        std::future::poll_fn(|context| self.poll_read(context, &mut take)).await
    }

    /// The read buffer lives on the stack of the poll, so an idle connection has none.
    fn poll_read(&mut self, context: &mut Context<'_>, take: &mut impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        let read = match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, &mut buffer),
            Self::Tls(tls) => tls.poll_read(context, &mut buffer),
        };
        read.map_ok(|()| {
            take(buffer.filled());
            buffer.filled().len()
        })
    }

    /// Writes what fits now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing fits; else the connection is broken.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Hands over as much as fits of what was written before.
    ///
    /// # Errors
    /// The connection is broken; that nothing fits is no error.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => match tls.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                flushed => flushed,
            },
        }
    }

    /// Whether something that was written has not been handed over yet.
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_unsent(),
        }
    }

    /// Says that nothing more will be written. Whether the other side learns of it is its own affair.
    pub fn say_goodbye(&mut self) {
        if let Self::Tls(tls) = self {
            tls.say_goodbye();
        }
        let _ = shutdown(self.tcp(), Shutdown::Write);
    }

    /// Takes the connection off its runtime.
    ///
    /// # Errors
    /// The system does not let it go, and it is closed.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Plain(tcp) => Detached { tcp: tcp.into_std()?, tls: None },
            Self::Tls(tls) => {
                let (tcp, session) = tls.into_parts();
                Detached { tcp: tcp.into_std()?, tls: Some(session) }
            }
        })
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.tcp(),
        }
    }
}

/// A connection that is on no runtime: neither reads nor writes, and forgets nothing.
#[derive(Debug)]
pub struct Detached {
    tcp: std::net::TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Detached {
    /// Puts it on the runtime of the caller.
    ///
    /// # Errors
    /// The system refuses, and it is closed.
    pub fn attach(self) -> io::Result<Stream> {
        let tcp = TcpStream::from_std(self.tcp)?;
        Ok(match self.tls {
            None => Stream::Plain(tcp),
            Some(session) => Stream::Tls(Box::new(TlsStream::from_parts(tcp, session))),
        })
    }
}
