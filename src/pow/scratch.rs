//! Memory that outlives a hash.

use super::scrypt::Pad;

/// Memory that a hash may keep for the next one; one per thread or task that hashes.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Of scrypt, scrypt-n and scrypt-jane.
    pub(super) scrypt: Pad,
}

impl Scratch {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }
}
