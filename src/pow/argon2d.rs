//! Argon2d (RFC 9106 and the draft before it), with the header as password and as salt.

use argon2::{Algorithm, Argon2, Block, Params, Version};

use serde_json::Value;

use super::cost::Class;
use super::params::{Unset, whole};
use crate::bytes::Hash;

/// Shortest salt that Argon2 takes; shorter headers, which no chain has, are filled up with zeros.
const SALT_BYTES_MIN: usize = 8;

/// What `m_kib` may be.
const MEMORY_WANTED: &str = "a whole number up to 65535, eight for each lane at least";

/// Most passes over a KiB within [`Class::Heavy`]: about 1.7 µs for each where the processor has no vectors.
const HEAVY_MAX: u32 = 1 << 14;

/// Which revision, and how much work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Argon2d {
    /// Version 0x13 of the RFC, else 0x10.
    pub v13: bool,
    /// Passes over the memory.
    pub passes: u8,
    /// Memory in KiB, within 64 MiB by its type.
    pub memory_kib: u16,
    /// Lanes.
    pub lanes: u8,
}

impl Argon2d {
    /// Dynamic's: 500 KiB in eight lanes, twice.
    pub const DYNAMIC: Self = Self { v13: false, passes: 2, memory_kib: 500, lanes: 8 };

    /// Sets a parameter as known vectors have it.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<(), Unset> {
        let small = || whole(value).and_then(|number| u8::try_from(number).ok()).filter(|number| *number > 0);
        match name {
            "t" => self.passes = small().ok_or(Unset::Value("a whole number from 1 to 255"))?,
            "lanes" => self.lanes = small().ok_or(Unset::Value("a whole number from 1 to 255"))?,
            "m_kib" => {
                let kib = whole(value).and_then(|number| u16::try_from(number).ok());
                self.memory_kib = kib.ok_or(Unset::Value(MEMORY_WANTED))?;
            }
            "version" => match value.as_str() {
                Some("0x10") => self.v13 = false,
                Some("0x13") => self.v13 = true,
                _ => return Err(Unset::Value("\"0x10\" or \"0x13\"")),
            },
            "salt" if value.as_str() == Some("= input") => {}
            "salt" => return Err(Unset::Value("\"= input\": coins take the header for it")),
            _ => return Err(Unset::Unknown { has: "t, m_kib, lanes, version, salt" }),
        }
        Ok(())
    }

    /// What one hash costs.
    pub(super) fn class(self) -> Class {
        let passes = u32::from(self.passes) * u32::from(self.memory_kib);
        if passes <= HEAVY_MAX { Class::Heavy } else { Class::Expensive }
    }

    /// Whether the parameters go together; else which one is wrong, its value and what would do.
    ///
    /// # Errors
    /// There is less memory than the lanes need.
    pub fn check(self) -> Result<(), (&'static str, String, &'static str)> {
        let lanes = u16::from(self.lanes);
        if self.memory_kib >= 8 * lanes { Ok(()) } else { Err(("m_kib", self.memory_kib.to_string(), MEMORY_WANTED)) }
    }

    /// The hash of a header, in memory that is kept for the next one. With parameters that Argon2
    /// does not know it is the greatest hash there is.
    pub fn hash(self, header: &[u8], memory: &mut Vec<Block>) -> Hash {
        let mut hash = [0xff; 32];
        let params = Params::new(self.memory_kib.into(), self.passes.into(), self.lanes.into(), Some(hash.len()));
        let Ok(params) = params else { return hash };
        if memory.len() < params.block_count() {
            // Nothing in it is worth copying, and no more is to be kept than the largest hash needs.
            memory.clear();
            memory.reserve_exact(params.block_count());
            memory.resize(params.block_count(), Block::new());
        }
        let mut short = [0; SALT_BYTES_MIN];
        let salt = match short.get_mut(..header.len()) {
            Some(start) if header.len() < SALT_BYTES_MIN => {
                start.copy_from_slice(header);
                &short
            }
            _ => header,
        };
        let version = if self.v13 { Version::V0x13 } else { Version::V0x10 };
        let argon = Argon2::new(Algorithm::Argon2d, version, params);
        match argon.hash_password_into_with_memory(header, salt, &mut hash, memory.as_mut_slice()) {
            Ok(()) => hash,
            Err(_) => [0xff; 32],
        }
    }
}
