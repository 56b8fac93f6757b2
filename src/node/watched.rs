//! One node as seen by the two tasks that watch it, and where both hand in what they learnt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::bell::Bell;
use super::error::RpcError;
use super::nodes::Node;
use super::publisher::Publisher;
use super::tip::{NodeState, Source};
use crate::bytes::Hash;
use crate::chain::form::ChainForm;
use crate::work::template::{Template, TemplateError};

/// So far ahead of this machine's clock may a node's be before that is told: the network refuses blocks whose time is two
/// hours ahead, and miners add some of their own.
const AHEAD_SECS: u64 = 5400;

/// One node being watched, shared by its poller and its long poll.
pub(super) struct Watch {
    /// Its place in the order of preference.
    pub(super) index: usize,
    pub(super) node: Arc<Node>,
    /// How the coin's templates are asked for and read.
    pub(super) form: Arc<ChainForm>,
    pub(super) publisher: Arc<Publisher>,
    /// Its last template; `None` while it is not ready.
    pub(super) latest: watch::Sender<Option<Arc<Template>>>,
    pub(super) bell: Arc<Bell>,
    /// Its clock is told to be far ahead of this machine's.
    pub(super) is_ahead: AtomicBool,
}

impl Watch {
    pub(super) fn name(&self) -> &str {
        self.node.name()
    }

    /// A template by long polling; the error is for a log line.
    pub(super) async fn longpoll(&self, id: &str, call_max: Duration) -> Result<Arc<Template>, String> {
        let json = self.node.rpc.longpoll(&self.form, id, call_max).await.map_err(|error| error.to_string())?;
        Template::from_json(json.get(), &self.form).map(Arc::new).map_err(|error| error.to_string())
    }

    /// A template now.
    pub(super) async fn fetch(&self) -> Result<Arc<Template>, NodeState> {
        let json = match self.node.rpc.block_template(&self.form).await {
            Ok(json) => json,
            Err(error) => return Err(self.state_of(&error).await),
        };
        Template::from_json(json.get(), &self.form).map(Arc::new).map_err(|error| {
            let words = format!("node {}: {error}", self.name());
            match error {
                // It ends by itself, with a block of somebody else's.
                TemplateError::Paused => NodeState::Syncing { problem: words },
                _ => NodeState::Refused { reason: words },
            }
        })
    }

    /// Hands in a template that was asked for when the tip was `base`. If the other of the two tasks
    /// has seen a third tip meanwhile, nobody knows which is newer: then it is dropped and the node
    /// asked again.
    pub(super) fn offer(&self, base: Option<Hash>, template: Arc<Template>, source: Source) {
        if self.node.held_back().is_some() {
            // Its poller says so.
            return;
        }
        self.hold_against_clock(&template);
        let mut dropped = false;
        self.latest.send_if_modified(|latest| {
            let held = latest.as_ref().map(|held| held.previous);
            if template.particulars.is_provisional && held != base {
                // The other task was faster with the node's own.
                return false;
            }
            dropped = held.is_some() && held != base && held != Some(template.previous);
            if !dropped {
                *latest = Some(Arc::clone(&template));
                self.publisher.offer(self.index, template, source);
            }
            !dropped
        });
        if dropped {
            self.bell.ring(Source::Kick, None);
        }
    }

    /// Tells when the node's clock gets far ahead of this machine's, and when it is not so any more. Its work is good as long
    /// as it is the node that is right, which nobody here can know.
    fn hold_against_clock(&self, template: &Template) {
        let ahead_secs = u64::from(template.curtime).saturating_sub(self.bell.unix_secs());
        // The time of a block is above that of those below it, whatever the clock.
        let is_ahead = ahead_secs > AHEAD_SECS && template.curtime > template.mintime;
        if self.is_ahead.swap(is_ahead, Ordering::Relaxed) == is_ahead {
            return;
        }
        match is_ahead {
            true => tracing::error!(
                node = self.name(),
                ahead_secs,
                "the node's clock is ahead of this machine's: if it is the wrong one, the network refuses the blocks that are \
                 made with its time; set the clock that is wrong"
            ),
            false => tracing::info!(node = self.name(), "the node's clock agrees with this machine's again"),
        }
    }

    /// The node gives no templates; `tip` is what it builds on, if it could still be asked.
    pub(super) fn fail(&self, state: NodeState, tip: Option<Hash>) {
        self.latest.send_replace(None);
        self.publisher.failed(self.index, state, tip);
    }

    /// What an error says about the node.
    pub(super) async fn state_of(&self, error: &RpcError) -> NodeState {
        let words = error.to_string();
        match error {
            RpcError::Node { .. } if error.is_stake_only() => NodeState::Refused {
                reason: format!("{words}; this coin's blocks are made by staking alone, there is nothing to mine"),
            },
            RpcError::Unreachable { .. } | RpcError::Timeout { .. } | RpcError::BadAnswer { .. } => {
                NodeState::Unreachable { problem: words }
            }
            RpcError::Unauthorized { .. } | RpcError::TooLarge { .. } => NodeState::Refused { reason: words },
            RpcError::Node { .. } if error.is_warming_up() || error.is_syncing() => {
                NodeState::Syncing { problem: self.node.rpc.with_progress(error).await }
            }
            RpcError::Node { .. } => NodeState::Refused { reason: words },
        }
    }
}
