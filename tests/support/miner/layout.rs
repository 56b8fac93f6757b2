//! Headers of other lengths than Bitcoin's, as the mining programs of their coins build them.

use super::hash::Algorithm;

/// How the headers of a coin are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 80 bytes.
    Bitcoin,
    /// LBRY: the root of the claims after the merkle root, 112 bytes (ccminer's `lbry`).
    Lbry,
    /// Heavycoin: vote and reward behind the nonce, 84 bytes (cpuminer-heavycoin).
    Heavycoin,
}

/// What a job has beside the nine usual parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// Nothing.
    None,
    /// The root of the claims, internal byte order.
    Claims([u8; 32]),
    /// Heavycoin's.
    Vote {
        /// What the block earns.
        reward: u16,
        /// The highest vote.
        vote_max: u16,
    },
}

impl Layout {
    /// That of the coins of an algorithm.
    pub fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Other(named) if named.name == "lbry" => Layout::Lbry,
            Algorithm::Other(named) if named.name == "hefty1" => Layout::Heavycoin,
            _ => Layout::Bitcoin,
        }
    }

    /// Bytes of a header.
    pub fn bytes(self) -> usize {
        match self {
            Layout::Bitcoin => 80,
            Layout::Lbry => 112,
            Layout::Heavycoin => 84,
        }
    }

    /// Where the nonce stands; the time and the compact target are right before it.
    pub fn nonce_at(self) -> usize {
        match self {
            Layout::Bitcoin | Layout::Heavycoin => 76,
            Layout::Lbry => 108,
        }
    }
}

/// The bytes that are hashed: the first fields up to the merkle root, then the numbers.
pub fn header(start: &[u8], extra: Extra, numbers: [u32; 3], vote: u16) -> Vec<u8> {
    let mut header = start.to_vec();
    if let Extra::Claims(root) = extra {
        header.extend(root);
    }
    header.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
    if let Extra::Vote { reward, .. } = extra {
        header.extend([vote, reward].into_iter().flat_map(u16::to_le_bytes));
    }
    header
}
