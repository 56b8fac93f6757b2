//! What the watchers of a coin's nodes need to know about its chain.

use std::sync::Arc;

use crate::bytes::Hash;
use crate::chain::form::ChainForm;
use crate::coin::profile::{BlockHash, Profile};
use crate::coin::proof::{Sample, is_mined};
use crate::pow::{Algorithm, Class, Cost, Scratch};

/// A coin's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How its templates are asked for and read.
    pub form: Arc<ChainForm>,
    /// Proof-of-work algorithm.
    pub algorithm: Algorithm,
    /// Which hash names a block.
    pub block_hash: BlockHash,
    /// Blocks of other algorithms are in it too.
    pub several_algorithms: bool,
}

impl Chain {
    /// The chain of a profile.
    pub fn of(profile: &Profile) -> Self {
        Self {
            form: Arc::clone(&profile.form),
            algorithm: profile.algorithm,
            block_hash: profile.block_hash,
            several_algorithms: profile.several_algorithms,
        }
    }

    /// Bytes of a header.
    pub(super) fn header_bytes(&self) -> usize {
        self.form.header.bytes()
    }

    /// The name of the block whose bytes begin so; `None`: that is not even a header, or this program is about to end.
    pub(super) async fn name_of_start(&self, bytes: &[u8]) -> Option<Hash> {
        self.name_of(bytes.get(..self.header_bytes())?).await
    }

    /// Whether this is the name of the block with this header; `None`: it may be named by another algorithm, or this program
    /// is about to end.
    pub(super) async fn is_named(&self, header: &[u8], name: &Hash) -> Option<bool> {
        if self.several_algorithms && self.block_hash == BlockHash::Pow {
            return None;
        }
        Some(self.name_of(header).await? == *name)
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

    /// Whether a block has the work that its header states; `None`: it cannot be told, or this program is about to end.
    pub(super) async fn is_mined(&self, sample: &Sample) -> Option<bool> {
        let (form, sample) = (Arc::clone(&self.form), sample.clone());
        let (algorithm, several) = (self.algorithm, self.several_algorithms);
        // Miners are served by the thread that would have to wait.
        tokio::task::spawn_blocking(move || is_mined(&sample, &form, algorithm, several)).await.ok().flatten()
    }

    /// Whether a block's share of the work of the chain is what its header's target says, and nothing else.
    pub(super) fn is_weighed_by_targets(&self) -> bool {
        !self.several_algorithms && !self.form.block_signature
    }

    /// Whether one hash takes a core a noticeable time.
    pub(super) fn is_expensive(&self) -> bool {
        self.algorithm.class() == Class::Expensive
    }
}
