//! What the rest of the house sees of the nodes: the tip and the template to mine on.

use std::sync::Arc;
use std::time::Duration;

use crate::work::template::Template;

/// How a node is, as far as templates are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// It gives templates.
    Ready,
    /// It answers, but is starting, catching up or without peers.
    Syncing {
        /// The node's words.
        problem: String,
    },
    /// It does not answer.
    Unreachable {
        /// What was tried and what happened.
        problem: String,
    },
    /// It answers, but nothing can be mined until somebody changes something: the login is wrong,
    /// the template has a rule this daemon does not know, or cannot be read.
    Refused {
        /// What is wrong and what to do.
        reason: String,
    },
}

impl NodeState {
    /// True for [`NodeState::Ready`].
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

/// What led to a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Asking for the tip showed a new one, or it was the first question.
    Poll,
    /// BIP22 long polling.
    Longpoll,
    /// The tip is the same; new transactions were due.
    Refresh,
    /// Somebody said that there is news.
    Kick,
}

/// The work of a coin at one moment.
#[derive(Debug, Clone)]
pub struct Work {
    /// What to mine on; `None` until a node gave the first template. It stays when nodes fail: how
    /// long it may be used is the reader's decision, by `fetched_at`.
    pub template: Option<Arc<Template>>,
    /// Grows by one exactly when the block to build on changes; 0 before the first template.
    pub tip_seq: u64,
    /// When a node last gave this template or one just like it, on [`crate::clock::Clock::monotonic`].
    /// It moves without waking the watchers.
    pub fetched_at: Duration,
    /// What led to `template`.
    pub source: Source,
    /// The state of the node the template is from; if that is not ready, of the node that is to
    /// take its place.
    pub state: NodeState,
    /// The name of that node.
    pub node: String,
}
