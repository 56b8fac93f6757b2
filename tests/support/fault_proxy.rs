//! A line to a server that can be broken at any byte: cut, left half-open, swallowed from there on,
//! slow, or refused.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// What happens at the chosen byte, to the connection that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both sides are closed.
    Cut,
    /// The client's side is closed; the server's stays open and silent until [`FaultProxy::heal`].
    HalfOpen,
    /// Both sides stay open; nothing arrives any more, either way.
    Swallow,
}

/// The proxy; its connections end with it.
pub struct FaultProxy {
    port: u16,
    line: Arc<Line>,
    tasks: tokio::task::JoinHandle<()>,
}

/// What all connections share.
struct Line {
    state: Mutex<State>,
    /// How many faults have struck.
    struck: watch::Sender<u64>,
    /// How often the line was healed: connections that a fault has struck end then.
    healed: watch::Sender<u64>,
    /// How often all connections were severed.
    severed: watch::Sender<u64>,
    refuses: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    server: u16,
    /// What was carried since [`FaultProxy::record`], in pieces as they came.
    carried: Option<Vec<(Way, Vec<u8>)>>,
    armed: Option<(Way, u64, Fault)>,
    delay: Duration,
}

impl FaultProxy {
    /// A line to a server on 127.0.0.1 that works.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line {
            state: Mutex::new(State { server, ..State::default() }),
            struck: watch::Sender::new(0),
            healed: watch::Sender::new(0),
            severed: watch::Sender::new(0),
            refuses: watch::Sender::new(false),
        });
        let tasks = tokio::spawn(accept(listener, port, Arc::clone(&line)));
        Self { port, line, tasks }
    }

    /// Where to connect, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets so many more bytes pass one way, over whatever connection; at the next one `fault` strikes
    /// the connection that carries it, once.
    pub fn strike_after(&self, way: Way, bytes: u64, fault: Fault) {
        self.state().armed = Some((way, bytes, fault));
    }

    /// How many faults have struck so far.
    pub fn strikes(&self) -> u64 {
        *self.line.struck.borrow()
    }

    /// Returns when more than `before` faults have struck.
    pub async fn struck(&self, before: u64) {
        let _ = self.line.struck.subscribe().wait_for(|&strikes| strikes > before).await;
    }

    /// From now on new connections are refused, if so.
    pub fn refuse(&self, refuses: bool) {
        self.line.refuses.send_replace(refuses);
    }

    /// Every piece of data waits so long before it goes on.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Connections that faults have struck are closed on both sides; no further fault is armed.
    pub fn heal(&self) {
        {
            let mut state = self.state();
            state.armed = None;
            state.delay = Duration::ZERO;
        }
        self.refuse(false);
        self.line.healed.send_modify(|times| *times += 1);
    }

    /// Begins to note what is carried.
    pub fn record(&self) {
        self.state().carried = Some(Vec::new());
    }

    /// Everything carried since [`FaultProxy::record`], which ends.
    pub fn recorded(&self) -> Vec<(Way, Vec<u8>)> {
        self.state().carried.take().unwrap_or_default()
    }

    /// Cuts every connection there is.
    pub fn sever(&self) {
        self.line.severed.send_modify(|times| *times += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.line)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

fn lock(line: &Line) -> MutexGuard<'_, State> {
    line.state.lock().unwrap()
}

async fn accept(listener: TcpListener, port: u16, line: Arc<Line>) {
    let mut connections = tokio::task::JoinSet::new();
    let mut refuses = line.refuses.subscribe();
    let mut listening = Some(listener);
    loop {
        if *refuses.borrow_and_update() {
            listening = None;
        } else if listening.is_none() {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(([127, 0, 0, 1], port).into()).unwrap();
            listening = Some(socket.listen(64).unwrap());
        }
        let next = async {
            match &listening {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = refuses.changed() => if changed.is_err() { return },
            accepted = next => if let Ok((client, _)) = accepted {
                connections.spawn(carry(client, Arc::clone(&line)));
            },
        }
    }
}

/// One connection until it ends, in whatever way.
async fn carry(mut client: TcpStream, line: Arc<Line>) {
    let port = lock(&line).server;
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut healed = line.healed.subscribe();
    let before = *healed.borrow_and_update();
    let mut severed = line.severed.subscribe();
    severed.mark_unchanged();
    let fault = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        tokio::select! {
            _ = severed.changed() => None,
            fault = forward(client_reads, server_writes, Way::ToServer, &line) => fault,
            fault = forward(server_reads, client_writes, Way::ToClient, &line) => fault,
        }
    };
    if fault == Some(Fault::HalfOpen) {
        drop(client);
        line.strike();
        let _ = healed.wait_for(|&times| times > before).await;
    } else if fault == Some(Fault::Swallow) {
        line.strike();
        let _ = healed.wait_for(|&times| times > before).await;
    } else if fault == Some(Fault::Cut) {
        drop((client, server));
        line.strike();
    }
}

/// Carries one direction until it ends or a fault strikes it.
async fn forward(mut reads: ReadHalf<'_>, mut writes: WriteHalf<'_>, way: Way, line: &Line) -> Option<Fault> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = reads.read(&mut bytes).await else { return None };
        let (passed, fault, delay) = line.pass(way, &bytes[..count]);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if writes.write_all(&bytes[..passed]).await.is_err() || fault.is_some() {
            return fault;
        }
    }
}

impl Line {
    fn strike(&self) {
        self.struck.send_modify(|strikes| *strikes += 1);
    }

    /// How many of these bytes pass, and what happens behind them.
    fn pass(&self, way: Way, bytes: &[u8]) -> (usize, Option<Fault>, Duration) {
        let mut state = lock(self);
        if let Some(carried) = &mut state.carried {
            carried.push((way, bytes.to_vec()));
        }
        let delay = state.delay;
        match &mut state.armed {
            Some((armed, left, fault)) if *armed == way => {
                let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= passed as u64;
                let fault = (passed < bytes.len()).then_some(*fault);
                if fault.is_some() {
                    state.armed = None;
                }
                (passed, fault, delay)
            }
            _ => (bytes.len(), None, delay),
        }
    }
}
