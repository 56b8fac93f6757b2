//! The way back from the hashers to a connection.

use tokio::sync::mpsc;

use crate::bytes::Hash;
use crate::stratum::session::answers::{OUTSTANDING_MAX, Ticket};

/// Where hashers answer to.
pub struct HashAnswers {
    /// Goes with every request.
    pub sender: mpsc::Sender<(Ticket, Hash)>,
    receiver: mpsc::Receiver<(Ticket, Hash)>,
}

impl HashAnswers {
    /// There is room for every request that can be outstanding, so a hasher never waits.
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(OUTSTANDING_MAX);
        Self { sender, receiver }
    }
}

/// The next hash; never ready on a connection that has none under way.
pub async fn next_hash(hashes: &mut Option<HashAnswers>) -> Option<(Ticket, Hash)> {
    match hashes {
        Some(answers) => answers.receiver.recv().await,
        None => std::future::pending().await,
    }
}
