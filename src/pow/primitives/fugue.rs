//! Fugue-256 and Fugue-512 as submitted to the second round of the SHA-3 competition: Halevi, Hall, Jutla, "The Hash
//! Function Fugue" (2009). A long state that is rotated under a mixing of four of its words. Names are those
//! of its section 3.

use super::aes_round::{S_BOX, times};

const INITIAL_256: [u32; 8] =
    [0xe952_bdde, 0x6671_135f, 0xe0d4_f668, 0xd2b0_b594, 0xf96c_621d, 0xfbf9_29de, 0x9149_e899, 0x34f8_c248];
const INITIAL_512: [u32; 16] = [
    0x8807_a57e,
    0xe616_af75,
    0xc5d3_e4db,
    0xac9a_b027,
    0xd915_f117,
    0xb6ee_cc54,
    0x06e8_020b,
    0x4a92_efd1,
    0xaac6_e2c9,
    0xddb2_1398,
    0xcae6_5838,
    0x437f_203f,
    0x25ea_78e7,
    0x951f_ddd6,
    0xda6e_d11d,
    0xe13e_3567,
];

/// The S-box and the first column of the matrix N, 1 1 7 4. The other columns are rotations of it.
const COLUMN: [u32; 256] = {
    let mut column = [0; 256];
    let mut index = 0;
    while index < 256 {
        let s = S_BOX[index];
        column[index] = u32::from_be_bytes([s, s, times(s, 7), times(s, 4)]);
        index += 1;
    }
    column
};

/// The state: words in a ring.
struct Ring<const N: usize> {
    words: [u32; N],
    /// Where word 0 is.
    base: usize,
}

impl<const N: usize> Ring<N> {
    /// Zeros, and the initial value at the end.
    fn new(initial: &[u32]) -> Self {
        let mut words = [0; N];
        words[N - initial.len()..].copy_from_slice(initial);
        Self { words, base: 0 }
    }

    #[inline(always)]
    fn at(&self, index: usize) -> u32 {
        self.words[(self.base + index) % N]
    }

    #[inline(always)]
    fn add(&mut self, index: usize, word: u32) {
        self.words[(self.base + index) % N] ^= word;
    }

    /// Adds one word to others.
    fn spread(&mut self, from: usize, to: &[usize]) {
        let word = self.at(from);
        for index in to {
            self.add(*index, word);
        }
    }

    /// ROR: the last words become the first.
    fn rotate(&mut self, by: usize) {
        self.base = (self.base + N - by) % N;
    }

    /// ROR3, CMIX and SMIX.
    fn subround(&mut self) {
        self.rotate(3);
        for index in 0..3 {
            self.spread(index + 4, &[index, index + N / 2]);
        }
        self.mix();
    }

    /// SMIX: the four words as a matrix of bytes go through the S-box and the super-mix.
    fn mix(&mut self) {
        let mut columns = [0; 4];
        let mut rows = [0; 4];
        for (index, column) in columns.iter_mut().enumerate() {
            for (row, byte) in self.at(index).to_be_bytes().into_iter().enumerate() {
                let product = COLUMN[usize::from(byte)].rotate_right(8 * row as u32);
                *column ^= product;
                if row != index {
                    rows[row] ^= product;
                }
            }
        }
        for index in 0..4 {
            let mut word = 0;
            for (row, of_row) in rows.iter().enumerate() {
                let product = columns[(index + row) % 4] ^ of_row.rotate_left(8 * index as u32);
                word |= product & 0xff00_0000 >> (8 * row);
            }
            self.words[(self.base + index) % N] = word;
        }
    }

    /// TIX: replaces word 0 by one of the message, after adding it to word `keep`; `pairs` of words are added up.
    fn take(&mut self, word: u32, keep: usize, pairs: &[(usize, usize)]) {
        self.spread(0, &[keep]);
        self.words[self.base] = word;
        self.add(8, word);
        for (from, to) in pairs {
            self.spread(*from, &[*to]);
        }
    }

    fn digest<const BYTES: usize>(&self, words: &[std::ops::RangeInclusive<usize>]) -> [u8; BYTES] {
        let mut digest = [0; BYTES];
        for (bytes, index) in digest.as_chunks_mut().0.iter_mut().zip(words.iter().cloned().flatten()) {
            *bytes = self.at(index).to_be_bytes();
        }
        digest
    }
}

/// The words of the message, with zeros to the end of the last, and its length in bits.
fn words(message: &[u8]) -> impl Iterator<Item = u32> {
    let bits = message.len() as u64 * 8;
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_be_bytes(word)
    };
    message.chunks(4).map(word).chain([(bits >> 32) as u32, bits as u32])
}

/// Fugue-256.
pub fn fugue256(message: &[u8]) -> [u8; 32] {
    let mut s = Ring::<30>::new(&INITIAL_256);
    for word in words(message) {
        s.take(word, 10, &[(24, 1)]);
        s.subround();
        s.subround();
    }
    for _ in 0..10 {
        s.subround();
    }
    for _ in 0..13 {
        for (to, by) in [([4, 15], 15), ([4, 16], 14)] {
            s.spread(0, &to);
            s.rotate(by);
            s.mix();
        }
    }
    s.spread(0, &[4, 15]);
    s.digest(&[1..=4, 15..=18])
}

/// Fugue-512.
pub fn fugue512(message: &[u8]) -> [u8; 64] {
    let mut s = Ring::<36>::new(&INITIAL_512);
    for word in words(message) {
        s.take(word, 22, &[(24, 1), (27, 4), (30, 7)]);
        for _ in 0..4 {
            s.subround();
        }
    }
    for _ in 0..32 {
        s.subround();
    }
    for _ in 0..13 {
        for (to, by) in [([4, 9, 18, 27], 9), ([4, 10, 18, 27], 9), ([4, 10, 19, 27], 9), ([4, 10, 19, 28], 8)] {
            s.spread(0, &to);
            s.rotate(by);
            s.mix();
        }
    }
    s.spread(0, &[4, 9, 18, 27]);
    s.digest(&[1..=4, 9..=12, 18..=21, 27..=30])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("fugue256", |message| fugue256(message).to_vec());
        agrees_with_known_answers("fugue512", |message| fugue512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "aa229c3c5ddbbe6a979d6b260dfe2b3717d471705da347fa492a71f81051e7af";
        agrees_at_every_length(8, |message| fugue256(message).to_vec(), expected);
        let expected = "1f6705052fe6c6d63afe8ef092bc1a8fd9f7e4b5d151c378720b684459473817";
        agrees_at_every_length(8, |message| fugue512(message).to_vec(), expected);
    }
}
