//! Hash functions beside the proof of work: what names a block and what names a coinbase.

use sha2::{Digest, Sha256};

use super::{Algorithm, Cost, heavy, scrypt, sha256, sha256d};
use crate::bytes::Hash;

/// Which hash of the header names a block; it is what MPOS compares with `solution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockHash {
    /// Double SHA-256 of the header, whatever the proof of work.
    Sha256d,
    /// The proof-of-work hash itself.
    Pow,
    /// scrypt with N = 1024 and r = 1, whatever the proof of work (Verge).
    Scrypt,
}

impl BlockHash {
    /// Where a name may be computed whose proof-of-work hash is not at hand.
    pub fn cost(self, algorithm: Algorithm) -> Cost {
        match self {
            Self::Sha256d => Cost::Inline,
            Self::Pow => algorithm.cost(),
            Self::Scrypt => Cost::Offloaded,
        }
    }

    /// The name of the block with this header and proof-of-work hash.
    pub fn of(self, header: &[u8], pow: Hash) -> Hash {
        match self {
            Self::Sha256d => sha256d(header),
            Self::Pow => pow,
            Self::Scrypt => scrypt::hash(header, 10, 1, &mut scrypt::Pad::default()),
        }
    }
}

/// Which hash names a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionHash {
    /// Double SHA-256.
    #[default]
    Sha256d,
    /// SHA-256 once: Groestlcoin, Maxcoin, SmartCash, Bitgesell, Blakecoin, Fuguecoin. Inner nodes of the merkle tree
    /// are double SHA-256 even so.
    Sha256,
    /// Heavycoin's proof of work; inner nodes of its merkle tree too.
    Heavy,
}

impl TransactionHash {
    /// The name of the transaction that is `head` and then `rest`; `begun` is SHA-256 with the head already in it.
    pub fn of(self, begun: &Sha256, head: &[u8], rest: [&[u8]; 3]) -> Hash {
        if self == Self::Heavy {
            let [a, b, c] = rest;
            return heavy::heavy(&[head, a, b, c].concat());
        }
        let first: Hash = rest.into_iter().fold(begun.clone(), Sha256::chain_update).finalize().into();
        if self == Self::Sha256 { first } else { sha256(&first) }
    }

    /// The hash of the inner nodes of the merkle tree.
    pub fn node(self) -> fn(&[u8]) -> Hash {
        match self {
            Self::Sha256d | Self::Sha256 => sha256d,
            Self::Heavy => heavy::heavy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn transactions_are_named_by_one_or_two_sha256_or_as_heavycoin_does() {
        let of = |hash: TransactionHash| hash.of(&Sha256::new_with_prefix("a"), b"a", [b"b", b"", b"cd"]);
        assert_eq!(of(TransactionHash::Sha256), sha256(b"abcd"));
        assert_eq!(of(TransactionHash::default()), sha256d(b"abcd"));
        assert_eq!(of(TransactionHash::Heavy), heavy::heavy(b"abcd"));
        assert_eq!(TransactionHash::Heavy.node()(b"abcd"), heavy::heavy(b"abcd"));
        assert_eq!(TransactionHash::Sha256.node()(b"abcd"), sha256d(b"abcd"));
    }

    #[test]
    fn verge_names_its_blocks_by_scrypt() {
        // Its genesis block, the one header where both are the same.
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/data/pow-vectors.json")).unwrap();
        let verge = vectors.iter().find(|vector| vector["coin"] == "Verge").unwrap();
        let header = hex::decode(verge["header_hex"].as_str().unwrap().as_bytes()).unwrap();
        let id = BlockHash::Scrypt.of(&header, [0; 32]);
        assert_eq!(crate::bytes::display_hash(&id), verge["block_hash_hex"].as_str().unwrap());
        assert_eq!(BlockHash::Pow.of(&header, [7; 32]), [7; 32]);
        assert_eq!(BlockHash::Sha256d.of(&header, [7; 32]), sha256d(&header));
    }
}
