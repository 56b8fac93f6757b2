//! HEFTY1, Heavycoin's modification of SHA-256: there is no specification but its code
//! (`github.com/heavycoin`, 2014). To thwart parallel hardware, a small sponge takes in words of the
//! message and of the state, and decides which bit of nearly every operand changes.

/// The first 32 bits of the fraction of the square root (power 2) or cube root (3) of a number.
const fn root_fraction(number: u128, power: u32) -> u32 {
    let scaled = number << (32 * power);
    let (mut low, mut high) = (0u128, 1 << 40);
    while low + 1 < high {
        let middle = (low + high) / 2;
        if middle.pow(power) <= scaled {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as u32
}

/// Root fractions of the first primes, as in SHA-256 (FIPS 180-4, 4.2.2 and 5.3.3).
const fn of_primes<const N: usize>(power: u32) -> [u32; N] {
    let mut fractions = [0; N];
    let (mut found, mut candidate) = (0, 2);
    while found < N {
        let mut divisor = 2;
        while candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor == candidate {
            fractions[found] = root_fraction(candidate, power);
            found += 1;
        }
        candidate += 1;
    }
    fractions
}

const K: [u32; 64] = of_primes(3);
const INITIAL: [u32; 8] = of_primes(2);

const BLOCK: usize = 64;

/// The sponge: a word that is seen from outside, and three behind it.
#[derive(Clone, Copy, Default)]
struct Sponge {
    rate: u32,
    capacity: [u32; 3],
}

/// A byte's halves on each other.
fn fold_byte(byte: u32) -> u32 {
    (byte >> 4 ^ byte) & 0xf
}

/// All pairs of bits of a word on each other.
fn fold_word(word: u32) -> u32 {
    let half = (word >> 16 ^ word) & 0xffff;
    let nibble = fold_byte((half >> 8 ^ half) & 0xff);
    (nibble >> 2 ^ nibble) & 3
}

impl Sponge {
    fn mangle(&mut self) {
        let rate = self.rate;
        let rotations = [rate >> 24, rate >> 16, rate >> 8, rate].map(|byte| fold_byte(byte & 0xff));
        let mut sum = 0;
        for (index, word) in (0u32..).zip(&mut self.capacity) {
            let choice = fold_word(sum);
            let by = index + rotations[choice as usize];
            match choice {
                0 | 3 => *word ^= rate.rotate_right(by),
                1 => *word = word.wrapping_add((!rate).rotate_right(by)),
                _ => *word &= (!rate).rotate_right(by),
            }
            sum ^= *word;
        }
        let [first, second, third] = self.capacity;
        self.rate ^= (first ^ second).wrapping_add(third);
    }

    fn absorb(&mut self, word: u32) {
        self.rate ^= word;
        self.mangle();
    }

    fn squeeze(&mut self) -> u32 {
        let word = self.rate;
        self.mangle();
        word
    }

    /// Clears, sets or flips one bit of `word`, or none.
    fn branch(&mut self, word: u32) -> u32 {
        let squeezed = self.squeeze();
        let bit = 1 << (squeezed >> 8 & 31);
        match squeezed & 3 {
            0 => word,
            1 => word & !bit,
            2 => word | bit,
            _ => word ^ bit,
        }
    }
}

/// One round of SHA-256; the order of the branches matters.
fn round(sponge: &mut Sponge, state: [u32; 8], added: u32) -> [u32; 8] {
    let [a, b, c, d, e, f, g, h] = state;
    let branched_g = sponge.branch(g);
    let branched_f = sponge.branch(f);
    let choice = e & branched_f ^ !e & branched_g;
    let one = sponge.branch(e);
    let first = choice.wrapping_add(h).wrapping_add(added);
    let first = first.wrapping_add(one.rotate_right(6) ^ one.rotate_right(11) ^ one.rotate_right(25));
    let (third, second) = (sponge.branch(c), sponge.branch(b));
    let majority_a = sponge.branch(a);
    let majority = majority_a & second ^ majority_a & third ^ second & third;
    let zero = sponge.branch(a);
    let second = majority.wrapping_add(zero.rotate_right(2) ^ zero.rotate_right(13) ^ zero.rotate_right(22));
    [first.wrapping_add(second), a, b, c, d.wrapping_add(sponge.branch(first)), e, f, g]
}

fn compress(h: &mut [u32; 8], sponge: &mut Sponge, block: &[u8; BLOCK]) {
    let mut w = [0; 64];
    for (index, bytes) in block.as_chunks().0.iter().enumerate() {
        w[index] = u32::from_be_bytes(*bytes);
        sponge.absorb(w[index] ^ K[index]);
    }
    let mut state = *h;
    for t in 0..64 {
        if t < 16 {
            sponge.absorb(state[3] ^ state[7]);
        } else {
            sponge.absorb(state[7].wrapping_add(state[3]));
            let (late, early) = (w[t - 2], w[t - 15]);
            let late = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
            let early = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
            w[t] = late.wrapping_add(w[t - 7]).wrapping_add(early).wrapping_add(w[t - 16]);
        }
        state = round(sponge, state, w[t].wrapping_add(K[t]));
    }
    for (word, new) in h.iter_mut().zip(state) {
        *word = word.wrapping_add(new);
    }
}

/// HEFTY1.
pub fn hefty1(message: &[u8]) -> [u8; 32] {
    let (mut h, mut sponge) = (INITIAL, Sponge::default());
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        compress(&mut h, &mut sponge, block);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    if rest.len() >= BLOCK - 8 {
        compress(&mut h, &mut sponge, &last);
        last = [0; BLOCK];
    }
    last[BLOCK - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    compress(&mut h, &mut sponge, &last);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(h) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_with_known_answers, differs_at_every_length};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("hefty1", |message| hefty1(message).to_vec());
    }

    #[test]
    fn padding_takes_every_length() {
        differs_at_every_length(BLOCK, |message| hefty1(message).to_vec());
    }

    #[test]
    fn the_constants_are_those_of_sha256() {
        assert_eq!((K[0], K[63]), (0x428a_2f98, 0xc671_78f2));
        assert_eq!((INITIAL[0], INITIAL[7]), (0x6a09_e667, 0x5be0_cd19));
    }
}
