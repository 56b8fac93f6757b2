//! Heavycoin's proof of work: four hashes of the header and its HEFTY1, bit by bit in turn.

use groestl::Groestl512;
use sha2::Sha256;
use sha3::{Digest, Keccak512};

use super::primitives::blake::blake512;
use super::primitives::hefty1::hefty1;
use crate::bytes::Hash;

/// The four hashes, the first 32 bytes of each.
fn parts(header: &[u8]) -> [Hash; 4] {
    let message = [header, &hefty1(header)].concat();
    let cut = |long: &[u8]| long.first_chunk().copied().unwrap_or([0xff; 32]);
    [
        Sha256::digest(&message).into(),
        cut(&Keccak512::digest(&message)),
        cut(&Groestl512::digest(&message)),
        cut(&blake512(&message)),
    ]
}

/// The bits of four words in turn, highest first.
fn interleaved(words: [u64; 4]) -> Hash {
    let mut hash = [0; 32];
    for (byte, first) in hash.iter_mut().zip((0..64).step_by(2)) {
        for bit in first..first + 2 {
            for word in words {
                *byte = *byte << 1 | u8::from(word >> (63 - bit) & 1 == 1);
            }
        }
    }
    hash
}

/// As Heavycoin does it: the highest 64 bits of each hash as a little-endian number, into the highest bits of the result.
pub fn heavy(header: &[u8]) -> Hash {
    let highest = |hash: Hash| hash.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mut hash = interleaved(parts(header).map(highest));
    hash.reverse();
    hash
}

/// As node-multi-hashing did it for NOMP: the first eight bytes of each. No header of Heavycoin agrees with it.
pub fn heavy_nomp(header: &[u8]) -> Hash {
    let first = |hash: Hash| hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    interleaved(parts(header).map(first))
}
