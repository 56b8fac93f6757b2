//! Whether the blocks that a node has and another has not are mined, or made up.
//!
//! A node names its tip and says how much work its chain has; neither costs it anything. What costs something are the
//! headers of its branch, from the tip down to the block where both nodes agree: each must have the name by which the next
//! one calls it and the work that its target demands, no target may be far below that of the block where the branches
//! part, and the whole may not have less work than the other branch.

use std::time::Duration;

use tokio::time::timeout;

use super::chain::Chain;
use super::error::RpcError;
use super::nodes::Node;
use super::recent;
use crate::bytes::{Hash, display_hash};
use crate::chain::header::Header;
use crate::coin::proof::Sample;
use crate::difficulty::Target;

/// Most blocks of a branch that are looked at, from its tip down. Of a longer one the targets say nothing: difficulty may
/// have changed since the branches parted, and a node that stood still so long is no measure.
const BLOCKS_MAX: u32 = 64;
/// The same where one hash takes a core more than 50 ms.
const EXPENSIVE_MAX: u32 = 2;
/// How many times easier than the block where the branches part a block of a main network may be. No such chain eases so
/// much within [`BLOCKS_MAX`] blocks, and to make up blocks must not be cheap; on test networks anybody may find a block
/// of the least difficulty after a while.
const EASIER_MAX: f64 = 4096.0;
/// The network of [`EASIER_MAX`].
const MAIN: &str = "main";
/// Less work than the other branch: by more than adding up in floating point explains.
const CLEARLY_LESS: f64 = 1.0 - 1e-9;
/// Longest time for everything that is asked. A node that takes longer is not accused.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The tip of a node and its height.
pub(super) type Tip = (Hash, u32);

/// What the blocks of a branch show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// They are mined, and have at least the work of those beside them.
    Sound,
    /// They cannot be followed, and why.
    Flawed(String),
    /// Nothing: a node does not show them or does not answer, or they cannot be weighed against others.
    Unknown,
}

/// Why something cannot be said of a branch.
enum Stop {
    /// It is not what a chain looks like.
    Flaw(String),
    /// A node does not answer, or does not show its headers; or the branches part too far below.
    Unknown(String),
}

impl From<RpcError> for Stop {
    fn from(error: RpcError) -> Self {
        match error {
            // It was read when the chain was held against the profile.
            RpcError::BadAnswer { problem, .. } => Self::Flaw(format!("its blocks cannot be read: {problem}")),
            error if error.is_not_found() => {
                Self::Flaw(format!("it does not show the blocks of its own chain: {error}"))
            }
            error => Self::Unknown(error.to_string()),
        }
    }
}

/// Whether the chain of a node up to its tip can be followed, seen from what another node has.
pub(super) async fn examine(chain: &Chain, node: &Node, tip: Tip, other: &Node, other_tip: Tip) -> Finding {
    let why = match timeout(TIME_MAX, weigh(chain, (node, tip), (other, other_tip))).await {
        Ok(Ok(())) => return Finding::Sound,
        // A branch that it has left meanwhile is no lie.
        Ok(Err(Stop::Flaw(why))) if node.rpc.hash_at(tip.1).await.is_ok_and(|now| now == tip.0) => {
            return Finding::Flawed(why);
        }
        Ok(Err(Stop::Flaw(why) | Stop::Unknown(why))) => why,
        Err(_) => "it takes too long".to_owned(),
    };
    tracing::debug!(node = node.name(), why, "nothing is known of its branch");
    Finding::Unknown
}

async fn weigh(chain: &Chain, (node, tip): (&Node, Tip), (other, other_tip): (&Node, Tip)) -> Result<(), Stop> {
    let blocks_max = if chain.is_expensive() { EXPENSIVE_MAX } else { BLOCKS_MAX };
    let fork = fork(node, other, tip.1.min(other_tip.1), blocks_max).await?;
    let down_to = fork.map_or(0, |(_, height)| height).max(tip.1.saturating_sub(blocks_max));
    let ours = walk(chain, node, tip, down_to).await?;
    let Some((root, height)) = fork.filter(|(_, height)| *height == down_to) else {
        return Err(Stop::Unknown(format!("it parts from the other more than {blocks_max} blocks below")));
    };
    if ours.below != root {
        return Err(Stop::Flaw(format!("its branch does not begin on its own block at height {height}")));
    }
    if !chain.is_weighed_by_targets() {
        return Err(Stop::Unknown("the work of its blocks is not that of their targets alone".to_owned()));
    }
    let theirs = match walk(chain, other, other_tip, height.max(other_tip.1.saturating_sub(blocks_max))).await {
        Ok(theirs) if theirs.below == root => theirs,
        // The other's tip has moved meanwhile, or it is the one that makes up blocks: no measure.
        Ok(_) => return Err(Stop::Unknown("the other has another branch now".to_owned())),
        Err(Stop::Flaw(why) | Stop::Unknown(why)) => return Err(Stop::Unknown(why)),
    };
    let parted_at = match other.rpc.network().await {
        Ok(network) if network == MAIN => {
            let block = recent::block(&other.rpc, height, root, &chain.form).await?;
            Some(work(&header(&block, chain)?))
        }
        _ => None,
    };
    ours.hold_against(&theirs, parted_at).map_err(Stop::Flaw)
}

/// The highest block that both have, at most so many blocks below a height.
async fn fork(node: &Node, other: &Node, from: u32, blocks_max: u32) -> Result<Option<Tip>, Stop> {
    for height in (from.saturating_sub(blocks_max)..=from).rev() {
        let there = other.rpc.hash_at(height).await.map_err(|error| Stop::Unknown(error.to_string()))?;
        if node.rpc.hash_at(height).await? == there {
            return Ok(Some((there, height)));
        }
    }
    Ok(None)
}

/// Blocks of a node's chain.
struct Branch {
    /// By height: the work of one, oldest last.
    works: Vec<(u32, f64)>,
    /// What the oldest is built on.
    below: Hash,
}

/// The blocks from a tip down to the one above a height.
async fn walk(chain: &Chain, node: &Node, (mut name, tip): Tip, down_to: u32) -> Result<Branch, Stop> {
    let mut works = Vec::new();
    for height in (down_to + 1..=tip).rev() {
        let block = recent::block(&node.rpc, height, name, &chain.form).await?;
        if chain.is_named(&block.header, &name).await == Some(false) {
            let name = display_hash(&name);
            return Err(Stop::Flaw(format!("the header it shows for block {name} has another hash")));
        }
        if chain.is_mined(&block).await == Some(false) {
            return Err(Stop::Flaw(format!("its block {} at height {height} was not mined", display_hash(&name))));
        }
        let header = header(&block, chain)?;
        works.push((height, work(&header)));
        name = header.previous;
    }
    Ok(Branch { works, below: name })
}

/// Its header, which the node has shown in the form of the chain's.
fn header(block: &Sample, chain: &Chain) -> Result<Header, Stop> {
    Header::from_bytes(chain.form.header, &block.header)
        .ok_or_else(|| Stop::Unknown(format!("the header of block {} has another length", display_hash(&block.hash))))
}

/// The work that a header's target demands, in hashes.
fn work(header: &Header) -> f64 {
    Target::from_compact(header.bits).map_or(0.0, |target| 2f64.powi(256) / target.0.to_f64())
}

impl Branch {
    fn total(&self) -> f64 {
        self.works.iter().map(|(_, work)| work).sum()
    }

    /// Why this branch is not to be followed rather than the other; `parted_at` is the work of the block that both have
    /// below them, where a block must not be much easier.
    fn hold_against(&self, other: &Self, parted_at: Option<f64>) -> Result<(), String> {
        if let Some(parted_at) = parted_at
            && let Some((height, work)) = self.works.iter().find(|(_, work)| work * EASIER_MAX < parted_at)
        {
            return Err(format!(
                "its block at height {height} is {:.0} times easier than the one below its branch",
                parted_at / work
            ));
        }
        if self.total() < other.total() * CLEARLY_LESS {
            return Err(format!(
                "its last {} blocks have less work than the {} of another node beside them",
                self.works.len(),
                other.works.len()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(works: &[f64]) -> Branch {
        Branch { works: (7..).zip(works.iter().copied()).collect(), below: [0; 32] }
    }

    #[test]
    fn more_work_is_followed_and_less_is_not() {
        let held = |ours: &[f64], theirs: &[f64]| branch(ours).hold_against(&branch(theirs), Some(1000.0));
        for (ours, theirs) in [(&[1000.0][..], &[][..]), (&[1000.0], &[1000.0]), (&[500.0; 3], &[1000.0]), (&[], &[])] {
            assert_eq!(held(ours, theirs), Ok(()), "{ours:?} {theirs:?}");
        }
        let why = held(&[1.0; 9], &[1000.0]).unwrap_err();
        assert!(why.contains("last 9 blocks have less work than the 1 of"), "{why}");
    }

    #[test]
    fn a_tenth_of_the_work_is_a_change_of_difficulty_and_next_to_none_is_not() {
        let on = |parted_at, work: f64| branch(&[1e6, work]).hold_against(&branch(&[]), parted_at);
        let held = |work| on(Some(1e6), work);
        assert_eq!(on(None, 2.0), Ok(()), "as on test networks");
        assert_eq!((held(1e5), held(1e6 / EASIER_MAX)), (Ok(()), Ok(())));
        let why = held(2.0).unwrap_err();
        assert!(why.contains("height 8 is 500000 times easier"), "{why}");
    }
}
