//! A port: bound at start, listening from the coin's first job on, and never put out of service by
//! a failed accept.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::connection::{PortContext, serve};
use super::counters::Counters;

/// Connections the kernel may keep waiting for us.
const BACKLOG: u32 = 4096;
/// Pause after an accept that failed for want of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

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
        // A restarted daemon must not wait for the old connections to time out.
        socket.set_reuseaddr(true)?;
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
        let mut stop = context.stop.clone();
        tokio::select! {
            board = context.board.wait_for(|board| board.job.is_some()) => if board.is_err() { return Ok(()) },
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        let listener = self.socket.listen(BACKLOG)?;
        info!(coin = %context.coin, listen = %listener.local_addr()?, difficulty = %context.terms.port.difficulty, "stratum port open");
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = accept(&listener) => {
                    let (stream, remote) = accepted?;
                    if connections.len() >= context.terms.port.connections_max {
                        refuse(&context);
                        continue;
                    }
                    connections.spawn(serve(stream, remote, context.clone()));
                }
                Some(_) = connections.join_next() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// Accepts, surviving what is not the listener's fault.
async fn accept(listener: &TcpListener) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
                io::ErrorKind::InvalidInput => return Err(error),
                // No descriptors or no memory: the connection stays in the backlog meanwhile.
                _ => {
                    warn!(%error, "cannot accept connections: trying again; raise LimitNOFILE if this goes on");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
        }
    }
}

/// Notes a refused connection; logs the first of every thousand.
fn refuse(context: &PortContext) {
    Counters::count(&context.counters.refused_connections);
    if context.counters.refused_connections.load(Ordering::Relaxed) % 1000 == 1 {
        let limit = context.terms.port.connections_max;
        warn!(coin = %context.coin, listen = %context.terms.port.listen, limit, "port is full: connections refused");
    }
}
