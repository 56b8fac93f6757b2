//! What the spool holds: events in the order of acceptance.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::bytes::Hash;

/// Row reason of a candidate whose miner was refused because nothing could be written down.
const LATE_REASON: &str = "written down late";

/// A judged share, as it becomes one row of `shares` and one line of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRecord {
    /// The credited worker, in the spelling of `pool_worker`.
    pub worker: Arc<str>,
    /// Where it came from; IPv4-mapped addresses are already plain IPv4.
    pub remote: IpAddr,
    /// `our_result`: true is `Y`. A share refused to the miner is never true.
    pub accepted: bool,
    /// Why it was refused, at most 50 bytes of ASCII; empty for an accepted share.
    pub reason: String,
    /// `shares.difficulty`: assigned difficulty times the MPOS factor; finite and above zero.
    pub row_difficulty: f64,
    /// The stratum difficulty that was assigned with the job.
    pub assigned_difficulty: f64,
    /// The difficulty the hash really had; 0 where it was not hashed.
    pub share_difficulty: f64,
    /// Network difficulty of the job, in stratum units of the algorithm.
    pub network_difficulty: f64,
    /// Height of the block being looked for; 0 if the job is unknown.
    pub height: u32,
    /// Coinbase value of the job, smallest unit.
    pub reward: u64,
    /// The job, as the miner named it; bounded by the session.
    pub job: String,
    /// The header that was hashed; empty where it was not.
    pub header: Vec<u8>,
    /// The block hash (internal order) to be written to `solution`; `None` writes the empty string.
    pub solution: Option<Hash>,
    /// Set if the hash met the network target.
    pub candidate: Option<CandidateFacts>,
}

impl ShareRecord {
    /// The same share as it is written when that comes too late: its miner has been refused.
    pub fn late(mut self) -> Self {
        if self.accepted {
            self.accepted = false;
            LATE_REASON.clone_into(&mut self.reason);
        }
        self
    }

    /// The same share with the values that a database can hardly refuse; the last resort for a block
    /// candidate whose row was refused.
    pub fn sanitised(&self) -> Self {
        Self { reason: String::new(), remote: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ..self.clone() }
    }
}

/// What makes a share a block candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateFacts {
    /// The block hash as the node will report it (internal order).
    pub hash: Hash,
    /// The header's time, Unix seconds.
    pub header_time: u32,
    /// Transaction id of its coinbase (internal order).
    pub coinbase_txid: Hash,
}

/// What a node finally said about a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord {
    /// Sequence number of the candidate's share event.
    pub candidate: u64,
    /// The hash that was written as `solution` with the candidate.
    pub written_hash: Hash,
    /// True: in the node's best chain.
    pub accepted: bool,
    /// The node's own name for the block, if it differs from `written_hash`.
    pub node_hash: Hash,
    /// The node's words, at most 50 bytes of ASCII; empty when accepted.
    pub reason: String,
}

/// Something that happened, without its place in the order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A share was judged.
    Share(ShareRecord),
    /// A candidate's fate became known.
    Verdict(VerdictRecord),
}

/// An event with its place in the order, as read back from the spool.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Sequence number: 1 for the first event of a spool, then without gaps.
    pub seq: u64,
    /// The second of acceptance, Unix time; less than the one before only where the clock had been ahead
    /// by more than a minute and was put right.
    pub time: u64,
    /// What happened.
    pub event: Event,
}
