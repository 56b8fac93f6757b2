//! The two hash functions the test miner knows, straight from the `sha2` and `scrypt` crates.

use sha2::{Digest, Sha256};

/// What a miner grinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Bitcoin: SHA-256 of SHA-256.
    Sha256d,
    /// Litecoin: scrypt with N = 1024, r = 1, p = 1.
    Scrypt,
}

impl Algorithm {
    /// Stratum difficulty 1 is the work of 2 to the power of this many hashes.
    pub fn difficulty_one_bits(self) -> u32 {
        match self {
            Algorithm::Sha256d => 32,
            Algorithm::Scrypt => 16,
        }
    }

    /// The hash of a header that is compared with targets, in internal byte order.
    pub fn proof_of_work(self, header: &[u8]) -> [u8; 32] {
        match self {
            Algorithm::Sha256d => sha256d(header),
            Algorithm::Scrypt => scrypt_1024(header),
        }
    }
}

/// SHA-256 of SHA-256, in internal byte order.
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// Litecoin's scrypt: the header is password and salt.
fn scrypt_1024(header: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    // log2(1024) = 10; the parameters are fixed and valid, as is the length of the output.
    let made = scrypt::Params::new(10, 1, 1)
        .map_err(|error| error.to_string())
        .and_then(|params| scrypt::scrypt(header, header, &params, &mut hash).map_err(|error| error.to_string()));
    assert_eq!(made, Ok(()), "scrypt refused its own standard parameters");
    hash
}

/// A hash as people and RPC write it: reversed, in hexadecimal.
pub fn display(hash: &[u8; 32]) -> String {
    let mut reversed = *hash;
    reversed.reverse();
    super::hex::encode(&reversed)
}
