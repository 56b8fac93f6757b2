//! A coin's profile held against the chain of its nodes, before a miner connects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::bytes::display_hash;
use crate::chain::destination::Destination;
use crate::coin::preset::PRESETS;
use crate::coin::profile::{BlockHash, Profile};
use crate::coin::proof::{self, HEADERS, HEADERS_OF_EXPENSIVE, HEADERS_OF_SEVERAL, Misfit, Proof, Sample};
use crate::config::{Coin, preset_profile};
use crate::difficulty::mpos_factor;
use crate::node::nodes::Nodes;
use crate::node::{lookup, recent};
use crate::pow::Class;
use crate::pow::names::{self, Named};

/// How long other nodes may take when one has answered.
const OTHERS_MAX: Duration = Duration::from_secs(5);
/// Profiles that are named as better ones.
const ADVICE_MAX: usize = 6;

/// Why nothing is mined with a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The nodes could not be asked, or said nothing sensible.
    Unasked(String),
    /// Two nodes are on chains with different first blocks.
    Chains {
        /// One's name.
        one: String,
        /// The other's.
        other: String,
    },
    /// The profile is not that of their chain.
    Misfit {
        /// What does not fit.
        misfit: Misfit,
        /// What would fit, in words; may be empty.
        advice: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unasked(problem) => write!(f, "the coin's profile cannot be held against the chain: {problem}"),
            Self::Chains { one, other } => write!(
                f,
                "nodes {one} and {other} have different first blocks, so they are on different chains or networks: remove \
                 the wrong one"
            ),
            Self::Misfit { misfit, advice } => {
                write!(f, "the coin's profile is not that of the node's chain: {misfit}; {advice}")
            }
        }
    }
}

/// Holds the coin's profile against the chains of all its nodes that answer, and these against each other. Those that
/// take long are waited for a little when one has answered; they are told of.
///
/// # Errors
/// The profile is another chain's than one node's; two nodes are on different chains; or nobody answers.
pub async fn prove_every(coin: &Arc<Coin>) -> Result<Proof, Refusal> {
    let mut asked = JoinSet::new();
    for (index, node) in coin.nodes.iter().enumerate() {
        let (coin, nodes) = (Arc::clone(coin), Nodes::new(std::slice::from_ref(node)));
        asked.spawn(async move {
            let first_block = lookup::hash_at(&nodes, 0).await.ok();
            (index, prove(&coin, &nodes).await, first_block)
        });
    }
    let name = |index: usize| coin.nodes.get(index).map_or_else(String::new, |node| node.name.clone());
    let mut until = None;
    let mut proofs = Vec::new();
    let mut refusal = Refusal::Unasked("the coin has no node".to_owned());
    while !asked.is_empty() {
        let left = until.map_or(Duration::MAX, |until: Instant| until.saturating_duration_since(Instant::now()));
        let Ok(Some(Ok((index, proof, first_block)))) = timeout(left, asked.join_next()).await else { break };
        match proof {
            Ok(proof) => {
                until.get_or_insert_with(|| Instant::now() + OTHERS_MAX);
                proofs.push((index, proof, first_block));
            }
            Err(Refusal::Misfit { misfit, advice }) if coin.nodes.len() > 1 => {
                return Err(Refusal::Misfit { misfit, advice: format!("{advice} (by node {})", name(index)) });
            }
            Err(misfit @ Refusal::Misfit { .. }) => return Err(misfit),
            Err(unasked) => refusal = unasked,
        }
    }
    proofs.sort_by_key(|(index, ..)| *index);
    let mut known = proofs.iter().filter_map(|(index, _, first_block)| Some((*index, (*first_block)?)));
    if let Some((one, first_block)) = known.next()
        && let Some((other, _)) = known.find(|(_, other)| *other != first_block)
    {
        return Err(Refusal::Chains { one: name(one), other: name(other) });
    }
    for (index, node) in coin.nodes.iter().enumerate() {
        if !proofs.is_empty() && !proofs.iter().any(|(proven, ..)| *proven == index) {
            warn!(coin = coin.name, node = node.name, "the node's chain cannot be held against the profile now");
        }
    }
    proofs.into_iter().next().map(|(_, proof, _)| proof).ok_or(refusal)
}

/// Holds the coin's profile against the newest blocks of its nodes.
///
/// # Errors
/// The profile is another chain's, with the ones that would fit; or nobody answers.
pub async fn prove(coin: &Coin, nodes: &Nodes) -> Result<Proof, Refusal> {
    judge(coin, samples(coin, nodes).await?).await
}

/// The newest blocks of the nodes, as many as the proof needs.
///
/// # Errors
/// Nobody answers, or not sensibly.
pub async fn samples(coin: &Coin, nodes: &Nodes) -> Result<Vec<Sample>, Refusal> {
    let profile = &coin.profile;
    let count = match (profile.several_algorithms, profile.algorithm.class()) {
        (true, _) => HEADERS_OF_SEVERAL,
        (false, Class::Expensive) => HEADERS_OF_EXPENSIVE,
        (false, _) => HEADERS,
    };
    recent::headers(nodes, count, &profile.form).await.map_err(Refusal::Unasked)
}

/// Holds the coin's profile against blocks of a chain. A profile that is refused takes seconds where all others are
/// tried in its place.
///
/// # Errors
/// The profile is another chain's, with the ones that would fit.
pub async fn judge(coin: &Coin, samples: Vec<Sample>) -> Result<Proof, Refusal> {
    let (profile, payout) = (coin.profile.clone(), coin.payout.clone());
    let judge = move || {
        let refusal = |misfit| Refusal::Misfit { misfit, advice: advice(&profile, &payout, &samples) };
        proof::prove(&profile, &samples).map_err(refusal)
    };
    // Memory-hard hashes would hold up everything else that the runtime's threads do.
    spawn_blocking(judge).await.unwrap_or_else(|problem| Err(Refusal::Unasked(problem.to_string())))
}

/// What would fit the chain, in words.
fn advice(own: &Profile, payout: &Destination, samples: &[Sample]) -> String {
    let fits = |profile: &Profile| proof::prove(profile, samples).is_ok_and(|proof| proof.mined > 0);
    let pays = |profile: &Profile| payout.script(&profile.form.addresses).is_ok();
    let fitting: Vec<String> = PRESETS
        .iter()
        .filter(|preset| preset_profile(preset.name).is_some_and(|profile| fits(&profile) && pays(&profile)))
        .map(|preset| format!("preset = \"{}\"", preset.name))
        .take(ADVICE_MAX)
        .collect();
    if !fitting.is_empty() {
        return format!("{} would fit", fitting.join(" or "));
    }
    // Expensive ones are left out: dozens of their hashes would hold up everything else.
    let cheap = names::all().filter(|named| named.algorithm.class() != Class::Expensive);
    let with = |named: &Named, block_hash| {
        let algorithm = named.algorithm;
        fits(&Profile { algorithm, block_hash, ..own.clone() }).then_some((named.name, block_hash))
    };
    let known = cheap.flat_map(|named| [with(named, BlockHash::Sha256d), with(named, BlockHash::Pow)]).flatten();
    let known: Vec<String> = known
        .map(|(name, block_hash)| {
            let block_hash = if block_hash == BlockHash::Pow { "pow" } else { "sha256d" };
            format!("algorithm = \"{name}\" with block_hash = \"{block_hash}\"")
        })
        .take(ADVICE_MAX)
        .collect();
    match known.is_empty() {
        true => "no algorithm known here fits: is it the right node?".to_owned(),
        false => format!("{} would fit", known.join(" or ")),
    }
}

/// The proof in a line for people, with the newest mined block worked out.
pub fn described(coin: &Coin, proof: &Proof) -> String {
    let profile = &coin.profile;
    let Some(example) = &proof.example else {
        return match proof.named {
            0 => "the chain has no block yet to hold the profile against".to_owned(),
            named => format!(
                "{named} blocks are named as the profile has it; none of them was mined on this chain by itself, so the \
                 algorithm is not proven"
            ),
        };
    };
    format!(
        "{} blocks are named as the profile has it, {} of them prove its algorithm; block {}: proof of work {}, network \
         difficulty {} for miners, {} in rows of MPOS (difficulty 1 is 2^{} hashes for miners, rows hold it x {})",
        proof.named,
        proof.mined,
        example.height,
        display_hash(&example.pow),
        example.network_difficulty,
        example.mpos_difficulty,
        profile.stratum_bits,
        mpos_factor(profile.stratum_bits, profile.mpos_bits)
    )
}
