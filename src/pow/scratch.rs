//! Memory that outlives a hash.

use super::{neoscrypt, scrypt, yescrypt};

/// Memory that a hash may keep for the next one; one per thread or task that hashes. It grows to what
/// the largest hash so far needed: 64 MiB for scrypt and its descendants, 16 MiB for yescrypt, 64 MiB for Argon2d at most
/// (half a mebibyte as coins use it), 32 KiB for NeoScrypt.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Of scrypt, scrypt-n and scrypt-jane.
    pub(super) scrypt: scrypt::Pad,
    /// Of NeoScrypt.
    pub(super) neoscrypt: neoscrypt::Pad,
    /// Of yescrypt.
    pub(super) yescrypt: yescrypt::Pad,
    /// Of Argon2d.
    pub(super) argon2d: Vec<argon2::Block>,
}

impl Scratch {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }
}
