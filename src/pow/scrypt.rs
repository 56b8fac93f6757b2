//! scrypt (RFC 7914) as coins use it: the header is both password and salt, p = 1, 32 bytes out.
//!
//! Written out here rather than taken from a crate for two reasons: the memory is kept from hash
//! to hash, and several independent headers are taken side by side. One header alone leaves the
//! processor waiting for the result of the previous instruction most of the time.

use sha2::{Digest, Sha256};

use super::sha256d::sha256;
use crate::bytes::Hash;

/// How many headers are hashed side by side.
pub const LANES: usize = 3;

/// The most memory one header may need. Parameters beyond it are refused when configuration is
/// read: each hasher thread holds this much for each lane.
pub const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// What parameters that cannot be computed with give: no target is met by it.
const NEVER: Hash = [0xff; 32];

/// Four words that one vector instruction works on.
type Row = [u32; 4];

/// 64 bytes, the unit of Salsa20/8. The words are stored diagonal by diagonal, so that its column
/// and row rounds both work on whole [`Row`]s.
type Block = [Row; 4];

/// Which word of the plain order stands at each place of a [`Block`].
const DIAGONALS: [[usize; 4]; 4] = [[0, 5, 10, 15], [4, 9, 14, 3], [8, 13, 2, 7], [12, 1, 6, 11]];

/// Memory that is kept from one hash to the next; it grows to what the largest parameters needed.
#[derive(Debug, Default)]
pub struct Scratch {
    memory: Vec<Block>,
    state: Vec<Block>,
    mixed: Vec<Block>,
}

impl Scratch {
    /// No memory yet; the first hash takes what it needs.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Whether scrypt can be computed with these parameters within [`MEMORY_BYTES_MAX`].
pub fn is_supported(log_n: u8, r: u32) -> bool {
    let bytes = 1u64.checked_shl(u32::from(log_n)).and_then(|n| n.checked_mul(128 * u64::from(r)));
    log_n >= 1 && r >= 1 && bytes.is_some_and(|bytes| bytes <= MEMORY_BYTES_MAX)
}

/// scrypt of one header.
pub fn hash(header: &[u8], log_n: u8, r: u32, scratch: &mut Scratch) -> Hash {
    let [hash] = hash_lanes([header], log_n, r, scratch);
    hash
}

/// Appends scrypt of each header to `hashes`, [`LANES`] of them at a time.
pub fn hash_batch(headers: &[&[u8]], log_n: u8, r: u32, scratch: &mut Scratch, hashes: &mut Vec<Hash>) {
    let (groups, rest) = headers.as_chunks::<LANES>();
    for group in groups {
        hashes.extend(hash_lanes(*group, log_n, r, scratch));
    }
    hashes.extend(rest.iter().map(|header| hash(header, log_n, r, scratch)));
}

/// scrypt of `L` headers side by side.
fn hash_lanes<const L: usize>(headers: [&[u8]; L], log_n: u8, r: u32, scratch: &mut Scratch) -> [Hash; L] {
    if !is_supported(log_n, r) {
        return [NEVER; L];
    }
    // Both fit: the memory they multiply to is bounded.
    let (n, blocks) = (1usize << log_n, 2 * r as usize);
    let Scratch { memory, state, mixed } = scratch;
    for (buffer, size) in [(&mut *memory, n * blocks * L), (state, blocks * L), (mixed, blocks * L)] {
        if buffer.len() < size {
            buffer.resize(size, Block::default());
        }
    }
    let memory = memory[..n * blocks * L].as_chunks_mut::<L>().0;
    let state = scratch.state[..blocks * L].as_chunks_mut::<L>().0;
    let mixed = scratch.mixed[..blocks * L].as_chunks_mut::<L>().0;

    let keys = headers.map(HmacKey::new);
    let mut bytes = vec![0; 64 * blocks];
    for (lane, (header, key)) in headers.iter().zip(&keys).enumerate() {
        key.derive(header, &mut bytes);
        for (block, plain) in state.iter_mut().zip(bytes.as_chunks().0) {
            block[lane] = read_block(plain);
        }
    }
    mix_memory(n, state, mixed, memory);
    let mut hashes = [NEVER; L];
    for (lane, (hash, key)) in hashes.iter_mut().zip(&keys).enumerate() {
        for (block, plain) in state.iter().zip(bytes.as_chunks_mut().0) {
            write_block(&block[lane], plain);
        }
        key.derive(&bytes, hash);
    }
    hashes
}

/// scryptROMix: fills `memory` with `n` states, then mixes in `n` of them in an order that only
/// the data knows. `state` holds the blocks of each lane and is left with the result.
fn mix_memory<const L: usize>(n: usize, state: &mut [[Block; L]], mixed: &mut [[Block; L]], memory: &mut [[Block; L]]) {
    let blocks = state.len();
    for saved in memory.chunks_exact_mut(blocks) {
        saved.copy_from_slice(state);
        mix_blocks(saved, state);
    }
    for _ in 0..n {
        mixed.copy_from_slice(state);
        for lane in 0..L {
            // The low bits of the last block's first word choose; N is a power of two.
            let chosen = state[blocks - 1][lane][0][0] as usize & (n - 1);
            let saved = &memory[chosen * blocks..(chosen + 1) * blocks];
            for (block, with) in mixed.iter_mut().zip(saved) {
                xor(&mut block[lane], &with[lane]);
            }
        }
        mix_blocks(mixed, state);
    }
}

/// scryptBlockMix of each lane: Salsa20/8 in a chain over the blocks of `input`, the even results
/// to the first half of `output`, the odd ones to the second.
#[inline(always)]
fn mix_blocks<const L: usize>(input: &[[Block; L]], output: &mut [[Block; L]]) {
    let Some(mut chain) = input.last().copied() else { return };
    let half = output.len() / 2;
    for (index, block) in input.iter().enumerate() {
        for (into, from) in chain.iter_mut().zip(block) {
            xor(into, from);
        }
        salsa20_8(&mut chain);
        output[index / 2 + (index % 2) * half] = chain;
    }
}

#[inline(always)]
fn xor(into: &mut Block, from: &Block) {
    for (into, from) in into.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
        *into ^= from;
    }
}

/// Salsa20 reduced to eight rounds, on each lane's block.
#[inline(always)]
fn salsa20_8<const L: usize>(blocks: &mut [Block; L]) {
    let before = *blocks;
    for _ in 0..4 {
        // The columns.
        quarter::<L, 1, 0, 3, 7>(blocks);
        quarter::<L, 2, 1, 0, 9>(blocks);
        quarter::<L, 3, 2, 1, 13>(blocks);
        quarter::<L, 0, 3, 2, 18>(blocks);
        // Turning the diagonals makes columns of the rows, and back.
        turn(blocks);
        quarter::<L, 3, 0, 1, 7>(blocks);
        quarter::<L, 2, 3, 0, 9>(blocks);
        quarter::<L, 1, 2, 3, 13>(blocks);
        quarter::<L, 0, 1, 2, 18>(blocks);
        turn_back(blocks);
    }
    for (block, before) in blocks.iter_mut().zip(&before) {
        for (into, from) in block.as_flattened_mut().iter_mut().zip(before.as_flattened()) {
            *into = into.wrapping_add(*from);
        }
    }
}

/// `row[INTO] ^= (row[A] + row[B]) <<< BY` on each lane.
#[inline(always)]
fn quarter<const L: usize, const INTO: usize, const A: usize, const B: usize, const BY: u32>(blocks: &mut [Block; L]) {
    for block in blocks {
        for word in 0..4 {
            block[INTO][word] ^= block[A][word].wrapping_add(block[B][word]).rotate_left(BY);
        }
    }
}

#[inline(always)]
fn turn<const L: usize>(blocks: &mut [Block; L]) {
    for [_, b, c, d] in blocks {
        *b = [b[3], b[0], b[1], b[2]];
        *c = [c[2], c[3], c[0], c[1]];
        *d = [d[1], d[2], d[3], d[0]];
    }
}

#[inline(always)]
fn turn_back<const L: usize>(blocks: &mut [Block; L]) {
    for [_, b, c, d] in blocks {
        *b = [b[1], b[2], b[3], b[0]];
        *c = [c[2], c[3], c[0], c[1]];
        *d = [d[3], d[0], d[1], d[2]];
    }
}

fn read_block(plain: &[u8; 64]) -> Block {
    let words = plain.as_chunks::<4>().0;
    DIAGONALS.map(|row| row.map(|word| u32::from_le_bytes(words[word])))
}

fn write_block(block: &Block, plain: &mut [u8; 64]) {
    let words = plain.as_chunks_mut::<4>().0;
    for (row, places) in block.iter().zip(DIAGONALS) {
        for (word, place) in row.iter().zip(places) {
            words[place] = word.to_le_bytes();
        }
    }
}

/// HMAC-SHA256 (RFC 2104) with the key's two blocks already taken in.
struct HmacKey {
    inner: Sha256,
    outer: Sha256,
}

impl HmacKey {
    fn new(key: &[u8]) -> Self {
        let mut block = [0; 64];
        match block.get_mut(..key.len()) {
            Some(start) => start.copy_from_slice(key),
            None => block[..32].copy_from_slice(&sha256(key)),
        }
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// PBKDF2 (RFC 8018) with one iteration: fills `out`.
    fn derive(&self, salt: &[u8], out: &mut [u8]) {
        let salted = self.inner.clone().chain_update(salt);
        for (number, part) in (1u32..).zip(out.chunks_mut(32)) {
            let inner = salted.clone().chain_update(number.to_be_bytes()).finalize();
            let digest = self.outer.clone().chain_update(inner).finalize();
            part.copy_from_slice(&digest[..part.len()]);
        }
    }
}
