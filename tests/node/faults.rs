//! Nodes that misbehave on the wire.

use std::time::Duration;

use mpos_stratum::node::error::RpcError;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::rpc::{Call, Rpc};
use serde_json::{Value, json};

use crate::support::scripted_node::{Reply, ScriptedNode};

/// The error of one call that is answered so.
async fn error_of(call: Call<'_>, reply: impl Fn() -> Reply + Send + Sync + 'static) -> RpcError {
    let node = ScriptedNode::start(move |_| reply()).await;
    Rpc::new(node.rpc_config()).call(call, json!([])).await.unwrap_err()
}

#[tokio::test]
async fn every_fault_has_its_error() {
    let error = error_of(Call::new("x").timeout(Duration::from_millis(50)), || Reply::Hang).await;
    assert!(matches!(error, RpcError::Timeout { .. }), "{error}");
    let error = error_of(Call::new("x"), || Reply::Cut).await;
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error}");
    let error = error_of(Call::new("x").bytes_max(1000), || Reply::Result(json!("x".repeat(1000)))).await;
    assert!(matches!(error, RpcError::TooLarge { bytes_max: 1000, .. }), "{error}");
    for body in ["", "null", "[]", "{", "<html>", "{\"result\":1,\"error\":null,\"id\":999}", "{\"error\":7,\"id\":1}"]
    {
        let error = error_of(Call::new("x"), move || Reply::Body(200, body.into())).await;
        assert!(matches!(error, RpcError::BadAnswer { .. }), "{body}: {error}");
    }
    let error = error_of(Call::new("x"), || Reply::Body(503, "Work queue depth exceeded\n".into())).await;
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("HTTP 503: Work queue depth exceeded"), "{error}");
    for status in [401, 403] {
        let error = error_of(Call::new("x"), move || Reply::Body(status, String::new())).await;
        assert!(matches!(error, RpcError::Unauthorized { .. }), "{error}");
    }
    let error = error_of(Call::new("x"), || Reply::Error(-28, "Loading block index...")).await;
    assert!(error.is_warming_up() && !error.is_syncing() && !error.is_method_missing(), "{error}");
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once() {
    // Answers the first call of each connection and closes it at the second.
    let node =
        ScriptedNode::start(|asked| if asked.before_here == 0 { Reply::Result(json!(1)) } else { Reply::Cut }).await;
    let rpc = Rpc::new(node.rpc_config());
    for _ in 0..3 {
        assert_eq!(rpc.call_as::<u32, _>(Call::new("x"), json!([])).await, Ok(1));
    }
    // One answer each, and two calls that met a closing connection.
    assert_eq!(node.calls(), 5);
}

#[tokio::test]
async fn a_kept_connection_that_is_silent_does_not_hold_up_what_is_answered_at_once() {
    // As behind a firewall that has forgotten the connection: what is sent on it is lost.
    let node =
        ScriptedNode::start(|asked| if asked.before_here == 0 { Reply::Result(json!(1)) } else { Reply::Hang }).await;
    let rpc = Rpc::new(node.rpc_config());
    let prompt = || Call::new("getbestblockhash").prompt();
    for _ in 0..2 {
        assert_eq!(rpc.call_as::<u32, _>(prompt(), json!([])).await, Ok(1));
    }
    assert_eq!(node.calls(), 3);
    // What may take its time is waited for.
    let waits = rpc.call(Call::new("getblocktemplate").timeout(Duration::from_secs(3)), json!([])).await;
    assert!(matches!(waits, Err(RpcError::Timeout { .. })), "{waits:?}");
}

#[tokio::test]
async fn after_a_refused_login_the_login_is_read_anew() {
    // Behind a proxy that keeps connections: a node that was restarted has another cookie.
    let node = ScriptedNode::start(|asked| match (asked.before, asked.before_here) {
        (0, _) => Reply::Body(401, String::new()),
        (_, 0) => Reply::Result(json!(1)),
        _ => Reply::Body(401, String::new()),
    })
    .await;
    let rpc = Rpc::new(node.rpc_config());
    assert!(matches!(rpc.call(Call::new("x"), json!([])).await, Err(RpcError::Unauthorized { .. })));
    assert_eq!(rpc.call_as::<u32, _>(Call::new("x"), json!([])).await, Ok(1));
}

#[tokio::test]
async fn a_call_on_its_own_connection_is_sent_once() {
    let node = ScriptedNode::start(|_| Reply::Cut).await;
    let rpc = Rpc::new(node.rpc_config());
    assert!(rpc.call(Call::new("submitblock").own_connection(), json!(["00"])).await.is_err());
    assert_eq!(node.calls(), 1);
}

#[tokio::test]
async fn own_connections_do_not_wait_for_others() {
    let node =
        ScriptedNode::start(|asked| if asked.method == "slow" { Reply::Hang } else { Reply::Result(json!(7)) }).await;
    let rpc = std::sync::Arc::new(Rpc::new(node.rpc_config()));
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let rpc = std::sync::Arc::clone(&rpc);
        slow.spawn(async move { rpc.call(Call::new("slow"), json!([])).await });
    }
    while node.calls() < mpos_stratum::node::rpc::CALLS_MAX {
        tokio::task::yield_now().await;
    }
    // All shared places are taken: such a call waits, the other does not.
    let waits = rpc.call(Call::new("quick").timeout(Duration::from_millis(50)), json!([])).await;
    assert!(matches!(waits, Err(RpcError::Timeout { .. })));
    assert_eq!(rpc.call_as::<u32, _>(Call::new("quick").own_connection(), json!([])).await, Ok(7));
    assert_eq!(node.calls(), mpos_stratum::node::rpc::CALLS_MAX + 1);
}

#[tokio::test]
async fn secrets_are_in_no_text() {
    let node = ScriptedNode::start(|_| Reply::Body(401, String::new())).await;
    let nodes = Nodes::new(&[node.rpc_config()]);
    let error = nodes.all()[0].rpc.call(Call::new("x"), json!([])).await.unwrap_err();
    let text = format!("{nodes:?} {error:?} {error}");
    assert!(!text.contains("pool-secret"), "{text}");
    // Nor the encoded form of the login.
    assert!(!text.contains("cG9vbDpwb29sLXNlY3JldA"), "{text}");
}

#[tokio::test]
async fn the_next_node_answers_when_the_first_does_not() {
    let first = ScriptedNode::start(|_| Reply::Cut).await;
    let starting = ScriptedNode::start(|_| Reply::Error(-28, "Verifying blocks...")).await;
    let last = ScriptedNode::start(|asked| Reply::Result(asked.params.clone())).await;
    let nodes = Nodes::new(&[first.rpc_config(), starting.rpc_config(), last.rpc_config()]);
    let question = |node: std::sync::Arc<mpos_stratum::node::nodes::Node>| async move {
        node.rpc.call_as::<Value, _>(Call::new("x"), json!([5])).await
    };
    assert_eq!(nodes.ask(question).await, Some(Ok(json!([5]))));
    // A node's own error is an answer.
    let refusing = ScriptedNode::start(|_| Reply::Error(-5, "no")).await;
    let nodes = Nodes::new(&[refusing.rpc_config(), last.rpc_config()]);
    assert_eq!(nodes.ask(question).await.unwrap().unwrap_err().code(), Some(-5));
}
