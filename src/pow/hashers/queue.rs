//! What is queued for the hasher threads, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Algorithm, Request};

/// A connection gets one part in so many of the room there is.
const CONNECTION_PART: usize = 8;

/// A request with the room it takes.
#[derive(Debug)]
pub struct Queued {
    /// The request.
    pub request: Request,
    /// Room of the connection and of all; given back when a thread takes the request.
    room: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

/// What a thread hashes at once: requests for one algorithm.
#[derive(Debug)]
pub struct Batch {
    /// Theirs.
    algorithm: Algorithm,
    /// What the algorithm's time was put up by when they were taken.
    charged: Duration,
    /// In the order in which their connections asked.
    pub requests: Vec<Queued>,
    /// Their connections, each once.
    pub pins: Vec<u64>,
}

/// Between those who ask and the threads.
#[derive(Debug)]
pub struct Shared {
    queues: Mutex<Queues>,
    /// Something is there to be taken, or the end has come.
    ready: Condvar,
    /// Room for all connections together.
    room: Arc<Semaphore>,
    /// Room for one connection.
    connection_max: usize,
}

#[derive(Debug, Default)]
struct Queues {
    connections: HashMap<u64, Connection>,
    /// As many as coins have algorithms.
    lines: HashMap<Algorithm, Line>,
    /// The time that the line served last had had by then. Who asks again after a while begins here: the others' time
    /// while he did not ask is not owed to him.
    reached: Duration,
    /// What the next turn is numbered with.
    next_turn: u64,
    closed: bool,
}

/// Those who wait for one algorithm.
#[derive(Debug, Default)]
struct Line {
    /// Connections that have something queued, this algorithm first, and nothing with a thread, with the numbers of their
    /// turns; who is first is served next.
    turns: VecDeque<(u64, u64)>,
    /// The threads' time that it has had.
    used: Duration,
    /// What one request took lately.
    each: Duration,
}

#[derive(Debug)]
struct Connection {
    queue: VecDeque<Queued>,
    /// A thread has requests of it.
    busy: bool,
    /// How many submissions wait for room.
    waiting: usize,
    room: Arc<Semaphore>,
}

impl Shared {
    /// With room for `queue_max` requests.
    pub fn new(queue_max: usize) -> Self {
        let queue_max = queue_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            queues: Mutex::default(),
            ready: Condvar::new(),
            room: Arc::new(Semaphore::new(queue_max)),
            connection_max: queue_max.div_ceil(CONNECTION_PART),
        }
    }

    /// Queues a request as soon as there is room.
    pub async fn submit(&self, request: Request) {
        let pin = request.pin;
        let submission = self.arrive(pin);
        // Neither is ever closed.
        let Ok(own) = Arc::clone(&submission.room).acquire_owned().await else { return };
        let Ok(common) = Arc::clone(&self.room).acquire_owned().await else { return };
        let mut queues = self.lock();
        let Some(connection) = queues.connections.get_mut(&pin) else { return };
        connection.queue.push_back(Queued { request, room: Some((own, common)) });
        if connection.queue.len() == 1 && !connection.busy {
            queues.line_up(pin);
            self.ready.notify_one();
        }
        drop(queues);
        drop(submission);
    }

    /// Requests that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.lock().connections.values().map(|connection| connection.queue.len()).sum()
    }

    /// What a thread hashes next; waits for it. `None`: nothing will come any more.
    pub fn next(&self) -> Option<Batch> {
        let mut queues = self.lock();
        loop {
            if let Some(batch) = queues.take() {
                if queues.lines.values().any(|line| !line.turns.is_empty()) {
                    self.ready.notify_one();
                }
                return Some(batch);
            }
            if queues.closed {
                return None;
            }
            queues = self.ready.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The requests that a thread had are answered, after so long.
    pub fn finish(&self, batch: &Batch, took: Duration) {
        let mut queues = self.lock();
        if let Some(line) = queues.lines.get_mut(&batch.algorithm) {
            line.used = line.used.saturating_sub(batch.charged).saturating_add(took);
            line.each = took.checked_div(batch.count()).unwrap_or_default();
        }
        for &pin in &batch.pins {
            let Some(connection) = queues.connections.get_mut(&pin) else { continue };
            connection.busy = false;
            if connection.queue.is_empty() {
                queues.forget_idle(pin);
            } else {
                queues.line_up(pin);
            }
        }
    }

    /// Lets the threads end when nothing is queued any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn arrive(&self, pin: u64) -> Submission<'_> {
        let mut queues = self.lock();
        let connection = queues.connections.entry(pin).or_insert_with(|| Connection {
            queue: VecDeque::new(),
            busy: false,
            waiting: 0,
            room: Arc::new(Semaphore::new(self.connection_max)),
        });
        connection.waiting += 1;
        Submission { shared: self, pin, room: Arc::clone(&connection.room) }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        // Every change is complete before anything could panic.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn count(&self) -> u32 {
        u32::try_from(self.requests.len()).unwrap_or(u32::MAX)
    }
}

impl Queues {
    /// Puts a connection at the end of the line for what it asks for first.
    fn line_up(&mut self, pin: u64) {
        let Some(first) = self.connections.get(&pin).and_then(|connection| connection.queue.front()) else { return };
        self.lines.entry(first.request.algorithm).or_default().turns.push_back((self.next_turn, pin));
        self.next_turn += 1;
    }

    /// Of the algorithm that has had least of the threads' time one request of each connection in turn, then further ones
    /// of the same connections, as many as it hashes at once. Of several the one whose first connection waits longest.
    fn take(&mut self) -> Option<Batch> {
        let reached = self.reached;
        let waiting = self.lines.iter_mut().filter_map(|(algorithm, line)| {
            let (turn, _) = *line.turns.front()?;
            Some(((line.used.max(reached), turn), *algorithm, line))
        });
        let ((used, _), algorithm, line) = waiting.min_by_key(|(rank, ..)| *rank)?;
        self.reached = used;
        let most = algorithm.batch_max().max(1);
        let requests = Vec::with_capacity(most);
        let mut batch = Batch { algorithm, charged: Duration::ZERO, requests, pins: Vec::new() };
        while batch.requests.len() < most {
            let Some((_, pin)) = line.turns.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(&pin) else { continue };
            connection.busy = true;
            batch.requests.extend(connection.pop_if(algorithm));
            batch.pins.push(pin);
        }
        loop {
            let before = batch.requests.len();
            for pin in &batch.pins {
                if batch.requests.len() == most {
                    break;
                }
                batch.requests.extend(self.connections.get_mut(pin).and_then(|one| one.pop_if(algorithm)));
            }
            if batch.requests.len() == before {
                break;
            }
        }
        // It counts at once, as what it will probably be: other threads choose before it is over.
        batch.charged = line.each.saturating_mul(batch.count());
        line.used = used.saturating_add(batch.charged);
        Some(batch)
    }

    fn forget_idle(&mut self, pin: u64) {
        let idle = |connection: &Connection| connection.queue.is_empty() && !connection.busy && connection.waiting == 0;
        if self.connections.get(&pin).is_some_and(idle) {
            self.connections.remove(&pin);
        }
    }
}

impl Connection {
    /// Its first request if it is for this algorithm; its room is free again.
    fn pop_if(&mut self, algorithm: Algorithm) -> Option<Queued> {
        let mut queued = self.queue.pop_front_if(|queued| queued.request.algorithm == algorithm)?;
        queued.room = None;
        Some(queued)
    }
}

/// A submission that waits for room, or has just got it.
struct Submission<'a> {
    shared: &'a Shared,
    pin: u64,
    room: Arc<Semaphore>,
}

impl Drop for Submission<'_> {
    fn drop(&mut self) {
        let mut queues = self.shared.lock();
        if let Some(connection) = queues.connections.get_mut(&self.pin) {
            connection.waiting = connection.waiting.saturating_sub(1);
        }
        queues.forget_idle(self.pin);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::bytes::Hash;
    use tokio::sync::mpsc::{self, Sender};

    const SCRYPT: Algorithm = Algorithm::Scrypt { log_n: 4, r: 1 };

    fn request(algorithm: Algorithm, pin: u64, ticket: u64) -> Request {
        let (answer, _): (Sender<(u64, Hash)>, _) = mpsc::channel(1);
        Request { algorithm, header: Box::new([0; 80]), ticket, pin, answer }
    }

    /// Whether the request was queued at once.
    fn submit(shared: &Shared, algorithm: Algorithm, pin: u64, ticket: u64) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(shared.submit(request(algorithm, pin, ticket))).poll(&mut context).is_ready()
    }

    fn taken(batch: &Batch) -> Vec<(u64, u64)> {
        batch.requests.iter().map(|queued| (queued.request.pin, queued.request.ticket)).collect()
    }

    fn take(shared: &Shared) -> Option<Batch> {
        shared.lock().take()
    }

    #[test]
    fn a_flood_delays_others_by_one_batch_only() {
        let shared = Shared::new(256);
        let most = SCRYPT.batch_max() as u64;
        if most < 5 {
            // Without vectors a thread takes one at a time, and there is nothing to share out.
            return;
        }
        for ticket in 0..32 {
            assert!(submit(&shared, SCRYPT, 1, ticket));
        }
        for pin in 2..5 {
            assert!(submit(&shared, SCRYPT, pin, 0));
        }
        // One of each, and what is left for the one that has more.
        let first = take(&shared).unwrap();
        assert_eq!(taken(&first)[..4], [(1, 0), (2, 0), (3, 0), (4, 0)]);
        assert_eq!(taken(&first)[4..], (1..most - 3).map(|ticket| (1, ticket)).collect::<Vec<_>>());
        assert_eq!(first.pins, [1, 2, 3, 4]);
        // A second thread gets nothing of the first connection while the first thread has some.
        assert!(submit(&shared, SCRYPT, 9, 0));
        assert_eq!(taken(&take(&shared).unwrap()), [(9, 0)]);
        assert!(take(&shared).is_none());
        assert!(submit(&shared, SCRYPT, 2, 1));
        shared.finish(&first, Duration::ZERO);
        let second = take(&shared).unwrap();
        assert_eq!(taken(&second)[..3], [(1, most - 3), (2, 1), (1, most - 2)]);
    }

    #[test]
    fn other_algorithms_keep_their_turn() {
        let shared = Shared::new(256);
        assert!(submit(&shared, SCRYPT, 1, 0));
        assert!(submit(&shared, Algorithm::Sha256d, 2, 0));
        assert!(submit(&shared, SCRYPT, 3, 0));
        assert!(submit(&shared, Algorithm::Sha256d, 3, 1));
        assert!(submit(&shared, Algorithm::Sha256d, 4, 0));
        let batch = take(&shared).unwrap();
        assert_eq!(taken(&batch), [(1, 0), (3, 0)]);
        shared.finish(&batch, Duration::ZERO);
        for expected in [(2, 0), (4, 0), (3, 1)] {
            let batch = take(&shared).unwrap();
            assert_eq!(taken(&batch), [expected]);
            shared.finish(&batch, Duration::ZERO);
        }
        assert!(take(&shared).is_none());
        assert!(shared.lock().connections.is_empty());
    }

    /// Takes a batch and says which connection's request it was, after it took so long.
    fn served(shared: &Shared, millis: u64) -> u64 {
        let batch = take(shared).unwrap();
        shared.finish(&batch, Duration::from_millis(millis));
        batch.pins[0]
    }

    #[test]
    fn costly_hashes_of_many_do_not_delay_cheap_ones_of_others() {
        let shared = Shared::new(256);
        for pin in 1..=8 {
            assert!(submit(&shared, Algorithm::Bcrypt, pin, 0) && submit(&shared, Algorithm::Bcrypt, pin, 1));
        }
        assert_eq!(served(&shared, 1_000), 1);
        // Seven wait for a second each: who asks for less does not wait for them, until he has had as much.
        for ticket in 0..4 {
            assert!(submit(&shared, SCRYPT, 9, ticket));
            assert_eq!(served(&shared, 250), 9, "{ticket}");
        }
        assert!(submit(&shared, SCRYPT, 9, 4));
        assert_eq!(served(&shared, 1_000), 2);
        assert_eq!(served(&shared, 999), 9);
        assert!(submit(&shared, SCRYPT, 9, 5));
        // The rest of the second, and then they are even, and the others wait longer.
        assert_eq!(served(&shared, 1), 9);
        assert!(submit(&shared, SCRYPT, 9, 6));
        assert_eq!(served(&shared, 1_000), 3);
    }

    #[test]
    fn time_in_which_nobody_asked_is_not_owed() {
        let shared = Shared::new(256);
        for pin in 1..=16 {
            assert!(submit(&shared, Algorithm::Bcrypt, pin, 0));
        }
        (1..=10).for_each(|pin| assert_eq!(served(&shared, 1_000), pin));
        // Not ten seconds, but what the last one took.
        let pins: Vec<u64> = (0..5)
            .map(|ticket| {
                assert!(submit(&shared, SCRYPT, 99, ticket));
                served(&shared, 250)
            })
            .collect();
        assert_eq!(pins, [99, 99, 99, 99, 11]);
    }

    #[test]
    fn a_second_thread_knows_what_the_first_will_take() {
        let shared = Shared::new(256);
        for pin in 1..=4 {
            assert!(submit(&shared, Algorithm::Bcrypt, pin, 0));
        }
        assert_eq!(served(&shared, 1_000), 1);
        // As long as nothing else is asked for, all threads are there for it.
        let first = take(&shared).unwrap();
        assert!(submit(&shared, SCRYPT, 9, 0));
        assert_eq!((first.pins.as_slice(), served(&shared, 1)), (&[2][..], 9));
        assert!(submit(&shared, SCRYPT, 9, 1));
        assert_eq!(served(&shared, 1), 9);
        // It was less: that is given back.
        shared.finish(&first, Duration::ZERO);
        assert_eq!(shared.lock().lines[&Algorithm::Bcrypt].used, Duration::from_secs(1));
    }

    #[test]
    fn a_connection_has_its_part_of_the_room_and_all_have_the_whole() {
        let shared = Shared::new(16);
        for pin in 0..8 {
            assert!(submit(&shared, SCRYPT, pin, 0));
            assert!(submit(&shared, SCRYPT, pin, 1));
            // More than its part.
            assert!(!submit(&shared, SCRYPT, pin, 2));
        }
        // Nothing left for anybody; whoever gives up leaves no trace.
        assert!(!submit(&shared, SCRYPT, 8, 0));
        assert_eq!(shared.lock().connections.len(), 8);
        assert_eq!(shared.room.available_permits(), 0);

        // Two wait, one of them with two requests; what becomes free goes round.
        let mut context = Context::from_waker(Waker::noop());
        let mut eighth = Box::pin(shared.submit(request(SCRYPT, 8, 0)));
        let mut ninth = Box::pin(shared.submit(request(SCRYPT, 9, 0)));
        assert_eq!(eighth.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(ninth.as_mut().poll(&mut context), Poll::Pending);
        let batch = take(&shared).unwrap();
        assert!(batch.requests.len() == SCRYPT.batch_max());
        assert_eq!(eighth.as_mut().poll(&mut context), Poll::Ready(()));
        assert_eq!(ninth.as_mut().poll(&mut context), Poll::Ready(()));
        shared.finish(&batch, Duration::ZERO);
        drop((eighth, ninth));
        while let Some(batch) = take(&shared) {
            shared.finish(&batch, Duration::ZERO);
        }
        assert_eq!(shared.room.available_permits(), 16);
        assert!(shared.lock().connections.is_empty());
    }
}
