//! Threads of their own for hashes that take longer than a few microseconds, so that none of them ever
//! holds up the tasks that serve the miners.
//!
//! Every connection has a queue of its own, and the threads take from them in turn: one that asks
//! for a hundred hashes delays one that asks for a single hash by one batch, not by a hundred. While a thread
//! has requests of a connection no other thread takes more of that connection, so that its answers come back in
//! the order in which it asked. A thread takes what is there, without waiting for more, and as many at once
//! as the algorithm hashes side by side ([`Algorithm::batch_max`]).
//!
//! Connections that wait for different algorithms do not wait for each other's hashes to the same number: next is the
//! algorithm that has had least of the threads' time. Many who ask for hashes of a second delay one who asks
//! for one of a millisecond by what is being hashed already, not by a second for each of them.
//!
//! What is queued is bounded twice, for all together and for each connection. Who submits at either bound
//! waits, in the order of arrival. At the first everyone waits, but every connection has only one
//! request waiting to be queued, so that they get in turn what becomes free.

mod queue;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use self::queue::{Queued, Shared};
use super::{Algorithm, Scratch};
use crate::bytes::Hash;
use crate::clock::{Clock, SystemClock};

/// One header to be hashed.
#[derive(Debug)]
pub struct Request {
    /// What to hash it with.
    pub algorithm: Algorithm,
    /// The header's bytes: 80 for nearly every coin, at most 144.
    pub header: Box<[u8]>,
    /// Comes back with the hash; what it means is the asker's business.
    pub ticket: u64,
    /// The connection it belongs to; equal pins are served in order.
    pub pin: u64,
    /// Where the answer goes. The asker must have room for all that it has asked: a hasher never
    /// waits, since everybody else would wait with it. An answer without room is dropped and logged
    /// as an error; one whose receiver is gone is dropped silently.
    pub answer: Sender<(u64, Hash)>,
}

/// A handle on the hasher threads; clones share them. The threads finish what is queued and end
/// when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Hashers {
    owner: Arc<Owner>,
}

/// What the handles share; the threads go when it goes.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Hashers {
    /// Starts `threads` threads with room for `queue_max` requests each (at least one of each). One
    /// connection gets an eighth of all the room. Whoever submits when there is none waits.
    ///
    /// # Errors
    /// The system refuses a new thread.
    pub fn start(threads: usize, queue_max: usize) -> io::Result<Self> {
        Ok(Self::spawn(threads, queue_max)?.0)
    }

    fn spawn(threads: usize, queue_max: usize) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared::new(threads.saturating_mul(queue_max.max(1))));
        // From here on an error ends the threads that have been started.
        let hashers = Self { owner: Arc::new(Owner { shared: Arc::clone(&shared) }) };
        let mut handles = Vec::new();
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            handles.push(thread::Builder::new().name(format!("hasher-{number}")).spawn(move || serve(&shared))?);
        }
        Ok((hashers, handles))
    }

    /// Requests that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.owner.shared.waiting()
    }

    /// Queues `request`, waiting for room if there is none. Dropping the future before it is ready
    /// queues nothing.
    pub async fn submit(&self, request: Request) {
        self.owner.shared.submit(request).await;
    }
}

/// The life of one thread. A panic in it would be a bug and end the process.
fn serve(shared: &Shared) {
    let mut scratch = Scratch::new();
    let clock = SystemClock::new();
    while let Some(batch) = shared.next() {
        let started = clock.monotonic();
        hash_and_answer(&batch.requests, &mut scratch);
        shared.finish(&batch, clock.monotonic().saturating_sub(started));
    }
}

/// Hashes requests for one algorithm and answers them in order.
fn hash_and_answer(batch: &[Queued], scratch: &mut Scratch) {
    let Some(first) = batch.first() else { return };
    let headers: Vec<&[u8]> = batch.iter().map(|queued| &*queued.request.header).collect();
    let mut hashes = Vec::with_capacity(batch.len());
    first.request.algorithm.hash_batch(&headers, scratch, &mut hashes);
    for (Queued { request, .. }, hash) in batch.iter().zip(hashes) {
        if let Err(TrySendError::Full(_)) = request.answer.try_send((request.ticket, hash)) {
            tracing::error!(pin = request.pin, ticket = request.ticket, "no room for a hash that was asked for");
        }
    }
}

#[cfg(test)]
mod tests;
