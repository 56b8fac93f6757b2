//! The block header, and the odd forms in which Stratum sends its parts.

use std::ops::Deref;

use crate::bytes::Hash;

/// Bytes of Bitcoin's header.
pub const HEADER_BYTES: usize = 80;
/// Bytes of the longest header there is: LBRY's.
pub const HEADER_BYTES_MAX: usize = 112;
/// Where the merkle root stands, in every form.
const MERKLE_ROOT: std::ops::Range<usize> = 36..68;

/// How the headers of a coin are laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HeaderForm {
    /// Bitcoin's: version, previous, merkle root, time, bits, nonce; 80 bytes.
    #[default]
    Bitcoin,
    /// LBRY's: the root of the claims follows the merkle root; 112 bytes.
    Lbry,
    /// Heavycoin's: the miner's vote and the block's reward, two bytes each, follow the nonce; 84 bytes.
    Heavycoin,
}

impl HeaderForm {
    /// Bytes of a header.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bitcoin => HEADER_BYTES,
            Self::Lbry => HEADER_BYTES_MAX,
            Self::Heavycoin => 84,
        }
    }
}

/// What a header holds beside Bitcoin's fields; it decides the form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extra {
    /// Nothing.
    #[default]
    None,
    /// LBRY: the root of the trie of claims (internal byte order).
    Claims(Hash),
    /// Heavycoin.
    Vote {
        /// What the miner wants a block to earn, in whole coins.
        vote: u16,
        /// What this block earns.
        reward: u16,
    },
}

/// The bytes of a header of any form, on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    used: usize,
}

impl HeaderBytes {
    const EMPTY: Self = Self { bytes: [0; HEADER_BYTES_MAX], used: 0 };

    /// Appends a field. All fields of the longest form fit; what did not would be left out.
    fn push(&mut self, field: &[u8]) {
        let end = self.used + field.len();
        if let Some(place) = self.bytes.get_mut(self.used..end) {
            place.copy_from_slice(field);
            self.used = end;
        }
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&self.bytes)
    }
}

impl From<[u8; HEADER_BYTES]> for HeaderBytes {
    fn from(bytes: [u8; HEADER_BYTES]) -> Self {
        let mut header = Self::EMPTY;
        header.push(&bytes);
        header
    }
}

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
    /// What the coin's form has beside these.
    pub extra: Extra,
}

impl Header {
    /// The bytes that are hashed; numbers little-endian.
    pub fn to_bytes(&self) -> HeaderBytes {
        let mut bytes = HeaderBytes::EMPTY;
        bytes.push(&self.version.to_le_bytes());
        bytes.push(&self.previous);
        bytes.push(&self.merkle_root);
        if let Extra::Claims(root) = &self.extra {
            bytes.push(root);
        }
        for number in [self.time, self.bits, self.nonce] {
            bytes.push(&number.to_le_bytes());
        }
        if let Extra::Vote { vote, reward } = self.extra {
            bytes.push(&vote.to_le_bytes());
            bytes.push(&reward.to_le_bytes());
        }
        bytes
    }

    /// The header that these bytes are; `None` if a header of this form has another length.
    pub fn from_bytes(form: HeaderForm, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != form.bytes() {
            return None;
        }
        let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let short = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let hash = |at: usize| bytes.get(at..)?.first_chunk().copied();
        let (time_at, extra) = match form {
            HeaderForm::Bitcoin => (68, Extra::None),
            HeaderForm::Lbry => (100, Extra::Claims(hash(68)?)),
            HeaderForm::Heavycoin => (68, Extra::Vote { vote: short(80)?, reward: short(82)? }),
        };
        Some(Self {
            version: number(0)?,
            previous: hash(4)?,
            merkle_root: hash(MERKLE_ROOT.start)?,
            time: number(time_at)?,
            bits: number(time_at + 4)?,
            nonce: number(time_at + 8)?,
            extra,
        })
    }
}

/// The merkle root in a header of any form.
pub fn merkle_root(header: &[u8]) -> Option<Hash> {
    header.get(MERKLE_ROOT)?.try_into().ok()
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
            extra: Extra::None,
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

    /// A header of the known vectors, which are real.
    fn known(coin: &str) -> Vec<u8> {
        let all: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/data/pow-vectors.json")).unwrap();
        let vector = all.iter().find(|vector| vector["coin"] == coin && vector["kind"] == "genesis").unwrap();
        hex::decode(vector["header_hex"].as_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn the_fields_of_longer_headers() {
        // LBRY's first block, of the time and target that lbrycrd's chainparams.cpp has; its trie of claims is empty.
        let bytes = known("LBRY");
        let lbry = Header::from_bytes(HeaderForm::Lbry, &bytes).unwrap();
        let mut empty_trie = [0; 32];
        empty_trie[0] = 1;
        assert_eq!((lbry.time, lbry.bits, lbry.nonce), (1_446_058_291, 0x1f00_ffff, 1287));
        assert_eq!(lbry.extra, Extra::Claims(empty_trie));
        assert_eq!(*lbry.to_bytes(), *bytes);
        assert_eq!(merkle_root(&bytes), Some(lbry.merkle_root));

        let bytes = known("Heavycoin");
        let heavycoin = Header::from_bytes(HeaderForm::Heavycoin, &bytes).unwrap();
        assert_eq!(*heavycoin.to_bytes(), *bytes);
        assert_eq!(merkle_root(&bytes), Some(heavycoin.merkle_root));
        let other = Header { extra: Extra::Vote { vote: 0x0102, reward: 0x0304 }, ..heavycoin };
        assert_eq!(other.to_bytes()[80..], [2, 1, 4, 3]);
        assert_eq!(other.to_bytes()[..80], bytes[..80]);
    }

    #[test]
    fn a_header_of_another_length_is_none() {
        for form in [HeaderForm::Bitcoin, HeaderForm::Lbry, HeaderForm::Heavycoin] {
            for length in 0..=HEADER_BYTES_MAX + 1 {
                let header = Header::from_bytes(form, &vec![7; length]);
                assert_eq!(header.is_some(), length == form.bytes(), "{form:?} of {length} bytes");
                assert!(header.is_none_or(|header| *header.to_bytes() == vec![7; length]));
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_and_fields_agree(bytes in prop::collection::vec(any::<u8>(), HEADER_BYTES_MAX)) {
            for form in [HeaderForm::Bitcoin, HeaderForm::Lbry, HeaderForm::Heavycoin] {
                let bytes = &bytes[..form.bytes()];
                prop_assert_eq!(&*Header::from_bytes(form, bytes).unwrap().to_bytes(), bytes);
            }
        }
    }
}
