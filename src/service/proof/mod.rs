//! A coin's profile held against the chain of its nodes, before a miner connects.

mod every;
mod later;

use std::fmt;

use tokio::task::spawn_blocking;

pub use self::every::{Proven, prove_every};
pub use self::later::prove_later;
use crate::bytes::{Hash, display_hash};
use crate::chain::destination::Destination;
use crate::coin::preset::PRESETS;
use crate::coin::profile::{BlockHash, Profile};
use crate::coin::proof::{self, HEADERS, HEADERS_OF_EXPENSIVE, HEADERS_OF_SEVERAL, Misfit, Proof, Sample};
use crate::config::{Coin, preset_profile};
use crate::difficulty::mpos_factor;
use crate::node::lookup::catching_up;
use crate::node::nodes::Nodes;
use crate::node::recent;
use crate::pow::Class;
use crate::pow::names::{self, Named};

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
    /// The blocks that a node has so far are not of the profile, but it has not caught up with its chain yet: that may have
    /// changed its algorithm since.
    CatchingUp {
        /// What does not fit so far.
        misfit: Misfit,
        /// The node's words.
        words: String,
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
            Self::CatchingUp { misfit, words } => write!(
                f,
                "it is still catching up with its chain, whose blocks so far are not of the coin's profile ({misfit}); \
                 nothing of it counts before they are: {words}"
            ),
            Self::Misfit { misfit, advice } => {
                write!(f, "the coin's profile is not that of the node's chain: {misfit}; {advice}")
            }
        }
    }
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

/// The first block of the nodes' chain; `None`: they cannot name it.
///
/// # Errors
/// Nobody answers now: what was not asked is no proof.
async fn first_block(nodes: &Nodes) -> Result<Option<Hash>, Refusal> {
    match nodes.ask(|node| async move { node.rpc.hash_at(0).await }).await {
        Some(Ok(hash)) => Ok(Some(hash)),
        Some(Err(error)) if error.code().is_some() && !error.is_warming_up() && !error.is_syncing() => Ok(None),
        Some(Err(error)) => Err(Refusal::Unasked(error.to_string())),
        None => Ok(None),
    }
}

/// Everything that a node's chain is held against the profile and against other nodes' chains by.
async fn shown(coin: &Coin, nodes: &Nodes) -> Result<(Vec<Sample>, Option<Hash>), Refusal> {
    Ok((samples(coin, nodes).await?, first_block(nodes).await?))
}

/// Holds the coin's profile against blocks of a chain. A profile that is refused takes seconds where all others are
/// tried in its place.
///
/// # Errors
/// The profile is another chain's, with the ones that would fit.
pub async fn judge(coin: &Coin, samples: Vec<Sample>) -> Result<Proof, Refusal> {
    match weigh(coin, samples).await? {
        Weighed::Fits(proof) => Ok(proof),
        Weighed::Misfit(misfit, samples) => Err(advised(coin, misfit, samples).await),
    }
}

/// The same of a single node that comes to others: one that is still catching up with its chain is not judged by its old
/// blocks.
///
/// # Errors
/// As for [`judge`], or it is catching up with blocks that do not fit.
pub async fn judge_newcomer(coin: &Coin, node: &Nodes, samples: Vec<Sample>) -> Result<(), Refusal> {
    match weigh(coin, samples).await? {
        Weighed::Fits(_) => Ok(()),
        Weighed::Misfit(misfit, samples) => match catching_up(node, &coin.profile.form).await {
            Some(words) => Err(Refusal::CatchingUp { misfit, words }),
            None => Err(advised(coin, misfit, samples).await),
        },
    }
}

/// What blocks of a chain say of a profile.
enum Weighed {
    Fits(Proof),
    /// With the blocks that show it.
    Misfit(Misfit, Vec<Sample>),
}

/// The same without looking for a profile that would fit.
async fn weigh(coin: &Coin, samples: Vec<Sample>) -> Result<Weighed, Refusal> {
    let profile = coin.profile.clone();
    let weigh = move || match proof::prove(&profile, &samples) {
        Ok(proof) => Weighed::Fits(proof),
        Err(misfit) => Weighed::Misfit(misfit, samples),
    };
    // Memory-hard hashes would hold up everything else that the runtime's threads do.
    spawn_blocking(weigh).await.map_err(|problem| Refusal::Unasked(problem.to_string()))
}

/// The refusal in full: takes seconds.
async fn advised(coin: &Coin, misfit: Misfit, samples: Vec<Sample>) -> Refusal {
    let (profile, payout) = (coin.profile.clone(), coin.payout.clone());
    let advice = spawn_blocking(move || advice(&profile, &payout, &samples)).await;
    Refusal::Misfit { misfit, advice: advice.unwrap_or_default() }
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
