//! All nodes of a coin, with what is known about each.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::RpcError;
use super::rpc::Rpc;
use super::tip::NodeState;
use crate::config;

/// A node and its state.
#[derive(Debug)]
pub struct Node {
    /// Its RPC.
    pub rpc: Rpc,
    state: Mutex<NodeState>,
}

impl Node {
    /// The node's name, for logs.
    pub fn name(&self) -> &str {
        self.rpc.name()
    }

    /// How it was when it was last asked for a template.
    pub fn state(&self) -> NodeState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how it is, and logs a change.
    pub(super) fn set_state(&self, state: NodeState) {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *held == state {
            return;
        }
        match &state {
            NodeState::Ready => tracing::info!(node = self.name(), "node is ready"),
            NodeState::Syncing { problem } => tracing::warn!(node = self.name(), problem, "node is not ready yet"),
            NodeState::Unreachable { problem } => tracing::warn!(node = self.name(), problem, "node does not answer"),
            NodeState::Refused { reason } => tracing::error!(node = self.name(), reason, "node cannot be mined on"),
        }
        *held = state;
    }
}

/// All nodes of a coin, in order of preference.
#[derive(Debug, Clone)]
pub struct Nodes {
    nodes: Vec<Arc<Node>>,
}

impl Nodes {
    /// Nodes nobody has asked yet.
    pub fn new(nodes: &[config::Node]) -> Self {
        let unasked = NodeState::Unreachable { problem: "it was not asked yet".into() };
        let nodes = nodes
            .iter()
            .map(|node| Arc::new(Node { rpc: Rpc::new(node.clone()), state: Mutex::new(unasked.clone()) }))
            .collect();
        Self { nodes }
    }

    /// The nodes, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The first node that is ready; without one, the first; `None` if there are no nodes at all.
    pub fn preferred(&self) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.state().is_ready()).or(self.nodes.first())
    }

    /// Asks one node after the other, those that are ready first, until one answers. An error the
    /// node itself answered with is an answer, except that it is still starting or catching up.
    /// `None` if there are no nodes.
    pub async fn ask<T, F, A>(&self, question: F) -> Option<Result<T, RpcError>>
    where
        F: Fn(Arc<Node>) -> A,
        A: Future<Output = Result<T, RpcError>>,
    {
        let (ready, others): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|node| node.state().is_ready());
        let mut last = None;
        for node in ready.into_iter().chain(others) {
            match question(Arc::clone(node)).await {
                Err(error) if error.code().is_none() || error.is_warming_up() || error.is_syncing() => {
                    tracing::debug!(%error, "asking the next node");
                    last = Some(Err(error));
                }
                answer => return Some(answer),
            }
        }
        last
    }
}
