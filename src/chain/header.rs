//! The 80-byte block header, and the odd forms in which Stratum sends its parts.

use crate::bytes::Hash;

/// Bytes of a serialised header.
pub const HEADER_BYTES: usize = 80;

/// A block header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Version with signalling bits.
    pub version: u32,
    /// Hash of the block before (internal byte order).
    pub previous: Hash,
    /// Root of the merkle tree over the transactions (internal byte order).
    pub merkle_root: Hash,
    /// Unix seconds.
    pub time: u32,
    /// Compact target.
    pub bits: u32,
    /// What miners vary first.
    pub nonce: u32,
}

impl Header {
    /// The bytes that are hashed: version, previous, merkle root, time, bits, nonce; numbers
    /// little-endian.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(&self.previous);
        bytes[36..68].copy_from_slice(&self.merkle_root);
        bytes[68..72].copy_from_slice(&self.time.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.bits.to_le_bytes());
        bytes[76..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// The header that these bytes are.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let hash = |at: usize| {
            let mut hash = [0; 32];
            hash.copy_from_slice(&bytes[at..at + 32]);
            hash
        };
        Self {
            version: number(0),
            previous: hash(4),
            merkle_root: hash(36),
            time: number(68),
            bits: number(72),
            nonce: number(76),
        }
    }
}

/// The form in which `mining.notify` sends the previous block's hash: the internal order with the
/// four bytes of each word reversed.
pub fn swap_words(hash: &Hash) -> Hash {
    let mut swapped = *hash;
    for word in swapped.as_chunks_mut::<4>().0 {
        word.reverse();
    }
    swapped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::sha256::sha256d;
    use crate::bytes::{display_hash, hex, parse_display_hash};

    #[test]
    fn the_genesis_headers_of_bitcoin_and_litecoin() {
        let bitcoin = Header {
            version: 1,
            previous: [0; 32],
            merkle_root: parse_display_hash("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b")
                .unwrap(),
            time: 1_231_006_505,
            bits: 0x1d00_ffff,
            nonce: 2_083_236_893,
        };
        assert_eq!(
            display_hash(&sha256d(&bitcoin.to_bytes())),
            "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
        );
        let litecoin = Header {
            merkle_root: parse_display_hash("97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9")
                .unwrap(),
            time: 1_317_972_665,
            bits: 0x1e0f_fff0,
            nonce: 2_084_524_493,
            ..bitcoin
        };
        assert_eq!(
            display_hash(&sha256d(&litecoin.to_bytes())),
            "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2"
        );
    }

    #[test]
    fn the_previous_hash_of_a_notify() {
        // Bitcoin's genesis block, as a miner of block 1 would have been told.
        let hash = parse_display_hash("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f").unwrap();
        assert_eq!(hex::encode(&swap_words(&hash)), "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000");
        assert_eq!(swap_words(&swap_words(&hash)), hash);
    }

    proptest! {
        #[test]
        fn bytes_and_fields_agree(start in any::<[u8; 32]>(), middle in any::<[u8; 32]>(), end in any::<[u8; 16]>()) {
            let mut bytes = [0; HEADER_BYTES];
            bytes[..32].copy_from_slice(&start);
            bytes[32..64].copy_from_slice(&middle);
            bytes[64..].copy_from_slice(&end);
            prop_assert_eq!(Header::from_bytes(&bytes).to_bytes(), bytes);
        }
    }
}
