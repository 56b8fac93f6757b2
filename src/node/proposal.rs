//! BIP23: a node judges a block of ours that lacks nothing but proof of work.

use serde_json::{Value, json};

use super::error::RpcError;
use super::nodes::Node;
use super::rpc::Call;
use crate::chain::form::ChainForm;

/// The node does not know the method, or not this way of asking.
const UNKNOWN_CODES: [i64; 4] = [-32601, -8, -3, -1];

/// What a node thinks of a proposed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// It would take it.
    Good,
    /// It would refuse it; the node's reason.
    Bad(String),
    /// It cannot say, because its tip has moved meanwhile or it did not answer.
    Unsaid(String),
    /// It does not judge blocks without proof of work.
    Unable(String),
}

/// Asks a node, on a connection of its own: nothing else waits for the answer.
pub async fn propose(node: &Node, form: &ChainForm, block_hex: &str) -> Opinion {
    let request = json!([{ "mode": "proposal", "data": block_hex, "rules": form.template_rules }]);
    let call = Call::new("getblocktemplate").own_connection();
    match node.rpc.call_as::<Value, _>(call, request).await {
        Ok(Value::Null) => Opinion::Good,
        Ok(Value::String(reason)) => opinion(reason),
        Ok(other) => Opinion::Unable(format!("it answers with {}", kind(&other))),
        Err(RpcError::Node { code, message, .. }) if UNKNOWN_CODES.contains(&code) => Opinion::Unable(message),
        // Such as "Block decode failed".
        Err(RpcError::Node { message, .. }) => Opinion::Bad(message),
        Err(error) => Opinion::Unsaid(error.to_string()),
    }
}

/// BIP22's words.
fn opinion(reason: String) -> Opinion {
    let undecided = ["inconclusive", "duplicate", "stale-prevblk", "bad-prevblk"];
    if undecided.iter().any(|word| reason.starts_with(word)) { Opinion::Unsaid(reason) } else { Opinion::Bad(reason) }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "a template",
        _ => "something else than a reason",
    }
}
