//! All nodes of a coin before its first job.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::{Refusal, Weighed, advised, shown, weigh};
use crate::bytes::Hash;
use crate::coin::proof::{Misfit, Proof, Sample};
use crate::config::Coin;
use crate::node::lookup::catching_up;
use crate::node::nodes::{Fit, Node, Nodes};

/// How long other nodes may take to show their blocks when one has that fit.
const OTHERS_MAX: Duration = Duration::from_secs(5);
/// The same when one has that do not: another may show that the profile is right all the same.
const OBJECTED_MAX: Duration = Duration::from_secs(60);

/// What the nodes show together.
pub struct Proven {
    /// The proof of the first of them.
    pub proof: Proof,
    /// The first block of their chain, if one of them could name it.
    pub first_block: Option<Hash>,
}

/// What was heard of the nodes, each by its place.
#[derive(Default)]
struct Heard {
    proofs: Vec<(usize, Proof, Option<Hash>)>,
    misfits: Vec<(usize, Misfit, Vec<Sample>)>,
    /// Why one could not be asked.
    unasked: Option<Refusal>,
}

/// Holds the coin's profile against the chains of all its nodes that answer, and these against each other, and marks
/// those that fit. Those that take long are waited for a little when one has answered; they are told of. A node that does
/// not fit is left out where mined blocks of another prove the profile: it may be another coin's, or far behind.
///
/// # Errors
/// The profile is another chain's than one node's, and none proves it; two nodes are on different chains; or nobody
/// answers.
pub async fn prove_every(coin: &Arc<Coin>, nodes: &Nodes) -> Result<Proven, Refusal> {
    let all = nodes.all();
    let Heard { proofs, misfits, unasked } = heard(coin, &all).await;
    let name = |index: usize| all.get(index).map_or_else(String::new, |node| node.name().to_owned());
    let is_proven = proofs.iter().any(|(_, proof, _)| proof.mined > 0);
    let odd: Vec<usize> = misfits.iter().map(|(index, ..)| *index).collect();
    for (index, misfit, samples) in misfits {
        let Some(node) = all.get(index) else { continue };
        let (apart, form) = (node.apart(), &coin.profile.form);
        if is_proven && let Ok(Some(words)) = timeout(OTHERS_MAX, catching_up(&apart, form)).await {
            // Among old blocks of an algorithm that the chain has left; it is held against the profile again later.
            let refusal = Refusal::CatchingUp { misfit, words };
            info!(coin = coin.name, node = node.name(), problem = %refusal, "the node does not count yet");
            node.set_fit(Fit::Awaited);
            continue;
        }
        let refusal = by_node(advised(coin, misfit, samples).await, &name(index), all.len());
        if !is_proven {
            return Err(refusal);
        }
        node.set_fit(Fit::Misfit { reason: refusal.to_string() });
    }
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
        } else if !proofs.is_empty() && !odd.contains(&index) {
            warn!(coin = coin.name, node = node.name(), "the node's chain cannot be held against the profile now");
        }
    }
    let first_block = first.map(|(_, first_block)| first_block);
    match proofs.into_iter().next() {
        Some((_, proof, _)) => {
            nodes.note_proven();
            Ok(Proven { proof, first_block })
        }
        None => Err(unasked.unwrap_or_else(|| Refusal::Unasked("the coin has no node".to_owned()))),
    }
}

/// Asks all of them at once. Only their time counts, not that of whoever judges their answers.
async fn heard(coin: &Arc<Coin>, all: &[Arc<Node>]) -> Heard {
    let mut asked = JoinSet::new();
    for (index, node) in all.iter().enumerate() {
        let (coin, alone) = (Arc::clone(coin), node.apart());
        asked.spawn(async move { (index, shown(&coin, &alone).await) });
    }
    let mut heard = Heard::default();
    let mut until = None;
    while !asked.is_empty() {
        let next = match until {
            Some(until) => timeout_at(until, asked.join_next()).await.ok().flatten(),
            None => asked.join_next().await,
        };
        let Some(Ok((index, shown))) = next else { break };
        let weighed = match shown {
            Ok((samples, first_block)) => weigh(coin, samples).await.map(|weighed| (weighed, first_block)),
            Err(unasked) => Err(unasked),
        };
        match weighed {
            Ok((Weighed::Fits(proof), first_block)) => {
                let soon = Instant::now() + OTHERS_MAX;
                until = Some(until.map_or(soon, |until| until.min(soon)));
                heard.proofs.push((index, proof, first_block));
            }
            Ok((Weighed::Misfit(misfit, samples), _)) => {
                until.get_or_insert_with(|| Instant::now() + OBJECTED_MAX);
                heard.misfits.push((index, misfit, samples));
            }
            Err(unasked) => heard.unasked = Some(unasked),
        }
    }
    heard.proofs.sort_by_key(|(index, ..)| *index);
    heard
}

fn by_node(refusal: Refusal, name: &str, count: usize) -> Refusal {
    match refusal {
        Refusal::Misfit { misfit, advice } if count > 1 => {
            Refusal::Misfit { misfit, advice: format!("{advice} (by node {name})") }
        }
        other => other,
    }
}
