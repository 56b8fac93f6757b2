//! SHAvite-3-512 as submitted to the second round of the SHA-3 competition, with its tweak: Biham, Dunkelman, "The
//! SHAvite-3 Hash Function" (2009). A Feistel network of four branches around rounds of AES.

use super::aes_round::aes_round;

/// 128 bits: a branch, or a subkey.
type Branch = [u8; 16];

const INITIAL: [u32; 16] = [
    0x72fc_cdd8,
    0x79ca_4727,
    0x128a_077b,
    0x40d5_5aec,
    0xd190_1a06,
    0x430a_e307,
    0xb29f_5cd1,
    0xdf07_fbfc,
    0x8e45_d73d,
    0x681a_b538,
    0xbde8_6578,
    0xdd57_7e47,
    0xe275_eade,
    0x502d_9fcd,
    0xb935_7178,
    0x022a_4b9a,
];

const BLOCK: usize = 128;
const ROUNDS: usize = 14;
/// Words of subkeys: four of 128 bits for each of the two functions of a round.
const SUBKEY_WORDS: usize = ROUNDS * 32;

/// Where the counter enters the subkeys: at which word, in which order, and the one that is inverted last.
const COUNTERS: [(usize, [usize; 4]); 4] =
    [(32, [0, 1, 2, 3]), (164, [3, 2, 1, 0]), (316, [2, 3, 0, 1]), (440, [1, 0, 3, 2])];

/// The message expansion (section 4.2.2): in turn sixteen words out of AES and sixteen by XOR.
fn subkeys(block: &[u8; BLOCK], counter: u128) -> [u32; SUBKEY_WORDS] {
    let counter: [u32; 4] = std::array::from_fn(|index| (counter >> (32 * index)) as u32);
    let mut keys = [0; SUBKEY_WORDS];
    for (word, bytes) in keys.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    for at in (32..SUBKEY_WORDS).step_by(4) {
        if at / 32 % 2 == 0 {
            for word in at..at + 4 {
                keys[word] = keys[word - 32] ^ keys[word - 7];
            }
            continue;
        }
        let rotated = [keys[at - 31], keys[at - 30], keys[at - 29], keys[at - 32]];
        let mixed = words(aes_round(bytes(rotated), [0; 16]));
        for (index, word) in mixed.into_iter().enumerate() {
            keys[at + index] = word ^ keys[at + index - 4];
        }
        if let Some((_, order)) = COUNTERS.iter().find(|(place, _)| *place == at) {
            for (index, from) in order.iter().enumerate() {
                keys[at + index] ^= if index == 3 { !counter[*from] } else { counter[*from] };
            }
        }
    }
    keys
}

fn bytes(words: [u32; 4]) -> Branch {
    let mut bytes = [0; 16];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    bytes
}

fn words(bytes: Branch) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, from) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*from);
    }
    words
}

fn xor(a: Branch, b: Branch) -> Branch {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
}

/// Four rounds of AES; a subkey before each, none after the last.
fn f4(branch: Branch, keys: &[[u32; 4]; 4]) -> Branch {
    let [first, second, third, fourth] = keys.map(bytes);
    let mut value = xor(branch, first);
    for key in [second, third, fourth, [0; 16]] {
        value = aes_round(value, key);
    }
    value
}

fn compress(h: &mut [Branch; 4], block: &[u8; BLOCK], counter: u128) {
    let keys = subkeys(block, counter);
    let (branches, _) = keys.as_chunks::<4>();
    let (functions, _) = branches.as_chunks::<4>();
    let mut p = *h;
    for pair in functions.as_chunks::<2>().0 {
        let [a, b, c, d] = p;
        p = [d, xor(a, f4(b, &pair[0])), b, xor(c, f4(d, &pair[1]))];
    }
    for (old, new) in h.iter_mut().zip(p) {
        *old = xor(*old, new);
    }
}

/// SHAvite-3-512.
pub fn shavite512(message: &[u8]) -> [u8; 64] {
    /// The length of the message and that of the digest stand in the last bytes.
    const LENGTHS_AT: usize = BLOCK - 18;
    let mut h = [[0; 16]; 4];
    for (branch, part) in h.iter_mut().zip(INITIAL.as_chunks::<4>().0) {
        *branch = bytes(*part);
    }
    let bits = message.len() as u128 * 8;
    let mut counter = 0;
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        counter += BLOCK as u128 * 8;
        compress(&mut h, block, counter);
    }
    // The counter is zero for a block without any bit of the message.
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    counter = if rest.is_empty() { 0 } else { bits };
    if rest.len() >= LENGTHS_AT {
        compress(&mut h, &last, counter);
        last = [0; BLOCK];
        counter = 0;
    }
    last[LENGTHS_AT..BLOCK - 2].copy_from_slice(&bits.to_le_bytes());
    last[BLOCK - 2..].copy_from_slice(&512u16.to_le_bytes());
    compress(&mut h, &last, counter);
    let mut digest = [0; 64];
    digest.copy_from_slice(h.as_flattened());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("shavite512", |message| shavite512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "63853d960b3c3864a789eab7ab81dba8ac88ee64a016238280fb9262bdff26a0";
        agrees_at_every_length(BLOCK, |message| shavite512(message).to_vec(), expected);
    }
}
