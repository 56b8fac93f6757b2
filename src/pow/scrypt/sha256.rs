//! SHA-256 (FIPS 180-4) of several messages side by side, and with it PBKDF2-HMAC-SHA256 (RFC 8018) of one
//! iteration as scrypt uses it on headers of 80 bytes. ROMix in lanes is so fast that hashing before
//! and after it one by one would take a seventh of the time.

use super::row::Row;
use crate::bytes::Hash;

/// The most lanes that there are.
pub const COLUMN_LANES_MAX: usize = 16;
/// Bytes of the headers that are hashed in lanes.
pub const HEADER_BYTES: usize = 80;

/// The same word of several messages.
pub trait Columns: Copy {
    /// The same word in all lanes.
    fn splat(word: u32) -> Self;
    /// A word for each lane; those that the vector does not have are left out.
    fn load(words: &[u32; COLUMN_LANES_MAX]) -> Self;
    /// The words of the lanes, and zeros.
    fn store(self) -> [u32; COLUMN_LANES_MAX];
    /// Word by word, modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// Bit by bit.
    fn xor(self, other: Self) -> Self;
    /// Bit by bit.
    fn and(self, other: Self) -> Self;
    /// Each word rotated towards its least significant bit.
    fn rotate_right<const BITS: i32, const REST: i32>(self) -> Self;
    /// Each word shifted towards its least significant bit.
    fn shift_right<const BITS: i32>(self) -> Self;
}

/// The initial state.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The round constants.
#[rustfmt::skip]
const ROUND: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// One block into the state.
#[inline(always)]
fn compressed<V: Columns>(state: &[V; 8], block: &[V; 16]) -> [V; 8] {
    let mut w = *block;
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for round in 0..64 {
        if round >= 16 {
            let (w2, w7, w15) = (w[(round + 14) % 16], w[(round + 9) % 16], w[(round + 1) % 16]);
            let s0 = w15.rotate_right::<7, 25>().xor(w15.rotate_right::<18, 14>()).xor(w15.shift_right::<3>());
            let s1 = w2.rotate_right::<17, 15>().xor(w2.rotate_right::<19, 13>()).xor(w2.shift_right::<10>());
            w[round % 16] = w[round % 16].add(s0).add(w7).add(s1);
        }
        let s1 = e.rotate_right::<6, 26>().xor(e.rotate_right::<11, 21>()).xor(e.rotate_right::<25, 7>());
        let choice = f.xor(g).and(e).xor(g);
        let t1 = h.add(s1).add(choice).add(V::splat(ROUND[round])).add(w[round % 16]);
        let s0 = a.rotate_right::<2, 30>().xor(a.rotate_right::<13, 19>()).xor(a.rotate_right::<22, 10>());
        let majority = a.xor(b).and(b.xor(c)).xor(b);
        (h, g, f, e) = (g, f, e, d.add(t1));
        (d, c, b, a) = (c, b, a, t1.add(s0).add(majority));
    }
    let mut sums = [a, b, c, d, e, f, g, h];
    for (sum, start) in sums.iter_mut().zip(state) {
        *sum = sum.add(*start);
    }
    sums
}

/// HMAC after its key, for many messages.
pub struct Keyed<V> {
    inner: [V; 8],
    outer: [V; 8],
}

/// The last block of a message: `words`, the end mark and the length in bits.
#[inline(always)]
fn last_block<V: Columns>(words: &[V], message_bytes: u32) -> [V; 16] {
    let mut block = [V::splat(0); 16];
    for (place, word) in block.iter_mut().zip(words) {
        *place = *word;
    }
    block[words.len()] = V::splat(0x8000_0000);
    block[15] = V::splat(message_bytes * 8);
    block
}

#[inline(always)]
fn padded_key<V: Columns>(key: &[V; 8], pad: u32) -> [V; 16] {
    let mut block = [V::splat(pad); 16];
    for (word, key) in block.iter_mut().zip(key) {
        *word = word.xor(*key);
    }
    block
}

impl<V: Columns> Keyed<V> {
    /// With headers as keys, which are longer than a block and therefore hashed first.
    #[inline(always)]
    fn by(header: &[V; 20]) -> Self {
        let mut start = [V::splat(0); 8];
        for (start, word) in start.iter_mut().zip(START) {
            *start = V::splat(word);
        }
        let mut first = [V::splat(0); 16];
        first.copy_from_slice(&header[..16]);
        let key = compressed(&compressed(&start, &first), &last_block(&header[16..], 80));
        Self {
            inner: compressed(&start, &padded_key(&key, 0x3636_3636)),
            outer: compressed(&start, &padded_key(&key, 0x5c5c_5c5c)),
        }
    }

    #[inline(always)]
    fn finish(&self, inner: &[V; 8]) -> [V; 8] {
        compressed(&self.outer, &last_block(inner, 64 + 32))
    }
}

/// The first PBKDF2: from headers to blocks for ROMix, as many as `blocks` has.
#[inline(always)]
pub fn expand<V: Columns>(headers: &[[u8; HEADER_BYTES]], blocks: &mut [Row]) -> Keyed<V> {
    let mut words = [V::splat(0); 20];
    for (at, word) in words.iter_mut().enumerate() {
        let mut lanes = [0; COLUMN_LANES_MAX];
        for (lane, header) in lanes.iter_mut().zip(headers) {
            *lane = u32::from_be_bytes([header[at * 4], header[at * 4 + 1], header[at * 4 + 2], header[at * 4 + 3]]);
        }
        *word = V::load(&lanes);
    }
    let keyed = Keyed::by(&words);
    let mut first = [V::splat(0); 16];
    first.copy_from_slice(&words[..16]);
    let salted = compressed(&keyed.inner, &first);
    let mut out = [[0; COLUMN_LANES_MAX]; 32];
    for (number, out) in (1..).zip(out.chunks_exact_mut(8)) {
        let rest = [words[16], words[17], words[18], words[19], V::splat(number)];
        let digest = keyed.finish(&compressed(&salted, &last_block(&rest, 64 + 84)));
        for (out, word) in out.iter_mut().zip(digest) {
            *out = word.store();
        }
    }
    for (lane, block) in blocks.iter_mut().enumerate() {
        let mut words = [0; 32];
        for (word, out) in words.iter_mut().zip(&out) {
            *word = out[lane].swap_bytes();
        }
        *block = Row::from_salsa(&words);
    }
    keyed
}

/// The second PBKDF2: from what ROMix left to hashes.
#[inline(always)]
pub fn finish<V: Columns>(keyed: &Keyed<V>, blocks: &[Row], hashes: &mut [Hash]) {
    let mut lanes = [[0; COLUMN_LANES_MAX]; 32];
    for (lane, block) in blocks.iter().enumerate() {
        for (words, word) in lanes.iter_mut().zip(block.salsa_words()) {
            words[lane] = word.swap_bytes();
        }
    }
    let mut state = keyed.inner;
    for half in lanes.chunks_exact(16) {
        let mut block = [V::splat(0); 16];
        for (word, lanes) in block.iter_mut().zip(half) {
            *word = V::load(lanes);
        }
        state = compressed(&state, &block);
    }
    let digest = keyed.finish(&compressed(&state, &last_block(&[V::splat(1)], 64 + 132)));
    for (at, word) in digest.into_iter().enumerate() {
        for (hash, word) in hashes.iter_mut().zip(word.store()) {
            hash[at * 4..at * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
    }
}
