//! CubeHash16/32 as submitted to the second round of the SHA-3 competition: Bernstein, "CubeHash specification
//! (2.B.1)" (2009), with ten times sixteen rounds before and after the message.

/// Rounds for a block of the message, and bytes of one.
const ROUNDS: usize = 16;
const BLOCK: usize = 32;

type State = [u32; 32];

const fn rounds(mut x: State, count: usize) -> State {
    let mut round = 0;
    while round < count {
        x = half(x, 7, 8, 2);
        x = half(x, 11, 4, 1);
        round += 1;
    }
    x
}

/// Half a round: add, rotate, swap by `near`, XOR, swap by `far`.
const fn half(mut x: State, rotation: u32, near: usize, far: usize) -> State {
    let mut low = [0; 16];
    let mut index = 0;
    while index < 16 {
        x[16 + index] = x[16 + index].wrapping_add(x[index]);
        index += 1;
    }
    index = 0;
    while index < 16 {
        low[index] = x[index ^ near].rotate_left(rotation) ^ x[16 + index];
        index += 1;
    }
    let before = x;
    index = 0;
    while index < 16 {
        x[index] = low[index];
        x[16 + index] = before[16 + (index ^ far)];
        index += 1;
    }
    x
}

/// The state that a hash of so many bytes starts with.
const fn initial(bytes: u32) -> State {
    let mut x = [0; 32];
    x[0] = bytes;
    x[1] = BLOCK as u32;
    x[2] = ROUNDS as u32;
    rounds(x, 10 * ROUNDS)
}

const INITIAL_256: State = initial(32);
const INITIAL_512: State = initial(64);

fn absorb(mut x: State, block: &[u8; BLOCK]) -> State {
    for (word, bytes) in x.iter_mut().zip(block.as_chunks().0) {
        *word ^= u32::from_le_bytes(*bytes);
    }
    rounds(x, ROUNDS)
}

fn digest<const N: usize>(initial: &State, message: &[u8]) -> [u8; N] {
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    let mut x = blocks.iter().fold(*initial, absorb);
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    x = absorb(x, &last);
    x[31] ^= 1;
    x = rounds(x, 10 * ROUNDS);
    let mut digest = [0; N];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(x) {
        *bytes = word.to_le_bytes();
    }
    digest
}

/// CubeHash16/32-256.
pub fn cubehash256(message: &[u8]) -> [u8; 32] {
    digest(&INITIAL_256, message)
}

/// CubeHash16/32-512.
pub fn cubehash512(message: &[u8]) -> [u8; 64] {
    digest(&INITIAL_512, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("cubehash256", |message| cubehash256(message).to_vec());
        agrees_with_known_answers("cubehash512", |message| cubehash512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "21c822a00317a05bacc32407a816d28ffcd62883fd2a6c4a057a958bef21139e";
        agrees_at_every_length(BLOCK, |message| cubehash512(message).to_vec(), expected);
    }

    #[test]
    fn a_crate_agrees() {
        use cubehash::{AutoBackend, CubeHash, CubeHashParams};
        for length in crate::pow::primitives::tests::lengths_around(BLOCK) {
            let message = crate::pow::primitives::tests::message(length);
            let digest = |hash_len_bits| {
                let mut hasher = CubeHash::<AutoBackend>::new(CubeHashParams { revision: 2, hash_len_bits });
                hasher.update(&message);
                hasher.finalize()
            };
            assert_eq!(cubehash256(&message)[..], digest(256), "{length} bytes");
            assert_eq!(cubehash512(&message)[..], digest(512), "{length} bytes");
        }
    }
}
