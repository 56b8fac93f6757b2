//! Compares the nodes of a coin with each other and sets aside those that are not to be believed.
//!
//! The node that is mined on is what the others are measured by. One that is behind on its chain lags; one
//! that has another block at its height is on another chain. The node itself must show a header that hashes
//! to the tip it names, and its chain must not hold a block that as many others call invalid. Whoever is
//! set aside is looked at again all the time, and taken back when the reason is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::branch::{self, Finding, Tip};
use super::chain::Chain;
use super::nodes::{Aside, Node, Nodes};
use super::publisher::{Beyond, LOWER_HOLD, Publisher};
use crate::bytes::{Hash, display_hash};

/// How often the nodes are compared. Nothing is asked while they agree.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A longer time between two comparisons says nothing of what was between them.
const LOOK_GAP_MAX: Duration = Duration::from_secs(3);
/// How long what the blocks of a branch have shown, or have not, holds for the same tips: a node may have been mended.
const EXAMINED_FOR: Duration = Duration::from_secs(30);
/// How long a node may be on another tip before its claim is examined: most blocks have spread by then.
const SPREAD_MAX: Duration = Duration::from_secs(2);
/// How long a node may be on another tip before it is set aside.
const DIFFER_MAX: Duration = Duration::from_secs(10);
/// How long a charge holds while the node it was measured by is away: a restart must not hand the coin's
/// blocks over to the judgement of a node on another chain.
const KEEP_MAX: Duration = Duration::from_secs(600);
/// So far below its tip a node's refusal of a block counts.
const REFUSED_DEPTH_MAX: u32 = 100;

/// What a node is set aside for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Charge {
    /// Another tip than the node it is measured by.
    Apart,
    /// It contradicts itself about its tip.
    Unproven,
    /// What it has and another has not was not mined, or has less work.
    MadeUp,
    /// It has this block, which others refuse.
    Refused(u32, Hash),
}

/// A node that another is held against, with its tip.
type Measure = (Arc<Node>, Tip);

/// What the blocks up to a tip have shown beside those up to another.
#[derive(Debug, Clone)]
struct Examined {
    tips: (Hash, Hash),
    at: Duration,
    finding: Finding,
}

/// What is known against a node.
#[derive(Debug, Default, Clone)]
struct Case {
    /// Since when its tip differs, and what it and the other are.
    since: Option<(Duration, (Hash, Hash))>,
    /// The tip that it named although it gives no work on it, and since when.
    named: Option<(Hash, Duration)>,
    /// The last branch of it that was examined.
    examined: Option<Examined>,
    charge: Option<Charge>,
    /// When there was last reason for the charge.
    seen_at: Duration,
}

/// What nodes are charged with: kept while they are nodes of the coin, whatever else of it changes.
#[derive(Default)]
pub(super) struct Docket(Mutex<Vec<(Arc<Node>, Charge)>>);

impl Docket {
    /// The case of a node as from now on, with the charge against it, if there is one.
    fn case_of(&self, node: &Arc<Node>, now: Duration) -> Case {
        let charges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let charge = charges.iter().find(|(known, _)| Arc::ptr_eq(known, node)).map(|(_, charge)| charge.clone());
        Case { charge, seen_at: now, ..Case::default() }
    }

    fn keep(&self, nodes: &Nodes, cases: &[Case]) {
        let charged = |(node, case): (&Arc<Node>, &Case)| Some((Arc::clone(node), case.charge.clone()?));
        let kept = nodes.all().iter().zip(cases).filter_map(charged).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// There is nobody to charge anybody.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Watches until it is dropped.
pub(super) async fn run(nodes: Nodes, publisher: Arc<Publisher>, chain: Arc<Chain>, docket: Arc<Docket>) {
    let cases = nodes.all().iter().map(|node| docket.case_of(node, publisher.now())).collect();
    let (proven, looked_at) = (None, publisher.now());
    let mut agreement = Agreement { nodes, publisher, chain, docket, cases, proven, looked_at };
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        agreement.look().await;
    }
}

struct Agreement {
    nodes: Nodes,
    publisher: Arc<Publisher>,
    chain: Arc<Chain>,
    docket: Arc<Docket>,
    /// By node.
    cases: Vec<Case>,
    /// The tip against which nothing was found last, and when: what a node did not show then it may show later.
    proven: Option<(Hash, Duration)>,
    /// When the nodes were last compared.
    looked_at: Duration,
}

impl Agreement {
    async fn look(&mut self) {
        let tips = self.publisher.tips();
        let now = self.publisher.now();
        let is_gap = now.saturating_sub(std::mem::replace(&mut self.looked_at, now)) > LOOK_GAP_MAX;
        let Some((judge, tip)) = self.publisher.current().and_then(|judge| Some((judge, tips.get(judge).copied()??)))
        else {
            return;
        };
        for (index, other) in tips.iter().enumerate() {
            self.note_difference(index, *other, tip, now, is_gap);
        }
        self.look_beyond(judge, tip, now).await;
        if !self.is_still(judge, tip) {
            return;
        }
        if self.charge(judge).is_some() {
            // Mined on for want of a better one.
            self.review(judge, tip, None, now).await;
            return;
        }
        if self.has_lasted(SPREAD_MAX, now) && !self.stands(judge, tip, &tips, now).await {
            return;
        }
        for index in (0..tips.len()).filter(|index| *index != judge) {
            // Questions take time, in which tips move.
            if !self.is_still(judge, tip) {
                return;
            }
            if let Some(Some(other)) = self.publisher.tips().get(index) {
                self.measure(index, *other, judge, tip, now).await;
            }
        }
    }

    /// Looks for a node that has more blocks than the one that is mined on, but gives no work on them: work on an older tip
    /// earns nothing then.
    async fn look_beyond(&mut self, judge: usize, tip: Tip, now: Duration) {
        let Some(by) = self.node(judge) else { return };
        // It may be on its way to the next block, or be restarted to put that right.
        let is_kept = |beyond: &Beyond| {
            let node = self.node(beyond.index);
            let is_idle = node.is_some_and(|node| !node.state().is_ready());
            is_idle && beyond.height > tip.1 && now.saturating_sub(beyond.seen_at) < KEEP_MAX
        };
        let mut beyond = self.publisher.beyond().filter(is_kept);
        for (index, named) in self.publisher.named().into_iter().enumerate() {
            let Some(case) = self.cases.get_mut(index) else { continue };
            let named = named.filter(|named| *named != tip.0);
            // From one block to the next it is as far ahead as before.
            let since = case.named.map_or(now, |(_, since)| since);
            case.named = named.map(|named| (named, since));
            let Some(named) = named.filter(|_| now.saturating_sub(since) >= LOWER_HOLD) else { continue };
            if let Some(height) = self.height_beyond((index, named), (judge, &by), tip, now).await {
                beyond = Some(Beyond { index, height, seen_at: now });
            }
        }
        self.publisher.note_beyond(beyond);
    }

    /// The height of the tip that a node names, if it is better than that of the one that is mined on beyond doubt.
    async fn height_beyond(
        &mut self,
        (index, named): (usize, Hash),
        (judge, by): (usize, &Arc<Node>),
        tip: Tip,
        now: Duration,
    ) -> Option<u32> {
        let node = self.node(index)?;
        if self.charge(index).is_some() || node.held_back().is_some() {
            return None;
        }
        let height = node.rpc.block_facts(&named).await.ok()?.height.filter(|height| *height > tip.1)?;
        let is_refused = self.refusal(index, judge, (named, height)).await.is_some();
        let finding = self.examine(index, (named, height), (by, tip), now).await;
        (!is_refused && finding == Finding::Sound).then_some(height)
    }

    /// What the blocks of a node show that another does not have.
    async fn examine(&mut self, index: usize, tip: Tip, (by, other): (&Arc<Node>, Tip), now: Duration) -> Finding {
        let Some(node) = self.node(index) else { return Finding::Unknown };
        let tips = (tip.0, other.0);
        let known = self.cases.get(index).and_then(|case| case.examined.as_ref());
        if let Some(known) = known.filter(|known| known.tips == tips && now.saturating_sub(known.at) < EXAMINED_FOR) {
            return known.finding.clone();
        }
        let finding = branch::examine(&self.chain, &node, tip, by, other).await;
        if let Some(case) = self.cases.get_mut(index) {
            case.examined = Some(Examined { tips, at: now, finding: finding.clone() });
        }
        finding
    }

    /// Whether this node is mined on, and has this tip.
    fn is_still(&self, judge: usize, tip: Tip) -> bool {
        self.publisher.current() == Some(judge) && self.publisher.tips().get(judge).copied().flatten() == Some(tip)
    }

    fn charge(&self, index: usize) -> Option<&Charge> {
        self.cases.get(index)?.charge.as_ref()
    }

    fn node(&self, index: usize) -> Option<Arc<Node>> {
        self.nodes.all().get(index).map(Arc::clone)
    }

    /// `is_gap`: much time went by since the last look, in which two nodes that differed by other tips may have agreed.
    fn note_difference(&mut self, index: usize, other: Option<Tip>, tip: Tip, now: Duration, is_gap: bool) {
        if let Some(case) = self.cases.get_mut(index) {
            let apart = other.map(|other| (other.0, tip.0)).filter(|(other, ours)| other != ours);
            let goes_on = case.since.filter(|(_, before)| !is_gap || Some(*before) == apart);
            case.since = apart.map(|apart| (goes_on.map_or(now, |(since, _)| since), apart));
        }
    }

    /// Whether some node has been on another tip for so long.
    fn has_lasted(&self, time: Duration, now: Duration) -> bool {
        self.cases.iter().any(|case| case.since.is_some_and(|(since, _)| now.saturating_sub(since) >= time))
    }

    /// Whether the node that is mined on may go on being that.
    async fn stands(&mut self, judge: usize, tip: Tip, tips: &[Option<Tip>], now: Duration) -> bool {
        let is_proven = |(known, at): (Hash, Duration)| known == tip.0 && now.saturating_sub(at) < EXAMINED_FOR;
        if !self.proven.is_some_and(is_proven) {
            let Some(node) = self.node(judge) else { return false };
            let other = self.another(tip, tips);
            if let Some((charge, reason)) = self.disproof(judge, &node, tip, other, now).await {
                self.set(judge, charge, Aside::Distrusted { reason }, now);
                self.clear_measured();
                return false;
            }
            self.proven = Some((tip.0, now));
        }
        let holders = |index: &usize| tips.get(*index).copied().flatten().is_some_and(|other| other.0 == tip.0);
        let believed = (0..tips.len()).filter(|index| self.charge(*index).is_none());
        let (supporters, others): (Vec<usize>, Vec<usize>) =
            believed.filter(|index| tips.get(*index).copied().flatten().is_some()).partition(holders);
        let mut refusers = Vec::new();
        let mut refused = None;
        for other in others {
            if let Some(block) = self.refusal(judge, other, tip).await {
                refusers.push(other);
                refused = Some(block);
            }
        }
        // Of as many on both sides the one whom the operator put first is right.
        let outvoted = refusers.len() > supporters.len()
            || refusers.len() == supporters.len() && refusers.first() < supporters.first();
        let (Some((height, hash)), true) = (refused, outvoted) else { return true };
        let names: Vec<String> =
            refusers.iter().filter_map(|index| Some(self.node(*index)?.name().to_owned())).collect();
        let reason = format!(
            "its chain has block {} at height {height}, which {} call invalid",
            display_hash(&hash),
            names.join(", ")
        );
        for supporter in supporters {
            self.set(supporter, Charge::Refused(height, hash), Aside::Distrusted { reason: reason.clone() }, now);
        }
        self.clear_measured();
        false
    }

    /// The first node with another tip that is charged with no more than that: seen from there it is the other one that
    /// is elsewhere.
    fn another(&self, tip: Tip, tips: &[Option<Tip>]) -> Option<Measure> {
        let differs = |(index, other): (usize, &Option<Tip>)| {
            let is_measure = matches!(self.charge(index), None | Some(Charge::Apart));
            let other = (*other).filter(|other| is_measure && other.0 != tip.0)?;
            Some((self.node(index)?, other))
        };
        tips.iter().enumerate().find_map(differs)
    }

    /// Why a node's tip cannot be what it says, seen from another node if there is one; a node that cannot be asked is not
    /// accused.
    async fn disproof(
        &mut self,
        index: usize,
        node: &Node,
        tip: Tip,
        other: Option<Measure>,
        now: Duration,
    ) -> Option<(Charge, String)> {
        if let Some(reason) = self.contradiction(node, tip).await {
            return Some((Charge::Unproven, reason));
        }
        let (by, other) = other?;
        match self.examine(index, tip, (&by, other), now).await {
            Finding::Flawed(reason) => Some((Charge::MadeUp, reason)),
            Finding::Sound | Finding::Unknown => None,
        }
    }

    /// Where a node contradicts itself about its tip.
    async fn contradiction(&self, node: &Node, tip: Tip) -> Option<String> {
        let name = display_hash(&tip.0);
        match node.rpc.raw_header(&tip.0, self.chain.header_bytes()).await {
            Ok(Some(header)) => {
                if self.chain.is_named(&header, &tip.0).await == Some(false) {
                    return Some(format!("the header it shows for its tip {name} has another hash"));
                }
            }
            Ok(None) => (),
            Err(error) if error.is_not_found() => {
                return Some(format!("it builds on {name}, which it does not know"));
            }
            Err(error) => tracing::debug!(%error, "a tip cannot be checked"),
        }
        let facts = node.rpc.block_facts(&tip.0).await.ok();
        let height = facts.and_then(|facts| facts.height).filter(|height| *height != tip.1)?;
        Some(format!("its template is for the block after height {}, but its tip {name} is at {height}", tip.1))
    }

    /// A block of the judge's chain that another node calls invalid.
    async fn refusal(&self, judge: usize, other: usize, tip: Tip) -> Option<(u32, Hash)> {
        let (judge, other) = (self.node(judge)?, self.node(other)?);
        let invalid = other.rpc.invalid_tips(tip.1.saturating_sub(REFUSED_DEPTH_MAX)).await.ok()?;
        for (height, hash) in invalid {
            if judge.rpc.hash_at(height).await.is_ok_and(|there| there == hash) {
                return Some((height, hash));
            }
        }
        None
    }

    /// Measures a node by the one that is mined on.
    async fn measure(&mut self, index: usize, other: Tip, judge: usize, tip: Tip, now: Duration) {
        let (Some(node), Some(by)) = (self.node(index), self.node(judge)) else { return };
        if other.0 == tip.0 {
            return self.clear(index);
        }
        for (node, tip) in [(&node, other.0), (&by, tip.0)] {
            if !self.publisher.knows_work(&tip)
                && let Ok(Some(work)) = node.rpc.block_facts(&tip).await.map(|facts| facts.work)
            {
                self.publisher.learn_work(tip, work);
            }
        }
        let Some(case) = self.cases.get(index) else { return };
        if matches!(case.charge, Some(Charge::Unproven | Charge::MadeUp | Charge::Refused(..))) {
            return self.review(index, other, Some((by, tip)), now).await;
        }
        if self.publisher.is_better(index, judge) {
            // It has overtaken: from now on it is the measure, unless it makes that up.
            if case.charge.is_some()
                && let Some((charge, reason)) = self.disproof(index, &node, other, Some((by, tip)), now).await
            {
                return self.set(index, charge, Aside::Distrusted { reason }, now);
            }
            return self.clear(index);
        }
        let lasts = case.since.is_some_and(|(since, _)| now.saturating_sub(since) >= DIFFER_MAX);
        if case.charge.is_none() && !lasts {
            return;
        }
        // At the lower of the two heights both have a block: the same one if they are on one chain.
        let behind = other.1 <= tip.1;
        let there = if behind { by.rpc.hash_at(other.1).await } else { node.rpc.hash_at(tip.1).await };
        let Ok(there) = there else { return };
        let aside = match (behind, there == if behind { other.0 } else { tip.0 }) {
            (true, true) => Aside::Lagging { reason: format!("at height {}, {} is at {}", other.1, by.name(), tip.1) },
            // Ahead on the same chain: on its way to be mined on.
            (false, true) => return self.clear(index),
            (_, false) => Aside::Distrusted {
                reason: format!(
                    "on another chain than {}: its tip is {} at height {}",
                    by.name(),
                    display_hash(&other.0),
                    other.1
                ),
            },
        };
        self.set(index, Charge::Apart, aside, now);
    }

    /// Whether what a node is charged with still holds.
    async fn review(&mut self, index: usize, tip: Tip, by: Option<Measure>, now: Duration) {
        let (Some(node), Some(case)) = (self.node(index), self.cases.get(index)) else { return };
        let is_recent = now.saturating_sub(case.seen_at) < KEEP_MAX;
        // `None`: nobody can say now.
        let holds = match case.charge.clone() {
            Some(Charge::Unproven) => Some(self.contradiction(&node, tip).await.is_some()),
            Some(Charge::MadeUp) => match by {
                None => None,
                Some((by, other)) => match self.examine(index, tip, (&by, other), now).await {
                    Finding::Flawed(_) => Some(true),
                    Finding::Sound => Some(false),
                    Finding::Unknown => None,
                },
            },
            Some(Charge::Refused(height, hash)) => node.rpc.hash_at(height).await.ok().map(|there| there == hash),
            Some(Charge::Apart) => None,
            None => Some(false),
        };
        match holds {
            Some(true) => {
                if let Some(case) = self.cases.get_mut(index) {
                    case.seen_at = now;
                }
            }
            None if is_recent => (),
            _ => self.clear(index),
        }
    }

    fn set(&mut self, index: usize, charge: Charge, aside: Aside, now: Duration) {
        if let Some(case) = self.cases.get_mut(index) {
            (case.charge, case.seen_at) = (Some(charge), now);
            self.docket.keep(&self.nodes, &self.cases);
            self.publisher.set_aside(index, Some(aside));
        }
    }

    /// Takes back those that are charged with being elsewhere than the node that is mined on: that one is no measure.
    fn clear_measured(&mut self) {
        for index in 0..self.cases.len() {
            if self.charge(index) == Some(&Charge::Apart) {
                self.clear(index);
            }
        }
    }

    fn clear(&mut self, index: usize) {
        if let Some(case) = self.cases.get_mut(index)
            && case.charge.take().is_some()
        {
            case.since = None;
            self.docket.keep(&self.nodes, &self.cases);
            self.publisher.set_aside(index, None);
        }
    }
}
