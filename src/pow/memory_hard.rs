//! Algorithms made to need memory, beside scrypt itself: they all run on the threads of
//! [`super::hashers`] and keep their memory from hash to hash.

use super::by_time::{Growth, Steps};
use super::cost::{Class, scrypt_class};
use super::scrypt::{self, jane};
use super::{Scratch, UnsupportedParameters, header_time};
use crate::bytes::Hash;

/// Which algorithm, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryHard {
    /// scrypt with an N that grows with the header's time.
    ScryptN(Steps),
    /// scrypt around ChaCha20/8 and Keccak-512, with an N that grows with the header's time.
    ScryptJane(Growth),
}

impl MemoryHard {
    /// Whether it can be computed with these parameters, at some time at least.
    ///
    /// # Errors
    /// A table in which no entry is within the memory that a hash may have.
    pub(super) fn check(self) -> Result<(), UnsupportedParameters> {
        let (log_n, r) = match self {
            Self::ScryptN(steps) => (steps.log_n(0), 1),
            Self::ScryptJane(growth) => (growth.log_n(0), 1),
        };
        if scrypt::is_supported(log_n, r) { Ok(()) } else { Err(UnsupportedParameters { log_n, r }) }
    }

    /// The hash of a header at a time. At a time when it would need more memory than a hash may have, it is the greatest
    /// hash there is, which meets no target.
    pub(super) fn hash_at(self, header: &[u8], time: u32, scratch: &mut Scratch) -> Hash {
        match self {
            Self::ScryptN(steps) => scrypt::hash(header, steps.log_n(time), 1, &mut scratch.scrypt),
            Self::ScryptJane(growth) => jane::hash(header, growth.log_n(time), &mut scratch.scrypt),
        }
    }

    /// Appends the hash of each of `headers` to `hashes`, in order.
    pub(super) fn hash_batch(self, headers: &[&[u8]], scratch: &mut Scratch, hashes: &mut Vec<Hash>) {
        match self {
            Self::ScryptN(steps) => {
                let log_n = |header: &[u8]| steps.log_n(header_time(header));
                for run in headers.chunk_by(|one, next| log_n(one) == log_n(next)) {
                    let log_n = run.first().map_or(0, |header| log_n(header));
                    scrypt::hash_batch(run, log_n, 1, &mut scratch.scrypt, hashes);
                }
            }
            Self::ScryptJane(growth) => {
                let log_n = |header: &[u8]| growth.log_n(header_time(header));
                for run in headers.chunk_by(|one, next| log_n(one) == log_n(next)) {
                    let log_n = run.first().map_or(0, |header| log_n(header));
                    jane::hash_batch(run, log_n, &mut scratch.scrypt, hashes);
                }
            }
        }
    }

    /// How many headers are computed side by side.
    pub(super) fn batch_max(self) -> usize {
        match self {
            Self::ScryptN(_) | Self::ScryptJane(_) => scrypt::BATCH_MAX,
        }
    }

    /// Whether the header's time decides how it is hashed.
    pub(super) fn depends_on_time(self) -> bool {
        match self {
            Self::ScryptN(_) | Self::ScryptJane(_) => true,
        }
    }

    /// What one hash costs, today and for some years.
    pub(super) fn class(self) -> Class {
        match self {
            Self::ScryptN(steps) => scrypt_class(steps.log_n(CLASS_TIME), 1),
            Self::ScryptJane(growth) => scrypt_class(growth.log_n(CLASS_TIME), 1),
        }
    }
}

/// The time at which algorithms that change with time are classed: the end of 2030.
const CLASS_TIME: u32 = 1_924_991_999;
