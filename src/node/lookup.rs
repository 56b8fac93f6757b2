//! What an audit asks the nodes.

use super::nodes::Nodes;
use crate::bytes::Hash;

/// The hash of the block at a height of the best chain; the text says why it is not known.
///
/// # Errors
/// No node answers, or the chain does not reach so high.
pub async fn hash_at(nodes: &Nodes, height: u32) -> Result<Hash, String> {
    match nodes.ask(|node| async move { node.rpc.hash_at(height).await }).await {
        Some(answer) => answer.map_err(|error| error.to_string()),
        None => Err("the coin has no node".to_owned()),
    }
}
