//! NeoScrypt (John Doering, "NeoScrypt, a Strong Memory Intensive Key Derivation Function", 2014) with the
//! parameters that coins use: N = 128, r = 2, ChaCha20/20 and Salsa20/20, FastKDF over BLAKE2s.
//!
//! The header, stretched by FastKDF to 256 bytes, goes through ROMix twice, once with each core; both results together
//! salt a last FastKDF. The scratchpad has 32 KiB.

use blake2::Blake2sMac256;
use blake2::digest::{KeyInit, Mac};

use super::scrypt::portable::Words;
use super::scrypt::romix::{ChaCha, Core, Salsa, Wide};
use crate::bytes::Hash;

/// Rows of the scratchpad.
const N: usize = 128;
/// Bytes of the state.
const STATE_BYTES: usize = 256;
/// Iterations of FastKDF.
const KDF_ROUNDS: usize = 32;
/// Bytes of FastKDF's buffers, before the part that is repeated behind them.
const KDF_BYTES: usize = 256;
/// Bytes that BLAKE2s reads at once.
const INPUT_BYTES: usize = 64;
/// Bytes of BLAKE2s's key and of its digest.
const KEY_BYTES: usize = 32;

/// Four 64-byte blocks of four vectors.
type State = [[Words; 4]; 4];

/// The scratchpad, kept from one hash to the next.
#[derive(Debug, Default)]
pub struct Pad(Vec<State>);

#[cfg(test)]
impl Pad {
    /// What it keeps.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<State>()
    }
}

/// NeoScrypt of a header.
pub fn hash(header: &[u8], pad: &mut Pad) -> Hash {
    let mut state = [0; STATE_BYTES];
    fast_kdf(header, header, &mut state);
    let mut salt = [0; STATE_BYTES];
    let words = words(&state);
    let chacha = romix::<ChaCha<10>>(rows(&words), pad);
    let salsa = romix::<Salsa<10>>(diagonals(&words), pad);
    for (at, bytes) in salt.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (block, word) = (at / 16, at % 16);
        let place = word * 13 % 16;
        let mixed = chacha[block][word / 4].0[word % 4] ^ salsa[block][place / 4].0[place % 4];
        *bytes = mixed.to_le_bytes();
    }
    let mut hash = [0; 32];
    fast_kdf(header, &salt, &mut hash);
    hash
}

fn words(bytes: &[u8; STATE_BYTES]) -> [u32; 64] {
    let mut words = [0; 64];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// The words in their order.
fn rows(words: &[u32; 64]) -> State {
    let mut state = [[Words([0; 4]); 4]; 4];
    for (at, word) in words.iter().enumerate() {
        state[at / 16][at / 4 % 4].0[at % 4] = *word;
    }
    state
}

/// The words in the order in which Salsa20 runs on whole vectors: place `p` of a block has word 5 p.
fn diagonals(words: &[u32; 64]) -> State {
    let mut state = [[Words([0; 4]); 4]; 4];
    for place in 0..64 {
        state[place / 16][place / 4 % 4].0[place % 4] = words[place / 16 * 16 + place % 16 * 5 % 16];
    }
    state
}

/// scrypt's ROMix with a block size of 2.
fn romix<C: Core>(mut state: State, Pad(pad): &mut Pad) -> State {
    pad.clear();
    for _ in 0..N {
        pad.push(state);
        block_mix::<C>(&mut state);
    }
    for _ in 0..N {
        let row = state[3][0].0[0] as usize % N;
        xor(&mut state, &pad[row]);
        block_mix::<C>(&mut state);
    }
    state
}

fn xor(state: &mut State, other: &State) {
    for (block, other) in state.iter_mut().zip(other) {
        for (vector, other) in block.iter_mut().zip(other) {
            *vector = vector.xor(*other);
        }
    }
}

fn block_mix<C: Core>(state: &mut State) {
    let mut last = state[3];
    for block in state.iter_mut() {
        for (vector, last) in block.iter_mut().zip(last) {
            *vector = vector.xor(last);
        }
        let mut sets = [*block];
        C::apply(&mut sets);
        [*block] = sets;
        last = *block;
    }
    state.swap(1, 2);
}

/// A buffer of FastKDF: `source` over and over, and its start once more behind the end.
fn repeated<const BYTES: usize>(source: &[u8]) -> [u8; BYTES] {
    let mut buffer = [0; BYTES];
    let (start, behind) = buffer.split_at_mut(KDF_BYTES);
    for (byte, from) in start.iter_mut().zip(source.iter().cycle()) {
        *byte = *from;
    }
    behind.copy_from_slice(&start[..BYTES - KDF_BYTES]);
    buffer
}

/// FastKDF: fills `output`, 256 bytes at most.
fn fast_kdf(password: &[u8], salt: &[u8], output: &mut [u8]) {
    let a: [u8; KDF_BYTES + INPUT_BYTES] = repeated(password);
    let mut b: [u8; KDF_BYTES + KEY_BYTES] = repeated(salt);
    let mut at = 0;
    for _ in 0..KDF_ROUNDS {
        let digest = keyed_blake2s(&a[at..at + INPUT_BYTES], &b[at..at + KEY_BYTES]);
        at = digest.iter().map(|byte| usize::from(*byte)).sum::<usize>() % KDF_BYTES;
        for (byte, digest) in b[at..].iter_mut().zip(digest) {
            *byte ^= digest;
        }
        // What lies behind the end is the start, whichever of them was changed.
        if at < KEY_BYTES {
            b.copy_within(at..KEY_BYTES, KDF_BYTES + at);
        }
        if at > KDF_BYTES - KEY_BYTES {
            b.copy_within(KDF_BYTES..at + KEY_BYTES, 0);
        }
    }
    for (number, byte) in output.iter_mut().enumerate() {
        *byte = b[(at + number) % KDF_BYTES] ^ a[number % KDF_BYTES];
    }
}

fn keyed_blake2s(input: &[u8], key: &[u8]) -> [u8; KEY_BYTES] {
    match Blake2sMac256::new_from_slice(key) {
        Ok(mac) => mac.chain_update(input).finalize().into_bytes().into(),
        // The length of the key is right.
        Err(_) => [0; KEY_BYTES],
    }
}
