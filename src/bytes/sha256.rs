//! SHA-256 and double SHA-256: the hash of transactions, merkle nodes, address checksums and most
//! block ids everywhere, and the proof of work of some chains.

use sha2::{Digest, Sha256};

use super::Hash;

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Hash {
    Sha256::digest(data).into()
}

/// SHA-256 of the SHA-256 of `data`.
pub fn sha256d(data: &[u8]) -> Hash {
    sha256(&sha256(data))
}
