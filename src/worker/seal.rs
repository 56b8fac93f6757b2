//! Passwords as they are remembered: enough to judge one by, not enough to read it.
//!
//! A seal is SHA3-256 over a key, the worker and the password, cut to 16 bytes. The key is made of a
//! random salt, which stands in the file of remembered workers, and of a secret that does not: the
//! password of the database. So the file alone (in a backup, in a report of a bug) does not even let
//! anybody try passwords; and whoever has the database's password has no use for the file, because
//! the database holds the workers' passwords as plain text. That is why a seal need not be slow.
//! It must not be slow either: one task judges all logins, and while the database is away a hash
//! that takes a millisecond would let a flood of guesses keep everybody out.

use sha3::{Digest, Sha3_256};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a seal.
pub const SEAL_BYTES: usize = 16;

/// Random bytes that belong to one file of remembered workers.
pub type Salt = [u8; SALT_BYTES];

/// A password that cannot be read, only compared.
#[derive(Clone, Copy)]
pub struct Seal([u8; SEAL_BYTES]);

/// Makes seals.
pub struct Sealer {
    salt: Salt,
    key: [u8; 32],
}

impl Sealer {
    /// A sealer by a salt and a secret that is kept elsewhere.
    pub fn new(salt: Salt, secret: &str) -> Self {
        let key = Sha3_256::new().chain_update(b"mpos-stratum seal").chain_update(salt).chain_update(secret).finalize();
        Self { salt, key: key.into() }
    }

    /// Seals the password of a worker; `key` names the worker in all its spellings. Blanks at the
    /// end do not count: CHAR columns cannot hold them.
    pub fn seal(&self, key: &str, password: &str) -> Seal {
        let password = password.trim_end_matches(' ');
        // SHA-3 needs no further construction around a key of fixed length; no name holds a zero.
        let sealed = Sha3_256::new().chain_update(self.key).chain_update(key).chain_update([0]).chain_update(password);
        let mut seal = [0; SEAL_BYTES];
        seal.iter_mut().zip(sealed.finalize()).for_each(|(to, from)| *to = from);
        Seal(seal)
    }

    /// The salt it was made with.
    pub fn salt(&self) -> Salt {
        self.salt
    }
}

impl Seal {
    /// A seal as it was stored.
    pub fn from_bytes(bytes: [u8; SEAL_BYTES]) -> Self {
        Self(bytes)
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8; SEAL_BYTES] {
        &self.0
    }
}

/// Takes the same time wherever the difference is.
impl PartialEq for Seal {
    fn eq(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0u8, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        std::hint::black_box(differences) == 0
    }
}

impl Eq for Seal {}

/// Nothing of it belongs into a log.
impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_tells_exactly_the_same_password_of_the_same_worker() {
        let sealer = Sealer::new([7; SALT_BYTES], "secret");
        let seal = sealer.seal("a.b", "Pass w\u{f6}rd");
        assert_eq!(seal, sealer.seal("a.b", "Pass w\u{f6}rd  "));
        for (worker, password) in [
            ("a.b", "pass w\u{f6}rd"),
            ("a.b", "Pass word"),
            ("a.b", " Pass w\u{f6}rd"),
            ("a.c", "Pass w\u{f6}rd"),
            ("a.b", ""),
        ] {
            assert_ne!(seal, sealer.seal(worker, password), "{worker} {password}");
        }
        assert_ne!(sealer.seal("a.b", "c"), sealer.seal("a.bc", ""));
        // Each byte counts.
        for at in 0..SEAL_BYTES {
            let mut other = *seal.bytes();
            other[at] ^= 1;
            assert_ne!(seal, Seal::from_bytes(other), "byte {at}");
        }
    }

    #[test]
    fn salt_and_secret_both_count() {
        let seal = Sealer::new([7; SALT_BYTES], "secret").seal("a.b", "x");
        assert_ne!(seal, Sealer::new([8; SALT_BYTES], "secret").seal("a.b", "x"));
        assert_ne!(seal, Sealer::new([7; SALT_BYTES], "Secret").seal("a.b", "x"));
        assert_eq!(format!("{seal:?}"), "Seal");
    }
}
