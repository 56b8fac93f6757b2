//! Lyra2 as coins use it, and the chains of functions around it: Lyra2RE and its revisions, Lyra2Z, Allium.
//!
//! Lyra2 (Simplicio et al., "Lyra2: Efficient Password Hashing with High Security against Time-Memory
//! Trade-Offs", 2015) fills a small matrix with the output of a sponge, then wanders through its rows. The sponge is the
//! round of BLAKE2b without a message. Coins give the same 32 bytes as password and as salt.
//! A matrix has at most 6 KiB and lives on the stack.
#![allow(clippy::cast_possible_truncation, reason = "the sponge's words choose rows")]

use groestl::Groestl256;
use sha3::{Digest, Keccak256};
use skein::Skein512;
use skein::digest::consts::U32;

use super::primitives::blake::blake256;
use super::primitives::bmw::bmw256;
use super::primitives::cubehash::cubehash256;
use crate::bytes::Hash;

/// Words of a block of the sponge.
const BLOCK: usize = 12;
/// Words of a block while the input is absorbed.
const INPUT_BLOCK: usize = 8;
/// Words of the largest matrix: 8 rows of 8 blocks.
const MATRIX_MAX: usize = 8 * 8 * BLOCK;

/// The second half of the sponge's state at the start: BLAKE2b's.
const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Which chain of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lyra2 {
    /// Lyra2RE, the first revision.
    Re,
    /// Lyra2REv2.
    Rev2,
    /// Lyra2REv3.
    Rev3,
    /// Lyra2Z.
    Z,
    /// Allium.
    Allium,
}

impl Lyra2 {
    /// The hash of a header.
    pub fn hash(self, header: &[u8]) -> Hash {
        let first = blake256(header);
        match self {
            Self::Re => groestl256(&skein256(&OLD.of(&keccak256(&first)))),
            Self::Rev2 => bmw256(&cubehash256(&skein256(&REV2.of(&cubehash256(&keccak256(&first)))))),
            Self::Rev3 => bmw256(&REV3.of(&cubehash256(&REV3.of(&first)))),
            Self::Z => Z.of(&first),
            Self::Allium => groestl256(&skein256(&OLD.of(&cubehash256(&OLD.of(&keccak256(&first)))))),
        }
    }
}

fn keccak256(message: &Hash) -> Hash {
    Keccak256::digest(message).into()
}

/// What coins call skein256 has a state of 512 bits.
fn skein256(message: &Hash) -> Hash {
    Skein512::<U32>::digest(message).into()
}

fn groestl256(message: &Hash) -> Hash {
    Groestl256::digest(message).into()
}

/// The parameters of Lyra2, and how coins' versions differ.
struct Form {
    passes: u64,
    /// A power of two, 8 at most.
    rows: usize,
    /// Blocks in a row, 8 at most.
    columns: usize,
    /// Only the first block of the input is absorbed, zeros instead of what follows: a mistake of the first
    /// version that its coins cannot undo.
    first_block_only: bool,
    /// The state chooses which of its words chooses the next row.
    wanders_by_state: bool,
}

const OLD: Form = Form { passes: 1, rows: 8, columns: 8, first_block_only: true, wanders_by_state: false };
const REV2: Form = Form { passes: 1, rows: 4, columns: 4, first_block_only: false, wanders_by_state: false };
const REV3: Form = Form { wanders_by_state: true, ..REV2 };
const Z: Form = Form { passes: 8, rows: 8, columns: 8, first_block_only: false, wanders_by_state: false };

/// The rows that a step works on: reads `previous` and `chosen`, writes `chosen` and `row`.
struct Places {
    previous: usize,
    chosen: usize,
    row: usize,
}

impl Form {
    /// Lyra2 with `input` as password and as salt.
    fn of(&self, input: &Hash) -> Hash {
        let mut sponge = Sponge::new();
        self.absorb(&mut sponge, input);
        let mut matrix = [0; MATRIX_MAX];
        let last = self.set_up(&mut sponge, &mut matrix);
        let chosen = self.wander(&mut sponge, &mut matrix, last);
        sponge.xor(&matrix[self.place(chosen, 0)..][..BLOCK]);
        sponge.permute();
        let mut hash = [0; 32];
        for (bytes, word) in hash.as_chunks_mut::<8>().0.iter_mut().zip(sponge.0) {
            *bytes = word.to_le_bytes();
        }
        hash
    }

    fn place(&self, row: usize, column: usize) -> usize {
        (row * self.columns + column) * BLOCK
    }

    /// Password, salt, and the parameters: the lengths of output, password and salt, passes, rows, columns.
    fn absorb(&self, sponge: &mut Sponge, input: &Hash) {
        let mut words = [0; 2 * INPUT_BLOCK];
        for (at, bytes) in input.as_chunks::<8>().0.iter().enumerate() {
            words[at] = u64::from_le_bytes(*bytes);
            words[4 + at] = words[at];
        }
        let mut second = [32, 32, 32, self.passes, self.rows as u64, self.columns as u64, 0x80, 1 << 56];
        if self.first_block_only {
            second = [0; INPUT_BLOCK];
        }
        sponge.xor(&words[..INPUT_BLOCK]);
        sponge.permute();
        sponge.xor(&second);
        sponge.permute();
    }

    /// Fills the matrix; returns the row that was written last.
    fn set_up(&self, sponge: &mut Sponge, matrix: &mut [u64; MATRIX_MAX]) -> usize {
        for column in (0..self.columns).rev() {
            matrix[self.place(0, column)..][..BLOCK].copy_from_slice(&sponge.0[..BLOCK]);
            sponge.round();
        }
        for column in 0..self.columns {
            let (from, to) = (self.place(0, column), self.place(1, self.columns - 1 - column));
            sponge.xor(&matrix[from..][..BLOCK]);
            sponge.round();
            for word in 0..BLOCK {
                matrix[to + word] = matrix[from + word] ^ sponge.0[word];
            }
        }
        let (mut chosen, mut step, mut window, mut widen) = (0, 1, 2, true);
        for row in 2..self.rows {
            self.fill_row(sponge, matrix, &Places { previous: row - 1, chosen, row });
            chosen = (chosen + step) & (window - 1);
            if chosen == 0 {
                step = if widen { window + 1 } else { window - 1 };
                window *= 2;
                widen = !widen;
            }
        }
        self.rows - 1
    }

    fn fill_row(&self, sponge: &mut Sponge, matrix: &mut [u64; MATRIX_MAX], at: &Places) {
        for column in 0..self.columns {
            let (from, beside) = (self.place(at.previous, column), self.place(at.chosen, column));
            let to = self.place(at.row, self.columns - 1 - column);
            sponge.absorb_sum(matrix, from, beside);
            for word in 0..BLOCK {
                matrix[to + word] = matrix[from + word] ^ sponge.0[word];
            }
            sponge.stir(matrix, beside);
        }
    }

    /// Goes through the rows `passes` times; returns the row that was chosen last.
    fn wander(&self, sponge: &mut Sponge, matrix: &mut [u64; MATRIX_MAX], last: usize) -> usize {
        let mask = self.rows - 1;
        let low = |word: u64, mask: usize| (word & mask as u64) as usize;
        let (mut previous, mut chosen, mut chooser) = (last, 0, 0);
        for pass in 1..=self.passes {
            let step = if pass % 2 == 0 { mask } else { self.rows / 2 - 1 };
            let mut row = 0;
            loop {
                if self.wanders_by_state {
                    chooser = low(sponge.0[chooser], 15);
                }
                chosen = low(sponge.0[chooser], mask);
                self.wander_row(sponge, matrix, &Places { previous, chosen, row });
                previous = row;
                row = (row + step) & mask;
                if row == 0 {
                    break;
                }
            }
        }
        chosen
    }

    fn wander_row(&self, sponge: &mut Sponge, matrix: &mut [u64; MATRIX_MAX], at: &Places) {
        for column in 0..self.columns {
            let (from, beside) = (self.place(at.previous, column), self.place(at.chosen, column));
            let to = self.place(at.row, column);
            sponge.absorb_sum(matrix, from, beside);
            for word in 0..BLOCK {
                matrix[to + word] ^= sponge.0[word];
            }
            sponge.stir(matrix, beside);
        }
    }
}

/// The state of the sponge.
struct Sponge([u64; 16]);

impl Sponge {
    fn new() -> Self {
        let mut state = [0; 16];
        state[8..].copy_from_slice(&START);
        Self(state)
    }

    fn xor(&mut self, words: &[u64]) {
        for (state, word) in self.0.iter_mut().zip(words) {
            *state ^= word;
        }
    }

    /// Takes in the sum of two blocks of the matrix, with one round.
    fn absorb_sum(&mut self, matrix: &[u64; MATRIX_MAX], from: usize, beside: usize) {
        for word in 0..BLOCK {
            self.0[word] ^= matrix[from + word].wrapping_add(matrix[beside + word]);
        }
        self.round();
    }

    /// Changes a block of the matrix by the state, turned by a word.
    fn stir(&self, matrix: &mut [u64; MATRIX_MAX], beside: usize) {
        for word in 0..BLOCK {
            matrix[beside + word] ^= self.0[(word + BLOCK - 1) % BLOCK];
        }
    }

    /// All rounds.
    fn permute(&mut self) {
        (0..12).for_each(|_| self.round());
    }

    /// One round of BLAKE2b without a message.
    #[inline(always)]
    fn round(&mut self) {
        self.quarter(0, 4, 8, 12);
        self.quarter(1, 5, 9, 13);
        self.quarter(2, 6, 10, 14);
        self.quarter(3, 7, 11, 15);
        self.quarter(0, 5, 10, 15);
        self.quarter(1, 6, 11, 12);
        self.quarter(2, 7, 8, 13);
        self.quarter(3, 4, 9, 14);
    }

    #[inline(always)]
    fn quarter(&mut self, a: usize, b: usize, c: usize, d: usize) {
        let v = &mut self.0;
        v[a] = v[a].wrapping_add(v[b]);
        v[d] = (v[d] ^ v[a]).rotate_right(32);
        v[c] = v[c].wrapping_add(v[d]);
        v[b] = (v[b] ^ v[c]).rotate_right(24);
        v[a] = v[a].wrapping_add(v[b]);
        v[d] = (v[d] ^ v[a]).rotate_right(16);
        v[c] = v[c].wrapping_add(v[d]);
        v[b] = (v[b] ^ v[c]).rotate_right(63);
    }
}
