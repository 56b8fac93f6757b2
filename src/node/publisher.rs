//! Where the watchers of all nodes meet: decides whose template the miners get, without I/O.
//!
//! The best tip wins: most work where the nodes tell it, else the greatest height; of nodes on one tip the
//! most preferred. Nodes that [`super::agreement`] has set aside do not count.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::bell::Bell;
use super::nodes::{Aside, Nodes};
use super::tip::{NodeState, Past, Source, Work};
use crate::bytes::u256::U256;
use crate::bytes::{Hash, display_hash};
use crate::clock::Clock;
use crate::config;
use crate::work::template::Template;

/// How long the work of a failed node is kept when all that could replace it is lower: the others
/// may be about to catch up, and the failed node about to return. Then the best of them is taken.
pub const LOWER_HOLD: Duration = Duration::from_secs(10);

/// Tips whose chain's work is remembered; beyond it the oldest is forgotten.
const WORKS_MAX: usize = 32;

/// The last template of a node.
#[derive(Debug, Clone)]
struct Latest {
    template: Arc<Template>,
    source: Source,
    at: Duration,
}

/// A node that has blocks above all that anybody gives work on, and gives none itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beyond {
    /// Which node.
    pub(super) index: usize,
    /// Height of its tip.
    pub(super) height: u32,
    /// When it last said so.
    pub(super) seen_at: Duration,
}

#[derive(Debug)]
struct Board {
    /// Least time between two templates on the same tip.
    refresh: Duration,
    /// By node: its last template, if it is ready.
    latest: Vec<Option<Latest>>,
    /// By node: whether it is set aside.
    aside: Vec<bool>,
    /// By node: the tip it named although it gives no template on it.
    named: Vec<Option<Hash>>,
    /// A node that is above all work there is.
    beyond: Option<Beyond>,
    /// Height of the work that was taken down because the tip had moved on.
    taken_down: u32,
    /// By tip: the work of its chain, where a node told it.
    works: VecDeque<(Hash, U256)>,
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
    bell: Arc<Bell>,
    board: Mutex<Board>,
    work: watch::Sender<Work>,
}

impl Publisher {
    pub(super) fn new(nodes: Nodes, clock: Arc<dyn Clock>, refresh: Duration, bell: Arc<Bell>) -> Self {
        let state = match nodes.all().first() {
            Some(node) => node.state(),
            None => NodeState::Refused { reason: "the coin has no node; add one to its configuration".into() },
        };
        let board = Board {
            refresh,
            latest: vec![None; nodes.all().len()],
            aside: vec![false; nodes.all().len()],
            named: vec![None; nodes.all().len()],
            beyond: None,
            taken_down: 0,
            works: VecDeque::new(),
            current: None,
            lost_at: None,
            renewed_at: Duration::ZERO,
        };
        let (work, _) = watch::channel(Work {
            template: None,
            tip_seq: 0,
            fetched_at: Duration::ZERO,
            source: Source::Poll,
            state,
            node: nodes.all().first().map(|node| node.name().to_owned()).unwrap_or_default(),
        });
        Self { nodes, clock, bell, board: Mutex::new(board), work }
    }

    /// Goes on from what the daemon's last life was mining on.
    pub(super) fn going_on_from(self, past: Past) -> Self {
        self.work.send_modify(|work| {
            let Past { template, tip_seq, fetched_at } = past;
            if let Some(template) = &template {
                self.bell.tally().known(template.previous);
            }
            (work.template, work.tip_seq, work.fetched_at) = (template, tip_seq, fetched_at);
        });
        self
    }

    /// From now on these are the nodes. What one gave that stays as it is, still counts, and so does that it was set aside,
    /// unless it is the only one. Nobody may speak of the old ones by their places any more.
    pub(super) fn change(&self, nodes: &[config::Node], refresh: Duration) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.nodes.all();
        self.nodes.change(nodes);
        let after = self.nodes.all();
        if let [only] = &after[..] {
            only.set_aside(None);
        }
        let aside = after.iter().map(|node| node.aside().is_some()).collect();
        let latest = after.iter().map(|node| {
            let place = before.iter().position(|old| Arc::ptr_eq(old, node))?;
            board.latest.get(place)?.clone()
        });
        let latest = latest.collect();
        let current = board.current.and_then(|place| before.get(place));
        let current = current.and_then(|node| after.iter().position(|new| Arc::ptr_eq(new, node)));
        let place =
            |index: usize| after.iter().position(|new| before.get(index).is_some_and(|old| Arc::ptr_eq(old, new)));
        // Of a single node nobody would ever say that it is not so any more.
        let beyond = board.beyond.filter(|_| after.len() > 1);
        let beyond = beyond.and_then(|beyond| Some(Beyond { index: place(beyond.index)?, ..beyond }));
        (board.latest, board.aside, board.named, board.beyond) = (latest, aside, vec![None; after.len()], beyond);
        (board.current, board.lost_at, board.refresh) = (current, None, refresh);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Work> {
        self.work.subscribe()
    }

    /// A node gave a template.
    pub(super) fn offer(&self, index: usize, template: Arc<Template>, source: Source) {
        let at = self.clock.monotonic();
        self.update(index, NodeState::Ready, None, |slot| *slot = Some(Latest { template, source, at }));
    }

    /// A node's tip is the one of its last template.
    pub(super) fn unchanged(&self, index: usize) {
        self.update(index, NodeState::Ready, None, |_| ());
    }

    /// A node gives no templates; `tip` is what it builds on, if it could still be asked.
    pub(super) fn failed(&self, index: usize, state: NodeState, tip: Option<Hash>) {
        self.update(index, state, tip, |slot| *slot = None);
    }

    /// Sets a node aside or takes it back.
    pub(super) fn set_aside(&self, index: usize, aside: Option<Aside>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = board.aside.get_mut(index) {
            *slot = aside.is_some();
        }
        if let Some(node) = self.nodes.all().get(index) {
            node.set_aside(aside);
        }
        self.choose(&mut board);
    }

    /// From now on a node counts only once its chain was proven to be that of the coin's profile.
    pub(super) fn keep_to_proven(&self) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        self.nodes.hold_back_unproven();
        for (slot, node) in board.latest.iter_mut().zip(self.nodes.all().iter()) {
            slot.take_if(|_| node.held_back().is_some());
        }
        let current = board.current.and_then(|index| self.nodes.all().get(index).map(Arc::clone));
        if current.is_some_and(|node| node.held_back().is_some()) {
            board.current = None;
            self.work.send_modify(|work| {
                work.tip_seq += u64::from(work.template.take().is_some());
            });
        }
        self.choose(&mut board);
    }

    /// A node told how much work the chain up to a tip has.
    pub(super) fn learn_work(&self, tip: Hash, work: U256) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if board.work(&tip).is_none() {
            if board.works.len() == WORKS_MAX {
                board.works.pop_front();
            }
            board.works.push_back((tip, work));
            self.choose(&mut board);
        }
    }

    /// Whether the work of a tip's chain is known.
    pub(super) fn knows_work(&self, tip: &Hash) -> bool {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).work(tip).is_some()
    }

    /// Whether the first node's tip is better than the second's, set aside or not.
    pub(super) fn is_better(&self, one: usize, two: usize) -> bool {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).is_better(one, two)
    }

    /// By node: the tip of its last template and the height of that tip; `None` while it is not ready.
    pub(super) fn tips(&self) -> Vec<Option<(Hash, u32)>> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let tip = |latest: &Latest| (latest.template.previous, latest.template.height.saturating_sub(1));
        board.latest.iter().map(|latest| latest.as_ref().map(tip)).collect()
    }

    /// The node whose template is published.
    pub(super) fn current(&self) -> Option<usize> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).current
    }

    /// By node: the tip that it builds on although it gives no template.
    pub(super) fn named(&self) -> Vec<Option<Hash>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).named.clone()
    }

    /// The node that is above all work there is.
    pub(super) fn beyond(&self) -> Option<Beyond> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).beyond
    }

    /// Notes it: work on lower tips is taken down, and comes back when it is not so any more.
    pub(super) fn note_beyond(&self, beyond: Option<Beyond>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut board.beyond, beyond) != beyond {
            self.choose(&mut board);
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn update(&self, index: usize, state: NodeState, named: Option<Hash>, change: impl FnOnce(&mut Option<Latest>)) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = board.named.get_mut(index) {
            *slot = named;
        }
        let nodes = self.nodes.all();
        let held_back = nodes.get(index).and_then(|node| node.held_back()).filter(|_| state.is_ready());
        let counts = held_back.is_none();
        if let Some(node) = nodes.get(index) {
            node.set_state(held_back.unwrap_or(state));
        }
        if let Some(slot) = board.latest.get_mut(index) {
            change(slot);
            slot.take_if(|_| !counts);
            if let (Some(node), Some(latest)) = (self.nodes.all().get(index), slot) {
                node.set_height(latest.template.height.saturating_sub(1));
            }
        }
        self.choose(&mut board);
    }

    fn choose(&self, board: &mut Board) {
        let now = self.clock.monotonic();
        let published = self.work.borrow().template.clone();
        board.choose(published.as_deref().map_or(board.taken_down, |template| template.height), now);
        self.publish(board, now);
    }

    fn publish(&self, board: &mut Board, now: Duration) {
        let chosen = board.current.and_then(|index| Some((index, board.latest.get(index)?.clone()?)));
        let chosen = chosen.filter(|(_, latest)| !board.is_below(&latest.template));
        self.work.send_if_modified(|work| {
            let Some((index, latest)) = chosen else {
                let taken_down = self.take_down(board, work);
                return self.publish_state(board, work) || taken_down;
            };
            let ready = work.state.is_ready();
            let nodes = self.nodes.all();
            let name = nodes.get(index).map_or("", |node| node.name());
            work.state = NodeState::Ready;
            if work.node != name {
                name.clone_into(&mut work.node);
            }
            let new_tip = work.template.as_ref().is_none_or(|old| old.previous != latest.template.previous);
            if new_tip {
                self.count(work, latest.template.previous);
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

    /// The tip counts for those who told of it; what was there at the start is no news.
    fn count(&self, work: &Work, tip: Hash) {
        match work.template {
            None => self.bell.tally().known(tip),
            Some(_) => self.bell.confirm(tip),
        }
    }

    /// Whether a template on the same tip is worth new jobs: at once if the header must differ (a
    /// coin that adjusts difficulty by the clock), else once in a refresh interval, if it brings other
    /// transactions or a noticeably later time.
    fn worth_publishing(&self, board: &Board, work: &Work, latest: &Latest, now: Duration) -> bool {
        let Some(old) = &work.template else { return true };
        if Arc::ptr_eq(old, &latest.template) {
            return false;
        }
        if old.particulars.is_provisional != latest.template.particulars.is_provisional {
            return old.particulars.is_provisional;
        }
        if !old.same_header(&latest.template) {
            return true;
        }
        let later = latest.template.curtime.saturating_sub(old.curtime);
        now.saturating_sub(board.renewed_at) >= board.refresh
            && (!old.same_block(&latest.template) || u64::from(later) >= board.refresh.as_secs())
    }

    /// Where the node builds on another tip than the published one and nobody has a template for it, what is published is
    /// work on a tip of yesterday, whose blocks nobody takes. True if there was such work.
    fn take_down(&self, board: &mut Board, work: &mut Work) -> bool {
        let named = |index: usize| board.named.get(index).copied().flatten();
        let above = board.current.and_then(|index| Some((index, named(index)?)));
        let above = above.or_else(|| board.beyond.and_then(|beyond| Some((beyond.index, named(beyond.index)?))));
        let (Some(old), Some((index, tip))) = (&work.template, above) else { return false };
        if old.previous == tip {
            return false;
        }
        tracing::warn!(
            node = self.nodes.all().get(index).map_or("", |node| node.name()),
            tip = display_hash(&tip),
            "the tip has moved on and no node gives a template for the new one: the old work is taken down"
        );
        board.taken_down = old.height;
        work.template = None;
        work.tip_seq += 1;
        true
    }

    /// Nothing to mine on that is new: only the state can have changed. True if it has.
    fn publish_state(&self, board: &Board, work: &mut Work) -> bool {
        let nodes = self.nodes.all();
        let index = board.beyond.map(|beyond| beyond.index).or(board.current);
        let Some(node) = nodes.get(index.unwrap_or(0)) else { return false };
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
    fn template(&self, index: usize) -> Option<&Template> {
        self.latest.get(index)?.as_ref().map(|latest| &*latest.template)
    }

    fn work(&self, tip: &Hash) -> Option<U256> {
        self.works.iter().find(|(known, _)| known == tip).map(|(_, work)| *work)
    }

    /// Whether a template is for a block that is there already, on a node that gives no work.
    fn is_below(&self, template: &Template) -> bool {
        self.beyond.is_some_and(|beyond| template.height <= beyond.height)
    }

    fn is_aside(&self, index: usize) -> bool {
        self.aside.get(index).copied().unwrap_or(false)
    }

    /// Whether the first node's tip is better than the second's: its chain has more work, or where that
    /// is not known of both, it is higher.
    fn is_better(&self, one: usize, two: usize) -> bool {
        let (Some(one), Some(two)) = (self.template(one), self.template(two)) else { return false };
        if one.previous == two.previous {
            return false;
        }
        match (self.work(&one.previous), self.work(&two.previous)) {
            (Some(one), Some(two)) => one > two,
            _ => one.height > two.height,
        }
    }

    /// The best of some nodes in order of preference, of equals the most preferred.
    fn best(&self, among: impl Iterator<Item = usize>) -> Option<usize> {
        among.reduce(|best, next| if self.is_better(next, best) { next } else { best })
    }

    /// The node to mine on now. `published` is the height being mined on.
    fn choose(&mut self, published: u32, now: Duration) {
        let ready = (0..self.latest.len()).filter(|index| self.template(*index).is_some());
        let ready: Vec<usize> = ready.collect();
        let believed: Vec<usize> = ready.iter().copied().filter(|index| !self.is_aside(*index)).collect();
        if let Some(current) = self.current
            && believed.contains(&current)
        {
            // It is followed wherever it goes, also back in a reorganisation, unless another has more.
            // Of two that are equal on different chains the one seen first stays: work does not flap.
            self.lost_at = None;
            let best = self.best(std::iter::once(current).chain(believed.iter().copied())).unwrap_or(current);
            let tip = self.template(best).map(|template| template.previous);
            let has_it = |index: &usize| self.template(*index).map(|template| template.previous) == tip;
            let has_full =
                |index: &usize| has_it(index) && self.template(*index).is_some_and(|it| !it.particulars.is_provisional);
            let next = believed.iter().copied().find(has_full);
            self.current = next.or_else(|| believed.into_iter().find(has_it)).or(Some(best));
            return;
        }
        let level = |index: &usize| self.template(*index).is_some_and(|template| template.height >= published);
        // A node that was set aside is not waited for.
        let was_set_aside = self.current.is_some_and(|current| self.is_aside(current) && ready.contains(&current));
        let next = match was_set_aside {
            true => self.best(believed.iter().copied()),
            false => self.best(believed.iter().copied().filter(level)),
        };
        if next.is_some() {
            (self.current, self.lost_at) = (next, None);
            return;
        }
        if was_set_aside {
            // Nobody else: better than nothing.
            return;
        }
        let lost_at = *self.lost_at.get_or_insert(now);
        if now.saturating_sub(lost_at) >= LOWER_HOLD {
            let next = self.best(believed.into_iter()).or_else(|| self.best(ready.into_iter()));
            if next.is_some() {
                (self.current, self.lost_at) = (next, None);
            }
        }
    }
}
