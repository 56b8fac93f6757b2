//! scrypt-jane as YaCoin and its relatives use it: scrypt's ROMix with a block size of 1 around ChaCha20/8,
//! between PBKDF2-HMAC-Keccak-512 of one iteration. The header is both password and salt.
//!
//! Keccak-512 pads as it was submitted to the SHA-3 competition, and its blocks have 72 bytes.

use sha3::{Digest, Keccak512};

use super::romix::ChaCha;
use super::row::{ROW_BYTES, Row};
use super::{BATCH_MAX, NEVER, Pad, Vectors, bytes_of, is_supported, portable, words_of};
use crate::bytes::Hash;

/// Bytes of a block of Keccak-512.
const BLOCK_BYTES: usize = 72;

/// HMAC-Keccak-512 (RFC 2104) after its key.
#[derive(Clone)]
struct Hmac {
    inner: Keccak512,
    outer: Keccak512,
}

impl Hmac {
    fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        match block.get_mut(..key.len()) {
            Some(start) => start.copy_from_slice(key),
            None => block[..64].copy_from_slice(&Keccak512::digest(key)),
        }
        let keyed = |pad: u8| Keccak512::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// Block `number` of PBKDF2 of one iteration.
    fn derived(&self, salt: &[u8], number: u32) -> [u8; 64] {
        let inner = self.inner.clone().chain_update(salt).chain_update(number.to_be_bytes()).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

/// scrypt-jane of one header, with N = 2^`log_n`.
pub fn hash(header: &[u8], log_n: u8, pad: &mut Pad) -> Hash {
    let mut hashes = Vec::with_capacity(1);
    hash_batch(&[header], log_n, pad, &mut hashes);
    hashes.first().copied().unwrap_or(NEVER)
}

/// Appends scrypt-jane of each of the headers to `hashes`, in order. With an N that
/// [`is_supported`] refuses, the hashes are the greatest that there are.
pub fn hash_batch(mut headers: &[&[u8]], log_n: u8, pad: &mut Pad, hashes: &mut Vec<Hash>) {
    if !is_supported(log_n, 1) {
        return hashes.extend(headers.iter().map(|_| NEVER));
    }
    let vectors = Vectors::detect();
    let n = 1 << log_n;
    while !headers.is_empty() {
        let lanes = vectors.map_or(1, |vectors| vectors.lanes(headers.len(), n));
        let (now, later) = headers.split_at(lanes.min(headers.len()));
        let keys: Vec<Hmac> = now.iter().map(|header| Hmac::new(header)).collect();
        let mut blocks = [Row::ZERO; BATCH_MAX];
        for ((block, key), header) in blocks.iter_mut().zip(&keys).zip(now) {
            *block = expanded(key, header);
        }
        let Some(blocks) = blocks.get_mut(..lanes) else { return };
        if !vectors.is_some_and(|vectors| vectors.romix::<ChaCha<4>>(blocks, pad.rows(lanes * n), n)) {
            blocks.chunks_mut(1).for_each(|block| portable::romix_1::<ChaCha<4>>(block, pad.rows(n), n));
        }
        hashes.extend(keys.iter().zip(&*blocks).map(|(key, block)| finished(key, block)));
        headers = later;
    }
}

fn expanded(key: &Hmac, header: &[u8]) -> Row {
    let mut bytes = [0; ROW_BYTES];
    for (number, half) in (1..).zip(bytes.as_chunks_mut::<64>().0) {
        *half = key.derived(header, number);
    }
    Row::from_words(&words_of(&bytes))
}

fn finished(key: &Hmac, block: &Row) -> Hash {
    let derived = key.derived(&bytes_of(&block.words()), 1);
    derived.first_chunk().copied().unwrap_or(NEVER)
}
