//! Nodes that answer only when the coin is mined already, or that came with a reload: nothing they say counts before
//! their chain was held against the profile.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, info};

use super::{Refusal, judge, samples};
use crate::bytes::Hash;
use crate::config::Coin;
use crate::node::lookup;
use crate::node::nodes::{Fit, Node, Nodes};
use crate::node::tip::NodeState;

/// How often nodes that wait are looked for. Nothing is asked while there are none.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a node may take to show its blocks. Then it is asked anew at the next look.
const PROOF_MAX: Duration = Duration::from_secs(8);
/// Looks between two at a node that was on another chain: somebody has to put that right first.
const MISFIT_LOOKS: u32 = 60;

/// Proves the nodes that wait for it, one after the other. `first_block` is that of the chain that is mined, where it
/// is known. Does not return.
pub async fn prove_later(news: watch::Receiver<Arc<Coin>>, nodes: Nodes, mut first_block: Option<Hash>) -> Infallible {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = 0_u32;
    loop {
        ticks.tick().await;
        looks = looks.wrapping_add(1);
        for node in nodes.all().iter().filter(|node| is_due(node, looks)) {
            let coin = Arc::clone(&news.borrow());
            if first_block.is_none() {
                first_block = first_block_of_proven(&nodes).await;
            }
            match proven(&coin, node, first_block).await {
                Ok(()) => {
                    info!(coin = coin.name, node = node.name(), "the node's chain is that of the profile");
                    node.set_fit(Fit::Proven);
                }
                Err(Refusal::Unasked(problem)) => debug!(node = node.name(), problem, "asking again"),
                Err(refusal) => node.set_fit(Fit::Misfit { reason: refusal.to_string() }),
            }
        }
    }
}

/// Whether a node that was not proven should be asked. One that is away is waited for by its poller.
fn is_due(node: &Node, looks: u32) -> bool {
    match node.fit() {
        Fit::Awaited => !matches!(node.state(), NodeState::Unreachable { .. }),
        Fit::Misfit { .. } => looks.is_multiple_of(MISFIT_LOOKS),
        Fit::Unasked | Fit::Proven => false,
    }
}

async fn proven(coin: &Coin, node: &Node, first_block: Option<Hash>) -> Result<(), Refusal> {
    let alone = node.apart();
    let Ok(shown) = timeout(PROOF_MAX, async { (samples(coin, &alone).await, lookup::hash_at(&alone, 0).await) }).await
    else {
        return Err(Refusal::Unasked("it takes too long to show its blocks".to_owned()));
    };
    judge(coin, shown.0?).await?;
    match (shown.1, first_block) {
        (Ok(own), Some(ours)) if own != ours => {
            Err(Refusal::Chains { one: node.name().to_owned(), other: "those that are mined on".to_owned() })
        }
        _ => Ok(()),
    }
}

async fn first_block_of_proven(nodes: &Nodes) -> Option<Hash> {
    for node in nodes.all().iter().filter(|node| node.fit() == Fit::Proven) {
        if let Ok(Ok(hash)) = timeout(PROOF_MAX, lookup::hash_at(&node.apart(), 0)).await {
            return Some(hash);
        }
    }
    None
}
