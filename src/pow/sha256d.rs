//! SHA-256 and double SHA-256: the proof of work of Bitcoin, and the hash of transactions, merkle
//! nodes and most block ids everywhere.

use sha2::{Digest, Sha256};

use crate::bytes::Hash;

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Hash {
    Sha256::digest(data).into()
}

/// SHA-256 of the SHA-256 of `data`.
pub fn sha256d(data: &[u8]) -> Hash {
    sha256(&sha256(data))
}
