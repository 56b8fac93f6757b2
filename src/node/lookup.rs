//! Single questions to the nodes.

use super::nodes::Nodes;
use crate::bytes::Hash;
use crate::chain::form::ChainForm;

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

/// What a node says that gives no templates because it is still catching up with its chain, with how far it has come;
/// `None`: it gives them, or does not say that. Of several the first that says so.
pub async fn catching_up(nodes: &Nodes, form: &ChainForm) -> Option<String> {
    for node in nodes.all().iter() {
        match node.rpc.block_template(form).await {
            Err(error) if error.is_catching_up() => return Some(node.rpc.with_progress(&error).await),
            _ => {}
        }
    }
    None
}
