//! What a session asks its surroundings to do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::answers::Ticket;
use super::parked::Parked;
use super::remembered::Remembered;
use crate::chain::header::HeaderBytes;
use crate::coin::profile::BlockHash;
use crate::config::Port;
use crate::difficulty::Difficulty;
use crate::pow::Algorithm;
use crate::stratum::counters::Counters;
use crate::stratum::desk::JudgedShare;
use crate::stratum::update_block::UpdateBlock;
use crate::work::bar::Bar;
use crate::work::duplicates::KeyCount;
use crate::worker::difficulties::Difficulties;

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
        /// It was authorised before, nobody waits for the answer, and nobody is to blame for it.
        again: bool,
    },
    /// Ask a hasher; the answer comes back by [`super::Session::on_hash`].
    Hash {
        /// The waiting request.
        ticket: Ticket,
        /// What is to be hashed.
        header: HeaderBytes,
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
    /// No share counted for too long.
    Idle,
    /// No worker was authorised in time.
    NotAuthorised,
    /// It took up the session of another worker.
    OtherWorker,
    /// Too many of its shares were invalid.
    InvalidShares,
    /// An operator wanted it.
    Operator,
    /// The port or the coin is closed.
    Moved,
}

impl CloseReason {
    /// Whether what came was no Stratum at all.
    pub fn is_noise(self) -> bool {
        matches!(self, Self::Junk | Self::LineTooLong)
    }

    /// Whether it counts towards a ban of the miner's address.
    pub fn is_misbehaviour(self) -> bool {
        matches!(self, Self::InvalidShares)
    }
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
    /// Whether miners may change the time of a header.
    pub time_rolling: bool,
    /// Whether every answer waits for the disk.
    pub answers_wait_for_sync: bool,
    /// Whether every share's row gets its hash, not only a candidate's.
    pub emit_invalid_block_hashes: bool,
    /// How often workers that mine are looked up again.
    pub recheck: Duration,
    /// What the sessions of the coin have in common.
    pub memory: CoinMemory,
}

/// What the sessions of one coin remember and count together.
#[derive(Debug, Clone, Default)]
pub struct CoinMemory {
    /// What they count.
    pub counters: Arc<Counters>,
    /// How many shares they remember.
    pub keys: KeyCount,
    /// Sessions that may be taken up again.
    pub parked: Parked,
    /// What difficulty suited whom.
    pub remembered: Remembered,
    /// The difficulty stored with a worker.
    pub stored: Difficulties,
    /// Who may say that there is a new block.
    pub update_block: UpdateBlock,
}

impl Terms {
    /// The difficulty a connection starts with.
    pub fn start_difficulty(&self) -> Difficulty {
        self.port.difficulty
    }

    /// The bar of a difficulty on this port.
    pub fn bar(&self, difficulty: Difficulty) -> Arc<Bar> {
        Arc::new(Bar::new(difficulty, self.stratum_bits, self.port.rules.share_tolerance_ppm))
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
