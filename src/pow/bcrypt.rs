//! bcrypt as a proof of work, the way node-multi-hashing offered it: three times the core of bcrypt with cost 12, of
//! parts of the header. No coin is known to use it. One hash takes a core about a second.

use blowfish::Blowfish;

use crate::bytes::Hash;

/// log2 of how often the key is mixed in.
const COST: u8 = 12;
/// What is encrypted, as often as bcrypt does: the first four words of its "OrpheanBeholderScryDoubt".
const TEXT: [[u32; 2]; 2] = [[0x4f72_7068, 0x6561_6e42], [0x6568_6f6c, 0x6465_7253]];
const ENCRYPTIONS: usize = 64;
/// Bytes of a key that count: what the subkeys of Blowfish take.
const KEY_BYTES_MAX: usize = 72;

/// The parts of a header that are used; what it does not have is zero.
const HEADER_BYTES: usize = 80;

/// Sixteen bytes out of a key, which ends at its first zero byte, and a salt.
fn core(key: &[u8], salt: &[u8; 16], cost: u8) -> [u8; 16] {
    let mut text: Vec<u8> = key.iter().copied().take_while(|byte| *byte != 0).chain([0]).collect();
    text.truncate(KEY_BYTES_MAX);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, &text);
    for _ in 0..1 << cost {
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
    hash_at_cost(header, COST)
}

fn hash_at_cost(header: &[u8], cost: u8) -> Hash {
    let mut padded = [0; HEADER_BYTES];
    for (to, from) in padded.iter_mut().zip(header) {
        *to = *from;
    }
    let salt = |at: usize| padded.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let left = core(&padded, &salt(16), cost);
    let middle = core(&padded[32..], &salt(48), cost);
    let right = core(&padded[64..], &middle, cost);
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&left);
    hash[16..].copy_from_slice(&right);
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vectors have the real cost, of which a hash takes a second; what follows does not depend on it.
    const CHEAP: u8 = 1;

    fn cheap(header: &[u8]) -> Hash {
        hash_at_cost(header, CHEAP)
    }

    #[test]
    fn headers_of_every_length_with_zeros_anywhere() {
        for length in [0, 1, 16, 32, 33, 64, 79, 80, 81, 112, 200] {
            let whole: Vec<u8> = (1..=255).cycle().take(length).collect();
            for zero_at in [0, 1, 31, 32, 63, 64, 79, 199] {
                let mut header = whole.clone();
                if let Some(byte) = header.get_mut(zero_at) {
                    *byte = 0;
                }
                let mut filled_up = header.clone();
                filled_up.resize(HEADER_BYTES, 0);
                assert_eq!(cheap(&header), cheap(&filled_up), "{length} bytes, zero at {zero_at}");
                // What the zero is does matter.
                let is_seen = zero_at < length.min(HEADER_BYTES);
                assert_eq!(cheap(&header) != cheap(&whole), is_seen, "{length} bytes, zero at {zero_at}");
            }
        }
    }

    #[test]
    fn a_key_ends_at_its_first_zero_byte() {
        let header: [u8; HEADER_BYTES] = std::array::from_fn(|at| at as u8 + 1);
        let with = |changes: &[(usize, u8)]| {
            let mut changed = header;
            changes.iter().for_each(|(at, byte)| changed[*at] = *byte);
            cheap(&changed)
        };
        // An empty key: what is behind it counts only as salt, here from byte 16, 48 and never.
        for (zero_at, unseen, seen) in [(0, 5, 20), (32, 40, 50), (64, 70, 10)] {
            assert_eq!(with(&[(zero_at, 0)]), with(&[(zero_at, 0), (unseen, 0xee)]), "{unseen}");
            assert_ne!(with(&[]), with(&[(unseen, 0xee)]), "{unseen}");
            assert_ne!(with(&[(zero_at, 0)]), with(&[(zero_at, 0), (seen, 0xee)]), "{seen}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_header_panics(header in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..300)) {
            prop_assert_eq!(cheap(&header), cheap(&header));
            prop_assert_ne!(cheap(&header), [0xff; 32]);
        }
    }
}
