//! What is queued for the hasher threads, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Request;

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
    /// Connections that have something queued and nothing with a thread; who is first is served next.
    turns: VecDeque<u64>,
    closed: bool,
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
            queues.turns.push_back(pin);
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
                if !queues.turns.is_empty() {
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

    /// The requests of these connections that a thread had are answered.
    pub fn finish(&self, pins: &[u64]) {
        let mut queues = self.lock();
        for &pin in pins {
            let Some(connection) = queues.connections.get_mut(&pin) else { continue };
            connection.busy = false;
            if connection.queue.is_empty() {
                queues.forget_idle(pin);
            } else {
                queues.turns.push_back(pin);
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

impl Queues {
    /// One request of each connection in turn, then further ones of the same connections, as many as
    /// their algorithm hashes at once. Connections that are first but use another algorithm stay first.
    fn take(&mut self) -> Option<Batch> {
        let algorithm = self.connections.get(self.turns.front()?)?.queue.front()?.request.algorithm;
        let most = algorithm.batch_max().max(1);
        let mut batch = Batch { requests: Vec::with_capacity(most), pins: Vec::new() };
        let mut passed_over = Vec::new();
        while batch.requests.len() < most {
            let Some(pin) = self.turns.pop_front() else { break };
            match self.pop_if(pin, |queued| queued.request.algorithm == algorithm) {
                Some(queued) => {
                    batch.requests.push(queued);
                    batch.pins.push(pin);
                }
                None => passed_over.push(pin),
            }
        }
        passed_over.into_iter().rev().for_each(|pin| self.turns.push_front(pin));
        loop {
            let before = batch.requests.len();
            for &pin in &batch.pins {
                if batch.requests.len() == most {
                    break;
                }
                batch.requests.extend(self.pop_if(pin, |queued| queued.request.algorithm == algorithm));
            }
            if batch.requests.len() == before {
                break;
            }
        }
        for pin in &batch.pins {
            if let Some(connection) = self.connections.get_mut(pin) {
                connection.busy = true;
            }
        }
        Some(batch)
    }

    fn pop_if(&mut self, pin: u64, wanted: impl Fn(&Queued) -> bool) -> Option<Queued> {
        let connection = self.connections.get_mut(&pin)?;
        let mut queued = connection.queue.pop_front_if(|queued| wanted(queued))?;
        queued.room = None;
        Some(queued)
    }

    fn forget_idle(&mut self, pin: u64) {
        let idle = |connection: &Connection| connection.queue.is_empty() && !connection.busy && connection.waiting == 0;
        if self.connections.get(&pin).is_some_and(idle) {
            self.connections.remove(&pin);
        }
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
    use crate::pow::Algorithm;
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
        shared.finish(&first.pins);
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
        shared.finish(&batch.pins);
        for expected in [(2, 0), (4, 0), (3, 1)] {
            let batch = take(&shared).unwrap();
            assert_eq!(taken(&batch), [expected]);
            shared.finish(&batch.pins);
        }
        assert!(take(&shared).is_none());
        assert!(shared.lock().connections.is_empty());
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
        shared.finish(&batch.pins);
        drop((eighth, ninth));
        while let Some(batch) = take(&shared) {
            shared.finish(&batch.pins);
        }
        assert_eq!(shared.room.available_permits(), 16);
        assert!(shared.lock().connections.is_empty());
    }
}
