//! What the watchers of a coin's nodes need to know about its chain.

use std::sync::Arc;

use crate::bytes::Hash;
use crate::chain::form::ChainForm;
use crate::coin::profile::BlockHash;
use crate::pow::{Algorithm, Cost, Scratch};

/// A coin's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How its templates are asked for and read.
    pub form: Arc<ChainForm>,
    /// Proof-of-work algorithm.
    pub algorithm: Algorithm,
    /// Which hash names a block.
    pub block_hash: BlockHash,
}

impl Chain {
    /// Bytes of a header.
    pub(super) fn header_bytes(&self) -> usize {
        self.form.header.bytes()
    }

    /// The name of the block whose bytes begin so; `None`: that is not even a header, or this program is about to end.
    pub(super) async fn name_of_start(&self, bytes: &[u8]) -> Option<Hash> {
        self.name_of(bytes.get(..self.header_bytes())?).await
    }

    /// The name of the block with this header; `None`: this program is about to end.
    pub(super) async fn name_of(&self, header: &[u8]) -> Option<Hash> {
        let (algorithm, block_hash, header) = (self.algorithm, self.block_hash, header.to_vec());
        let name = move || match block_hash {
            BlockHash::Pow => algorithm.hash(&header, &mut Scratch::new()),
            // The others do not look at the proof of work.
            other => other.of(&header, Hash::default()),
        };
        // Miners are served by the thread that would have to wait.
        match block_hash.cost(algorithm) {
            Cost::Inline => Some(name()),
            Cost::Offloaded => tokio::task::spawn_blocking(name).await.ok(),
        }
    }
}
