//! BLAKE as submitted to the final round of the SHA-3 competition: Aumasson, Henzen, Meier, Phan, "SHA-3
//! proposal BLAKE", version 1.3 (2010). BLAKE-256 with any number of rounds: 14 by the specification, 8
//! in Blakecoin. The letters are those of the specification's section 2.

/// The first digits of pi: constants of BLAKE-512, and by their halves of BLAKE-256.
const PI: [u64; 16] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
    0x9216_d5d9_8979_fb1b,
    0xd131_0ba6_98df_b5ac,
    0x2ffd_72db_d01a_dfb7,
    0xb8e1_afed_6a26_7e96,
    0xba7c_9045_f12c_7f99,
    0x24a1_9947_b391_6cf7,
    0x0801_f2e2_858e_fc16,
    0x6369_20d8_7157_4e69,
];

/// The permutations by which a round picks its words of message and constant; round r takes row r mod 10.
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The state words that the eight G of a round take: columns, then diagonals.
const G: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// BLAKE-256 and BLAKE-512 differ in the size of a word and what follows from it.
macro_rules! blake {
    ($compress:ident, $digest:ident, $word:ty, $rotations:expr, $initial:expr, $constants:expr) => {
        /// The chaining value after one more block; `counted` is how many bits of message have been
        /// taken in with it.
        fn $compress(h: &mut [$word; 8], block: &[u8; size_of::<$word>() * 16], counted: u128, rounds: usize) {
            const C: [$word; 16] = $constants;
            const ROTATIONS: [u32; 4] = $rotations;
            let mut m = [0; 16];
            for (word, bytes) in m.iter_mut().zip(block.as_chunks().0) {
                *word = <$word>::from_be_bytes(*bytes);
            }
            let low = counted as $word;
            let high = (counted >> <$word>::BITS) as $word;
            let mut v = [0; 16];
            v[..8].copy_from_slice(h);
            v[8..].copy_from_slice(&C[..8]);
            for (word, with) in v[12..].iter_mut().zip([low, low, high, high]) {
                *word ^= with;
            }
            for sigma in SIGMA.iter().cycle().take(rounds) {
                for (&[a, b, c, d], pick) in G.iter().zip(sigma.as_chunks::<2>().0) {
                    let [one, two] = *pick;
                    v[a] = v[a].wrapping_add(v[b]).wrapping_add(m[one] ^ C[two]);
                    v[d] = (v[d] ^ v[a]).rotate_right(ROTATIONS[0]);
                    v[c] = v[c].wrapping_add(v[d]);
                    v[b] = (v[b] ^ v[c]).rotate_right(ROTATIONS[1]);
                    v[a] = v[a].wrapping_add(v[b]).wrapping_add(m[two] ^ C[one]);
                    v[d] = (v[d] ^ v[a]).rotate_right(ROTATIONS[2]);
                    v[c] = v[c].wrapping_add(v[d]);
                    v[b] = (v[b] ^ v[c]).rotate_right(ROTATIONS[3]);
                }
            }
            for (word, (left, right)) in h.iter_mut().zip(v[..8].iter().zip(&v[8..])) {
                *word ^= left ^ right;
            }
        }

        fn $digest(message: &[u8], rounds: usize) -> [u8; size_of::<$word>() * 8] {
            const BLOCK: usize = size_of::<$word>() * 16;
            /// Bytes of the message's length at the very end.
            const LENGTH: usize = size_of::<$word>() * 2;
            let mut h: [$word; 8] = $initial;
            let bits = message.len() as u128 * 8;
            let (blocks, rest) = message.as_chunks::<BLOCK>();
            let mut counted = 0;
            for block in blocks {
                counted += BLOCK as u128 * 8;
                $compress(&mut h, block, counted, rounds);
            }
            // A one bit, zeros, another one bit, and the length; over two blocks if need be. The
            // counter is zero for a block without any bit of the message.
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 0x80;
            let mut counted = if rest.is_empty() { 0 } else { bits };
            if rest.len() >= BLOCK - LENGTH {
                $compress(&mut h, &last, counted, rounds);
                last = [0; BLOCK];
                counted = 0;
            }
            last[BLOCK - LENGTH - 1] |= 1;
            last[BLOCK - LENGTH..].copy_from_slice(&bits.to_be_bytes()[16 - LENGTH..]);
            $compress(&mut h, &last, counted, rounds);
            let mut digest = [0; size_of::<$word>() * 8];
            for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(h) {
                *bytes = word.to_be_bytes();
            }
            digest
        }
    };
}

blake!(
    compress_256,
    digest_256,
    u32,
    [16, 12, 8, 7],
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19],
    {
        let mut halves = [0; 16];
        let mut index = 0;
        while index < 16 {
            let shift = if index % 2 == 0 { 32 } else { 0 };
            halves[index] = (PI[index / 2] >> shift) as u32;
            index += 1;
        }
        halves
    }
);
blake!(
    compress_512,
    digest_512,
    u64,
    [32, 25, 16, 11],
    [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179
    ],
    PI
);

/// BLAKE-512.
pub fn blake512(message: &[u8]) -> [u8; 64] {
    digest_512(message, 16)
}

/// BLAKE-256 with 14 rounds, as specified.
pub fn blake256(message: &[u8]) -> [u8; 32] {
    digest_256(message, 14)
}

/// BLAKE-256 with 8 rounds (Blakecoin).
pub fn blake256_8(message: &[u8]) -> [u8; 32] {
    digest_256(message, 8)
}

#[cfg(test)]
mod tests {
    use blake_hash::{Blake256, Blake512, Digest};

    use super::*;
    use crate::pow::primitives::tests::{agrees_with_known_answers, lengths_around, message};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("blake256", |message| blake256(message).to_vec());
        agrees_with_known_answers("blake512", |message| blake512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        for length in lengths_around(64).chain(lengths_around(128)) {
            let message = message(length);
            assert_eq!(blake256(&message)[..], Blake256::digest(&message)[..], "{length} bytes");
            assert_eq!(blake512(&message)[..], Blake512::digest(&message)[..], "{length} bytes");
        }
    }
}
