//! Compares the nodes of a coin with each other and sets aside those that are not to be believed.
//!
//! The node that is mined on is what the others are measured by. One that is behind on its chain lags; one
//! that has another block at its height is on another chain. The node itself must show a header that hashes
//! to the tip it names, and its chain must not hold a block that as many others call invalid. Whoever is
//! set aside is looked at again all the time, and taken back when the reason is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::branch::{self, Tip};
use super::chain::Chain;
use super::error::RpcError;
use super::nodes::{Aside, Node, Nodes};
use super::publisher::{Beyond, LOWER_HOLD, Publisher};
use super::tip::NodeState;
use crate::bytes::{Hash, display_hash};

/// How often the nodes are compared. Nothing is asked while they agree.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
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
    /// This tip is not what it says it is.
    Unproven(Hash),
    /// It has this block, which others refuse.
    Refused(u32, Hash),
}

/// A node that another is held against, with its tip.
type Measure = (Arc<Node>, Tip);

/// What is known against a node.
#[derive(Debug, Default, Clone)]
struct Case {
    /// Since when its tip differs.
    since: Option<Duration>,
    /// The tip that it named although it gives no work on it, and since when.
    named: Option<(Hash, Duration)>,
    charge: Option<Charge>,
    /// When there was last reason for the charge.
    seen_at: Duration,
}

/// What nodes are charged with: kept while they are nodes of the coin, whatever else of it changes.
#[derive(Default)]
pub(super) struct Docket(Mutex<Vec<(Arc<Node>, Case)>>);

impl Docket {
    fn case_of(&self, node: &Arc<Node>) -> Case {
        let cases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cases.iter().find(|(known, _)| Arc::ptr_eq(known, node)).map(|(_, case)| case.clone()).unwrap_or_default()
    }

    fn keep(&self, nodes: &Nodes, cases: &[Case]) {
        let kept = nodes.all().iter().map(Arc::clone).zip(cases.iter().cloned()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// There is nobody to charge anybody.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Watches until it is dropped.
pub(super) async fn run(nodes: Nodes, publisher: Arc<Publisher>, chain: Arc<Chain>, docket: Arc<Docket>) {
    let cases = nodes.all().iter().map(|node| docket.case_of(node)).collect();
    let mut agreement = Agreement { nodes, publisher, chain, cases, proven: None };
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        agreement.look().await;
        docket.keep(&agreement.nodes, &agreement.cases);
    }
}

struct Agreement {
    nodes: Nodes,
    publisher: Arc<Publisher>,
    chain: Arc<Chain>,
    /// By node.
    cases: Vec<Case>,
    /// The tip that was proven last.
    proven: Option<Hash>,
}

impl Agreement {
    async fn look(&mut self) {
        let tips = self.publisher.tips();
        let now = self.publisher.now();
        let Some((judge, tip)) = self.publisher.current().and_then(|judge| Some((judge, tips.get(judge).copied()??)))
        else {
            return;
        };
        for (index, other) in tips.iter().enumerate() {
            self.note_difference(index, *other, tip, now);
        }
        self.look_beyond(judge, tip, now).await;
        if self.charge(judge).is_some() {
            // Mined on for want of a better one.
            self.review(judge, tip, None, now).await;
            return;
        }
        if self.has_lasted(SPREAD_MAX, now) && !self.stands(judge, tip, &tips, now).await {
            return;
        }
        for (index, other) in tips.iter().enumerate() {
            match other {
                Some(other) if index != judge => self.measure(index, *other, judge, tip, now).await,
                _ => (),
            }
        }
    }

    /// Looks for a node that has more blocks than the one that is mined on, but gives no work on them: work on an older tip
    /// earns nothing then.
    async fn look_beyond(&mut self, judge: usize, tip: Tip, now: Duration) {
        let Some(by) = self.node(judge) else { return };
        let before = self.publisher.beyond().filter(|beyond| beyond.height > tip.1);
        // It may be restarted to put that right.
        let is_kept = |beyond: &Beyond| {
            let node = self.node(beyond.index);
            let is_away = node.is_some_and(|node| matches!(node.state(), NodeState::Unreachable { .. }));
            is_away && now.saturating_sub(beyond.seen_at) < KEEP_MAX
        };
        let mut beyond = before.filter(is_kept);
        for (index, named) in self.publisher.named().into_iter().enumerate() {
            let (Some(node), Some(case)) = (self.node(index), self.cases.get_mut(index)) else { continue };
            let since = case.named.filter(|(before, _)| Some(*before) == named).map_or(now, |(_, since)| since);
            case.named = named.map(|named| (named, since));
            let Some(named) = named else { continue };
            let counts = case.charge.is_none() && node.held_back().is_none();
            if !counts || named == tip.0 || now.saturating_sub(since) < LOWER_HOLD {
                continue;
            }
            let facts = node.rpc.block_facts(&named).await;
            let Some(height) = facts.ok().and_then(|facts| facts.height).filter(|height| *height > tip.1) else {
                continue;
            };
            if branch::flaw(&self.chain, &node, (named, height), &by, tip).await.is_none() {
                beyond = Some(Beyond { index, height, seen_at: now });
            }
        }
        self.publisher.note_beyond(beyond);
    }

    fn charge(&self, index: usize) -> Option<&Charge> {
        self.cases.get(index)?.charge.as_ref()
    }

    fn node(&self, index: usize) -> Option<Arc<Node>> {
        self.nodes.all().get(index).map(Arc::clone)
    }

    fn note_difference(&mut self, index: usize, other: Option<Tip>, tip: Tip, now: Duration) {
        if let Some(case) = self.cases.get_mut(index) {
            let differs = other.is_some_and(|other| other.0 != tip.0);
            case.since = if differs { case.since.or(Some(now)) } else { None };
        }
    }

    /// Whether some node has been on another tip for so long.
    fn has_lasted(&self, time: Duration, now: Duration) -> bool {
        self.cases.iter().any(|case| case.since.is_some_and(|since| now.saturating_sub(since) >= time))
    }

    /// Whether the node that is mined on may go on being that.
    async fn stands(&mut self, judge: usize, tip: Tip, tips: &[Option<Tip>], now: Duration) -> bool {
        if self.proven != Some(tip.0) {
            let Some(node) = self.node(judge) else { return false };
            let other = self.another(tip, tips);
            if let Some(problem) = self.disproof(&node, tip, other).await {
                self.set(judge, Charge::Unproven(tip.0), Aside::Distrusted { reason: problem }, now);
                return false;
            }
            self.proven = Some(tip.0);
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
        false
    }

    /// The first believed node that has another tip.
    fn another(&self, tip: Tip, tips: &[Option<Tip>]) -> Option<Measure> {
        let differs = |(index, other): (usize, &Option<Tip>)| {
            let other = (*other).filter(|other| other.0 != tip.0 && self.charge(index).is_none())?;
            Some((self.node(index)?, other))
        };
        tips.iter().enumerate().find_map(differs)
    }

    /// Why a node's tip cannot be what it says, seen from another node if there is one; a node that cannot be asked is not
    /// accused.
    async fn disproof(&self, node: &Node, tip: Tip, other: Option<Measure>) -> Option<String> {
        let name = display_hash(&tip.0);
        match node.rpc.raw_header(&tip.0, self.chain.header_bytes()).await {
            Ok(Some(header)) => {
                if self.chain.name_of(&header).await.is_some_and(|shown| shown != tip.0) {
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
        if let Some(height) = facts.and_then(|facts| facts.height).filter(|height| *height != tip.1) {
            return Some(format!(
                "its template is for the block after height {}, but its tip {name} is at {height}",
                tip.1
            ));
        }
        let (other, other_tip) = other?;
        branch::flaw(&self.chain, node, tip, &other, other_tip).await
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
        if matches!(case.charge, Some(Charge::Unproven(_) | Charge::Refused(..))) {
            return self.review(index, other, Some((by, tip)), now).await;
        }
        if self.publisher.is_better(index, judge) {
            // It has overtaken: from now on it is the measure, unless it makes that up.
            if case.charge.is_some()
                && let Some(reason) = self.disproof(&node, other, Some((by, tip))).await
            {
                return self.set(index, Charge::Unproven(other.0), Aside::Distrusted { reason }, now);
            }
            return self.clear(index);
        }
        let lasts = case.since.is_some_and(|since| now.saturating_sub(since) >= DIFFER_MAX);
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
        let holds = match case.charge.clone() {
            Some(Charge::Unproven(_)) => self.disproof(&node, tip, by).await.is_some(),
            Some(Charge::Refused(height, hash)) => {
                let there: Result<Hash, RpcError> = node.rpc.hash_at(height).await;
                there.map_or(true, |there| there == hash) && now.saturating_sub(case.seen_at) < KEEP_MAX
            }
            Some(Charge::Apart) => now.saturating_sub(case.seen_at) < KEEP_MAX,
            None => false,
        };
        if !holds {
            self.clear(index);
        }
    }

    fn set(&mut self, index: usize, charge: Charge, aside: Aside, now: Duration) {
        if let Some(case) = self.cases.get_mut(index) {
            (case.charge, case.seen_at) = (Some(charge), now);
            self.publisher.set_aside(index, Some(aside));
        }
    }

    fn clear(&mut self, index: usize) {
        if let Some(case) = self.cases.get_mut(index)
            && case.charge.take().is_some()
        {
            case.since = None;
            self.publisher.set_aside(index, None);
        }
    }
}
