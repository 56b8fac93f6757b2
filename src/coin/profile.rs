//! What a coin is, as far as its blocks, addresses and miners are concerned.

use crate::pow::Algorithm;
use crate::pow::ids::TransactionHash;

pub use crate::pow::ids::BlockHash;

/// Version bytes and prefixes of a coin's addresses on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressForms {
    /// Base58check version of pay-to-public-key-hash.
    pub pubkey_hash: Vec<u8>,
    /// Base58check versions of pay-to-script-hash; some coins know two.
    pub script_hash: Vec<u8>,
    /// Human-readable parts of segwit addresses (bech32 and bech32m).
    pub segwit: Vec<String>,
}

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
    /// `rules` for getblocktemplate (BIP9 names); an unknown mandatory rule stops the coin.
    pub template_rules: Vec<String>,
    /// Address forms, main network and test networks together: the payout address is cross-checked
    /// with the node, which knows its network.
    pub addresses: AddressForms,
    /// Default size in bytes of the part of the extranonce that the miner rolls.
    pub extranonce2_bytes: u8,
}
