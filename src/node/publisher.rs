//! Where the watchers of all nodes meet: decides whose template the miners get, without I/O.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::nodes::Nodes;
use super::tip::{NodeState, Source, Work};
use crate::clock::Clock;
use crate::work::template::Template;

/// How long the work of a failed node is kept when all that could replace it is lower: the others
/// may be about to catch up, and the failed node about to return. Then the best of them is taken.
pub const LOWER_HOLD: Duration = Duration::from_secs(10);

/// The last template of a node.
#[derive(Debug, Clone)]
struct Latest {
    template: Arc<Template>,
    source: Source,
    at: Duration,
}

#[derive(Debug)]
struct Board {
    /// By node: its last template, if it is ready.
    latest: Vec<Option<Latest>>,
    /// The node whose template is published.
    current: Option<usize>,
    /// When the current node stopped being ready.
    lost_at: Option<Duration>,
    /// When the published template was last replaced on the same tip.
    renewed_at: Duration,
}

/// Publishes the coin's [`Work`].
pub(super) struct Publisher {
    nodes: Nodes,
    clock: Arc<dyn Clock>,
    /// Least time between two templates on the same tip.
    refresh: Duration,
    board: Mutex<Board>,
    work: watch::Sender<Work>,
}

impl Publisher {
    pub(super) fn new(nodes: Nodes, clock: Arc<dyn Clock>, refresh: Duration) -> Self {
        let state = match nodes.all().first() {
            Some(node) => node.state(),
            None => NodeState::Refused { reason: "the coin has no node; add one to its configuration".into() },
        };
        let board =
            Board { latest: vec![None; nodes.all().len()], current: None, lost_at: None, renewed_at: Duration::ZERO };
        let (work, _) = watch::channel(Work {
            template: None,
            tip_seq: 0,
            fetched_at: Duration::ZERO,
            source: Source::Poll,
            state,
            node: nodes.all().first().map(|node| node.name().to_owned()).unwrap_or_default(),
        });
        Self { nodes, clock, refresh, board: Mutex::new(board), work }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Work> {
        self.work.subscribe()
    }

    /// A node gave a template.
    pub(super) fn offer(&self, index: usize, template: Arc<Template>, source: Source) {
        let at = self.clock.monotonic();
        self.update(index, NodeState::Ready, |slot| *slot = Some(Latest { template, source, at }));
    }

    /// A node's tip is the one of its last template.
    pub(super) fn unchanged(&self, index: usize) {
        self.update(index, NodeState::Ready, |_| ());
    }

    /// A node gives no templates.
    pub(super) fn failed(&self, index: usize, state: NodeState) {
        self.update(index, state, |slot| *slot = None);
    }

    fn update(&self, index: usize, state: NodeState, change: impl FnOnce(&mut Option<Latest>)) {
        let now = self.clock.monotonic();
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = self.nodes.all().get(index) {
            node.set_state(state);
        }
        if let Some(slot) = board.latest.get_mut(index) {
            change(slot);
        }
        let published = self.work.borrow().template.clone();
        board.choose(published.as_deref().map_or(0, |template| template.height), now);
        self.publish(&mut board, now);
    }

    fn publish(&self, board: &mut Board, now: Duration) {
        let chosen = board.current.and_then(|index| Some((index, board.latest.get(index)?.clone()?)));
        self.work.send_if_modified(|work| {
            let Some((index, latest)) = chosen else {
                return self.publish_state(board, work);
            };
            let ready = work.state.is_ready();
            let name = self.nodes.all().get(index).map_or("", |node| node.name());
            work.state = NodeState::Ready;
            if work.node != name {
                name.clone_into(&mut work.node);
            }
            let new_tip = work.template.as_ref().is_none_or(|old| old.previous != latest.template.previous);
            if new_tip {
                work.tip_seq += 1;
            } else if !self.worth_publishing(board, work, &latest, now) {
                // A template just like the published one shows that this is still good.
                if work.template.as_ref().is_some_and(|old| old.same_header(&latest.template)) {
                    work.fetched_at = work.fetched_at.max(latest.at);
                }
                return !ready;
            }
            tracing::info!(
                node = name,
                height = latest.template.height,
                tip_seq = work.tip_seq,
                transactions = latest.template.transactions.len(),
                source = ?latest.source,
                new_tip,
                "new template"
            );
            work.template = Some(latest.template);
            work.fetched_at = latest.at;
            work.source = latest.source;
            board.renewed_at = now;
            true
        });
    }

    /// Whether a template on the same tip is worth new jobs: at once if the header must differ (a
    /// coin that adjusts difficulty by the clock), else once in a refresh interval, if it brings other
    /// transactions or a noticeably later time.
    fn worth_publishing(&self, board: &Board, work: &Work, latest: &Latest, now: Duration) -> bool {
        let Some(old) = &work.template else { return true };
        if Arc::ptr_eq(old, &latest.template) {
            return false;
        }
        if !old.same_header(&latest.template) {
            return true;
        }
        let later = latest.template.curtime.saturating_sub(old.curtime);
        now.saturating_sub(board.renewed_at) >= self.refresh
            && (!old.same_block(&latest.template) || u64::from(later) >= self.refresh.as_secs())
    }

    /// Nothing to mine on that is new: only the state can have changed. True if it has.
    fn publish_state(&self, board: &Board, work: &mut Work) -> bool {
        let Some(node) = self.nodes.all().get(board.current.unwrap_or(0)) else { return false };
        let state = node.state();
        if state == work.state && node.name() == work.node {
            return false;
        }
        work.state = state;
        node.name().clone_into(&mut work.node);
        true
    }
}

impl Board {
    fn height(&self, index: usize) -> Option<u32> {
        self.latest.get(index)?.as_ref().map(|latest| latest.template.height)
    }

    /// The node to believe now. `published` is the height being mined on.
    fn choose(&mut self, published: u32, now: Duration) {
        let ready: Vec<(usize, u32)> =
            (0..self.latest.len()).filter_map(|index| Some((index, self.height(index)?))).collect();
        // The first in order of preference that does not lead back.
        let level = ready.iter().find(|(_, height)| *height >= published).map(|(index, _)| *index);
        if let Some(current) = self.current
            && self.height(current).is_some()
        {
            // The current node is followed wherever it goes, also back in a reorganisation.
            self.lost_at = None;
            if let Some(better) = level.filter(|level| *level < current) {
                self.current = Some(better);
            }
            return;
        }
        if level.is_some() {
            (self.current, self.lost_at) = (level, None);
            return;
        }
        let lost_at = *self.lost_at.get_or_insert(now);
        if now.saturating_sub(lost_at) >= LOWER_HOLD {
            // The highest; of equals the most preferred.
            let highest = ready.into_iter().max_by_key(|(index, height)| (*height, Reverse(*index)));
            if let Some((index, _)) = highest {
                (self.current, self.lost_at) = (Some(index), None);
            }
        }
    }
}
