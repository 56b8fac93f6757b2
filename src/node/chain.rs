//! What the watchers of a coin's nodes need to know about its chain.

use crate::bytes::Hash;
use crate::chain::header::HEADER_BYTES;
use crate::coin::profile::BlockHash;
use crate::pow::{Algorithm, Scratch};

/// A coin's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The rule names sent with every template request.
    pub rules: Vec<String>,
    /// Proof-of-work algorithm.
    pub algorithm: Algorithm,
    /// Which hash names a block.
    pub block_hash: BlockHash,
}

impl Chain {
    /// The name of the block with this header.
    pub(super) fn name_of(&self, header: &[u8; HEADER_BYTES]) -> Hash {
        match self.block_hash {
            BlockHash::Pow => self.algorithm.hash(header, &mut Scratch::new()),
            // The others do not look at the proof of work.
            other => other.of(header, Hash::default()),
        }
    }
}
