//! Proof-of-work algorithms: one file each, behind one enum. SHA-256 is in [`crate::bytes::sha256`],
//! since every chain hashes its transactions with it.
//!
//! A header goes in, 32 bytes come out in internal byte order; read as a little-endian integer
//! they are compared with a target. Cheap algorithms are hashed where the share is read; the
//! memory-hard ones belong on the threads of [`hashers`].

pub mod hashers;
mod keccak;
mod scrypt;

use crate::bytes::Hash;

pub use crate::bytes::sha256::{sha256, sha256d};

pub mod names;

/// A proof-of-work algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Double SHA-256.
    Sha256d,
    /// scrypt with p = 1.
    Scrypt {
        /// log2 of the cost N.
        log_n: u8,
        /// Block size.
        r: u32,
    },
    /// Keccak-256 with the original padding.
    Keccak,
}

/// Memory that a hash may keep for the next one; one per thread or task that hashes.
#[derive(Debug, Default)]
pub struct Scratch {
    scrypt: scrypt::Pad,
}

impl Scratch {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Where a hash may be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Microseconds at most: on the task that read the share.
    Inline,
    /// More than that: on the threads of [`hashers::Hashers`], so that no neighbour waits for it.
    Offloaded,
}

/// Parameters that no hash can be computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "scrypt with log_n {log_n} and r {r} is not supported: log_n and r must be at least 1 and the memory, \
     128 * r * 2^log_n bytes, at most {max} bytes",
    max = scrypt::MEMORY_BYTES_MAX
)]
pub struct UnsupportedParameters {
    log_n: u8,
    r: u32,
}

impl Algorithm {
    /// Whether the parameters can be computed with; to be asked when configuration is read.
    ///
    /// # Errors
    /// scrypt parameters that are out of range or need too much memory.
    pub fn check(self) -> Result<(), UnsupportedParameters> {
        match self {
            Self::Scrypt { log_n, r } if !scrypt::is_supported(log_n, r) => Err(UnsupportedParameters { log_n, r }),
            _ => Ok(()),
        }
    }

    /// The hash of `header`, whatever its length. With parameters that [`Algorithm::check`] refuses
    /// the answer is the greatest hash there is, which meets no target.
    pub fn hash(self, header: &[u8], scratch: &mut Scratch) -> Hash {
        match self {
            Self::Sha256d => sha256d(header),
            Self::Scrypt { log_n, r } => scrypt::hash(header, log_n, r, &mut scratch.scrypt),
            Self::Keccak => keccak::keccak256(header),
        }
    }

    /// Appends the hash of each of `headers` to `hashes`, in order.
    pub fn hash_batch(self, headers: &[&[u8]], scratch: &mut Scratch, hashes: &mut Vec<Hash>) {
        match self {
            Self::Scrypt { log_n, r } => scrypt::hash_batch(headers, log_n, r, &mut scratch.scrypt, hashes),
            Self::Sha256d | Self::Keccak => {
                hashes.extend(headers.iter().map(|header| self.hash(header, scratch)));
            }
        }
    }

    /// How many headers are worth hashing at once: as many as are computed side by side.
    pub fn batch_max(self) -> usize {
        match self {
            Self::Scrypt { r: 1, .. } => scrypt::BATCH_MAX,
            Self::Sha256d | Self::Scrypt { .. } | Self::Keccak => 1,
        }
    }

    /// Where hashes are to be computed.
    pub fn cost(self) -> Cost {
        match self {
            Self::Sha256d | Self::Keccak => Cost::Inline,
            Self::Scrypt { .. } => Cost::Offloaded,
        }
    }
}

#[cfg(test)]
mod tests;
