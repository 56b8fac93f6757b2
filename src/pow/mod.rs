//! Proof-of-work algorithms: one file each, behind one enum.

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
