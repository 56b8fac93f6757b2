//! scrypt with AVX-512: four headers in a vector of ROMix, and a single one with the 128-bit forms of its
//! instructions, which rotate words at once; sixteen in a vector of SHA-256.
//!
//! `unsafe` stands here for two reasons. The processor must have AVX-512: [`scrypt`] and [`romix`] are the only ways in,
//! ask the processor first, and no vector exists outside of them. And vectors are loaded from and stored to rows by
//! pointer: always whole vectors within a [`Row`] that a checked index gave.
#![allow(unsafe_code, reason = "vector instructions; see above")]

use std::arch::x86_64::*;

use super::avx2::{self, Eight};
use super::romix::{self, Core, Salsa, VECTOR_LANES_MAX, Wide};
use super::row::{ROW_VECTORS, Row};
use super::sha256::{self, COLUMN_LANES_MAX, Columns, HEADER_BYTES};
use crate::bytes::Hash;

/// The numbers of headers that can be hashed at once. Sixteen would not fit into the registers and are slower.
pub const LANES: [usize; 4] = [1, 4, 8, 12];

/// Whether this processor has the instructions.
pub fn is_available() -> bool {
    avx2::is_available() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")
}

/// scrypt of 1, 4, 8 or 12 headers, over a scratchpad of `n` rows for each. `false`, and nothing
/// is done: another number of them, or no AVX-512.
pub fn scrypt(headers: &[[u8; HEADER_BYTES]], pad: &mut [Row], n: usize, hashes: &mut [Hash]) -> bool {
    // SAFETY: the processor has AVX2, AVX-512F and AVX-512VL.
    is_available() && unsafe { scrypt_here(headers, pad, n, hashes) }
}

#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn scrypt_here(headers: &[[u8; HEADER_BYTES]], pad: &mut [Row], n: usize, hashes: &mut [Hash]) -> bool {
    let mut blocks = [Row::ZERO; 12];
    let Some(blocks) = blocks.get_mut(..headers.len()) else { return false };
    if headers.len() == 1 {
        // The widest vectors slow the processor's clock down for a while, for a fifth of the speed.
        let keyed = sha256::expand::<Eight>(headers, blocks);
        let done = romix_here::<Salsa<4>>(blocks, pad, n);
        sha256::finish(&keyed, blocks, hashes);
        return done;
    }
    let keyed = sha256::expand::<Sixteen>(headers, blocks);
    let done = romix_here::<Salsa<4>>(blocks, pad, n);
    sha256::finish(&keyed, blocks, hashes);
    done
}

/// ROMix of 1, 4, 8 or 12 blocks. `false`, and nothing is done: another number of them, or no AVX-512.
pub fn romix<C: Core>(blocks: &mut [Row], pad: &mut [Row], n: usize) -> bool {
    // SAFETY: the processor has AVX2, AVX-512F and AVX-512VL.
    is_available() && unsafe { romix_here::<C>(blocks, pad, n) }
}

#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn romix_here<C: Core>(blocks: &mut [Row], pad: &mut [Row], n: usize) -> bool {
    match blocks.len() {
        1 => romix::romix::<One, C, 1>(blocks, pad, n),
        4 => romix::romix::<Four, C, 1>(blocks, pad, n),
        8 => romix::romix::<Four, C, 2>(blocks, pad, n),
        12 => romix::romix::<Four, C, 3>(blocks, pad, n),
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
        Self(unsafe { _mm_rol_epi32::<BITS>(self.0) })
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

/// Four words of four headers.
#[derive(Clone, Copy)]
struct Four(__m512i);

/// From four vectors of four 128-bit parts each, four that hold the first parts, the second ones and so on; and back.
#[inline(always)]
fn transposed(v: [__m512i; 4]) -> [__m512i; 4] {
    unsafe {
        let low_01 = _mm512_shuffle_i32x4::<0x44>(v[0], v[1]);
        let high_01 = _mm512_shuffle_i32x4::<0xee>(v[0], v[1]);
        let low_23 = _mm512_shuffle_i32x4::<0x44>(v[2], v[3]);
        let high_23 = _mm512_shuffle_i32x4::<0xee>(v[2], v[3]);
        [
            _mm512_shuffle_i32x4::<0x88>(low_01, low_23),
            _mm512_shuffle_i32x4::<0xdd>(low_01, low_23),
            _mm512_shuffle_i32x4::<0x88>(high_01, high_23),
            _mm512_shuffle_i32x4::<0xdd>(high_01, high_23),
        ]
    }
}

/// Half a row of each of four lanes, from the vector `first` on.
#[inline(always)]
fn gather_half(lanes: [&Row; 4], first: usize) -> [__m512i; 4] {
    unsafe {
        transposed([
            _mm512_loadu_si512(lanes[0].0[first..first + 4].as_ptr().cast()),
            _mm512_loadu_si512(lanes[1].0[first..first + 4].as_ptr().cast()),
            _mm512_loadu_si512(lanes[2].0[first..first + 4].as_ptr().cast()),
            _mm512_loadu_si512(lanes[3].0[first..first + 4].as_ptr().cast()),
        ])
    }
}

impl Wide for Four {
    const LANES: usize = 4;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32, const REST: i32>(self) -> Self {
        Self(unsafe { _mm512_rol_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn turn_1(self) -> Self {
        Self(unsafe { _mm512_shuffle_epi32::<0x93>(self.0) })
    }

    #[inline(always)]
    fn turn_2(self) -> Self {
        Self(unsafe { _mm512_shuffle_epi32::<0x4e>(self.0) })
    }

    #[inline(always)]
    fn turn_3(self) -> Self {
        Self(unsafe { _mm512_shuffle_epi32::<0x39>(self.0) })
    }

    #[inline(always)]
    fn gather(rows: &[Row], at: &[usize; VECTOR_LANES_MAX]) -> [Self; ROW_VECTORS] {
        let lanes = [&rows[at[0]], &rows[at[1]], &rows[at[2]], &rows[at[3]]];
        let ([a, b, c, d], [e, f, g, h]) = (gather_half(lanes, 0), gather_half(lanes, 4));
        [Self(a), Self(b), Self(c), Self(d), Self(e), Self(f), Self(g), Self(h)]
    }

    #[inline(always)]
    fn scatter(row: &[Self; ROW_VECTORS], rows: &mut [Row], at: usize) {
        let lanes = &mut rows[at..at + 4];
        for first in [0, 4] {
            let half = transposed([row[first].0, row[first + 1].0, row[first + 2].0, row[first + 3].0]);
            for (lane, vector) in lanes.iter_mut().zip(half) {
                unsafe { _mm512_storeu_si512(lane.0[first..first + 4].as_mut_ptr().cast(), vector) };
            }
        }
    }

    #[inline(always)]
    fn firsts(self) -> [u32; VECTOR_LANES_MAX] {
        unsafe {
            [
                _mm_cvtsi128_si32(_mm512_castsi512_si128(self.0)).cast_unsigned(),
                _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<1>(self.0)).cast_unsigned(),
                _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<2>(self.0)).cast_unsigned(),
                _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<3>(self.0)).cast_unsigned(),
            ]
        }
    }
}

/// One word of sixteen messages.
#[derive(Clone, Copy)]
struct Sixteen(__m512i);

impl Columns for Sixteen {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn load(words: &[u32; COLUMN_LANES_MAX]) -> Self {
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self) -> [u32; COLUMN_LANES_MAX] {
        let mut words = [0; COLUMN_LANES_MAX];
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32, const REST: i32>(self) -> Self {
        Self(unsafe { _mm512_ror_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(unsafe { _mm512_srl_epi32(self.0, _mm_cvtsi32_si128(BITS)) })
    }
}
