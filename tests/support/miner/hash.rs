//! The hash functions the test miner knows: the two that real nodes speak straight from the `sha2` and `scrypt`
//! crates; all others are the daemon's own, which known headers have proven.

use mpos_stratum::pow::Scratch;
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::pow::names::Named;
use sha2::{Digest, Sha256};

/// What a miner grinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Bitcoin: SHA-256 of SHA-256.
    Sha256d,
    /// Litecoin: scrypt with N = 1024, r = 1, p = 1.
    Scrypt,
    /// Any other, by its row in the daemon's table.
    Other(&'static Named),
}

impl Algorithm {
    /// Stratum difficulty 1 is the work of 2 to the power of this many hashes.
    pub fn difficulty_one_bits(self) -> u32 {
        match self {
            Algorithm::Sha256d => 32,
            Algorithm::Scrypt => 16,
            Algorithm::Other(named) => u32::from(named.stratum_bits),
        }
    }

    /// The hash of a header that is compared with targets, in internal byte order.
    pub fn proof_of_work(self, header: &[u8]) -> [u8; 32] {
        match self {
            Algorithm::Sha256d => sha256d(header),
            Algorithm::Scrypt => scrypt_1024(header),
            Algorithm::Other(named) => named.algorithm.hash(header, &mut Scratch::new()),
        }
    }

    /// The hash that names a transaction.
    pub fn transaction_hash(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Algorithm::Other(named) if named.transaction_hash == TransactionHash::Sha256 => {
                Sha256::digest(bytes).into()
            }
            _ => self.merkle_node(bytes),
        }
    }

    /// The hash of the inner nodes of the merkle tree.
    pub fn merkle_node(self, children: &[u8]) -> [u8; 32] {
        match self {
            // Heavycoin uses its proof of work for everything.
            Algorithm::Other(named) if named.transaction_hash == TransactionHash::Heavy => self.proof_of_work(children),
            _ => sha256d(children),
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
