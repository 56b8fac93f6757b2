//! Keccak-256 as submitted to the SHA-3 competition, with its original padding (Maxcoin,
//! SmartCash, Bitgesell). SHA3-256 pads otherwise and gives other hashes.

use sha3::{Digest, Keccak256};

use crate::bytes::Hash;

/// Keccak-256 of `data`.
pub fn keccak256(data: &[u8]) -> Hash {
    Keccak256::digest(data).into()
}

/// What our predecessors' `normalHashing` meant (Copperlark, eCoin): Keccak-256 twice, first over
/// the header followed by its time once more, big-endian: the bytes of its hexadecimal digits as
/// they are written without leading zeros, so four of them since 1978, and none at time 0.
pub fn normal(header: &[u8], time: u32) -> Hash {
    let digits = (u32::BITS - time.leading_zeros()).div_ceil(4);
    let whole_pairs = (time >> (4 * (digits % 2))).to_be_bytes();
    let pairs = whole_pairs.iter().rev().take(digits as usize / 2).rev().copied().collect::<Vec<u8>>();
    let first = Keccak256::new().chain_update(header).chain_update(pairs).finalize();
    keccak256(&first)
}
