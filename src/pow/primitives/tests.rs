//! What the tests of all primitives share.

use crate::bytes::hex;
use crate::bytes::sha256::sha256;

#[derive(serde::Deserialize)]
struct Known {
    primitive: String,
    input_hex: String,
    digest_hex: String,
}

/// Fails unless a function gives every known answer of that name.
pub(crate) fn agrees_with_known_answers(primitive: &str, digest: impl Fn(&[u8]) -> Vec<u8>) {
    let all: Vec<Known> = serde_json::from_str(include_str!("../../../tests/data/pow-primitives.json")).unwrap();
    let known: Vec<&Known> = all.iter().filter(|known| known.primitive == primitive).collect();
    assert_eq!(known.len(), 5, "answers for {primitive}");
    for known in known {
        let input = hex::decode(known.input_hex.as_bytes()).unwrap();
        assert_eq!(hex::encode(&digest(&input)), known.digest_hex, "{primitive} of {} bytes", input.len());
    }
}

/// Every length from nothing to a little over two blocks, and some more around the next ones.
pub(crate) fn lengths_around(block: usize) -> impl Iterator<Item = usize> {
    (0..=2 * block + 2).chain([3, 4, 7, 8].into_iter().flat_map(move |blocks| blocks * block - 1..=blocks * block + 1))
}

/// A message of that length, without a pattern.
pub(crate) fn message(length: usize) -> Vec<u8> {
    (0..)
        .flat_map(|number: u32| sha256(&[&(length as u64).to_le_bytes()[..], &number.to_le_bytes()].concat()))
        .take(length)
        .collect()
}

/// Fails unless the SHA-256 over the digests of messages of every length around the block is that over the digests that
/// another implementation gave: sphlib 3.0 in C, as the crate `x16rs-sys` carries it.
pub(crate) fn agrees_at_every_length(block: usize, digest: impl Fn(&[u8]) -> Vec<u8>, expected: &str) {
    let digests: Vec<u8> = lengths_around(block).flat_map(|length| digest(&message(length))).collect();
    assert_eq!(hex::encode(&sha256(&digests)), expected);
}

/// Fails if two lengths of one message, which zeros end, have the same hash: padding that forgets the length or
/// a byte would be seen.
pub(crate) fn differs_at_every_length(block: usize, digest: impl Fn(&[u8]) -> Vec<u8>) {
    let mut seen = std::collections::HashSet::new();
    for length in lengths_around(block) {
        assert!(seen.insert(digest(&vec![0; length])), "{length} zeros are hashed as fewer are");
        if let Some(last) = length.checked_sub(1) {
            let mut other = vec![0; length];
            other[last] = 1;
            assert!(seen.insert(digest(&other)), "the last of {length} bytes does not count");
        }
    }
}

/// The crates stand for the functions whose names they bear: same answers, so no function of ours is
/// needed.
#[test]
fn the_crates_give_the_known_answers() {
    use sha3::Digest;
    use skein::digest::consts::{U32, U64};
    agrees_with_known_answers("groestl256", |message| groestl::Groestl256::digest(message).to_vec());
    agrees_with_known_answers("groestl512", |message| groestl::Groestl512::digest(message).to_vec());
    agrees_with_known_answers("jh512", |message| jh::Jh512::digest(message).to_vec());
    agrees_with_known_answers("keccak256", |message| sha3::Keccak256::digest(message).to_vec());
    agrees_with_known_answers("keccak512", |message| sha3::Keccak512::digest(message).to_vec());
    agrees_with_known_answers("skein256", |message| skein::Skein512::<U32>::digest(message).to_vec());
    agrees_with_known_answers("skein512", |message| skein::Skein512::<U64>::digest(message).to_vec());
    agrees_with_known_answers("shabal512", |message| shabal::Shabal512::digest(message).to_vec());
    agrees_with_known_answers("whirlpool", |message| whirlpool::Whirlpool::digest(message).to_vec());
    agrees_with_known_answers("sha256", |message| sha2::Sha256::digest(message).to_vec());
    agrees_with_known_answers("sha512", |message| sha2::Sha512::digest(message).to_vec());
    agrees_with_known_answers("tiger", |message| tiger::Tiger::digest(message).to_vec());
}
