//! yescrypt 0.5 (Alexander Peslyak, first submission to the Password Hashing Competition, 2014) as coins use it;
//! also known as yespower 0.5. Later versions of yescrypt are other functions.
//!
//! Like scrypt, it fills a scratchpad and then reads it at random, but it reads already while filling and writes while reading,
//! and mixes by multiplications and look-ups in tables of 8 KiB ("pwxform") that scrypt's own mix fills
//! for every hash. A last HMAC has a text of the coin's, or the header, as its message.
#![allow(clippy::cast_possible_truncation, reason = "words are taken apart on purpose")]

use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256};

use super::scrypt::portable::Words;
use super::scrypt::romix::{Core, Salsa};
use super::sha256;
use crate::bytes::Hash;

/// 64 bytes, in the order in which Salsa20 runs on whole vectors (see [`shuffled`]).
type Block = [u64; 8];

/// Words of the two look-up tables: 256 entries of two words each.
const TABLE: usize = 512;
/// Rounds of pwxform.
const ROUNDS: usize = 6;
/// Which bits of half a word choose an entry; shifted by three they are the place of its first word.
const CHOICE: u64 = 0xff0;
/// Rows of two blocks that fill the tables.
const TABLE_ROWS: usize = 64;

/// Which of the coins' forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Yescrypt {
    /// N = 2048, r = 8 (Myriadcoin, GlobalBoost-Y): 2 MiB.
    R8,
    /// N = 4096, r = 16 (Bitweb, Yenten before 2018): 8 MiB.
    R16,
    /// N = 4096, r = 32 (WaviCoin): 16 MiB.
    R32,
}

impl Yescrypt {
    fn n(self) -> usize {
        match self {
            Self::R8 => 2048,
            Self::R16 | Self::R32 => 4096,
        }
    }

    fn r(self) -> usize {
        match self {
            Self::R8 => 8,
            Self::R16 => 16,
            Self::R32 => 32,
        }
    }

    /// What the last HMAC reads. The first coins had the header there by mistake.
    fn text(self, header: &[u8]) -> &[u8] {
        match self {
            Self::R8 => header,
            Self::R16 => b"Client Key",
            Self::R32 => b"WaviBanana",
        }
    }

    /// The hash of a header, with a scratchpad that is kept for the next one.
    pub fn hash(self, header: &[u8], pad: &mut Pad) -> Hash {
        let mut bytes = vec![0; 128 * self.r()];
        pbkdf2_hmac::<Sha256>(&sha256(header), header, 1, &mut bytes);
        let key: Hash = bytes.first_chunk().copied().unwrap_or_default();
        let mut state: Vec<Block> = bytes.as_chunks::<64>().0.iter().map(shuffled).collect();
        self.mix(&mut state, pad);
        for (bytes, block) in bytes.as_chunks_mut::<64>().0.iter_mut().zip(&state) {
            *bytes = unshuffled(block);
        }
        let mut derived = [0; 32];
        pbkdf2_hmac::<Sha256>(&key, &bytes, 1, &mut derived);
        match Hmac::<Sha256>::new_from_slice(&derived) {
            Ok(mac) => Sha256::digest(mac.chain_update(self.text(header)).finalize().into_bytes()).into(),
            // HMAC takes keys of every length.
            Err(_) => [0xff; 32],
        }
    }

    fn mix(self, state: &mut [Block], Pad(pad): &mut Pad) {
        let n = self.n();
        if pad.len() < n * state.len() {
            pad.resize(n * state.len(), [0; 8]);
        }
        let Some(pad) = pad.get_mut(..n * state.len()) else { return };
        let mut table_rows = [[0; 8]; 2 * TABLE_ROWS];
        if let Some(start) = state.get_mut(..2) {
            fill(start, &mut table_rows, salsa_mix);
        }
        let mut tables = [0; 2 * TABLE];
        for (words, block) in tables.as_chunks_mut::<8>().0.iter_mut().zip(table_rows) {
            *words = block;
        }
        fill(state, pad, |state| pwx_mix(state, &tables));
        let steps = n.div_ceil(3);
        // An even number of steps writes; if the count is odd, two more only read.
        wander(state, pad, &tables, steps & !1, true);
        wander(state, pad, &tables, (steps & 1) * 2, false);
    }
}

/// The scratchpad, kept from one hash to the next: 16 MiB at most.
#[derive(Debug, Default)]
pub struct Pad(Vec<Block>);

#[cfg(test)]
impl Pad {
    /// What it keeps.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Block>()
    }
}

/// Little-endian words of 32 bits, place `p` with word 5 p (modulo 16), two in each of the block's.
fn shuffled(bytes: &[u8; 64]) -> Block {
    let words = bytes.as_chunks::<4>().0;
    let word = |place: usize| u64::from(u32::from_le_bytes(words[place * 5 % 16]));
    std::array::from_fn(|at| word(2 * at) | word(2 * at + 1) << 32)
}

fn unshuffled(block: &Block) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (at, words) in block.iter().enumerate() {
        let halves = words.to_le_bytes();
        for (half, place) in halves.as_chunks::<4>().0.iter().zip([2 * at, 2 * at + 1]) {
            let from = place * 5 % 16 * 4;
            bytes[from..from + 4].copy_from_slice(half);
        }
    }
    bytes
}

fn xor(state: &mut [Block], other: &[Block]) {
    for (block, other) in state.iter_mut().zip(other) {
        for (word, other) in block.iter_mut().zip(other) {
            *word ^= other;
        }
    }
}

/// Fills the rows of `pad`, mixing with an earlier row before each step from the third on.
fn fill(state: &mut [Block], pad: &mut [Block], mix: impl Fn(&mut [Block])) {
    let blocks = state.len();
    for row in 0..pad.len() / blocks {
        let (before, from_here) = pad.split_at_mut(row * blocks);
        from_here[..blocks].copy_from_slice(state);
        if row > 1 {
            // One of the last rows, as many of them as the greatest power of two.
            let window = 1 << row.ilog2();
            let chosen = (chooser(state) & (window - 1)) + row - window;
            xor(state, &before[chosen * blocks..][..blocks]);
        }
        mix(state);
    }
}

/// Reads rows at random, and writes what became of them if `writes`.
fn wander(state: &mut [Block], pad: &mut [Block], tables: &[u64; 2 * TABLE], steps: usize, writes: bool) {
    let blocks = state.len();
    let rows = pad.len() / blocks;
    for _ in 0..steps {
        let chosen = chooser(state) & (rows - 1);
        let row = &mut pad[chosen * blocks..][..blocks];
        xor(state, row);
        if writes {
            row.copy_from_slice(state);
        }
        pwx_mix(state, tables);
    }
}

/// The first word of the last block.
fn chooser(state: &[Block]) -> usize {
    state.last().map_or(0, |block| (block[0] & u64::from(u32::MAX)) as usize)
}

/// scrypt's BlockMix with a block size of 1.
fn salsa_mix(state: &mut [Block]) {
    let Some(mut last) = state.last().copied() else { return };
    for block in state {
        xor(std::slice::from_mut(block), &[last]);
        salsa(block);
        last = *block;
    }
}

fn pwx_mix(state: &mut [Block], tables: &[u64; 2 * TABLE]) {
    let Some(mut x) = state.last().copied() else { return };
    for block in state.iter_mut() {
        for (x, word) in x.iter_mut().zip(block.iter()) {
            *x ^= word;
        }
        pwxform(&mut x, tables);
        *block = x;
    }
    if let Some(block) = state.last_mut() {
        salsa(block);
    }
}

/// "Parallel wide transformation": multiplies the halves of each word, adds and xors what two tables have at
/// places that the first of each pair of words chooses.
fn pwxform(x: &mut Block, tables: &[u64; 2 * TABLE]) {
    for _ in 0..ROUNDS {
        for pair in x.as_chunks_mut::<2>().0 {
            let first = ((pair[0] & CHOICE) >> 3) as usize;
            let second = TABLE + ((pair[0] >> 32 & CHOICE) >> 3) as usize;
            for (at, word) in pair.iter_mut().enumerate() {
                let product = (*word >> 32) * (*word & u64::from(u32::MAX));
                *word = product.wrapping_add(tables[first + at]) ^ tables[second + at];
            }
        }
    }
}

/// Salsa20/8.
fn salsa(block: &mut Block) {
    let low = |word: u64| (word & u64::from(u32::MAX)) as u32;
    let vector =
        |at: usize| Words([low(block[at]), low(block[at] >> 32), low(block[at + 1]), low(block[at + 1] >> 32)]);
    let mut sets = [[vector(0), vector(2), vector(4), vector(6)]];
    Salsa::<4>::apply(&mut sets);
    for (words, vector) in block.as_chunks_mut::<2>().0.iter_mut().zip(&sets[0]) {
        let [a, b, c, d] = vector.0.map(u64::from);
        *words = [a | b << 32, c | d << 32];
    }
}
