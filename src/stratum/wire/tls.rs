//! TLS over a socket, without a task or a buffer of its own: rustls keeps the state, this moves its
//! records.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Plain bytes that are encrypted at once; they are one record.
const RECORD_BYTES: usize = 16 * 1024;

/// A connection in TLS.
#[derive(Debug)]
pub struct TlsStream {
    tcp: TcpStream,
    session: ServerConnection,
}

impl TlsStream {
    /// Shakes hands. `first` are the bytes of the connection that were read already.
    ///
    /// # Errors
    /// The other side hangs up, or the two have no protocol, cipher or certificate in common.
    pub async fn accept(tcp: TcpStream, first: &[u8], config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Self { tcp, session };
        let mut first = first;
        while !first.is_empty() {
            stream.session.read_tls(&mut first)?;
            stream.process()?;
        }
        loop {
            match stream.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.tcp.writable().await?,
                Err(error) => return Err(error),
                Ok(()) if !stream.session.is_handshaking() => return Ok(stream),
                Ok(()) => {
                    if std::future::poll_fn(|context| stream.poll_receive(context)).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    /// The socket, and the state of its encryption.
    pub(super) fn into_parts(self) -> (TcpStream, Box<ServerConnection>) {
        (self.tcp, Box::new(self.session))
    }

    /// Puts them together again.
    pub(super) fn from_parts(tcp: TcpStream, session: Box<ServerConnection>) -> Self {
        Self { tcp, session: *session }
    }

    /// Reads decrypted bytes; none means the end.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session.reader().read(into.initialize_unfilled()) {
                Ok(count) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(context))?;
        }
    }

    /// Reads records and takes them in; the answer is the number of their bytes.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut source = Source { tcp: &mut self.tcp, context };
        match self.session.read_tls(&mut source) {
            Ok(count) => Poll::Ready(self.process().map(|()| count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn process(&mut self) -> io::Result<()> {
        self.session.process_new_packets().map(drop).map_err(|error| {
            // The other side is told what was wrong, if it still listens.
            let _ = self.flush();
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }

    /// Encrypts and writes what fits. Records wait here only if the socket has no room for a whole one.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let record = bytes.get(..RECORD_BYTES).unwrap_or(bytes);
        let count = self.session.writer().write(record)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Writes waiting records.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut Drain { tcp: &self.tcp })? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    pub(super) fn say_goodbye(&mut self) {
        self.session.send_close_notify();
        let _ = self.flush();
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

/// The socket as something to read from within a poll.
struct Source<'a, 'b> {
    tcp: &'a mut TcpStream,
    context: &'a mut Context<'b>,
}

impl Read for Source<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.tcp).poll_read(self.context, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The socket as something to write to without waiting.
struct Drain<'a> {
    tcp: &'a TcpStream,
}

impl Write for Drain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.tcp.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
