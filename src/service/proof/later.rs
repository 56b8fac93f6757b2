//! Nodes that answer only when the coin is mined already, or that came with a reload: nothing they say counts before
//! their chain was held against the profile.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::{Refusal, first_block, judge_newcomer, shown};
use crate::bytes::Hash;
use crate::config::Coin;
use crate::node::nodes::{Fit, Node, Nodes};
use crate::node::tip::NodeState;

/// How often nodes that wait are looked for. Nothing is asked while there are none.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a node may take to show its blocks, besides the time that it has for each call: a distant one has dozens of
/// answers to give.
const PROOF_MAX: Duration = Duration::from_secs(300);
/// Pause after a node could not be asked.
const UNASKED_PAUSE: Duration = Duration::from_secs(5);
/// Pause after a node was on another chain, or refused us: somebody has to put that right first. Also after one was still
/// among old blocks, which takes it hours to leave.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Proves the nodes that wait for it. `first_block` is that of the chain that is mined, where it is known. Does not
/// return.
pub async fn prove_later(news: watch::Receiver<Arc<Coin>>, nodes: Nodes, mut first_block: Option<Hash>) -> Infallible {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting = Waiting::default();
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(Ok((node, proof))) = asked.join_next() => waiting.settle(&node, proof),
        }
        for node in waiting.due(&nodes.all()) {
            if first_block.is_none() {
                first_block = first_block_of_proven(&nodes).await;
            }
            let coin = Arc::clone(&news.borrow());
            asked.spawn(async move {
                let proof = proven(&coin, &node, first_block).await;
                (node, proof)
            });
        }
    }
}

/// When a node that was not proven is asked next; `None`: it is being asked.
#[derive(Default)]
struct Waiting(Vec<(Arc<Node>, Option<Instant>)>);

impl Waiting {
    /// The nodes to be asked now. One that is away is waited for by its poller.
    fn due(&mut self, nodes: &[Arc<Node>]) -> Vec<Arc<Node>> {
        let now = Instant::now();
        let Self(known) = self;
        known.retain(|(node, _)| nodes.iter().any(|one| Arc::ptr_eq(one, node)));
        let mut due = Vec::new();
        for node in nodes.iter().filter(|node| matches!(node.fit(), Fit::Awaited | Fit::Misfit { .. })) {
            let is_away = matches!(node.state(), NodeState::Unreachable { .. });
            match known.iter_mut().find(|(one, _)| Arc::ptr_eq(one, node)) {
                None if matches!(node.fit(), Fit::Misfit { .. }) => {
                    known.push((Arc::clone(node), Some(now + REFUSED_PAUSE)));
                }
                None if !is_away => {
                    known.push((Arc::clone(node), None));
                    due.push(Arc::clone(node));
                }
                Some((_, next @ Some(_))) if !is_away && next.is_some_and(|next| now >= next) => {
                    *next = None;
                    due.push(Arc::clone(node));
                }
                _ => {}
            }
        }
        due
    }

    /// What came of asking a node.
    fn settle(&mut self, node: &Arc<Node>, proof: Result<(), Refusal>) {
        let pause = match proof {
            Ok(()) => {
                info!(node = node.name(), "the node's chain is that of the profile");
                node.set_fit(Fit::Proven);
                return;
            }
            Err(Refusal::Unasked(problem)) => {
                warn!(node = node.name(), problem, "the node's chain cannot be held against the profile yet");
                if matches!(node.state(), NodeState::Refused { .. }) { REFUSED_PAUSE } else { UNASKED_PAUSE }
            }
            Err(refusal @ Refusal::CatchingUp { .. }) => {
                info!(node = node.name(), problem = %refusal, "the node's chain cannot be held against the profile yet");
                node.set_fit(Fit::Awaited);
                REFUSED_PAUSE
            }
            Err(refusal) => {
                node.set_fit(Fit::Misfit { reason: refusal.to_string() });
                REFUSED_PAUSE
            }
        };
        if let Some((_, next)) = self.0.iter_mut().find(|(one, _)| Arc::ptr_eq(one, node)) {
            *next = Some(Instant::now() + pause);
        }
    }
}

async fn proven(coin: &Coin, node: &Node, ours: Option<Hash>) -> Result<(), Refusal> {
    let alone = node.apart();
    let Ok(shown) = timeout(PROOF_MAX, shown(coin, &alone)).await else {
        return Err(Refusal::Unasked("it takes too long to show its blocks".to_owned()));
    };
    let (samples, theirs) = shown?;
    let is_elsewhere = theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours);
    match judge_newcomer(coin, &alone, samples).await {
        // To catch up with another chain makes nothing better.
        Ok(()) | Err(Refusal::CatchingUp { .. }) if is_elsewhere => {
            Err(Refusal::Chains { one: node.name().to_owned(), other: "those that are mined on".to_owned() })
        }
        judged => judged,
    }
}

async fn first_block_of_proven(nodes: &Nodes) -> Option<Hash> {
    for node in nodes.all().iter().filter(|node| node.fit() == Fit::Proven) {
        if let Ok(Ok(Some(hash))) = timeout(UNASKED_PAUSE, first_block(&node.apart())).await {
            return Some(hash);
        }
    }
    None
}
