//! Hamsi-512 as submitted to the second round of the SHA-3 competition: Küçük, "The Hash Function Hamsi" (2009). Eight
//! bytes of message at a time are expanded by a linear code over the field of four elements.

mod code;

use self::code::CODE;

/// Block of the message.
const BLOCK: usize = 8;

/// Bits of a block, and words that they are expanded to.
const BITS: usize = 8 * BLOCK;
const WORDS: usize = 16;

/// "steelpark Arenberg 10, bus 2446, B-3001 Leuven-Heverlee, Belgium".
const INITIAL: &[u8; 64] = b"steelpark Arenberg 10, bus 2446, B-3001 Leuven-Heverlee, Belgium";

/// Constants of the permutation, and of the last one (section 2.3).
const ALPHA: [u32; 32] = [
    0xff00_f0f0,
    0xcccc_aaaa,
    0xf0f0_cccc,
    0xff00_aaaa,
    0xcccc_aaaa,
    0xf0f0_ff00,
    0xaaaa_cccc,
    0xf0f0_ff00,
    0xf0f0_cccc,
    0xaaaa_ff00,
    0xcccc_ff00,
    0xaaaa_f0f0,
    0xaaaa_f0f0,
    0xff00_cccc,
    0xcccc_f0f0,
    0xff00_aaaa,
    0xcccc_aaaa,
    0xff00_f0f0,
    0xff00_aaaa,
    0xf0f0_cccc,
    0xf0f0_ff00,
    0xcccc_aaaa,
    0xf0f0_ff00,
    0xaaaa_cccc,
    0xaaaa_ff00,
    0xf0f0_cccc,
    0xaaaa_f0f0,
    0xcccc_ff00,
    0xff00_cccc,
    0xaaaa_f0f0,
    0xff00_aaaa,
    0xcccc_f0f0,
];
const ALPHA_LAST: [u32; 32] = [
    0xcaf9_639c,
    0x0ff0_f9c0,
    0x639c_0ff0,
    0xcaf9_f9c0,
    0x0ff0_f9c0,
    0x639c_caf9,
    0xf9c0_0ff0,
    0x639c_caf9,
    0x639c_0ff0,
    0xf9c0_caf9,
    0x0ff0_caf9,
    0xf9c0_639c,
    0xf9c0_639c,
    0xcaf9_0ff0,
    0x0ff0_639c,
    0xcaf9_f9c0,
    0x0ff0_f9c0,
    0xcaf9_639c,
    0xcaf9_f9c0,
    0x639c_0ff0,
    0x639c_caf9,
    0x0ff0_f9c0,
    0x639c_caf9,
    0xf9c0_0ff0,
    0xf9c0_caf9,
    0x639c_0ff0,
    0xf9c0_639c,
    0x0ff0_caf9,
    0xcaf9_0ff0,
    0xf9c0_639c,
    0xcaf9_f9c0,
    0x0ff0_639c,
];
const ROUNDS: u32 = 6;
const ROUNDS_LAST: u32 = 12;

/// Where the words of the expanded block stand in the state; the chaining value has the other places.
const MESSAGE_AT: [usize; WORDS] = [0, 1, 4, 5, 10, 11, 14, 15, 16, 17, 20, 21, 26, 27, 30, 31];
const CHAINING_AT: [usize; WORDS] = [2, 3, 6, 7, 8, 9, 12, 13, 18, 19, 22, 23, 24, 25, 28, 29];

/// The words that the diffusion takes together: diagonals, then across.
const DIFFUSED: [[usize; 4]; 12] = [
    [0x00, 0x09, 0x12, 0x1b],
    [0x01, 0x0a, 0x13, 0x1c],
    [0x02, 0x0b, 0x14, 0x1d],
    [0x03, 0x0c, 0x15, 0x1e],
    [0x04, 0x0d, 0x16, 0x1f],
    [0x05, 0x0e, 0x17, 0x18],
    [0x06, 0x0f, 0x10, 0x19],
    [0x07, 0x08, 0x11, 0x1a],
    [0x00, 0x02, 0x05, 0x07],
    [0x10, 0x13, 0x15, 0x16],
    [0x09, 0x0b, 0x0c, 0x0e],
    [0x19, 0x1a, 0x1c, 0x1f],
];

/// What each bit of a block adds: the rows of the code and their multiples. Words 0 to 7 hold the first bits
/// of the elements, words 8 to 15 the second ones; multiplied, (a, b) becomes (b, a + b).
const EXPANSION: [[u32; WORDS]; BITS] = {
    let mut expansion = [[0; WORDS]; BITS];
    let mut row = 0;
    while row < BITS / 2 {
        expansion[2 * row] = CODE[row];
        let mut word = 0;
        while word < WORDS / 2 {
            let (a, b) = (CODE[row][word], CODE[row][word + WORDS / 2]);
            expansion[2 * row + 1][word] = b;
            expansion[2 * row + 1][word + WORDS / 2] = a ^ b;
            word += 1;
        }
        row += 1;
    }
    expansion
};

fn expand(block: &[u8; BLOCK]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let bits = u64::from_le_bytes(*block);
    for (bit, row) in EXPANSION.iter().enumerate() {
        let mask = ((bits >> bit & 1) as u32).wrapping_neg();
        for (word, part) in words.iter_mut().zip(row) {
            *word ^= part & mask;
        }
    }
    words
}

/// The S-box of Serpent, S2, on 32 columns at once.
#[inline(always)]
fn substitute([a, b, c, d]: [u32; 4]) -> [u32; 4] {
    let one = a & c ^ d;
    let two = c ^ b ^ one;
    let three = (d | a) ^ b;
    let four = a ^ two;
    let five = (three | four) ^ one;
    let six = four ^ one & three;
    [two, five, three ^ five ^ six, !six]
}

/// The linear map of Serpent.
#[inline(always)]
fn diffuse([a, b, c, d]: [u32; 4]) -> [u32; 4] {
    let (a, c) = (a.rotate_left(13), c.rotate_left(3));
    let b = (b ^ a ^ c).rotate_left(1);
    let d = (d ^ c ^ a << 3).rotate_left(7);
    [(a ^ b ^ d).rotate_left(5), b, (c ^ d ^ b << 7).rotate_left(22), d]
}

fn compress(h: &mut [u32; WORDS], block: &[u8; BLOCK], alpha: &[u32; 32], rounds: u32) {
    let mut s = [0; 32];
    for (at, word) in MESSAGE_AT.iter().zip(expand(block)) {
        s[*at] = word;
    }
    for (at, word) in CHAINING_AT.iter().zip(&*h) {
        s[*at] = *word;
    }
    for round in 0..rounds {
        for (word, constant) in s.iter_mut().zip(alpha) {
            *word ^= constant;
        }
        s[1] ^= round;
        for column in 0..8 {
            let [a, b, c, d] = substitute([s[column], s[column + 8], s[column + 16], s[column + 24]]);
            (s[column], s[column + 8], s[column + 16], s[column + 24]) = (a, b, c, d);
        }
        for [a, b, c, d] in DIFFUSED {
            [s[a], s[b], s[c], s[d]] = diffuse([s[a], s[b], s[c], s[d]]);
        }
    }
    for (word, new) in h.iter_mut().zip(s[..8].iter().chain(&s[16..24])) {
        *word ^= new;
    }
}

/// Hamsi-512.
pub fn hamsi512(message: &[u8]) -> [u8; 64] {
    let mut h = [0; WORDS];
    for (word, bytes) in h.iter_mut().zip(INITIAL.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        compress(&mut h, block, &ALPHA, ROUNDS);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    compress(&mut h, &last, &ALPHA, ROUNDS);
    compress(&mut h, &(message.len() as u64 * 8).to_be_bytes(), &ALPHA_LAST, ROUNDS_LAST);
    let mut digest = [0; 64];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(h) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("hamsi512", |message| hamsi512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "0c5013e8ed7cedbcb608e73d6423e69af6f5f8597b29d44317650e5950b7098d";
        agrees_at_every_length(BLOCK, |message| hamsi512(message).to_vec(), expected);
    }
}
