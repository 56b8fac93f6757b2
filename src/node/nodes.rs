//! All nodes of a coin, with what is known about each.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::error::RpcError;
use super::rpc::Rpc;
use super::tip::NodeState;
use crate::bytes::Hash;
use crate::config::{self, NodeWays};

/// Blocks on their way to a peer connection; when more wait, the oldest is left to `submitblock`.
const PUSHED_MAX: usize = 8;

/// Why a node that answers is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aside {
    /// It is behind, on the same chain.
    Lagging {
        /// Where it is and where the others are.
        reason: String,
    },
    /// It is on another chain, or says what cannot be so: neither its templates nor its words about
    /// blocks count.
    Distrusted {
        /// What was seen.
        reason: String,
    },
}

impl Aside {
    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Self::Lagging { reason } | Self::Distrusted { reason } => reason,
        }
    }
}

/// Whether a node's chain is that of the coin's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Nobody has looked, and nothing is mined yet.
    Unasked,
    /// Nobody has looked, and the coin is mined on others: the node does not count.
    Awaited,
    /// It is.
    Proven,
    /// It is not.
    Misfit {
        /// What does not fit.
        reason: String,
    },
}

/// What is known about a node at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    state: NodeState,
    fit: Fit,
    aside: Option<Aside>,
    height: Option<u32>,
    /// The first block of its chain when it was last asked.
    first_block: Option<Hash>,
    /// Where it is listened to for new blocks by ZMQ.
    zmq: Option<(String, u16)>,
}

/// A node and its state.
#[derive(Debug)]
pub struct Node {
    /// As it is configured.
    config: config::Node,
    /// Its RPC.
    pub rpc: Rpc,
    /// How else it can be reached.
    pub(super) ways: NodeWays,
    known: Mutex<Known>,
    /// Blocks for its peer-to-peer connection, while there is one.
    pushed: broadcast::Sender<Arc<str>>,
}

impl Node {
    fn new(node: &config::Node, fit: Fit) -> Self {
        let state = NodeState::Unreachable { problem: "it was not asked yet".into() };
        Self {
            config: node.clone(),
            rpc: Rpc::new(node.clone()),
            ways: node.ways.clone(),
            known: Mutex::new(Known { state, fit, aside: None, height: None, first_block: None, zmq: None }),
            pushed: broadcast::Sender::new(PUSHED_MAX),
        }
    }

    /// The node's name, for logs.
    pub fn name(&self) -> &str {
        self.rpc.name()
    }

    /// Where its RPC is.
    pub(super) fn host(&self) -> &str {
        &self.config.host
    }

    /// How long a call to it may take, unless the call says otherwise.
    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it was when it was last asked for a template.
    pub fn state(&self) -> NodeState {
        self.known().state.clone()
    }

    /// Why it is not believed, if so.
    pub fn aside(&self) -> Option<Aside> {
        self.known().aside.clone()
    }

    /// Why its words about blocks do not count, if so.
    pub(super) fn distrust(&self) -> Option<String> {
        if let Some(NodeState::Syncing { problem: reason } | NodeState::Refused { reason }) = self.held_back() {
            return Some(reason);
        }
        match self.aside() {
            Some(Aside::Distrusted { reason }) => Some(format!("set aside: {reason}")),
            Some(Aside::Lagging { .. }) | None => None,
        }
    }

    /// Whether it is known to be on another chain: that it has a block decides nothing. One that was not proven yet and
    /// takes a block of ours shows by that where it is.
    pub(super) fn is_elsewhere(&self) -> bool {
        let known = self.known();
        matches!(known.fit, Fit::Misfit { .. }) || matches!(known.aside, Some(Aside::Distrusted { .. }))
    }

    /// Whether its chain is that of the coin's profile.
    pub fn fit(&self) -> Fit {
        self.known().fit.clone()
    }

    /// Notes whether it is.
    pub fn set_fit(&self, fit: Fit) {
        self.known().fit = fit;
    }

    /// How it is while its chain is not known to be that of the coin's profile.
    pub(super) fn held_back(&self) -> Option<NodeState> {
        match &self.known().fit {
            Fit::Unasked | Fit::Proven => None,
            Fit::Awaited => {
                Some(NodeState::Syncing { problem: "its chain is yet to be held against the coin's profile".into() })
            }
            Fit::Misfit { reason } => Some(NodeState::Refused { reason: reason.clone() }),
        }
    }

    /// The node alone, over connections of its own.
    pub fn apart(&self) -> Nodes {
        Nodes::new(std::slice::from_ref(&self.config))
    }

    /// Ready, and not set aside.
    pub(super) fn is_believed(&self) -> bool {
        let known = self.known();
        known.state.is_ready() && known.aside.is_none()
    }

    /// One phrase for people: how it is and how high.
    pub fn summary(&self) -> String {
        let known = self.known();
        let height = known.height.map_or_else(String::new, |height| format!(" at {height}"));
        match (&known.aside, &known.state) {
            (Some(aside), NodeState::Ready) => format!("{} set aside: {}", self.name(), aside.reason()),
            (_, NodeState::Ready) => format!("{} ready{height}", self.name()),
            (_, NodeState::Syncing { problem }) => format!("{} syncing: {problem}", self.name()),
            (_, NodeState::Unreachable { problem }) => format!("{} away: {problem}", self.name()),
            (_, NodeState::Refused { reason }) => format!("{} of no use: {reason}", self.name()),
        }
    }

    /// Sends a solved block, in hexadecimal, to its peer-to-peer port. False: there is no connection.
    pub(super) fn push_block(&self, hex: &Arc<str>) -> bool {
        self.pushed.send(Arc::clone(hex)).is_ok()
    }

    /// For the peer connection while it stands.
    pub(super) fn pushed_blocks(&self) -> broadcast::Receiver<Arc<str>> {
        self.pushed.subscribe()
    }

    /// How high it was when that was last seen.
    pub fn height(&self) -> Option<u32> {
        self.known().height
    }

    pub(super) fn set_height(&self, height: u32) {
        self.known().height = Some(height);
    }

    /// Notes the first block of its chain; returns what it was before, if it was known.
    pub(super) fn set_first_block(&self, now: Hash) -> Option<Hash> {
        self.known().first_block.replace(now)
    }

    /// Where it is listened to for new blocks by ZMQ, by configuration or its own word; `None`: nowhere.
    pub fn zmq_place(&self) -> Option<(String, u16)> {
        self.known().zmq.clone()
    }

    pub(super) fn set_zmq_place(&self, place: Option<(String, u16)>) {
        self.known().zmq = place;
    }

    /// Whether it is listened to as its peer.
    pub fn is_peer(&self) -> bool {
        self.ways.peer.is_some()
    }

    /// Sets it aside or takes it back, and logs a change.
    pub(super) fn set_aside(&self, aside: Option<Aside>) {
        let mut known = self.known();
        match (&known.aside, &aside) {
            (None, None) => return,
            (_, Some(Aside::Lagging { reason })) if !matches!(known.aside, Some(Aside::Lagging { .. })) => {
                tracing::warn!(node = self.name(), reason, "node is set aside");
            }
            (old, Some(Aside::Distrusted { reason })) if old != &aside => {
                tracing::error!(node = self.name(), reason, "node is set aside");
            }
            (Some(_), None) => tracing::info!(node = self.name(), "node is taken back"),
            _ => (),
        }
        known.aside = aside;
    }

    /// Notes how it is, and logs a change of kind; progress is logged by who watches it.
    pub(super) fn set_state(&self, state: NodeState) {
        let mut known = self.known();
        if known.state == state {
            return;
        }
        let is_progress = matches!((&known.state, &state), (NodeState::Syncing { .. }, NodeState::Syncing { .. }));
        match &state {
            NodeState::Ready => tracing::info!(node = self.name(), "node is ready"),
            NodeState::Syncing { .. } if is_progress => (),
            NodeState::Syncing { problem } => tracing::warn!(node = self.name(), problem, "node is not ready yet"),
            NodeState::Unreachable { problem } => tracing::warn!(node = self.name(), problem, "node does not answer"),
            NodeState::Refused { reason } => tracing::error!(node = self.name(), reason, "node cannot be mined on"),
        }
        known.state = state;
    }
}

/// Nodes, in order of preference.
type List = Arc<[Arc<Node>]>;

/// All nodes of a coin, in order of preference. Clones are the same nodes, also when they change.
#[derive(Debug, Clone)]
pub struct Nodes {
    nodes: Arc<RwLock<List>>,
    /// A node that comes now does not count before its chain was proven.
    strict: Arc<AtomicBool>,
    /// The chain of at least one was proven.
    proven: Arc<watch::Sender<bool>>,
    /// Tells that there are others now.
    changed: Arc<watch::Sender<()>>,
    /// The first block of ours at the greatest height of one.
    own: Arc<Mutex<Option<(u32, Hash)>>>,
}

impl Nodes {
    /// Nodes nobody has asked yet.
    pub fn new(nodes: &[config::Node]) -> Self {
        Self::fixed(nodes.iter().map(|node| Arc::new(Node::new(node, Fit::Unasked))).collect())
    }

    fn fixed(nodes: List) -> Self {
        Self {
            nodes: Arc::new(RwLock::new(nodes)),
            strict: Arc::default(),
            proven: Arc::default(),
            changed: Arc::default(),
            own: Arc::default(),
        }
    }

    /// The nodes, in the order of the configuration.
    pub fn all(&self) -> List {
        Arc::clone(&self.nodes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The nodes as they are now: these do not change, so that they can be told by their places.
    pub fn as_now(&self) -> Self {
        let Self { strict, proven, own, .. } = self.clone();
        Self { strict, proven, own, ..Self::fixed(self.all()) }
    }

    /// The nodes whose chain was not found to be another coin's, as they are now.
    pub(super) fn fitting(&self) -> Self {
        let Self { strict, proven, own, .. } = self.clone();
        let fits = |node: &&Arc<Node>| !matches!(node.fit(), Fit::Misfit { .. });
        Self { strict, proven, own, ..Self::fixed(self.all().iter().filter(fits).cloned().collect()) }
    }

    /// The chain of at least one was proven: what that one says about blocks can be believed.
    pub fn note_proven(&self) {
        self.proven.send_replace(true);
    }

    /// Whether the chain of one was proven.
    pub fn is_proven(&self) -> bool {
        *self.proven.borrow()
    }

    /// Ready when the chain of one was proven.
    pub async fn proven(&self) {
        // The sender is ours.
        let _ = self.proven.subscribe().wait_for(|&proven| proven).await;
    }

    /// Tells of every change of the nodes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// From now on a node counts only once its chain was proven.
    pub(super) fn hold_back_unproven(&self) {
        self.strict.store(true, Ordering::SeqCst);
        self.all().iter().filter(|node| node.fit() == Fit::Unasked).for_each(|node| node.set_fit(Fit::Awaited));
    }

    /// A block of ours was found, just now.
    pub fn note_own(&self, height: u32, hash: Hash) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none_or(|(known, _)| height > known) {
            *own = Some((height, hash));
        }
    }

    /// Whether it is the first block of ours at its height, and none was found above.
    pub(super) fn is_first_of_ours(&self, height: u32, hash: &Hash) -> bool {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) == Some((height, *hash))
    }

    /// From now on these are the nodes. What is known of one that stays as it is, is kept.
    pub(super) fn change(&self, nodes: &[config::Node]) {
        let before = self.all();
        let same = |node: &config::Node| before.iter().find(|known| known.config == *node).map(Arc::clone);
        let fit = if self.strict.load(Ordering::SeqCst) { Fit::Awaited } else { Fit::Unasked };
        // Another login or way does not make it another chain.
        let at = |node: &config::Node| before.iter().find(|old| old.config.is_at(node)).map(|old| old.fit());
        let new = |node| Arc::new(Node::new(node, at(node).unwrap_or_else(|| fit.clone())));
        let after = nodes.iter().map(|node| same(node).unwrap_or_else(|| new(node))).collect();
        *self.nodes.write().unwrap_or_else(PoisonError::into_inner) = after;
        self.changed.send_replace(());
    }

    /// Asks one node after the other, those that are ready and believed first, until one answers. An error the
    /// node itself answered with is an answer, except that it is still starting or catching up.
    /// `None` if there are no nodes.
    pub async fn ask<T, F, A>(&self, question: F) -> Option<Result<T, RpcError>>
    where
        F: Fn(Arc<Node>) -> A,
        A: Future<Output = Result<T, RpcError>>,
    {
        let nodes = self.all();
        let (ready, others): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.is_believed());
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
