//! bcrypt as a proof of work, the way node-multi-hashing offered it: three times the core of bcrypt with cost 12, of
//! parts of the header. No coin is known to use it. One hash takes a core about a second.

use blowfish::Blowfish;

use crate::bytes::Hash;

/// log2 of how often the key is mixed in.
const COST: u32 = 12;
/// What is encrypted, as often as bcrypt does: the first four words of its "OrpheanBeholderScryDoubt".
const TEXT: [[u32; 2]; 2] = [[0x4f72_7068, 0x6561_6e42], [0x6568_6f6c, 0x6465_7253]];
const ENCRYPTIONS: usize = 64;
/// Bytes of a key that count: what the subkeys of Blowfish take.
const KEY_BYTES_MAX: usize = 72;

/// The parts of a header that are used; what it does not have is zero.
const HEADER_BYTES: usize = 80;

/// Sixteen bytes out of a key, which ends at its first zero byte, and a salt.
fn core(key: &[u8], salt: &[u8; 16]) -> [u8; 16] {
    let mut text: Vec<u8> = key.iter().copied().take_while(|byte| *byte != 0).chain([0]).collect();
    text.truncate(KEY_BYTES_MAX);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, &text);
    for _ in 0..1 << COST {
        state.bc_expand_key(&text);
        state.bc_expand_key(salt);
    }
    let mut out = [0; 16];
    for (to, mut pair) in out.as_chunks_mut::<8>().0.iter_mut().zip(TEXT) {
        for _ in 0..ENCRYPTIONS {
            pair = state.bc_encrypt(pair);
        }
        let [left, right] = pair.map(u32::to_le_bytes);
        to[..4].copy_from_slice(&left);
        to[4..].copy_from_slice(&right);
    }
    out
}

/// The hash of a header, of which 80 bytes count.
pub fn hash(header: &[u8]) -> Hash {
    let mut padded = [0; HEADER_BYTES];
    for (to, from) in padded.iter_mut().zip(header) {
        *to = *from;
    }
    let salt = |at: usize| padded.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let left = core(&padded, &salt(16));
    let middle = core(&padded[32..], &salt(48));
    let right = core(&padded[64..], &middle);
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&left);
    hash[16..].copy_from_slice(&right);
    hash
}
