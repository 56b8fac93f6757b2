//! scrypt (RFC 7914) as coins use it: the header is both password and salt, p = 1, 32 bytes out.
//!
//! With a block size of 1, which nearly every coin has, several headers are hashed side by side where the
//! processor has AVX2 or AVX-512, and one after the other where it has not. Everything else is left to the `scrypt`
//! crate, which takes its memory anew for each hash.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod jane;
pub mod portable;
pub mod romix;
mod row;
mod sha256;

use pbkdf2::pbkdf2_hmac;
use scrypt::Params;
use sha2::Sha256;

use self::romix::{Core, Salsa};
use self::row::{ROW_BYTES, Row};
use self::sha256::HEADER_BYTES;
use crate::bytes::Hash;

/// The most memory one hash may need, and the most that a [`Pad`] keeps. Parameters beyond it are
/// refused when configuration is read: every hasher thread takes this much.
pub const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// The greatest log2 of the cost N, with the least block size: what has room in [`MEMORY_BYTES_MAX`].
pub const LOG_N_MAX: u32 = (MEMORY_BYTES_MAX / ROW_BYTES as u64).ilog2();
/// The greatest block size: what is needed beside the scratchpad, some blocks of 128 r bytes, stays small by it.
pub const R_MAX: u32 = 64;
/// The most lanes that any instruction set has.
const BATCH_MAX: usize = 12;

/// What parameters that cannot be computed with give: no target is met by it.
const NEVER: Hash = [0xff; 32];

/// The scratchpads, kept from one hash to the next: 128 * N bytes for each header hashed at once, and
/// at most [`MEMORY_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Pad {
    rows: Vec<Row>,
}

impl Pad {
    /// What it keeps.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * ROW_BYTES
    }

    fn rows(&mut self, count: usize) -> &mut [Row] {
        if self.rows.len() < count {
            // Nothing in it is worth copying.
            self.rows.clear();
            self.rows.reserve_exact(count);
            self.rows.resize(count, Row::ZERO);
        }
        self.rows.get_mut(..count).unwrap_or_default()
    }
}

/// The vector instructions that hash headers side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 (F).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Vectors {
    /// Those that this processor has, for whoever compares them.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let known = [(Self::Avx2, avx2::is_available()), (Self::Avx512, avx512::is_available())];
        #[cfg(not(target_arch = "x86_64"))]
        let known: [(Self, bool); 0] = [];
        known.into_iter().filter_map(|(vectors, available)| available.then_some(vectors)).collect()
    }

    /// The best that this processor has.
    #[cfg(target_arch = "x86_64")]
    fn detect() -> Option<Self> {
        // The widest first: the others have it too.
        if avx512::is_available() { Some(Self::Avx512) } else { avx2::is_available().then_some(Self::Avx2) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Option<Self> {
        None
    }

    /// How many lanes to use for `count` headers, each of which needs a scratchpad of `n` rows.
    fn lanes(self, count: usize, n: usize) -> usize {
        #[cfg(target_arch = "x86_64")]
        let sizes = match self {
            Self::Avx2 => avx2::LANES,
            Self::Avx512 => avx512::LANES,
        };
        #[cfg(not(target_arch = "x86_64"))]
        let sizes = match self {};
        let fits = |lanes: &&usize| (**lanes * n * ROW_BYTES) as u64 <= MEMORY_BYTES_MAX;
        let wide = sizes.iter().filter(fits).find(|lanes| **lanes >= count);
        wide.or(sizes.iter().filter(fits).max()).copied().unwrap_or(1)
    }

    /// Hashes as many headers as there are lanes in one of [`Vectors::lanes`].
    fn scrypt(self, headers: &[[u8; HEADER_BYTES]], pad: &mut [Row], n: usize, hashes: &mut [Hash]) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx2 => avx2::scrypt(headers, pad, n, hashes),
            Self::Avx512 => avx512::scrypt(headers, pad, n, hashes),
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }

    /// ROMix of as many blocks as there are lanes in one of [`Vectors::lanes`].
    fn romix<C: Core>(self, blocks: &mut [Row], pad: &mut [Row], n: usize) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx2 => avx2::romix::<C>(blocks, pad, n),
            Self::Avx512 => avx512::romix::<C>(blocks, pad, n),
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }
}

/// Whether scrypt can be computed with these parameters within [`MEMORY_BYTES_MAX`].
pub fn is_supported(log_n: u8, r: u32) -> bool {
    let bytes = 1u64.checked_shl(u32::from(log_n)).and_then(|n| n.checked_mul(128 * u64::from(r)));
    log_n >= 1 && (1..=R_MAX).contains(&r) && bytes.is_some_and(|bytes| bytes <= MEMORY_BYTES_MAX)
}

/// How many headers are hashed side by side here.
pub fn batch_max(log_n: u8, r: u32) -> usize {
    match Vectors::detect() {
        Some(vectors) if r == 1 && is_supported(log_n, r) => vectors.lanes(BATCH_MAX, 1 << log_n),
        _ => 1,
    }
}

/// scrypt of one header.
pub fn hash(header: &[u8], log_n: u8, r: u32, pad: &mut Pad) -> Hash {
    let mut hashes = Vec::with_capacity(1);
    hash_batch(&[header], log_n, r, pad, &mut hashes);
    hashes.first().copied().unwrap_or(NEVER)
}

/// Appends scrypt of each of the headers to `hashes`, in order. With parameters that [`is_supported`]
/// refuses, the hashes are the greatest that there are.
pub fn hash_batch(headers: &[&[u8]], log_n: u8, r: u32, pad: &mut Pad, hashes: &mut Vec<Hash>) {
    hash_batch_by(Vectors::detect(), headers, (log_n, r), pad, hashes);
}

/// The same by some vector instructions, which the processor must have, or without any.
pub fn hash_batch_by(
    vectors: Option<Vectors>,
    headers: &[&[u8]],
    (log_n, r): (u8, u32),
    pad: &mut Pad,
    hashes: &mut Vec<Hash>,
) {
    if !is_supported(log_n, r) {
        return hashes.extend(headers.iter().map(|_| NEVER));
    }
    let same_length = |one: &&[u8], next: &&[u8]| one.len() == next.len();
    for run in headers.chunk_by(same_length) {
        match (vectors, r) {
            (Some(vectors), 1) if run.iter().all(|header| header.len() == HEADER_BYTES) => {
                hash_lanes(vectors, run, 1 << log_n, pad, hashes);
            }
            (_, 1) => hashes.extend(run.iter().map(|header| hash_portable(header, 1 << log_n, pad))),
            _ => hashes.extend(run.iter().map(|header| hash_by_crate(header, log_n, r))),
        }
    }
}

/// Headers of 80 bytes, with a block size of 1.
fn hash_lanes(vectors: Vectors, mut headers: &[&[u8]], n: usize, pad: &mut Pad, hashes: &mut Vec<Hash>) {
    while !headers.is_empty() {
        let lanes = vectors.lanes(headers.len(), n);
        let (now, later) = headers.split_at(lanes.min(headers.len()));
        // Lanes without a header hash zeros.
        let mut arrays = [[0; HEADER_BYTES]; BATCH_MAX];
        for (array, header) in arrays.iter_mut().zip(now) {
            array.copy_from_slice(header);
        }
        let mut results = [NEVER; BATCH_MAX];
        if let Some(arrays) = arrays.get(..lanes) {
            vectors.scrypt(arrays, pad.rows(lanes * n), n, &mut results);
        }
        hashes.extend(results.iter().take(now.len()));
        headers = later;
    }
}

/// One header of any length, with a block size of 1.
fn hash_portable(header: &[u8], n: usize, pad: &mut Pad) -> Hash {
    let mut bytes = [0; ROW_BYTES];
    pbkdf2_hmac::<Sha256>(header, header, 1, &mut bytes);
    let mut block = [Row::from_salsa(&words_of(&bytes))];
    portable::romix_1::<Salsa<4>>(&mut block, pad.rows(n), n);
    let mut hash = NEVER;
    pbkdf2_hmac::<Sha256>(header, &bytes_of(&block[0].salsa_words()), 1, &mut hash);
    hash
}

/// Little-endian words.
fn words_of(bytes: &[u8; ROW_BYTES]) -> [u32; 32] {
    let mut words = [0; 32];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Their bytes.
fn bytes_of(words: &[u32; 32]) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// One header of any length and any block size.
fn hash_by_crate(header: &[u8], log_n: u8, r: u32) -> Hash {
    let Ok(params) = Params::new(log_n, r, 1) else { return NEVER };
    let mut hash = NEVER;
    // The only error is an output of an impossible length; 32 bytes are possible.
    match scrypt::scrypt(header, header, &params, &mut hash) {
        Ok(()) => hash,
        Err(_) => NEVER,
    }
}

#[cfg(test)]
mod tests;
