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

/// Who said first that there is a new tip, or what else led to a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Asking for the tip showed a new one, or it was the first question.
    Poll,
    /// BIP22 long polling.
    Longpoll,
    /// The node published it by ZMQ.
    Zmq,
    /// The node announced it to us as its peer.
    Peer,
    /// `mpos-stratum notify`, as the node's `blocknotify` command.
    Blocknotify,
    /// A line on the TCP port that NOMP's `blocknotify` command writes to.
    NompLine,
    /// `mining.update_block` on a stratum port, as stratum-mining's `blocknotify` script sends it.
    UpdateBlock,
    /// The tip is the same; new transactions were due.
    Refresh,
    /// A block of ours was accepted, or something else in this process wants a look.
    Kick,
}

impl Source {
    /// Those that bring news of a tip, in the order in which they are shown.
    pub const OF_TIPS: [Self; 7] =
        [Self::Poll, Self::Longpoll, Self::Zmq, Self::Peer, Self::Blocknotify, Self::NompLine, Self::UpdateBlock];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "polling",
            Self::Longpoll => "longpoll",
            Self::Zmq => "zmq",
            Self::Peer => "p2p",
            Self::Blocknotify => "blocknotify",
            Self::NompLine => "nomp line",
            Self::UpdateBlock => "update_block",
            Self::Refresh => "refresh",
            Self::Kick => "own block",
        }
    }

    /// Its place in [`Source::OF_TIPS`].
    pub(super) fn index(self) -> Option<usize> {
        Self::OF_TIPS.iter().position(|source| *source == self)
    }
}

/// What the daemon's last life was mining on: tips go on being counted from there.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The template.
    pub template: Option<Arc<Template>>,
    /// The tip's number.
    pub tip_seq: u64,
    /// When a node last gave the template.
    pub fetched_at: Duration,
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
