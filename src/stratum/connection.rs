//! One miner's socket and the task around its session.
//!
//! The task waits for whatever comes first: bytes, room to write, new work, an answer of the
//! directory or of a hasher, the disk, a deadline, the end. What was read is handled at once and
//! completely; shares that were read together are written down together and answered in one write.

mod ending;
mod errands;
mod hashing;
mod leaving;
mod moving;
mod orders;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tracing::debug;

use self::hashing::{HashAnswers, next_hash};
use self::leaving::leave_early;
pub use self::leaving::resume;
use self::turns::Turns;
use super::alarm::Alarm;
use super::arrival::{self, Arrival, Entry};
use super::backlog::Backlog;
use super::codec::LineBuffer;
use super::context::PortContext;
use super::counters::Counters;
use super::guard::Admission;
use super::lanes::Presence;
use super::roster::{Place, called};
use super::session::Session;
use super::session::answers::Ticket;
use super::session::effects::{CloseReason, Moment, Peer};
use super::stop::{Departures, Stop, reached};
use super::wire::stream::{Ready, Stream};
use crate::work::board::JobBoard;
use crate::worker::directory::Answer;

/// At this part of the unsent bytes that a miner may have nothing more is read until it has taken some.
const UNREAD_SHARE: usize = 4;
/// Lines that are handled in one go; then other connections have their turn.
const LINES_AT_ONCE: usize = 16;
/// How long the submits of a connection that is gone may wait for a hasher or the directory, which
/// both answer sooner.
const CARRY_THROUGH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closing connection may take to finish what was read.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long, and how long for its submits, while all other miners wait for the daemon's next life. Then it is closed
/// instead of handed over.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one connection to its end, or until it is among the miners.
pub async fn serve(tcp: TcpStream, remote: SocketAddr, entry: Entry, context: PortContext, presence: Presence) {
    welcome(Box::new(Arrival::new(tcp, entry)), remote, context, presence).await;
}

/// From the first byte to the end.
async fn welcome(mut arrival: Box<Arrival>, remote: SocketAddr, context: PortContext, mut presence: Presence) {
    let accepted_at = context.clock.monotonic();
    let mut stop = context.stop.clone();
    // Most connections are long past their arrival: its state must not be part of theirs.
    let arrived = tokio::select! {
        arrived = Box::pin(arrival.receive(&context)) => Some(arrived),
        () = reached(&mut stop, Stop::Now) => None,
    };
    match arrived {
        Some(Ok(())) => {
            let Arrival { stream, address, first, admission, delay, .. } = *arrival;
            let Some(stream) = stream else { return };
            // Its time to subscribe begins when it was heard.
            let opened_at = accepted_at + delay;
            let session =
                Session::new(Arc::clone(&context.terms), Peer { address }, context.extranonces.lease(), opened_at);
            if matches!(stream, Stream::Tls(_)) {
                presence.encrypt();
            }
            converse(stream, Connection::new(context, session, (admission, presence), &first), remote).await;
        }
        Some(Err(turned)) => {
            arrival::note(&context, remote.ip(), &turned);
            tokio::select! {
                () = arrival.wait_detained() => {}
                () = reached(&mut stop, Stop::Parting) => {}
            }
        }
        None => leave_early(*arrival, remote, &context).await,
    }
}

/// Serves a session on a stream to its end, until it is among the miners, or to the next life of the daemon.
async fn converse(mut stream: Stream, mut connection: Connection, remote: SocketAddr) {
    let end = connection.run(&mut stream).await;
    if matches!(end, End::Moves) {
        return connection.move_over(stream, remote);
    }
    let hurried = matches!(end, End::Stop) && connection.context.leaving.is_some();
    connection.carry_through(if hurried { LEAVE_TIMEOUT } else { CARRY_THROUGH_TIMEOUT }).await;
    if matches!(end, End::Stop) && connection.goes_over(&stream) && connection.session.can_be_carried() {
        return connection.leave(stream, remote).await;
    }
    connection.session.on_end(connection.now());
    // A miner that has only stopped sending may still read.
    let _ = connection.write(&mut stream);
    stream.say_goodbye();
    let Connection { context, session, admission, .. } = &connection;
    let (wire, now) = (&context.counters.wire, context.clock.monotonic());
    for reason in ending::reasons(&end, session.has_misbehaved()) {
        ending::counter(wire, reason).map(Counters::count);
        if admission.on_close(reason, now, context.clock.unix_secs()) {
            Counters::count(&wire.bans);
        }
    }
    // Whoever asked about names and did not stay for a single answer has guessed them.
    if !matches!(end, End::Stop) && !session.has_workers() {
        (0..connection.authorisations.len()).for_each(|_| admission.on_refused_authorization(now));
    }
    if matches!(end, End::Deaf) {
        Counters::count(&wire.slow_readers);
    }
    let address = session.address();
    debug!(coin = %context.coin, %remote, %address, worker = ?session.last_worker(), agent = ?session.agent(), ?end, "connection closed");
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
    /// None yet: it goes on among the miners.
    Moves,
}

/// What the directory answered.
struct Authorised {
    ticket: Ticket,
    answer: Answer,
}

struct Connection {
    context: PortContext,
    session: Session,
    lines: LineBuffer,
    /// The bytes read hold no further line.
    drained: bool,
    authorisations: JoinSet<Authorised>,
    /// Made at the first share whose hash is costly.
    hashes: Option<HashAnswers>,
    /// Its number, which says which hasher thread it has.
    pin: u64,
    /// Set once nothing more is read.
    closing: Option<(End, Duration)>,
    /// What the miner leaves unread.
    backlog: Backlog,
    /// When its lines have their turn.
    turns: Turns,
    /// The connection's place among those of its address.
    admission: Admission,
    /// What operators see of it.
    place: Place,
    /// It lives among the strangers.
    stranger: bool,
    /// What counts it as there.
    _presence: Presence,
}

impl Connection {
    /// The connection of a session; `unread` are bytes that were read and not handled yet.
    fn new(
        context: PortContext,
        session: Session,
        (admission, presence): (Admission, Presence),
        unread: &[u8],
    ) -> Self {
        let mut lines = LineBuffer::new(context.terms.port.line_bytes_max);
        lines.push(unread);
        let listen = context.terms.port.listen;
        let place = context.gate.roster.enter(&context.coin, listen, session.address(), session.opened_at());
        let board = seen(&context.board);
        let mut connection = Self {
            pin: session.number(),
            session,
            lines,
            drained: unread.is_empty(),
            authorisations: JoinSet::new(),
            hashes: None,
            closing: None,
            backlog: Backlog::default(),
            turns: Turns::default(),
            admission,
            place,
            stranger: true,
            _presence: presence,
            context,
        };
        // It may have changed between its arrival and its place in the roster.
        connection.take_terms(&board);
        connection
    }

    fn now(&self) -> Moment {
        Moment { monotonic: self.context.clock.monotonic(), unix_secs: self.context.clock.unix_secs() }
    }

    async fn run(&mut self, stream: &mut Stream) -> End {
        let board = self.context.board.clone();
        // What rarely happens is waited for by futures that need not be set up again for every line.
        self.stranger = !self.session.has_worked();
        let news = if self.stranger { &self.context.news } else { &board };
        let mut new_board = pin!(next_board(news.clone()));
        // Whoever comes from the daemon's last life, or from among the strangers, may have missed something.
        self.session.on_board(self.now(), &seen(&board));
        let goes_over = self.goes_over(stream);
        let mut stop = pin!(told_to_stop(goes_over, self.context.stop.clone(), Arc::clone(&self.context.departures)));
        let mut synced = self.context.desk.synced();
        self.hear_of_sync(&mut synced);
        let mut alarm = Alarm::new(self.context.clock.monotonic());
        let mut ordered = pin!(called(self.place.entry()));
        self.show_names();
        loop {
            if self.write(stream).is_err() {
                self.hear_out(stream, &board).await;
                return End::Peer;
            }
            if self.stranger && self.session.has_worked() && self.closing.is_none() {
                return End::Moves;
            }
            let now = self.context.clock.monotonic();
            let unsent = !self.session.out().is_empty() || stream.has_unsent();
            self.backlog.left(self.session.out().len(), stream.has_unsent(), now);
            if let Some(end) = self.finished(now, unsent && !goes_over) {
                return end;
            }
            alarm.not_later_than(self.deadline(), now);
            let may_read = self.may_read(now);
            let (read, lines) = (may_read && self.drained, &mut self.lines);
            tokio::select! {
                ready = stream.ready(read, unsent, |bytes| lines.push(bytes)), if read || unsent => match ready {
                    Ok(Ready::Read(0)) | Err(_) => return End::Peer,
                    Ok(Ready::Read(_)) => self.drained = false,
                    Ok(Ready::Writable) => {}
                },
                () = yield_now(), if may_read && !self.drained => {}
                next = &mut new_board => {
                    let Some(next) = next else { return End::Stop };
                    new_board.set(next_board(next));
                    self.session.on_board(self.now(), &seen(&board));
                }
                Some(Ok(authorised)) = self.authorisations.join_next(), if !self.authorisations.is_empty() => {
                    self.on_authorised(authorised, &seen(&board));
                }
                Some((ticket, hash)) = next_hash(&mut self.hashes) => self.session.on_hash(self.now(), ticket, hash),
                _ = synced.changed(), if self.session.waits_for_sync() => {}
                entry = &mut ordered => {
                    ordered.set(called(entry));
                    self.take_orders(&seen(&board));
                }
                () = alarm.rings() => self.session.on_tick(self.now(), &seen(&board)),
                () = &mut stop, if self.closing.is_none() => {
                    if !goes_over {
                        self.session.on_stop();
                    }
                    self.close(End::Stop);
                }
            }
            if may_read && !self.drained {
                self.read_lines(&board);
            }
            self.carry_out().await;
            self.read_the_rest(&board).await;
            self.hear_of_sync(&mut synced);
        }
    }

    /// Answers what waited for the disk, as far as the disk has come.
    fn hear_of_sync(&mut self, synced: &mut watch::Receiver<u64>) {
        if self.session.waits_for_sync() {
            let seq = *synced.borrow_and_update();
            self.session.on_synced(seq, self.now().monotonic);
        }
    }

    /// Whether more of what the miner sends may be handled. What he sends meanwhile stays with the kernel,
    /// and then with him.
    fn may_read(&mut self, now: Duration) -> bool {
        let answered = self.session.may_read() && self.session.out().len() < self.unsent_bytes_max() / UNREAD_SHARE;
        self.closing.is_none() && self.turns.may_read(now) && answered
    }

    /// Handles the lines that were read, as many as may be outstanding and as fast as they may come.
    fn read_lines(&mut self, board: &watch::Receiver<Arc<JobBoard>>) {
        let rate = self.context.terms.port.transport.limits.messages;
        for _ in 0..LINES_AT_ONCE {
            if self.closing.is_some() || !self.session.may_read() {
                return;
            }
            let (now, worked) = (self.now(), self.session.has_worked());
            if !self.turns.may_take(rate, worked, &self.admission, now.monotonic) {
                Counters::count(&self.context.counters.wire.slowed);
                return;
            }
            match self.lines.next_line() {
                // The tip when the line is read decides whether its share is stale.
                Ok(Some(line)) => {
                    self.turns.took(line.len(), rate, worked, now.monotonic);
                    let snapshot = seen(board);
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

    fn close(&mut self, end: End) {
        if self.closing.is_none() {
            if let End::Session(reason) = &end {
                debug!(coin = %self.context.coin, ?reason, worker = ?self.session.last_worker(), "closing a connection");
            }
            let hurried = matches!(end, End::Stop) && self.context.leaving.is_some();
            let limit = if hurried { LEAVE_TIMEOUT } else { CLOSE_TIMEOUT };
            self.closing = Some((end, self.context.clock.monotonic() + limit));
        }
    }

    /// Writes as much as the miner takes now.
    fn write(&mut self, stream: &mut Stream) -> io::Result<()> {
        while !self.session.out().is_empty() {
            match stream.try_write(self.session.out().front()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.session.out().advance(count);
                    self.backlog.wrote(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        stream.flush()
    }

    /// Whether this is the end; `unsent`: bytes are left that must be sent first.
    fn finished(&mut self, now: Duration, unsent: bool) -> Option<End> {
        let deaf = self.deaf_at().is_some_and(|at| now >= at);
        if deaf || self.session.out().len() > self.unsent_bytes_max() {
            return Some(End::Deaf);
        }
        let done = !unsent && !self.session.has_outstanding();
        match self.closing.take() {
            Some((end, deadline)) if done || now >= deadline => Some(end),
            other => {
                self.closing = other;
                None
            }
        }
    }

    /// Unsent bytes at which the miner is given up: he does not read.
    fn unsent_bytes_max(&self) -> usize {
        self.context.terms.port.rules.unsent_bytes_max
    }

    /// When the miner is given up unless he reads.
    fn deaf_at(&self) -> Option<Duration> {
        self.backlog.deadline(self.context.terms.port.write_timeout)
    }

    /// When something happens by itself at the latest, monotonic.
    fn deadline(&self) -> Duration {
        let closing = self.closing.as_ref().map(|(_, deadline)| *deadline);
        let others = [self.deaf_at(), closing, self.turns.slowed_until()];
        others.into_iter().flatten().fold(self.session.deadline(), Duration::min)
    }
}

/// The coin's work at this moment.
fn seen(board: &watch::Receiver<Arc<JobBoard>>) -> Arc<JobBoard> {
    Arc::clone(&board.borrow())
}

/// Ready when the board has changed, with the receiver for the next change; `None` once the coin
/// is gone.
async fn next_board(mut board: watch::Receiver<Arc<JobBoard>>) -> Option<watch::Receiver<Arc<JobBoard>>> {
    board.changed().await.ok()?;
    board.borrow_and_update();
    Some(board)
}

/// Ready when a connection has to go: at once with all others, or in turn if it cannot go over.
async fn told_to_stop(goes_over: bool, mut stop: watch::Receiver<Stop>, departures: Arc<Departures>) {
    if goes_over {
        reached(&mut stop, Stop::Now).await;
    } else {
        // Few are in TLS: the others need not have room for this.
        Box::pin(departures.wait(stop)).await;
    }
}

#[cfg(test)]
mod tests;
