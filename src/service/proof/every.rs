//! All nodes of a coin before its first job: nothing is mined while one of them is on another chain.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::{Refusal, Weighed, advised, samples, weigh};
use crate::bytes::Hash;
use crate::coin::proof::Proof;
use crate::config::Coin;
use crate::node::lookup;
use crate::node::nodes::{Fit, Node, Nodes};

/// How long other nodes may take to show their blocks when one has.
const OTHERS_MAX: Duration = Duration::from_secs(5);

/// What the nodes show together.
pub struct Proven {
    /// The proof of the first of them.
    pub proof: Proof,
    /// The first block of their chain, if one of them could name it.
    pub first_block: Option<Hash>,
}

/// Holds the coin's profile against the chains of all its nodes that answer, and these against each other, and marks
/// those that fit. Those that take long are waited for a little when one has answered; they are told of.
///
/// # Errors
/// The profile is another chain's than one node's; two nodes are on different chains; or nobody answers.
pub async fn prove_every(coin: &Arc<Coin>, nodes: &Nodes) -> Result<Proven, Refusal> {
    let all = nodes.all();
    let mut asked = JoinSet::new();
    for (index, node) in all.iter().enumerate() {
        let (coin, alone) = (Arc::clone(coin), node.apart());
        asked.spawn(async move {
            let samples = samples(&coin, &alone).await;
            let first_block = lookup::hash_at(&alone, 0).await.ok();
            (index, samples, first_block)
        });
    }
    let mut until = None;
    let mut proofs = Vec::new();
    let mut refusal = Refusal::Unasked("the coin has no node".to_owned());
    while !asked.is_empty() {
        // Only the nodes' time counts, not that of whoever judges their answers.
        let left = until.map_or(Duration::MAX, |until: Instant| until.saturating_duration_since(Instant::now()));
        let Ok(Some(Ok((index, samples, first_block)))) = timeout(left, asked.join_next()).await else { break };
        let weighed = match samples {
            Ok(samples) => weigh(coin, samples).await,
            Err(unasked) => Err(unasked),
        };
        match weighed {
            Ok(Weighed::Fits(proof)) => proofs.push((index, proof, first_block)),
            Ok(Weighed::Misfit(misfit, samples)) => {
                let refusal = advised(coin, misfit, samples).await;
                return Err(if all.len() > 1 { by_node(refusal, all.get(index)) } else { refusal });
            }
            Err(unasked) => refusal = unasked,
        }
        if !proofs.is_empty() {
            until.get_or_insert_with(|| Instant::now() + OTHERS_MAX);
        }
    }
    proofs.sort_by_key(|(index, ..)| *index);
    let name = |index: usize| all.get(index).map_or_else(String::new, |node| node.name().to_owned());
    let mut known = proofs.iter().filter_map(|(index, _, first_block)| Some((*index, (*first_block)?)));
    let first = known.next();
    if let Some((one, first_block)) = first
        && let Some((other, _)) = known.find(|(_, other)| *other != first_block)
    {
        return Err(Refusal::Chains { one: name(one), other: name(other) });
    }
    for (index, node) in all.iter().enumerate() {
        if proofs.iter().any(|(proven, ..)| *proven == index) {
            node.set_fit(Fit::Proven);
        } else if !proofs.is_empty() {
            warn!(coin = coin.name, node = node.name(), "the node's chain cannot be held against the profile now");
        }
    }
    let first_block = first.map(|(_, first_block)| first_block);
    proofs.into_iter().next().map(|(_, proof, _)| Proven { proof, first_block }).ok_or(refusal)
}

fn by_node(refusal: Refusal, node: Option<&Arc<Node>>) -> Refusal {
    match (refusal, node) {
        (Refusal::Misfit { misfit, advice }, Some(node)) => {
            Refusal::Misfit { misfit, advice: format!("{advice} (by node {})", node.name()) }
        }
        (other, _) => other,
    }
}
