//! What a coin is, as far as its blocks, addresses and miners are concerned.

use std::sync::Arc;

use crate::chain::form::ChainForm;
use crate::pow::Algorithm;
use crate::pow::ids::TransactionHash;

pub use crate::pow::ids::BlockHash;

/// A coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Proof-of-work algorithm.
    pub algorithm: Algorithm,
    /// log2 of the hashes behind one unit of stratum difficulty, as the coin's miners count.
    pub stratum_bits: u8,
    /// log2 of the hashes behind one unit of `shares.difficulty`: `target_bits` of MPOS's coin class.
    pub mpos_bits: u8,
    /// Which hash names a block.
    pub block_hash: BlockHash,
    /// Which hash names a transaction.
    pub transaction_hash: TransactionHash,
    /// Version bits that miners may roll (BIP310, BIP320); 0 forbids it.
    pub version_mask: u32,
    /// Whether miners may change the time of a header. Where it decides what is hashed, they could choose the
    /// cheapest work.
    pub time_rolling: bool,
    /// Where the coin's blocks, templates and addresses differ from Bitcoin's.
    pub form: Arc<ChainForm>,
    /// The reward has to go to a public key of the node's wallet, which signs the block with it (proof of stake).
    pub pays_public_key: bool,
    /// Blocks of other algorithms are in the chain too.
    pub several_algorithms: bool,
    /// Default size in bytes of the part of the extranonce that the miner rolls.
    pub extranonce2_bytes: u8,
}
