//! What a session asks its surroundings to do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::answers::Ticket;
use crate::coin::profile::BlockHash;
use crate::config::Port;
use crate::difficulty::Difficulty;
use crate::pow::Algorithm;
use crate::stratum::desk::JudgedShare;

/// Something to be done outside the session.
#[derive(Debug)]
pub enum Effect {
    /// Ask the directory; the answer comes back by [`super::Session::on_authorised`].
    Authorise {
        /// The waiting request.
        ticket: Ticket,
        /// The name as the miner wrote it.
        name: String,
        /// The password as the miner wrote it.
        password: String,
    },
    /// Ask the directory whether a worker that was authorised may go on; the answer comes back by
    /// [`super::Session::on_rechecked`].
    Recheck {
        /// The name as the miner wrote it.
        name: Box<str>,
    },
    /// Ask a hasher; the answer comes back by [`super::Session::on_hash`].
    Hash {
        /// The waiting request.
        ticket: Ticket,
        /// What is to be hashed.
        header: [u8; 80],
    },
    /// Hand a judged share to the desk; the answer comes back by [`super::Session::on_recorded`].
    Record {
        /// The waiting request; `None` if its answer waits for nothing (refused shares).
        ticket: Option<Ticket>,
        /// The share.
        share: Box<JudgedShare>,
    },
    /// Write what is queued and close the connection.
    Close(CloseReason),
}

/// Why a session ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Several lines in a row were no requests.
    Junk,
    /// A line exceeded its limit.
    LineTooLong,
    /// No `mining.subscribe` in time.
    NotSubscribed,
    /// Nothing was heard for too long.
    Idle,
    /// The last of its workers was deleted, or its account locked: when the miner comes back it is
    /// told so.
    NoWorker,
}

/// What a session needs to know of its coin and its port.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The port's settings.
    pub port: Arc<Port>,
    /// Proof-of-work algorithm.
    pub algorithm: Algorithm,
    /// Which hash names a block.
    pub block_hash: BlockHash,
    /// log2 of the hashes behind one unit of stratum difficulty.
    pub stratum_bits: u8,
    /// Version bits that may be rolled.
    pub version_mask: u32,
    /// Whether every answer waits for the disk.
    pub answers_wait_for_sync: bool,
    /// How often authorised workers are looked up again.
    pub recheck: Duration,
}

impl Terms {
    /// The difficulty a connection starts with.
    pub fn start_difficulty(&self) -> Difficulty {
        self.port.difficulty
    }
}

/// The moment at which something happens to a session.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Monotonic time.
    pub monotonic: Duration,
    /// Wall clock, Unix seconds.
    pub unix_secs: u64,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address, IPv4-mapped ones as plain IPv4.
    pub address: IpAddr,
}
