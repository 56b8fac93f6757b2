//! ROMix of scrypt (RFC 7914, section 5) with a block size of 1, for several headers side by side,
//! written once for vectors of any width and for any 64-byte core.
//!
//! Nothing in here is a closure: those would be compiled without the instructions of the function that
//! they are in.
//!
//! A vector holds the same four words of every header it carries ("lane"), so that a core runs on all
//! of them with the instructions of one. Several vectors ("sets") are computed in step, which
//! keeps the processor busy while one waits for its own last result.

use super::row::{ROW_VECTORS, Row};

/// The most lanes that one vector has.
pub const VECTOR_LANES_MAX: usize = 4;

/// Four words of each of [`Wide::LANES`] headers, and what a core does with them.
pub trait Wide: Copy {
    /// Headers in a vector.
    const LANES: usize;

    /// Word by word, modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// Bit by bit.
    fn xor(self, other: Self) -> Self;
    /// Each word rotated towards its most significant bit.
    fn rotate_left<const BITS: i32, const REST: i32>(self) -> Self;
    /// Word `i` of each lane becomes its word `i + 1`.
    fn turn_1(self) -> Self;
    /// Word `i` of each lane becomes its word `i + 2`.
    fn turn_2(self) -> Self;
    /// Word `i` of each lane becomes its word `i + 3`.
    fn turn_3(self) -> Self;
    /// Reads a row for each lane, from the places in `at`.
    fn gather(rows: &[Row], at: &[usize; VECTOR_LANES_MAX]) -> [Self; ROW_VECTORS];
    /// Writes the lanes' rows one after the other, from `at` on.
    fn scatter(row: &[Self; ROW_VECTORS], rows: &mut [Row], at: usize);
    /// The first word of each lane.
    fn firsts(self) -> [u32; VECTOR_LANES_MAX];
}

/// A permutation of 64 bytes, held as four vectors, which is added to its own input.
pub trait Core {
    /// Computes the core on each of the sets.
    fn apply<W: Wide, const SETS: usize>(x: &mut [[W; 4]; SETS]);
}

/// Salsa20 of so many double rounds, with the four vectors holding the diagonals (see [`Row::from_salsa`]); scrypt has four.
pub struct Salsa<const DOUBLE_ROUNDS: usize>;

impl<const DOUBLE_ROUNDS: usize> Core for Salsa<DOUBLE_ROUNDS> {
    #[inline(always)]
    fn apply<W: Wide, const SETS: usize>(x: &mut [[W; 4]; SETS]) {
        let start = *x;
        for _ in 0..DOUBLE_ROUNDS {
            salsa_steps(x);
            for set in x.iter_mut() {
                *set = [set[0], set[1].turn_1(), set[2].turn_2(), set[3].turn_3()];
                set.swap(1, 3);
            }
            salsa_steps(x);
            for set in x.iter_mut() {
                set.swap(1, 3);
                *set = [set[0], set[1].turn_3(), set[2].turn_2(), set[3].turn_1()];
            }
        }
        for (set, start) in x.iter_mut().zip(&start) {
            for (word, start) in set.iter_mut().zip(start) {
                *word = word.add(*start);
            }
        }
    }
}

#[inline(always)]
fn salsa_steps<W: Wide, const SETS: usize>(x: &mut [[W; 4]; SETS]) {
    for set in x.iter_mut() {
        set[1] = set[1].xor(set[0].add(set[3]).rotate_left::<7, 25>());
    }
    for set in x.iter_mut() {
        set[2] = set[2].xor(set[1].add(set[0]).rotate_left::<9, 23>());
    }
    for set in x.iter_mut() {
        set[3] = set[3].xor(set[2].add(set[1]).rotate_left::<13, 19>());
    }
    for set in x.iter_mut() {
        set[0] = set[0].xor(set[3].add(set[2]).rotate_left::<18, 14>());
    }
}

/// ChaCha20 of so many double rounds, with the four vectors holding the rows of its matrix; scrypt-jane has four.
pub struct ChaCha<const DOUBLE_ROUNDS: usize>;

impl<const DOUBLE_ROUNDS: usize> Core for ChaCha<DOUBLE_ROUNDS> {
    #[inline(always)]
    fn apply<W: Wide, const SETS: usize>(x: &mut [[W; 4]; SETS]) {
        let start = *x;
        for _ in 0..DOUBLE_ROUNDS {
            chacha_steps(x);
            for set in x.iter_mut() {
                *set = [set[0], set[1].turn_3(), set[2].turn_2(), set[3].turn_1()];
            }
            chacha_steps(x);
            for set in x.iter_mut() {
                *set = [set[0], set[1].turn_1(), set[2].turn_2(), set[3].turn_3()];
            }
        }
        for (set, start) in x.iter_mut().zip(&start) {
            for (word, start) in set.iter_mut().zip(start) {
                *word = word.add(*start);
            }
        }
    }
}

#[inline(always)]
fn chacha_steps<W: Wide, const SETS: usize>(x: &mut [[W; 4]; SETS]) {
    for set in x.iter_mut() {
        set[0] = set[0].add(set[1]);
        set[3] = set[3].xor(set[0]).rotate_left::<16, 16>();
    }
    for set in x.iter_mut() {
        set[2] = set[2].add(set[3]);
        set[1] = set[1].xor(set[2]).rotate_left::<12, 20>();
    }
    for set in x.iter_mut() {
        set[0] = set[0].add(set[1]);
        set[3] = set[3].xor(set[0]).rotate_left::<8, 24>();
    }
    for set in x.iter_mut() {
        set[2] = set[2].add(set[3]);
        set[1] = set[1].xor(set[2]).rotate_left::<7, 25>();
    }
}

/// BlockMix with a block size of 1.
#[inline(always)]
fn block_mix<W: Wide, C: Core, const SETS: usize>(x: &mut [[W; ROW_VECTORS]; SETS]) {
    let mut core = [[x[0][0]; 4]; SETS];
    for (core, set) in core.iter_mut().zip(x.iter()) {
        for word in 0..4 {
            core[word] = set[word].xor(set[4 + word]);
        }
    }
    C::apply(&mut core);
    for (core, set) in core.iter_mut().zip(x.iter_mut()) {
        for word in 0..4 {
            set[word] = core[word];
            core[word] = core[word].xor(set[4 + word]);
        }
    }
    C::apply(&mut core);
    for (core, set) in core.iter().zip(x.iter_mut()) {
        set[4..].copy_from_slice(core);
    }
}

/// ROMix of `SETS * W::LANES` blocks, in place, over a scratchpad that has `n` rows for each of them;
/// `n` is a power of two. Row `i` of all lanes lies together, so that filling the scratchpad is one
/// stream. With slices of other lengths nothing is computed.
#[inline(always)]
pub fn romix<W: Wide, C: Core, const SETS: usize>(blocks: &mut [Row], pad: &mut [Row], n: usize) {
    let lanes = SETS * W::LANES;
    if blocks.len() != lanes || !n.is_power_of_two() || n.checked_mul(lanes) != Some(pad.len()) {
        return;
    }
    let mut state = [W::gather(blocks, &consecutive(0)); SETS];
    for (set, row) in state.iter_mut().enumerate() {
        *row = W::gather(blocks, &consecutive(set * W::LANES));
    }
    for row in 0..n {
        for (set, vectors) in state.iter().enumerate() {
            W::scatter(vectors, pad, row * lanes + set * W::LANES);
        }
        block_mix::<W, C, SETS>(&mut state);
    }
    for _ in 0..n {
        for (set, vectors) in state.iter_mut().enumerate() {
            let at = wanted::<W>(vectors, n, lanes, set * W::LANES);
            let row = W::gather(pad, &at);
            for (vector, other) in vectors.iter_mut().zip(row) {
                *vector = vector.xor(other);
            }
        }
        block_mix::<W, C, SETS>(&mut state);
    }
    for (set, vectors) in state.iter().enumerate() {
        W::scatter(vectors, blocks, set * W::LANES);
    }
}

/// Where the rows lie that the lanes of a vector read next: Integerify modulo `n`.
#[inline(always)]
fn wanted<W: Wide>(x: &[W; ROW_VECTORS], n: usize, lanes: usize, place: usize) -> [usize; VECTOR_LANES_MAX] {
    let firsts = x[4].firsts();
    let mut at = [0; VECTOR_LANES_MAX];
    for lane in 0..W::LANES {
        at[lane] = (firsts[lane] as usize & (n - 1)) * lanes + place + lane;
    }
    at
}

#[inline(always)]
fn consecutive(first: usize) -> [usize; VECTOR_LANES_MAX] {
    [first, first + 1, first + 2, first + 3]
}
