//! One miner's socket and the task around its session.
//!
//! The task waits for whatever comes first: bytes, room to write, new work, an answer of the
//! directory or of a hasher, the disk, a deadline, the end. What was read is handled at once and
//! completely; shares that were read together are written down together and answered in one write.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};
use tracing::{debug, info, warn};

use super::codec::LineBuffer;
use super::counters::Counters;
use super::desk::{JudgedShare, ShareDesk};
use super::session::Session;
use super::session::answers::{OUTSTANDING_MAX, Ticket};
use super::session::effects::{CloseReason, Effect, Moment, Peer, Terms};
use crate::bytes::Hash;
use crate::clock::Clock;
use crate::pow::hashers::{self, Hashers};
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::worker::directory::{Answer, Directory};

/// Bytes read at once.
const READ_BYTES: usize = 4096;
/// Unsent bytes at which a connection stops reading until the miner has taken some.
const OUT_BYTES_MAX: usize = 64 * 1024;
/// Unsent bytes at which a connection is given up: the miner does not read.
const OUT_BYTES_LOST: usize = 256 * 1024;
/// How long the submits of a connection that is gone may wait for a hasher or the directory, which
/// both answer sooner.
const CARRY_THROUGH_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest an alarm is set ahead; then it is set again.
const ALARM_MAX: Duration = Duration::from_secs(3600);
/// How long a closing connection may take to finish what was read.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What all connections of a port share.
#[derive(Clone)]
pub struct PortContext {
    /// The coin's name, for logs.
    pub coin: Arc<str>,
    /// The coin and port as sessions see them.
    pub terms: Arc<Terms>,
    /// The coin's work.
    pub board: watch::Receiver<Arc<JobBoard>>,
    /// The coin's extranonces.
    pub extranonces: Arc<Extranonces>,
    /// Who may mine.
    pub directory: Directory,
    /// The threads for memory-hard hashes.
    pub hashers: Hashers,
    /// Where judged shares go.
    pub desk: Arc<dyn ShareDesk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The coin's counters.
    pub counters: Arc<Counters>,
    /// True: stop reading, finish what was read, close.
    pub stop: watch::Receiver<bool>,
}

/// Serves one connection to its end.
pub async fn serve(mut stream: TcpStream, remote: SocketAddr, context: PortContext) {
    let address = remote.ip().to_canonical();
    // Answers are small and must not wait for more; without it they only come later.
    let _ = stream.set_nodelay(true);
    Counters::count(&context.counters.connections);
    let counters = Arc::clone(&context.counters);
    let mut connection = Connection::new(context, Peer { address });
    let (reader, writer) = stream.split();
    let end = connection.run(reader, &writer).await;
    connection.carry_through().await;
    // A miner that has only stopped sending may still read.
    let _ = connection.write(&writer);
    Counters::uncount(&counters.connections);
    let session = &connection.session;
    debug!(coin = %connection.context.coin, %remote, worker = ?session.last_worker(), agent = ?session.agent(), ?end, "connection closed");
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The miner hung up, or the connection broke.
    Peer,
    /// The session gave it up.
    Session(CloseReason),
    /// The miner takes nothing of what is sent.
    Deaf,
    /// The daemon stops.
    Stop,
}

/// Who waits for an answer of the directory.
enum Asker {
    /// A request.
    Request(Ticket),
    /// Nobody: the worker of this name was authorised before.
    Recheck(Box<str>),
}

struct Connection {
    context: PortContext,
    session: Session,
    lines: LineBuffer,
    /// The bytes read hold no further line.
    drained: bool,
    /// Questions to the directory.
    authorisations: JoinSet<(Asker, Answer)>,
    /// Made at the first memory-hard share.
    hashes: Option<HashAnswers>,
    /// The hasher thread of this connection.
    pin: u64,
    /// Set once nothing more is read.
    closing: Option<(End, Duration)>,
    /// Since when the miner has taken nothing.
    stuck_since: Option<Duration>,
}

impl Connection {
    fn new(context: PortContext, peer: Peer) -> Self {
        let now = context.clock.monotonic();
        let extranonce1 = context.extranonces.next();
        Self {
            session: Session::new(Arc::clone(&context.terms), peer, extranonce1, now),
            lines: LineBuffer::new(context.terms.port.line_bytes_max),
            drained: true,
            authorisations: JoinSet::new(),
            hashes: None,
            pin: u64::from(u32::from_be_bytes(extranonce1)),
            closing: None,
            stuck_since: None,
            context,
        }
    }

    fn now(&self) -> Moment {
        Moment { monotonic: self.context.clock.monotonic(), unix_secs: self.context.clock.unix_secs() }
    }

    async fn run(&mut self, mut reader: ReadHalf<'_>, writer: &WriteHalf<'_>) -> End {
        let board = self.context.board.clone();
        // What rarely happens is waited for by futures that live as long as the connection: they
        // need not be set up again for every line.
        let mut new_board = pin!(next_board(self.context.board.clone()));
        let mut stop = pin!(stopped(self.context.stop.clone()));
        let mut synced = self.context.desk.synced();
        let mut alarm = Alarm::new(self.context.clock.monotonic());
        loop {
            if self.write(writer).is_err() {
                return End::Peer;
            }
            let now = self.context.clock.monotonic();
            if let Some(end) = self.finished(now) {
                return end;
            }
            alarm.not_later_than(self.deadline(), now);
            let may_read =
                self.closing.is_none() && self.session.may_read() && self.session.out().len() < OUT_BYTES_MAX;
            tokio::select! {
                read = read_into(&mut reader, &mut self.lines), if may_read && self.drained => match read {
                    Ok(0) | Err(_) => return End::Peer,
                    Ok(_) => self.drained = false,
                },
                () = std::future::ready(()), if may_read && !self.drained => {}
                ready = writer.writable(), if !self.session.out().is_empty() => if ready.is_err() { return End::Peer },
                next = &mut new_board => {
                    let Some(next) = next else { return End::Stop };
                    new_board.set(next_board(next));
                    let snapshot = Arc::clone(&board.borrow());
                    self.session.on_board(self.now(), &snapshot);
                }
                Some(Ok((asker, answer))) = self.authorisations.join_next(), if !self.authorisations.is_empty() => {
                    let snapshot = Arc::clone(&board.borrow());
                    self.hand_over(asker, answer, &snapshot);
                }
                Some((ticket, hash)) = next_hash(&mut self.hashes) => self.session.on_hash(self.now(), ticket, hash),
                _ = synced.changed(), if self.session.waits_for_sync() => {}
                () = alarm.rings() => {
                    let snapshot = Arc::clone(&board.borrow());
                    self.session.on_tick(self.now(), &snapshot);
                }
                () = &mut stop, if self.closing.is_none() => self.close(End::Stop),
            }
            if may_read && !self.drained {
                self.read_lines(&board);
            }
            self.carry_out().await;
            if self.session.waits_for_sync() {
                let seq = *synced.borrow_and_update();
                self.session.on_synced(seq, self.now().monotonic);
            }
        }
    }

    /// Handles the lines that were read, as many as may be outstanding.
    fn read_lines(&mut self, board: &watch::Receiver<Arc<JobBoard>>) {
        while self.closing.is_none() && self.session.may_read() {
            let now = Moment { monotonic: self.context.clock.monotonic(), unix_secs: self.context.clock.unix_secs() };
            match self.lines.next_line() {
                // The tip when the line is read decides whether its share is stale.
                Ok(Some(line)) => {
                    let snapshot = Arc::clone(&board.borrow());
                    self.session.on_line(now, line, &snapshot);
                }
                Ok(None) => {
                    self.drained = true;
                    return;
                }
                Err(_) => {
                    self.session.on_line_too_long();
                    return;
                }
            }
        }
    }

    /// Does what the session asks for. All shares of one go are written down together, and before
    /// anything that may wait: one of them may be a block.
    async fn carry_out(&mut self) {
        let (mut shares, mut tickets): (Vec<JudgedShare>, Vec<Option<Ticket>>) = (Vec::new(), Vec::new());
        let mut headers: Vec<(Ticket, [u8; 80])> = Vec::new();
        for effect in self.session.take_effects() {
            match effect {
                Effect::Authorise { ticket, name, password } => {
                    let directory = self.context.directory.clone();
                    self.authorisations
                        .spawn(async move { (Asker::Request(ticket), directory.authorize(&name, &password).await) });
                }
                Effect::Recheck { name } => {
                    let directory = self.context.directory.clone();
                    self.authorisations.spawn(async move {
                        let answer = directory.recheck(&name).await;
                        (Asker::Recheck(name), answer)
                    });
                }
                Effect::Hash { ticket, header } => headers.push((ticket, header)),
                Effect::Record { ticket, share } => {
                    shares.push(*share);
                    tickets.push(ticket);
                }
                Effect::Close(reason) => self.close(End::Session(reason)),
            }
        }
        if !shares.is_empty() {
            self.record(shares, tickets);
        }
        for (ticket, header) in headers {
            self.have_hashed(ticket, header).await;
        }
    }

    fn hand_over(&mut self, asker: Asker, answer: Answer, board: &JobBoard) {
        match asker {
            Asker::Request(ticket) => self.session.on_authorised(self.now(), ticket, answer, board),
            Asker::Recheck(name) => {
                if let Answer::Denied(denial) = &answer {
                    info!(coin = %self.context.coin, worker = ?name, %denial, "a worker may no longer mine");
                }
                self.session.on_rechecked(&name, answer);
            }
        }
    }

    fn record(&mut self, shares: Vec<JudgedShare>, tickets: Vec<Option<Ticket>>) {
        let counters = Arc::clone(&self.context.counters);
        let candidates = shares.iter().filter(|share| share.is_candidate()).count();
        (0..candidates).for_each(|_| Counters::count(&counters.candidates));
        let recorded = self.context.desk.record(shares);
        let now = self.now();
        for (ticket, recorded) in tickets.into_iter().zip(recorded) {
            let accepted = ticket.is_some() && recorded.is_ok();
            Counters::count(if accepted { &counters.accepted } else { &counters.rejected });
            if let Some(ticket) = ticket {
                self.session.on_recorded(now, ticket, recorded.ok());
            }
        }
    }

    async fn have_hashed(&mut self, ticket: Ticket, header: [u8; 80]) {
        let hashes = self.hashes.get_or_insert_with(HashAnswers::new);
        let request = hashers::Request {
            algorithm: self.context.terms.algorithm,
            header: Box::new(header),
            ticket,
            pin: self.pin,
            answer: hashes.sender.clone(),
        };
        // While the hashers are busy this connection reads nothing: back-pressure to one miner.
        self.context.hashers.submit(request).await;
    }

    /// The connection is over: submits that were read before still count, for one of them may be a
    /// block. Nobody waits for the disk any more.
    async fn carry_through(&mut self) {
        let end = self.context.clock.monotonic() + CARRY_THROUGH_TIMEOUT;
        while self.session.has_unjudged() {
            let now = self.context.clock.monotonic();
            if now >= end {
                warn!(coin = %self.context.coin, "a submit of a closed connection got no answer in time and is given up");
                return;
            }
            let snapshot = Arc::clone(&self.context.board.borrow());
            tokio::select! {
                Some(Ok((asker, answer))) = self.authorisations.join_next(), if !self.authorisations.is_empty() => {
                    self.hand_over(asker, answer, &snapshot);
                }
                Some((ticket, hash)) = next_hash(&mut self.hashes) => self.session.on_hash(self.now(), ticket, hash),
                // A candidate does not wait for its name.
                () = sleep(self.session.deadline().min(end).saturating_sub(now)) => {
                    self.session.on_tick(self.now(), &snapshot);
                }
            }
            self.carry_out().await;
        }
    }

    fn close(&mut self, end: End) {
        if self.closing.is_none() {
            if let End::Session(reason) = &end {
                debug!(coin = %self.context.coin, ?reason, worker = ?self.session.last_worker(), "closing a connection");
            }
            self.closing = Some((end, self.context.clock.monotonic() + CLOSE_TIMEOUT));
        }
    }

    /// Writes as much as the miner takes now.
    fn write(&mut self, writer: &WriteHalf<'_>) -> io::Result<()> {
        while !self.session.out().is_empty() {
            match writer.try_write(self.session.out().front()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.session.out().advance(count);
                    self.stuck_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck_since.get_or_insert(self.context.clock.monotonic());
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether this is the end.
    fn finished(&mut self, now: Duration) -> Option<End> {
        let deaf = self.stuck_since.is_some_and(|since| now >= since + self.context.terms.port.write_timeout);
        if deaf || self.session.out().len() > OUT_BYTES_LOST {
            return Some(End::Deaf);
        }
        let done = self.session.out().is_empty() && !self.session.has_outstanding();
        match self.closing.take() {
            Some((end, deadline)) if done || now >= deadline => Some(end),
            other => {
                self.closing = other;
                None
            }
        }
    }

    /// When something happens by itself at the latest, monotonic.
    fn deadline(&self) -> Duration {
        let mut next = self.session.deadline();
        if let Some(since) = self.stuck_since {
            next = next.min(since + self.context.terms.port.write_timeout);
        }
        if let Some((_, deadline)) = &self.closing {
            next = next.min(*deadline);
        }
        next
    }
}

/// The timer of a connection. Deadlines mostly move away, so it is left as it is until one comes
/// nearer, and set anew when it rings; ringing too early does no harm.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    set_to: Duration,
    rang: bool,
}

impl Alarm {
    fn new(now: Duration) -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)), set_to: now, rang: true }
    }

    /// Makes sure that it rings at `deadline` or before.
    fn not_later_than(&mut self, deadline: Duration, now: Duration) {
        if self.rang || deadline < self.set_to {
            self.rang = false;
            self.set_to = deadline;
            self.sleep.as_mut().reset(Instant::now() + deadline.saturating_sub(now).min(ALARM_MAX));
        }
    }

    async fn rings(&mut self) {
        self.sleep.as_mut().await;
        self.rang = true;
    }
}

/// Ready when the board has changed, with the receiver for the next change; `None` once the coin
/// is gone.
async fn next_board(mut board: watch::Receiver<Arc<JobBoard>>) -> Option<watch::Receiver<Arc<JobBoard>>> {
    board.changed().await.ok()?;
    board.borrow_and_update();
    Some(board)
}

/// Ready when the daemon stops.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // If the sender is gone, the daemon is too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads what is there into the line buffer. The read buffer lives on the stack of the poll, so an
/// idle connection has none.
async fn read_into(reader: &mut ReadHalf<'_>, lines: &mut LineBuffer) -> io::Result<usize> {
    let mut read = |context: &mut Context<'_>| -> Poll<io::Result<usize>> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match Pin::new(&mut *reader).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => {
                lines.push(buffer.filled());
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    };
    std::future::poll_fn(move |context| read(context)).await
}

/// Where hashers answer to.
struct HashAnswers {
    sender: mpsc::Sender<(Ticket, Hash)>,
    receiver: mpsc::Receiver<(Ticket, Hash)>,
}

impl HashAnswers {
    /// There is room for every request that can be outstanding, so a hasher never waits.
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(OUTSTANDING_MAX);
        Self { sender, receiver }
    }
}

/// The next hash; never ready on a connection that has none under way.
async fn next_hash(hashes: &mut Option<HashAnswers>) -> Option<(Ticket, Hash)> {
    match hashes {
        Some(answers) => answers.receiver.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
