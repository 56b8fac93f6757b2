//! What an audit asks the nodes.

use serde_json::json;

use super::nodes::Nodes;
use super::rpc::Call;
use crate::bytes::Hash;

/// The hash of the block at a height of the best chain; the text says why it is not known.
///
/// # Errors
/// No node answers, or the chain does not reach so high.
pub async fn hash_at(nodes: &Nodes, height: u32) -> Result<Hash, String> {
    const METHOD: &str = "getblockhash";
    let asked = nodes.ask(|node| async move {
        let text: String = node.rpc.call_as(Call::new(METHOD), json!([height])).await?;
        node.rpc.hash(METHOD, &text)
    });
    match asked.await {
        Some(answer) => answer.map_err(|error| error.to_string()),
        None => Err("the coin has no node".to_owned()),
    }
}
