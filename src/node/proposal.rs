//! BIP23: a node judges a block of ours that lacks nothing but proof of work.

use serde_json::{Value, json};

use super::error::RpcError;
use super::nodes::Node;
use super::rpc::Call;
use crate::chain::form::ChainForm;

/// The node does not know the method, or not this way of asking.
const UNKNOWN_CODES: [i64; 4] = [-32601, -8, -3, -1];
/// The node says of the block that it cannot be read (RPC_DESERIALIZATION_ERROR) or is refused (RPC_VERIFY_REJECTED). Every
/// other error is about the node: it starts, has no peers, or its disk is full.
const BAD_CODES: [i64; 2] = [-22, -26];

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
        Err(error) => of_error(error),
    }
}

fn of_error(error: RpcError) -> Opinion {
    match error {
        RpcError::Node { code, message, .. } if UNKNOWN_CODES.contains(&code) => Opinion::Unable(message),
        RpcError::Node { code, message, .. } if BAD_CODES.contains(&code) => Opinion::Bad(message),
        error => Opinion::Unsaid(error.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_block_is_held_against_it() {
        let of = |code: i64| {
            let (node, method, message) = ("main".into(), "getblocktemplate".into(), "words".into());
            of_error(RpcError::Node { node, method, code, message })
        };
        assert_eq!(of(-22), Opinion::Bad("words".into()));
        assert_eq!(of(-32601), Opinion::Unable("words".into()));
        for about_the_node in [-28, -9, -10, -2, -25, -32603] {
            assert!(matches!(of(about_the_node), Opinion::Unsaid(_)), "{about_the_node}");
        }
    }
}
