//! scrypt with AVX2: two headers in a vector of ROMix, and a single one in half of it; eight in one of SHA-256.
//!
//! `unsafe` stands here for two reasons. The processor must have AVX2: [`scrypt`] and [`romix`] are the only ways in,
//! ask the processor first, and no vector exists outside of them. And vectors are loaded from and stored to rows by
//! pointer: always whole vectors within a [`Row`] that a checked index gave.
#![allow(unsafe_code, reason = "vector instructions; see above")]

use std::arch::x86_64::*;

use super::romix::{self, Core, Salsa, VECTOR_LANES_MAX, Wide};
use super::row::{ROW_VECTORS, Row};
use super::sha256::{self, COLUMN_LANES_MAX, Columns, HEADER_BYTES};
use crate::bytes::Hash;

/// The numbers of headers that can be hashed at once. More would not fit into the registers.
pub const LANES: [usize; 4] = [1, 2, 4, 6];

/// Whether this processor has the instructions.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// scrypt of 1, 2, 4 or 6 headers, over a scratchpad of `n` rows for each. `false`, and nothing is
/// done: another number of them, or no AVX2.
pub fn scrypt(headers: &[[u8; HEADER_BYTES]], pad: &mut [Row], n: usize, hashes: &mut [Hash]) -> bool {
    // SAFETY: the processor has AVX2.
    is_available() && unsafe { scrypt_here(headers, pad, n, hashes) }
}

#[target_feature(enable = "avx2")]
fn scrypt_here(headers: &[[u8; HEADER_BYTES]], pad: &mut [Row], n: usize, hashes: &mut [Hash]) -> bool {
    let mut blocks = [Row::ZERO; 6];
    let Some(blocks) = blocks.get_mut(..headers.len()) else { return false };
    let keyed = sha256::expand::<Eight>(headers, blocks);
    let done = romix_here::<Salsa<4>>(blocks, pad, n);
    sha256::finish(&keyed, blocks, hashes);
    done
}

/// ROMix of 1, 2, 4 or 6 blocks. `false`, and nothing is done: another number of them, or no AVX2.
pub fn romix<C: Core>(blocks: &mut [Row], pad: &mut [Row], n: usize) -> bool {
    // SAFETY: the processor has AVX2.
    is_available() && unsafe { romix_here::<C>(blocks, pad, n) }
}

#[target_feature(enable = "avx2")]
fn romix_here<C: Core>(blocks: &mut [Row], pad: &mut [Row], n: usize) -> bool {
    match blocks.len() {
        1 => romix::romix::<One, C, 1>(blocks, pad, n),
        2 => romix::romix::<Two, C, 1>(blocks, pad, n),
        4 => romix::romix::<Two, C, 2>(blocks, pad, n),
        6 => romix::romix::<Two, C, 3>(blocks, pad, n),
        _ => return false,
    }
    true
}

/// Four words of one header.
#[derive(Clone, Copy)]
struct One(__m128i);

impl Wide for One {
    const LANES: usize = 1;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a vector exists only where the processor has the instructions; so in all that follow.
        Self(unsafe { _mm_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm_xor_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32, const REST: i32>(self) -> Self {
        Self(unsafe { _mm_or_si128(_mm_slli_epi32::<BITS>(self.0), _mm_srli_epi32::<REST>(self.0)) })
    }

    #[inline(always)]
    fn turn_1(self) -> Self {
        Self(unsafe { _mm_shuffle_epi32::<0x93>(self.0) })
    }

    #[inline(always)]
    fn turn_2(self) -> Self {
        Self(unsafe { _mm_shuffle_epi32::<0x4e>(self.0) })
    }

    #[inline(always)]
    fn turn_3(self) -> Self {
        Self(unsafe { _mm_shuffle_epi32::<0x39>(self.0) })
    }

    #[inline(always)]
    fn gather(rows: &[Row], at: &[usize; VECTOR_LANES_MAX]) -> [Self; ROW_VECTORS] {
        let row = &rows[at[0]];
        let mut vectors = [Self(unsafe { _mm_setzero_si128() }); ROW_VECTORS];
        for (vector, words) in vectors.iter_mut().zip(&row.0) {
            *vector = Self(unsafe { _mm_loadu_si128(words.as_ptr().cast()) });
        }
        vectors
    }

    #[inline(always)]
    fn scatter(row: &[Self; ROW_VECTORS], rows: &mut [Row], at: usize) {
        for (words, vector) in rows[at].0.iter_mut().zip(row) {
            unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector.0) };
        }
    }

    #[inline(always)]
    fn firsts(self) -> [u32; VECTOR_LANES_MAX] {
        [unsafe { _mm_cvtsi128_si32(self.0) }.cast_unsigned(), 0, 0, 0]
    }
}

/// Four words of two headers.
#[derive(Clone, Copy)]
struct Two(__m256i);

impl Wide for Two {
    const LANES: usize = 2;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32, const REST: i32>(self) -> Self {
        Self(unsafe { _mm256_or_si256(_mm256_slli_epi32::<BITS>(self.0), _mm256_srli_epi32::<REST>(self.0)) })
    }

    #[inline(always)]
    fn turn_1(self) -> Self {
        Self(unsafe { _mm256_shuffle_epi32::<0x93>(self.0) })
    }

    #[inline(always)]
    fn turn_2(self) -> Self {
        Self(unsafe { _mm256_shuffle_epi32::<0x4e>(self.0) })
    }

    #[inline(always)]
    fn turn_3(self) -> Self {
        Self(unsafe { _mm256_shuffle_epi32::<0x39>(self.0) })
    }

    #[inline(always)]
    fn gather(rows: &[Row], at: &[usize; VECTOR_LANES_MAX]) -> [Self; ROW_VECTORS] {
        let (low, high) = (&rows[at[0]], &rows[at[1]]);
        let mut vectors = [Self(unsafe { _mm256_setzero_si256() }); ROW_VECTORS];
        for ((vector, low), high) in vectors.iter_mut().zip(&low.0).zip(&high.0) {
            *vector = Self(unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) });
        }
        vectors
    }

    #[inline(always)]
    fn scatter(row: &[Self; ROW_VECTORS], rows: &mut [Row], at: usize) {
        let [low, high] = &mut rows[at..at + 2] else { return };
        for ((low, high), vector) in low.0.iter_mut().zip(&mut high.0).zip(row) {
            unsafe { _mm256_storeu2_m128i(high.as_mut_ptr().cast(), low.as_mut_ptr().cast(), vector.0) };
        }
    }

    #[inline(always)]
    fn firsts(self) -> [u32; VECTOR_LANES_MAX] {
        let (low, high) = unsafe { (_mm256_extract_epi32::<0>(self.0), _mm256_extract_epi32::<4>(self.0)) };
        [low.cast_unsigned(), high.cast_unsigned(), 0, 0]
    }
}

/// One word of eight messages.
#[derive(Clone, Copy)]
pub struct Eight(__m256i);

impl Columns for Eight {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn load(words: &[u32; COLUMN_LANES_MAX]) -> Self {
        Self(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self) -> [u32; COLUMN_LANES_MAX] {
        let mut words = [0; COLUMN_LANES_MAX];
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32, const REST: i32>(self) -> Self {
        Self(unsafe { _mm256_or_si256(_mm256_srli_epi32::<BITS>(self.0), _mm256_slli_epi32::<REST>(self.0)) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(unsafe { _mm256_srli_epi32::<BITS>(self.0) })
    }
}
