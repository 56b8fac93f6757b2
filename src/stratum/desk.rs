//! The seam to accounting: where judged shares are handed over. The session knows what a share is
//! worth; only the service knows the ledger and the nodes behind this trait.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::bytes::Hash;
use crate::chain::header::HeaderBytes;
use crate::difficulty::Difficulty;
use crate::work::job::Job;
use crate::work::reject::Reject;

/// A judged share that is to become a row.
#[derive(Debug)]
pub struct JudgedShare {
    /// What the miner is told; `Ok` becomes a `Y` row.
    pub verdict: Result<(), Reject>,
    /// The credited worker; `None`: the coin's fallback worker, for a candidate of nobody.
    pub worker: Option<Arc<str>>,
    /// The miner's address.
    pub remote: IpAddr,
    /// The difficulty that is credited.
    pub assigned: Difficulty,
    /// Serial and variant of the job that was named; zeros where it was none of ours.
    pub job: (u32, u8),
    /// The hashed work; `None` where the submit was refused unhashed.
    pub work: Option<HashedWork>,
}

/// The work behind a hashed share.
#[derive(Debug)]
pub struct HashedWork {
    /// The job.
    pub job: Arc<Job>,
    /// The header that was hashed.
    pub header: HeaderBytes,
    /// The coinbase's transaction id.
    pub coinbase_txid: Hash,
    /// The hash's own difficulty.
    pub share_difficulty: f64,
    /// The hash that would name the block, where rows of ordinary shares show it too.
    pub block_hash: Option<Hash>,
    /// Set if the hash meets the network target: the share is a block candidate.
    pub candidate: Option<Candidate>,
}

/// What makes a share a block.
#[derive(Debug)]
pub struct Candidate {
    /// The hash that names the block.
    pub block_hash: Hash,
    /// The whole coinbase, without witness.
    pub coinbase: Vec<u8>,
    /// Its work was of the tip that the pool mined on: no block of its height was known.
    pub is_live: bool,
}

impl JudgedShare {
    /// Whether it is a block candidate.
    pub fn is_candidate(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.candidate.is_some())
    }
}

/// The share could not be written down: it does not count. A candidate goes to the nodes even so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRecorded;

/// What became of shares at the desk.
#[derive(Debug)]
pub struct Written {
    /// One element per share: its sequence number (or a later one), from when on it survives the process;
    /// [`NotRecorded`] if it could not be written down, so that its miner must be refused.
    pub shares: Vec<Result<u64, NotRecorded>>,
    /// One element per candidate, which ends when its block is in a file and survives the process too, or when no
    /// file takes it.
    pub keeping: Vec<oneshot::Receiver<()>>,
}

/// Where judged shares are accepted.
pub trait ShareDesk: Send + Sync + 'static {
    /// Writes the shares down, in order, and sends candidates on their way to the nodes.
    fn record(&self, shares: Vec<JudgedShare>) -> Written;

    /// The last sequence number that also survives a power cut.
    fn synced(&self) -> watch::Receiver<u64>;
}
