//! What algorithms cost, measured (`make bench`), and what follows from it.

use std::time::Duration;

use super::{Algorithm, Chained};

/// What one hash costs on one core of a server of today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// At most 50 µs.
    Cheap,
    /// At most 50 ms.
    Heavy,
    /// More than that: a few miners keep a core busy. Refused unless the operator accepts it.
    Expensive,
}

impl Class {
    /// The most that a hash of [`Class::Cheap`] takes; `make bench` fails if one takes longer.
    pub const CHEAP_MAX: Duration = Duration::from_micros(50);
    /// The same of [`Class::Heavy`].
    pub const HEAVY_MAX: Duration = Duration::from_millis(50);
}

/// Where a hash may be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// On the task that read the share.
    Inline,
    /// On the threads of [`super::hashers::Hashers`], so that no neighbour waits for it.
    Offloaded,
}

/// Most N · r of scrypt within [`Class::Heavy`]. Each takes about 300 ns while the memory fits into the caches and up to
/// twice that beyond, so twice as many could take longer than the class may.
const SCRYPT_HEAVY_MAX: u64 = 1 << 16;

impl Algorithm {
    /// What one hash costs.
    pub fn class(self) -> Class {
        match self {
            Self::Sha256d
            | Self::Keccak
            | Self::KeccakNormal
            | Self::Skein
            | Self::Groestl
            | Self::GroestlMyriad
            | Self::Blake
            | Self::Shavite3
            | Self::Fugue
            | Self::Blake2s
            | Self::Sha1coin
            | Self::Lbry => Class::Cheap,
            // The block before decides what a hash consists of; most of what it can be takes longer than is cheap.
            Self::Chained(Chained::X16r | Chained::X16rv2) => Class::Heavy,
            Self::Chained(_) => Class::Cheap,
            Self::Odocrypt { .. } | Self::Hefty1 | Self::Hefty1Nomp => Class::Heavy,
            Self::Bcrypt => Class::Expensive,
            Self::Scrypt { log_n, r } => scrypt_class(log_n, r),
            Self::MemoryHard(memory_hard) => memory_hard.class(),
        }
    }

    /// Where hashes are to be computed.
    pub fn cost(self) -> Cost {
        match self.class() {
            Class::Cheap => Cost::Inline,
            Class::Heavy | Class::Expensive => Cost::Offloaded,
        }
    }
}

/// What scrypt costs.
pub(super) fn scrypt_class(log_n: u8, r: u32) -> Class {
    let units = 1u64.checked_shl(u32::from(log_n)).and_then(|n| n.checked_mul(u64::from(r)));
    if units.is_some_and(|units| units <= SCRYPT_HEAVY_MAX) { Class::Heavy } else { Class::Expensive }
}
