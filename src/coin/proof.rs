//! Whether a profile is that of a chain: headers of the chain are named and weighed as the profile has
//! it, and must come out as the chain's own nodes have them.

use super::profile::{BlockHash, Profile};
use crate::bytes::{Hash, display_hash};
use crate::chain::form::ChainForm;
use crate::chain::header::Header;
use crate::difficulty::{Target, mpos_factor};
use crate::pow::{Algorithm, Scratch};

/// Headers that are looked at. On regtest a wrong algorithm passes for one header in two, so for all
/// of them once in 65,536 times; on a main network never.
pub const HEADERS: u32 = 16;
/// The same where one hash takes a core more than 50 ms: such chains are no regtest.
pub const HEADERS_OF_EXPENSIVE: u32 = 2;
/// The same where blocks of other algorithms stand between ours: with five algorithms none of them is
/// ours once in a million times.
pub const HEADERS_OF_SEVERAL: u32 = 64;
/// Version bit of a block that was mined with another chain's (merged mining): its proof of work is
/// that chain's header.
pub const MERGED_BIT: u32 = 0x100;

/// A block of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its height.
    pub height: u32,
    /// Its name, as the node has it (internal byte order).
    pub hash: Hash,
    /// Its header.
    pub header: Vec<u8>,
    /// The header of the other chain that is its proof of work, where it was mined with one and the node shows it.
    pub parent: Option<Vec<u8>>,
    /// Whether the node says that it was staked, not mined; `None`: it does not say.
    pub staked: Option<bool>,
}

/// What the chain shows of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Blocks whose names came out right: all that were looked at.
    pub named: usize,
    /// Blocks whose proof of work came out right.
    pub mined: usize,
    /// The newest of those, worked out.
    pub example: Option<Example>,
}

/// A block worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its height.
    pub height: u32,
    /// Its proof-of-work hash (internal byte order).
    pub pow: Hash,
    /// The network's difficulty at it, in the units of miners.
    pub network_difficulty: f64,
    /// The same in the units of MPOS's `shares.difficulty`.
    pub mpos_difficulty: f64,
}

/// How a profile is not that of the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A block is named otherwise.
    #[error(
        "the node calls block {height} {theirs}, but by `block_hash` of the coin's profile it would be {ours}: MPOS \
         would never find a block"
    )]
    Name {
        /// The block's height.
        height: u32,
        /// The node's name for it.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// The proof of work is another.
    #[error(
        "block {height} was mined, but by `algorithm` of the coin's profile it does not meet its target: every share \
         would be worthless"
    )]
    Work {
        /// The block's height.
        height: u32,
    },
    /// The header is not of the profile's length, or its target makes no sense.
    #[error("block {height} has a header that this daemon does not understand")]
    Header {
        /// The block's height.
        height: u32,
    },
}

/// Holds a profile against blocks of a chain. Without any block there is nothing to object to.
///
/// # Errors
/// The first thing that does not fit.
pub fn prove(profile: &Profile, samples: &[Sample]) -> Result<Proof, Misfit> {
    let mut scratch = Scratch::new();
    let mut proof = Proof { named: 0, mined: 0, example: None };
    let mut missed = None;
    // Whether a block's version says by which algorithm it was mined.
    let says = profile.several_algorithms && profile.form.algorithm_bits.says();
    for sample in samples {
        let height = sample.height;
        let bytes = sample.header.as_slice();
        let Reading { header, is_merged, parent, is_ours } =
            Reading::of(sample, &profile.form, says).ok_or(Misfit::Header { height })?;
        // One of several that do not say what they are is proof enough: hashes may be expensive.
        let is_weighed = is_ours && (says || !profile.several_algorithms || proof.mined == 0);
        let mut hash = |header: &[u8]| profile.algorithm.hash(header, &mut scratch);
        let names = profile.block_hash == BlockHash::Pow;
        let pow = if is_weighed && parent.is_none() || names { hash(bytes) } else { Hash::default() };
        let ours = profile.block_hash.of(bytes, pow);
        // Where the name is the proof of work, both are wrong if the algorithm is: that is said first.
        let target = Target::from_compact(header.bits).ok_or(Misfit::Header { height })?;
        let work = if is_weighed { parent.map_or(pow, hash) } else { pow };
        let meets = is_weighed && target.is_met_by(&work);
        let is_shown = sample.staked == Some(false) && (!is_merged || parent.is_some());
        if is_weighed && !meets && is_shown && (says || !profile.several_algorithms) {
            return Err(Misfit::Work { height });
        }
        let named_by_another = profile.several_algorithms && !meets && names;
        if ours != sample.hash && !named_by_another {
            return Err(Misfit::Name { height, theirs: display_hash(&sample.hash), ours: display_hash(&ours) });
        }
        proof.named += 1;
        if meets && sample.staked != Some(true) {
            let network_difficulty = target.difficulty(profile.stratum_bits);
            let mpos_difficulty = network_difficulty * mpos_factor(profile.stratum_bits, profile.mpos_bits);
            proof.mined += 1;
            proof.example = Some(Example { height, pow: work, network_difficulty, mpos_difficulty });
        } else if is_shown {
            missed = Some(height);
        }
    }
    match missed {
        // Among many blocks of several algorithms there should be one of ours; where they say what they are, none may
        // be: the pool may be the only one that mines this algorithm, and have been away.
        Some(height) if proof.mined == 0 && !says && samples.len() >= HEADERS_OF_SEVERAL as usize => {
            Err(Misfit::Work { height })
        }
        _ => Ok(proof),
    }
}

/// Whether a block has the work that its header states; `None`: it cannot be told, because it was staked, mined with another
/// chain whose header the node does not show, or by another algorithm.
pub fn is_mined(sample: &Sample, form: &ChainForm, algorithm: Algorithm, several_algorithms: bool) -> Option<bool> {
    let says = several_algorithms && form.algorithm_bits.says();
    let Reading { header, is_merged, parent, is_ours } = Reading::of(sample, form, says)?;
    let is_told = says || !several_algorithms;
    if !is_told || !is_ours || sample.staked != Some(false) || is_merged && parent.is_none() {
        return None;
    }
    let target = Target::from_compact(header.bits)?;
    Some(target.is_met_by(&algorithm.hash(parent.unwrap_or(&sample.header), &mut Scratch::new())))
}

/// A block as far as its proof of work goes.
struct Reading<'a> {
    header: Header,
    /// It was mined with another chain's.
    is_merged: bool,
    /// Then that chain's header, if the node shows it.
    parent: Option<&'a [u8]>,
    /// Its version does not say that it was mined by another algorithm.
    is_ours: bool,
}

impl<'a> Reading<'a> {
    /// `None`: the header has not the form of the chain's.
    fn of(sample: &'a Sample, form: &ChainForm, says_algorithm: bool) -> Option<Self> {
        let header = Header::from_bytes(form.header, &sample.header)?;
        let is_merged = header.version & MERGED_BIT != 0;
        let parent = sample.parent.as_deref().filter(|_| is_merged);
        let bits = form.algorithm_bits;
        let is_ours = !says_algorithm || header.version & bits.mask == bits.value;
        Some(Self { header, is_merged, parent, is_ours })
    }
}

#[cfg(test)]
mod tests;
