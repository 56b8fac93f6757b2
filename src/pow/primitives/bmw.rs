//! Blue Midnight Wish as submitted to the second round of the SHA-3 competition, with its tweaks:
//! Gligoroski, Klima, Knapskog, El-Hadedy, Amundsen, Mjølsnes, "Cryptographic Hash Function BLUE MIDNIGHT
//! WISH" (2009). Names of the functions are those of its section 2; ExpandRounds1 is 2.

/// One of the sixteen words that f0 makes: the five summands, with which of them are subtracted.
type Combination = [(usize, bool); 5];

const fn plus(index: usize) -> (usize, bool) {
    (index, false)
}

const fn minus(index: usize) -> (usize, bool) {
    (index, true)
}

/// Table 2.2: how f0 combines the words of message XOR chaining value.
const F0: [Combination; 16] = [
    [plus(5), minus(7), plus(10), plus(13), plus(14)],
    [plus(6), minus(8), plus(11), plus(14), minus(15)],
    [plus(0), plus(7), plus(9), minus(12), plus(15)],
    [plus(0), minus(1), plus(8), minus(10), plus(13)],
    [plus(1), plus(2), plus(9), minus(11), minus(14)],
    [plus(3), minus(2), plus(10), minus(12), plus(15)],
    [plus(4), minus(0), minus(3), minus(11), plus(13)],
    [plus(1), minus(4), minus(5), minus(12), minus(14)],
    [plus(2), minus(5), minus(6), plus(13), minus(15)],
    [plus(0), minus(3), plus(6), minus(7), plus(14)],
    [plus(8), minus(1), minus(4), minus(7), plus(15)],
    [plus(8), minus(0), minus(2), minus(5), plus(9)],
    [plus(1), plus(3), minus(6), minus(9), plus(10)],
    [plus(2), plus(4), plus(7), plus(10), plus(11)],
    [plus(3), minus(5), plus(8), minus(11), minus(12)],
    [plus(12), minus(4), minus(6), minus(9), plus(13)],
];

/// BMW-256 and BMW-512 differ in the size of a word and what follows from it.
macro_rules! bmw {
    ($name:ident, $module:ident, $word:ty, $s_rotations:expr, $r_rotations:expr, $k:expr, $initial:expr) => {
        mod $module {
            use super::F0;

            type Word = $word;
            pub(super) const WORD: usize = size_of::<Word>();
            pub(super) const BLOCK: usize = 16 * WORD;
            /// Rotations of s0 to s3, two each, and of r1 to r7.
            const S: [[u32; 2]; 4] = $s_rotations;
            const R: [u32; 7] = $r_rotations;
            /// Shifts of s0 to s3: to the right, to the left.
            const SHIFTS: [[u32; 2]; 4] = [[1, 3], [1, 2], [2, 1], [2, 2]];

            #[inline(always)]
            fn s(number: usize, x: Word) -> Word {
                match number {
                    4 => x >> 1 ^ x,
                    5 => x >> 2 ^ x,
                    _ => {
                        let ([right, left], [one, two]) = (SHIFTS[number], S[number]);
                        x >> right ^ x << left ^ x.rotate_left(one) ^ x.rotate_left(two)
                    }
                }
            }

            /// The initial double pipe: ascending bytes.
            pub(super) fn initial() -> [Word; 16] {
                std::array::from_fn(|index| {
                    Word::from_be_bytes(std::array::from_fn(|byte| $initial + (index * WORD + byte) as u8))
                })
            }

            /// The chaining value of the last compression, whose message is the double pipe.
            pub(super) fn last() -> [Word; 16] {
                std::array::from_fn(|index| Word::from_be_bytes([0xaa; WORD]) & !0xf | index as Word)
            }

            pub(super) fn words(block: &[u8; BLOCK]) -> [Word; 16] {
                let mut m = [0; 16];
                for (word, bytes) in m.iter_mut().zip(block.as_chunks().0) {
                    *word = Word::from_le_bytes(*bytes);
                }
                m
            }

            pub(super) fn compress(m: &[Word; 16], h: &[Word; 16]) -> [Word; 16] {
                let mut q = [0; 32];
                for (index, combination) in F0.iter().enumerate() {
                    let mut w: Word = 0;
                    for &(from, subtracted) in combination {
                        let term = m[from] ^ h[from];
                        w = if subtracted { w.wrapping_sub(term) } else { w.wrapping_add(term) };
                    }
                    q[index] = s(index % 5, w).wrapping_add(h[(index + 1) % 16]);
                }
                for index in 0..16 {
                    let before: &[Word; 16] = q[index..].first_chunk().unwrap_or(&[0; 16]);
                    let expanded = if index < 2 { expand1(before) } else { expand2(before) };
                    q[index + 16] = expanded.wrapping_add(add_element(m, h, index));
                }
                fold(m, &q)
            }

            fn add_element(m: &[Word; 16], h: &[Word; 16], index: usize) -> Word {
                let rotated = |at: usize| m[at % 16].rotate_left((at % 16) as u32 + 1);
                let k = (index as Word + 16).wrapping_mul($k);
                let sum = rotated(index).wrapping_add(rotated(index + 3)).wrapping_sub(rotated(index + 10));
                sum.wrapping_add(k) ^ h[(index + 7) % 16]
            }

            fn expand1(q: &[Word; 16]) -> Word {
                q.iter().enumerate().fold(0, |sum: Word, (index, word)| sum.wrapping_add(s((index + 1) % 4, *word)))
            }

            fn expand2(q: &[Word; 16]) -> Word {
                let (pairs, _) = q.as_chunks::<2>();
                let sum = pairs.iter().zip(R).fold(0, |sum: Word, ([plain, rotated], by)| {
                    sum.wrapping_add(*plain).wrapping_add(rotated.rotate_left(by))
                });
                sum.wrapping_add(s(4, q[14])).wrapping_add(s(5, q[15]))
            }

            /// f2.
            fn fold(m: &[Word; 16], q: &[Word; 32]) -> [Word; 16] {
                let xl = q[16..24].iter().fold(0, |sum, word| sum ^ word);
                let xh = q[24..].iter().fold(xl, |sum, word| sum ^ word);
                let pairs = [
                    xh << 5 ^ q[16] >> 5,
                    xh >> 7 ^ q[17] << 8,
                    xh >> 5 ^ q[18] << 5,
                    xh >> 1 ^ q[19] << 5,
                    xh >> 3 ^ q[20],
                    xh << 6 ^ q[21] >> 6,
                    xh >> 4 ^ q[22] << 6,
                    xh >> 11 ^ q[23] << 2,
                ];
                let low = [xl << 8, xl >> 6, xl << 6, xl << 4, xl >> 3, xl >> 4, xl >> 7, xl >> 2];
                let mut h = [0; 16];
                for index in 0..8 {
                    h[index] = (pairs[index] ^ m[index]).wrapping_add(xl ^ q[index + 24] ^ q[index]);
                }
                for index in 0..8 {
                    let rotated = h[(index + 4) % 8].rotate_left(index as u32 + 9);
                    let high = xh ^ q[index + 24] ^ m[index + 8];
                    let other = low[index] ^ q[16 + (index + 7) % 8] ^ q[index + 8];
                    h[index + 8] = rotated.wrapping_add(high).wrapping_add(other);
                }
                h
            }
        }

        /// Blue Midnight Wish with words of this size.
        pub fn $name(message: &[u8]) -> [u8; 8 * $module::WORD] {
            use $module::*;
            let mut h = initial();
            let (blocks, rest) = message.as_chunks::<BLOCK>();
            for block in blocks {
                h = compress(&words(block), &h);
            }
            // A one bit, zeros and the length in bits, over two blocks if need be.
            let mut last_block = [0; BLOCK];
            last_block[..rest.len()].copy_from_slice(rest);
            last_block[rest.len()] = 0x80;
            if rest.len() >= BLOCK - 8 {
                h = compress(&words(&last_block), &h);
                last_block = [0; BLOCK];
            }
            last_block[BLOCK - 8..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
            h = compress(&words(&last_block), &h);
            h = compress(&h, &last());
            let mut digest = [0; 8 * WORD];
            for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(&h[8..]) {
                *bytes = word.to_le_bytes();
            }
            digest
        }
    };
}

bmw!(
    bmw256,
    words_of_32_bits,
    u32,
    [[4, 19], [8, 23], [12, 25], [15, 29]],
    [3, 7, 13, 16, 19, 23, 27],
    0x0555_5555,
    0x40
);
bmw!(
    bmw512,
    words_of_64_bits,
    u64,
    [[4, 37], [13, 43], [19, 53], [28, 59]],
    [5, 11, 27, 32, 37, 43, 53],
    0x0555_5555_5555_5555,
    0x80
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("bmw256", |message| bmw256(message).to_vec());
        agrees_with_known_answers("bmw512", |message| bmw512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "227e9aaff73e903b1b8c3a1efa088360c44208e2cffe1665e99e9d4ed242250a";
        agrees_at_every_length(64, |message| bmw256(message).to_vec(), expected);
        let expected = "8866de9dab6ec064ebbcb0813dd724c63e2daa30a5c7e97b1615d538ce405fc1";
        agrees_at_every_length(128, |message| bmw512(message).to_vec(), expected);
    }
}
