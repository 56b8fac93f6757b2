//! ECHO-512 as submitted to the second round of the SHA-3 competition: Benadjila, Billet, Gilbert, Macario-Rat,
//! Peyrin, Robshaw, Seurin, "SHA-3 Proposal: ECHO", version 2.0 (2010). AES over a state whose bytes
//! are blocks of 128 bits.

use super::aes_round::aes_rounds;

/// 128 bits.
type Word = u128;

const BLOCK: usize = 128;
const ROUNDS: usize = 10;

fn words(bytes: &[u8; BLOCK]) -> [Word; 8] {
    let mut words = [0; 8];
    for (word, from) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = Word::from_le_bytes(*from);
    }
    words
}

/// Doubles each of sixteen bytes in the field of AES.
#[inline(always)]
fn doubled(word: Word) -> Word {
    const HIGH: Word = Word::from_ne_bytes([0x80; 16]);
    let high = word & HIGH;
    ((word ^ high) << 1) ^ ((high >> 7) * 0x1b)
}

/// BIG.SubWords: two rounds of AES on each word, with a counter as the first key and no salt.
fn big_sub_words(w: &mut [Word; 16], counter: &mut u128) {
    for half in w.as_chunks_mut::<8>().0 {
        let keys = std::array::from_fn(|index| counter.wrapping_add(index as u128).to_le_bytes());
        let once = aes_rounds(half.map(Word::to_le_bytes), keys);
        *half = aes_rounds(once, [[0; 16]; 8]).map(Word::from_le_bytes);
        *counter = counter.wrapping_add(8);
    }
}

/// BIG.ShiftRows and BIG.MixColumns.
fn big_mix(w: &[Word; 16]) -> [Word; 16] {
    let mut mixed = [0; 16];
    for (column, to) in mixed.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let [a, b, c, d] = std::array::from_fn(|row| w[(4 * (column + row) + row) % 16]);
        let (ab, bc, cd) = (a ^ b, b ^ c, c ^ d);
        let (ab2, bc2, cd2) = (doubled(ab), doubled(bc), doubled(cd));
        *to = [ab2 ^ bc ^ d, bc2 ^ a ^ cd, cd2 ^ ab ^ d, ab2 ^ bc2 ^ cd2 ^ ab ^ c];
    }
    mixed
}

/// The compression; `counted` is how many bits of message have been taken in with the block.
fn compress(v: &mut [Word; 8], block: &[u8; BLOCK], counted: u128) {
    let m = words(block);
    let mut w = [0; 16];
    w[..8].copy_from_slice(v);
    w[8..].copy_from_slice(&m);
    let mut counter = counted;
    for _ in 0..ROUNDS {
        big_sub_words(&mut w, &mut counter);
        w = big_mix(&w);
    }
    for (index, word) in v.iter_mut().enumerate() {
        *word ^= m[index] ^ w[index] ^ w[index + 8];
    }
}

/// ECHO-512.
pub fn echo512(message: &[u8]) -> [u8; 64] {
    /// The size of the digest and the length of the message stand in the last bytes.
    const LENGTHS_AT: usize = BLOCK - 18;
    let mut v = [512; 8];
    let bits = message.len() as u128 * 8;
    let mut counted = 0;
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        counted += BLOCK as u128 * 8;
        compress(&mut v, block, counted);
    }
    // The counter is zero for a block without any bit of the message.
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    counted = if rest.is_empty() { 0 } else { bits };
    if rest.len() >= LENGTHS_AT {
        compress(&mut v, &last, counted);
        last = [0; BLOCK];
        counted = 0;
    }
    last[LENGTHS_AT..LENGTHS_AT + 2].copy_from_slice(&512u16.to_le_bytes());
    last[LENGTHS_AT + 2..].copy_from_slice(&bits.to_le_bytes());
    compress(&mut v, &last, counted);
    let mut digest = [0; 64];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(v) {
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
        agrees_with_known_answers("echo512", |message| echo512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "be6e3e58fabd0680b95a59ab1143518d17291be88b655ff944f4f602b2831a8a";
        agrees_at_every_length(BLOCK, |message| echo512(message).to_vec(), expected);
    }
}
