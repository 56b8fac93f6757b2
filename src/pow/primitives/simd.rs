//! SIMD-512 as submitted to the second round of the SHA-3 competition, with its tweaks: Leurent, Bouillaguet, Fouque,
//! "SIMD Is a Message Digest", version 1.1 (2009). A Feistel network of eight lanes whose message is expanded
//! by a number-theoretic transform modulo 257.

type State = [[u32; 8]; 4];

const BLOCK: usize = 128;

const INITIAL: State = [
    [0x0ba1_6b95, 0x72f9_99ad, 0x9fec_c2ae, 0xba32_64fc, 0x5e89_4929, 0x8e9f_30e5, 0x2f1d_aa37, 0xf0f2_c558],
    [0xac50_6643, 0xa906_35a5, 0xe25b_878b, 0xaab7_878f, 0x8881_7f7a, 0x0a02_892b, 0x559a_7550, 0x598f_657e],
    [0x7eef_60a1, 0x6b70_e3e8, 0x9c17_14d1, 0xb958_e2a8, 0xab02_675e, 0xed1c_014f, 0xcd8d_65bb, 0xfdb7_a257],
    [0x0925_4899, 0xd699_c7bc, 0x9019_b6dc, 0x2b90_22e4, 0x8fa1_4956, 0x21bf_9bd3, 0xb94d_0943, 0x6ffd_dc22],
];

/// The modulus of the transform.
const P: i32 = 257;
/// A root of unity of order 256.
const ALPHA: i32 = 41;
/// What is added to the transform: powers of this, x^255, and for the last block those of the other, x^253, as well.
const BETA: i32 = 163;
const BETA_LAST: i32 = 40;

const fn powers(base: i32) -> [i32; 256] {
    let mut powers = [1; 256];
    let mut index = 1;
    while index < 256 {
        powers[index] = powers[index - 1] * base % P;
        index += 1;
    }
    powers
}

const ALPHAS: [i32; 256] = powers(ALPHA);
const BETAS: [i32; 256] = powers(BETA);
const BETAS_LAST: [i32; 256] = powers(BETA_LAST);

/// Which eight expanded words go into which step.
const ORDER: [usize; 32] = [
    4, 6, 0, 2, 7, 5, 3, 1, 15, 11, 12, 8, 9, 13, 10, 14, 17, 18, 23, 20, 22, 21, 16, 19, 30, 24, 25, 31, 27, 29, 28,
    26,
];

/// Rotations of the four rounds.
const ROTATIONS: [[u32; 4]; 4] = [[3, 23, 17, 27], [28, 19, 22, 7], [29, 9, 15, 5], [4, 13, 10, 25]];

/// The lane whose rotated word each lane takes, step by step: its own number XOR this.
const NEIGHBOURS: [usize; 7] = [1, 6, 2, 3, 5, 7, 4];

/// A smaller number of the same residue modulo 257, since 256 is -1. Of anything up to 2^18 either way it is at most 1,280
/// either way, and of that at most 260: two of these keep the transform within bounds without a division, which
/// no processor has for several numbers at once.
#[inline(always)]
fn reduced(value: i32) -> i32 {
    (value & 0xff) - (value >> 8)
}

/// The transform of the message and 128 zeros behind it, by decimation in frequency, in the order
/// of reversed bits.
fn transform(block: &[u8; BLOCK]) -> [i32; 256] {
    let mut y = [0; 256];
    // The first stage meets only zeros in its upper half.
    for (index, byte) in block.iter().enumerate() {
        let value = i32::from(*byte);
        y[index] = value;
        y[index + 128] = reduced(value * ALPHAS[index]);
    }
    let mut half = 64;
    while half > 0 {
        let stride = 128 / half;
        for pair in y.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (index, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let (one, two) = (*a, *b);
                *a = reduced(one + two);
                *b = reduced(reduced((one - two) * ALPHAS[index * stride]));
            }
        }
        half /= 2;
    }
    y
}

/// The expanded message: eight words for each of the 32 steps.
fn expand(block: &[u8; BLOCK], last: bool) -> [[u32; 8]; 32] {
    let raw = transform(block);
    // Lifted to the integers around zero, -128 to 128.
    let y: [i32; 256] = std::array::from_fn(|index| {
        let added = BETAS[index] + if last { BETAS_LAST[index] } else { 0 };
        // Between -4 and 258, whatever the transform gives.
        let value = reduced(raw[usize::from((index as u8).reverse_bits())] + added);
        if value > 128 { value - P } else { value }
    });
    // The lower half of a word and its upper half, each a product modulo 2^16.
    let word = |low: i32, high: i32, factor: i32| (low * factor) as u32 & 0xffff | ((high * factor) as u32) << 16;
    ORDER.map(|row| {
        std::array::from_fn(|lane| {
            let at = 16 * row + 2 * lane;
            match row {
                0..16 => word(y[at], y[at + 1], 185),
                16..24 => word(y[at - 256], y[at - 128], 233),
                _ => word(y[at - 383], y[at - 255], 233),
            }
        })
    })
}

#[inline(always)]
fn step(state: &mut State, w: &[u32; 8], choose: bool, [r, s]: [u32; 2], number: usize) {
    let [a, b, c, d] = *state;
    let rotated = a.map(|word| word.rotate_left(r));
    let neighbour = NEIGHBOURS[number % 7];
    let new = std::array::from_fn(|lane| {
        let (x, y, z) = (a[lane], b[lane], c[lane]);
        let f = if choose { (y ^ z) & x ^ z } else { x & y | (x | y) & z };
        let sum = d[lane].wrapping_add(w[lane]).wrapping_add(f);
        sum.rotate_left(s).wrapping_add(rotated[lane ^ neighbour])
    });
    *state = [new, rotated, b, c];
}

fn compress(state: &mut State, block: &[u8; BLOCK], last: bool) {
    let before = *state;
    for (word, bytes) in state.as_flattened_mut().iter_mut().zip(block.as_chunks().0) {
        *word ^= u32::from_le_bytes(*bytes);
    }
    for (number, w) in expand(block, last).iter().enumerate() {
        let rotations = &ROTATIONS[number / 8];
        let pair = [rotations[number % 4], rotations[(number + 1) % 4]];
        step(state, w, number % 8 < 4, pair, number);
    }
    // The feed forward: four more steps that take in the state before the block.
    for (index, w) in before.iter().enumerate() {
        let pair = [ROTATIONS[3][index], ROTATIONS[3][(index + 1) % 4]];
        step(state, w, true, pair, 32 + index);
    }
}

/// SIMD-512.
pub fn simd512(message: &[u8]) -> [u8; 64] {
    let mut state = INITIAL;
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        compress(&mut state, block, false);
    }
    // Zeros to the end of the block; the length has a block of its own.
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        compress(&mut state, &block, false);
    }
    let mut length = [0; BLOCK];
    length[..8].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    compress(&mut state, &length, true);
    let mut digest = [0; 64];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state.as_flattened()) {
        *bytes = word.to_le_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("simd512", |message| simd512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "eb40ab7fee559b1c82c306a534a7294429989fae55ef77abea8753d0bac1db03";
        agrees_at_every_length(BLOCK, |message| simd512(message).to_vec(), expected);
    }

    #[test]
    fn the_initial_state_is_the_compression_of_its_text() {
        // Section 3.2: the state zero, and the name of the function as the message.
        let mut block = [0; BLOCK];
        let text = b"SIMD-512 v1.1";
        block[..text.len()].copy_from_slice(text);
        let mut state = [[0; 8]; 4];
        compress(&mut state, &block, false);
        assert_eq!(state, INITIAL);
    }

    #[test]
    fn the_transform_is_its_definition() {
        let block: [u8; BLOCK] = std::array::from_fn(|index| (index * 7 + 3) as u8);
        let fast = transform(&block);
        for (index, raw) in fast.iter().enumerate() {
            let frequency = usize::from((index as u8).reverse_bits());
            let sum: i32 =
                block.iter().enumerate().map(|(at, byte)| i32::from(*byte) * ALPHAS[at * frequency % 256] % P).sum();
            assert_eq!(raw.rem_euclid(P), sum % P, "{index}");
        }
    }
}
