//! Why the templates of a node that answers do not count yet: its chain is another than before, it is still catching up,
//! or it went back.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::nodes::{Fit, Node};
use super::publisher::LOWER_HOLD;
use super::queries::Place;
use super::tip::NodeState;
use crate::bytes::{Hash, display_hash};
use crate::work::template::Template;

/// So much older than its time must the blocks below a template be before the node is asked whether it catches up. Blocks
/// of Bitcoin are an hour old in the median of the last eleven.
const OLD_SECS: u32 = 7200;
/// So many blocks may a node have heard of without having taken them over.
const BEHIND_MAX: u64 = 6;
/// How long a node that is behind is waited for without a step of its own: it may have heard of a chain that it refuses.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// Longest time of a question that a template waits for: without an answer there is no doubt.
const ASK_MAX: Duration = Duration::from_secs(2);

/// Whether a node has heard of more blocks than it has.
#[derive(Debug, Clone, Copy)]
enum Behind {
    No,
    /// How many blocks it has, and since when.
    At(u64, Instant),
    /// It was waited for: what it has heard of is not its chain.
    InVain,
}

/// What is doubted about a node, by the task that polls it.
#[derive(Debug)]
pub(super) struct Doubts {
    /// It was away since it was last asked for its first block, or never asked.
    was_away: bool,
    behind: Behind,
    /// Since when it names a lower tip.
    back_since: Option<Instant>,
}

impl Default for Doubts {
    fn default() -> Self {
        Self { was_away: true, behind: Behind::No, back_since: None }
    }
}

impl Doubts {
    /// The node did not answer.
    pub(super) fn was_away(&mut self) {
        self.was_away = true;
        self.behind = Behind::No;
    }

    /// A node that comes back may have another chain than the one it was proven by: its first block tells.
    pub(super) async fn is_the_same(&mut self, node: &Node) -> Result<(), NodeState> {
        if !self.was_away {
            return Ok(());
        }
        let first = match timeout(ASK_MAX, node.rpc.hash_at(0)).await {
            Ok(Ok(first)) => first,
            // One that does not tell cannot be held to it.
            Ok(Err(error)) => {
                self.was_away = error.code().is_none();
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        self.was_away = false;
        let before = node.set_first_block(first).filter(|before| *before != first);
        let Some(before) = before.filter(|_| node.fit() == Fit::Proven) else { return Ok(()) };
        let reason = format!(
            "its chain begins with block {}, before it was away with {}: it is another chain's node now",
            display_hash(&first),
            display_hash(&before)
        );
        // It is held against the profile again, in case that is what the operator wants.
        node.set_fit(Fit::Misfit { reason: reason.clone() });
        Err(NodeState::Refused { reason })
    }

    /// Whether the node is still taking over blocks that it has heard of; then its template is for one that was found
    /// long ago.
    pub(super) async fn is_up_to_date(&mut self, node: &Node, template: &Template) -> Result<(), NodeState> {
        if template.curtime.saturating_sub(template.mintime) < OLD_SECS {
            self.behind = Behind::No;
            return Ok(());
        }
        let Ok(Some((blocks, headers))) = timeout(ASK_MAX, node.rpc.blocks_and_headers()).await else {
            return Ok(());
        };
        if headers.saturating_sub(blocks) <= BEHIND_MAX {
            self.behind = Behind::No;
            return Ok(());
        }
        let since = match self.behind {
            Behind::InVain => return Ok(()),
            Behind::At(before, since) if before == blocks => since,
            Behind::At(..) | Behind::No => Instant::now(),
        };
        if since.elapsed() >= STUCK_MAX {
            self.behind = Behind::InVain;
            return Ok(());
        }
        self.behind = Behind::At(blocks, since);
        Err(NodeState::Syncing { problem: format!("it is catching up: at block {blocks} of {headers}") })
    }

    /// Whether the node may be followed from the first template to the second. One that takes blocks back says so of the
    /// block it had; where it does not, two nodes may be answering in turn, and it is waited for which of them is right.
    pub(super) async fn may_follow(&mut self, node: &Node, held: Option<&Template>, new: &Template) -> bool {
        let Some(held) = held.filter(|held| new.height < held.height) else {
            self.back_since = None;
            return true;
        };
        let is_taken_back = match timeout(ASK_MAX, node.rpc.place_of(&held.previous)).await {
            Ok(Ok(place)) => place == Place::SideChain,
            // It has the block, and no chain that reaches so high.
            Ok(Err(error)) => error.code().is_some(),
            Err(_) => false,
        };
        let since = *self.back_since.get_or_insert_with(Instant::now);
        let may = is_taken_back || since.elapsed() >= LOWER_HOLD;
        if may {
            self.back_since = None;
        }
        may
    }

    /// The node has named the tip that is held.
    pub(super) fn is_back_at(&mut self, tip: Option<Hash>, held: Option<Hash>) {
        if tip.is_some() && tip == held {
            self.back_since = None;
        }
    }
}
