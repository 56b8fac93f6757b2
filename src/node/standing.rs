//! Where a block stands that was submitted some time ago.
//!
//! The nodes are asked in the order of the configuration and the first with a clear word is believed, unless one says that
//! the block was replaced and a later one has it; those that are set aside as untrustworthy are not asked. It is clear that a
//! block is in the chain, or that another one is at its height; not knowing the block, or having it beside a chain that does
//! not reach so high (a node that is catching up or rebuilding its index), says nothing.

use std::time::Duration;

use tokio::time::timeout;

use super::error::RpcError;
use super::nodes::{Node, Nodes};
use super::queries::Place;
use crate::bytes::Hash;

/// How long one node may take for all questions about a block: others wait for their turn.
const NODE_MAX: Duration = Duration::from_secs(15);

/// A block to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// The name it should have on the nodes.
    pub hash: Hash,
    /// Its merkle root: tells our block under another name from another block.
    pub merkle_root: Hash,
    /// Its height.
    pub height: u32,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In the best chain.
    InChain {
        /// The node's own name for it.
        node_hash: Hash,
        /// How deep; the tip has 1, and 0 is a node that does not say.
        confirmations: u32,
    },
    /// Another block is at its height.
    Replaced {
        /// That block.
        by: Hash,
        /// How deep that one is.
        confirmations: u32,
    },
}

/// What the nodes know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The node with the clear word, and the word.
    pub clear: Option<(String, Standing)>,
    /// Nodes that were asked before it, or all of them, each with why its word is not clear.
    pub unclear: Vec<(String, String)>,
}

/// Asks the nodes about a block. Where one has another block in its place, the others are asked as well: if one of them
/// has ours, nobody knows yet who is right.
pub async fn standing(nodes: &Nodes, sought: &Sought) -> Finding {
    let (mut replaced, mut unclear) = (None, Vec::new());
    for node in nodes.all().iter() {
        let name = node.name().to_owned();
        if let Some(reason) = node.distrust() {
            unclear.push((name, reason));
            continue;
        }
        let Ok(found) = timeout(NODE_MAX, on_node(node, sought)).await else {
            unclear.push((name, format!("did not answer within {} s", NODE_MAX.as_secs())));
            continue;
        };
        match (found, &replaced) {
            (Ok(Standing::InChain { .. }), Some((other, _))) => {
                unclear.push((name, format!("has the block in its chain, but {other} has another in its place")));
                return Finding { clear: None, unclear };
            }
            (Ok(standing @ Standing::InChain { .. }), None) => {
                return Finding { clear: Some((name, standing)), unclear };
            }
            (Ok(_), Some(_)) => {}
            (Ok(standing), None) => replaced = Some((name, standing)),
            (Err(error), _) => unclear.push((name, error.to_string())),
        }
    }
    Finding { clear: replaced, unclear }
}

async fn on_node(node: &Node, sought: &Sought) -> Result<Standing, RpcError> {
    let place = node.rpc.place_of(&sought.hash).await?;
    if let Place::BestChain(confirmations) = place {
        return Ok(Standing::InChain { node_hash: sought.hash, confirmations });
    }
    // Fails where the node's chain does not reach so high.
    let (there, merkle_root) = node.rpc.block_at(sought.height).await?;
    let confirmations = match node.rpc.place_of(&there).await? {
        Place::BestChain(confirmations) => confirmations,
        // The chain changed between two questions: the next look will tell.
        Place::SideChain | Place::Unknown => 0,
    };
    if merkle_root == sought.merkle_root || there == sought.hash {
        return Ok(Standing::InChain { node_hash: there, confirmations });
    }
    Ok(Standing::Replaced { by: there, confirmations })
}
