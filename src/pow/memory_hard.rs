//! Algorithms made to need memory, beside scrypt itself. They keep their memory from hash to hash.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::by_time::{Growth, Steps};
use super::cost::{Class, scrypt_class};
use super::params::{Unset, whole};
use super::scrypt::{self, jane};
use super::{Argon2d, Lyra2, Scratch, UnsupportedParameters, Yescrypt, header_time, neoscrypt};
use crate::bytes::Hash;

/// Which algorithm, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryHard {
    /// scrypt with an N that grows with the header's time.
    ScryptN(Steps),
    /// scrypt around ChaCha20/8 and Keccak-512, with an N that grows with the header's time.
    ScryptJane(Growth),
    /// Lyra2RE and its relatives.
    Lyra2(Lyra2),
    /// NeoScrypt.
    NeoScrypt,
    /// yescrypt 0.5.
    Yescrypt(Yescrypt),
    /// Argon2d.
    Argon2d(Argon2d),
}

/// Greatest N factor of scrypt-jane that chains know.
const FACTOR_MAX: u64 = 30;

impl MemoryHard {
    /// Sets a parameter as known vectors have it: the cost that the time would give.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<(), Unset> {
        let number = whole(value);
        match (self, name) {
            (Self::ScryptN(steps), "N") => {
                let n = number.filter(|n| n.is_power_of_two() && *n > 1);
                let fixed = n.and_then(|n| Steps::new([(u8::try_from(n.trailing_zeros()).ok()?, 0)]));
                *steps = fixed.ok_or(Unset::Value("a power of two above 1"))?;
                Ok(())
            }
            (Self::ScryptN(_), "r" | "p") if number == Some(1) => Ok(()),
            (Self::ScryptN(_), "r" | "p") => Err(Unset::Value("1")),
            (Self::ScryptN(_), _) => Err(Unset::Unknown { has: "N, r, p" }),
            (Self::ScryptJane(growth), "nfactor") => {
                let factor = number.filter(|factor| *factor <= FACTOR_MAX).and_then(|n| u8::try_from(n).ok());
                growth.fixed_from = Some((0, factor.ok_or(Unset::Value("a whole number up to 30"))?));
                Ok(())
            }
            (Self::ScryptJane(_), _) => Err(Unset::Unknown { has: "nfactor" }),
            (Self::Argon2d(argon2d), _) => argon2d.set(name, value),
            (Self::Lyra2(_) | Self::NeoScrypt | Self::Yescrypt(_), _) => Err(Unset::Unknown { has: "none" }),
        }
    }

    /// Whether it can be computed with these parameters, at some time at least.
    ///
    /// # Errors
    /// A table in which no entry is within the memory that a hash may have.
    pub(super) fn check(self) -> Result<(), UnsupportedParameters> {
        self.check_at(0)
    }

    /// Whether it can be computed today and for some years. A chain that needs more memory than a hash may have would have
    /// every share refused.
    ///
    /// # Errors
    /// It cannot.
    pub fn check_today(self) -> Result<(), UnsupportedParameters> {
        self.log_n_most(&CLASS_TIMES).map_or(Ok(()), supported)
    }

    /// Whether it can be computed at a time.
    ///
    /// # Errors
    /// It cannot.
    pub(super) fn check_at(self, time: u32) -> Result<(), UnsupportedParameters> {
        self.log_n_most(&(time..=time)).map_or(Ok(()), supported)
    }

    /// log2 of the least and of the most that N is today and for some years, where it depends on the time.
    pub fn log_n_today(self) -> Option<RangeInclusive<u8>> {
        self.log_n_within(&CLASS_TIMES)
    }

    /// The same for times within `span`.
    fn log_n_within(self, span: &RangeInclusive<u32>) -> Option<RangeInclusive<u8>> {
        match self {
            Self::ScryptN(steps) => Some(steps.log_n_within(span)),
            Self::ScryptJane(growth) => Some(growth.log_n_within(span)),
            Self::Lyra2(_) | Self::NeoScrypt | Self::Yescrypt(_) | Self::Argon2d(_) => None,
        }
    }

    /// log2 of the most that N is at a time within `span`, where it depends on the time.
    fn log_n_most(self, span: &RangeInclusive<u32>) -> Option<u8> {
        self.log_n_within(span).map(|log_n| *log_n.end())
    }

    /// The time at which the cost is measured: the end of the years by which it is classed, or for YaCoin's scrypt-jane, which today needs more memory than a hash may
    /// have, the time at which it needed 4 MiB.
    pub(super) fn measured_at(self) -> u32 {
        match self {
            Self::ScryptJane(_) if self.check_today().is_err() => YACOIN_4_MIB,
            _ => *CLASS_TIMES.end(),
        }
    }

    /// The hash of a header at a time. At a time when it would need more memory than a hash may have, it is the greatest
    /// hash there is, which meets no target.
    pub(super) fn hash_at(self, header: &[u8], time: u32, scratch: &mut Scratch) -> Hash {
        match self {
            Self::ScryptN(steps) => scrypt::hash(header, steps.log_n(time), 1, &mut scratch.scrypt),
            Self::ScryptJane(growth) => jane::hash(header, growth.log_n(time), &mut scratch.scrypt),
            Self::Lyra2(lyra2) => lyra2.hash(header),
            Self::NeoScrypt => neoscrypt::hash(header, &mut scratch.neoscrypt),
            Self::Yescrypt(yescrypt) => yescrypt.hash(header, &mut scratch.yescrypt),
            Self::Argon2d(argon2d) => argon2d.hash(header, &mut scratch.argon2d),
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
            Self::Lyra2(_) | Self::NeoScrypt | Self::Yescrypt(_) | Self::Argon2d(_) => {
                hashes.extend(headers.iter().map(|header| self.hash_at(header, header_time(header), scratch)));
            }
        }
    }

    /// How many headers are computed side by side.
    pub(super) fn batch_max(self) -> usize {
        match self {
            Self::ScryptN(_) | Self::ScryptJane(_) => {
                self.log_n_most(&CLASS_TIMES).map_or(1, |log_n| scrypt::batch_max(log_n, 1))
            }
            Self::Lyra2(_) | Self::NeoScrypt | Self::Yescrypt(_) | Self::Argon2d(_) => 1,
        }
    }

    /// Whether the header's time decides how it is hashed.
    pub(super) fn depends_on_time(self) -> bool {
        match self {
            Self::ScryptN(_) | Self::ScryptJane(_) => true,
            Self::Lyra2(_) | Self::NeoScrypt | Self::Yescrypt(_) | Self::Argon2d(_) => false,
        }
    }

    /// What one hash costs, today and for some years.
    pub(super) fn class(self) -> Class {
        match self {
            Self::ScryptN(_) | Self::ScryptJane(_) => {
                self.log_n_most(&CLASS_TIMES).map_or(Class::Heavy, |log_n| scrypt_class(log_n, 1))
            }
            Self::Lyra2(_) => Class::Cheap,
            Self::NeoScrypt | Self::Yescrypt(_) => Class::Heavy,
            Self::Argon2d(argon2d) => argon2d.class(),
        }
    }
}

/// The times by which algorithms that change with time are classed, by the costliest of them: 2026 to 2030.
const CLASS_TIMES: RangeInclusive<u32> = 1_767_225_600..=1_924_991_999;
/// When YaCoin's N factor became 14.
const YACOIN_4_MIB: u32 = 1_384_768_416;

fn supported(log_n: u8) -> Result<(), UnsupportedParameters> {
    if scrypt::is_supported(log_n, 1) { Ok(()) } else { Err(UnsupportedParameters { log_n, r: 1 }) }
}

#[cfg(test)]
mod tests;
