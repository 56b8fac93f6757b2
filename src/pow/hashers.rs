//! Threads of their own for memory-hard hashes, so that a hash that takes hundreds of microseconds
//! never holds up the tasks that serve the miners.
//!
//! Each thread has its own bounded queue. A connection always uses the same one, so that its
//! answers come back in the order in which it asked.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{Algorithm, Scratch};
use crate::bytes::Hash;

/// How many requests a thread takes from its queue at once. They are answered after each run of
/// the same algorithm, so more would only delay the first answer.
const BATCH_MAX: usize = 8;

/// One header to be hashed.
#[derive(Debug)]
pub struct Request {
    /// What to hash it with.
    pub algorithm: Algorithm,
    /// The header's bytes: 80 for nearly every coin, at most 144.
    pub header: Box<[u8]>,
    /// Comes back with the hash; what it means is the asker's business.
    pub ticket: u64,
    /// The connection it belongs to; equal pins are served in order, by the same thread.
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
    queues: Arc<[Sender<Request>]>,
}

impl Hashers {
    /// Starts `threads` threads, each with a queue of `queue_max` requests (at least one of each).
    /// When a queue is full, whoever submits to it waits.
    ///
    /// # Errors
    /// The system refuses a new thread.
    pub fn start(threads: usize, queue_max: usize) -> io::Result<Self> {
        Ok(Self::spawn(threads, queue_max)?.0)
    }

    fn spawn(threads: usize, queue_max: usize) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut queues = Vec::new();
        let mut handles = Vec::new();
        for number in 0..threads.max(1) {
            let (queue, requests) = mpsc::channel(queue_max.max(1));
            queues.push(queue);
            handles.push(thread::Builder::new().name(format!("hasher-{number}")).spawn(move || serve(requests))?);
        }
        Ok((Self { queues: queues.into() }, handles))
    }

    /// Queues `request`, waiting for room if there is none. Dropping the future before it is ready
    /// queues nothing.
    pub async fn submit(&self, request: Request) {
        let threads = u64::try_from(self.queues.len()).unwrap_or(u64::MAX);
        let index = request.pin.checked_rem(threads).and_then(|index| usize::try_from(index).ok());
        let Some(queue) = index.and_then(|index| self.queues.get(index)) else { return };
        if let Err(mpsc::error::SendError(request)) = queue.send(request).await {
            // Only a bug ends a thread while there is a handle. The share is still worth its hash.
            tracing::error!(pin = request.pin, "a hasher thread has died; hashing on the connection's task");
            hash_and_answer(&[request], &mut Scratch::new());
        }
    }
}

/// The life of one thread.
fn serve(mut requests: Receiver<Request>) {
    let mut scratch = Scratch::new();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while requests.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        for run in batch.chunk_by(|one, next| one.algorithm == next.algorithm) {
            hash_and_answer(run, &mut scratch);
        }
        batch.clear();
    }
}

/// Hashes requests for one algorithm and answers them in order.
fn hash_and_answer(run: &[Request], scratch: &mut Scratch) {
    let Some(first) = run.first() else { return };
    let headers: Vec<&[u8]> = run.iter().map(|request| &*request.header).collect();
    let mut hashes = Vec::with_capacity(run.len());
    first.algorithm.hash_batch(&headers, scratch, &mut hashes);
    for (request, hash) in run.iter().zip(hashes) {
        if let Err(TrySendError::Full(_)) = request.answer.try_send((request.ticket, hash)) {
            tracing::error!(pin = request.pin, ticket = request.ticket, "no room for a hash that was asked for");
        }
    }
}

#[cfg(test)]
mod tests;
