//! What outlives a hash: memory and prepared state for the next one.

use super::primitives::odocrypt::OdoCrypt;

use super::{neoscrypt, scrypt, yescrypt};

/// Memory that a hash may keep for the next one; one per thread or task that hashes. It grows to what
/// the largest hash so far needed: 64 MiB for scrypt and its descendants, 16 MiB for yescrypt, 64 MiB for Argon2d at most
/// (half a mebibyte as coins use it), 32 KiB for NeoScrypt. Where coins of several are hashed it is their sum.
#[derive(Debug, Default)]
pub struct Scratch {
    /// OdoCrypt's cipher drawn last, with its key: drawing one costs more than hashing with it.
    odocrypt: Option<(u32, OdoCrypt)>,
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

    /// What is kept of each kind: scrypt's, NeoScrypt's, yescrypt's and Argon2d's.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> [usize; 4] {
        let argon2d = self.argon2d.capacity() * size_of::<argon2::Block>();
        [self.scrypt.bytes(), self.neoscrypt.bytes(), self.yescrypt.bytes(), argon2d]
    }

    /// The cipher in force at a time.
    pub(super) fn odocrypt(&mut self, time: u32, epoch_secs: u32) -> &OdoCrypt {
        let key = time - time.checked_rem(epoch_secs).unwrap_or(0);
        let kept = self.odocrypt.take().filter(|(of, _)| *of == key);
        &self.odocrypt.insert(kept.unwrap_or_else(|| (key, OdoCrypt::new(key)))).1
    }
}
