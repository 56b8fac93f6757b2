//! Keccak-256 as submitted to the SHA-3 competition, with its original padding (Maxcoin,
//! SmartCash, Bitgesell). SHA3-256 pads otherwise and gives other hashes.

use sha3::{Digest, Keccak256};

use crate::bytes::Hash;

/// Keccak-256 of `data`.
pub fn keccak256(data: &[u8]) -> Hash {
    Keccak256::digest(data).into()
}
