//! A block candidate as the desk hands it over.

use std::sync::Arc;

use crate::bytes::{Hash, hex};
use crate::chain::header::HeaderBytes;
use crate::ledger::late::Late;
use crate::ledger::record::ShareRecord;
use crate::node::verdict::SolvedBlock;
use crate::stratum::desk::{Candidate, HashedWork};
use crate::work::job::Job;

/// A block candidate.
pub struct Found {
    hash: Hash,
    job: Arc<Job>,
    header: HeaderBytes,
    coinbase: Vec<u8>,
    /// Its number in the ledger, or what waits for it.
    written: Result<u64, Late>,
    pub(super) share: ShareRecord,
    /// No other block of its height was known.
    pub(super) is_live: bool,
    /// When its hash was seen to be a block's, Unix milliseconds.
    pub(super) found_ms: u64,
}

impl Found {
    /// The candidate that `share` describes and the ledger has as `written`, found at `found_ms` (Unix
    /// milliseconds).
    pub fn new(
        work: &HashedWork,
        block: &Candidate,
        written: Result<u64, Late>,
        share: ShareRecord,
        found_ms: u64,
    ) -> Self {
        Self {
            hash: block.block_hash,
            job: Arc::clone(&work.job),
            header: work.header,
            coinbase: block.coinbase.clone(),
            is_live: block.is_live,
            written,
            share,
            found_ms,
        }
    }

    /// The block as the nodes are given it.
    fn solved(&self) -> SolvedBlock {
        let template = &self.job.template;
        let bytes = self.job.block(&self.header, &self.coinbase);
        SolvedBlock {
            hash: self.hash,
            height: template.height,
            hex: hex::encode(&bytes).into(),
            work_id: template.work_id.clone(),
        }
    }

    /// What the node wants back with it.
    pub(super) fn work_id(&self) -> Option<String> {
        self.job.template.work_id.clone()
    }

    /// Its height and its hash.
    pub(super) fn name(&self) -> (u32, Hash) {
        (self.job.template.height, self.hash)
    }

    /// Its number in the ledger, unless it waits for the disk.
    pub(super) fn seq(&self) -> Option<u64> {
        self.written.as_ref().ok().copied()
    }

    /// The block, its share and what waits for the share's number, if it has none; the job is let go.
    pub(super) fn into_parts(self) -> (SolvedBlock, ShareRecord, Option<Late>) {
        (self.solved(), self.share, self.written.err())
    }
}
