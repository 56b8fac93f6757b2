use proptest::prelude::*;

use super::*;
use crate::bytes::{display_hash, hex};
use crate::difficulty::Target;

/// A header with its known proof-of-work hash; from real chains, and synthetic ones on which
/// independent implementations agree.
#[derive(serde::Deserialize)]
struct Vector {
    algorithm: String,
    params: Option<ScryptParams>,
    header_hex: String,
    pow_hash_hex: String,
    block_hash_hex: Option<String>,
    block_hash_is: Option<String>,
    bits: Option<String>,
    meets_target: Option<bool>,
}

#[derive(serde::Deserialize)]
struct ScryptParams {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

fn vectors() -> Vec<(Algorithm, Vector)> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../tests/data/pow-vectors.json")).unwrap();
    let with_algorithm = |vector: Vector| {
        let algorithm = match (vector.algorithm.as_str(), &vector.params) {
            ("sha256d", None) => Algorithm::Sha256d,
            ("keccak", None) => Algorithm::Keccak,
            ("scrypt", None) => Algorithm::Scrypt { log_n: 10, r: 1 },
            ("scrypt-n", Some(params)) => {
                assert_eq!(params.p, 1);
                assert!(params.n.is_power_of_two());
                Algorithm::Scrypt { log_n: params.n.trailing_zeros() as u8, r: params.r }
            }
            (other, _) => panic!("a vector for {other}, which is not known here"),
        };
        (algorithm, vector)
    };
    all.into_iter().map(with_algorithm).collect()
}

#[test]
fn known_headers_have_their_known_hashes() {
    let mut scratch = Scratch::new();
    for (algorithm, vector) in vectors() {
        let header = hex::decode(vector.header_hex.as_bytes()).unwrap();
        let hash = algorithm.hash(&header, &mut scratch);
        assert_eq!(display_hash(&hash), vector.pow_hash_hex, "{algorithm:?} of {}", vector.header_hex);

        let id = match vector.block_hash_is.as_deref() {
            Some("pow") => Some(display_hash(&hash)),
            Some("sha256d") => Some(display_hash(&sha256d(&header))),
            _ => None,
        };
        assert_eq!(id, vector.block_hash_hex, "block id of {}", vector.header_hex);
        if let (Some(bits), Some(meets)) = (vector.bits, vector.meets_target) {
            let target = Target::from_compact(hex::decode_u32(bits.as_bytes()).unwrap()).unwrap();
            assert_eq!(target.is_met_by(&hash), meets, "target of {}", vector.header_hex);
        }
    }
}

#[test]
fn every_algorithm_has_enough_vectors() {
    let all = vectors();
    let count = |wanted: fn(Algorithm) -> bool| all.iter().filter(|(algorithm, _)| wanted(*algorithm)).count();
    assert!(count(|algorithm| algorithm == Algorithm::Sha256d) >= 8);
    assert!(count(|algorithm| algorithm == Algorithm::Keccak) >= 5);
    assert!(count(|algorithm| algorithm == Algorithm::Scrypt { log_n: 10, r: 1 }) >= 9);
    assert!(count(|algorithm| algorithm == Algorithm::Scrypt { log_n: 11, r: 1 }) >= 6);
    for other in [6, 12, 13, 14, 15] {
        let found = all.iter().filter(|(algorithm, _)| *algorithm == Algorithm::Scrypt { log_n: other, r: 1 }).count();
        assert!(found >= 3, "log_n {other}");
    }
    assert!(all.iter().filter(|(_, vector)| vector.meets_target == Some(true)).count() >= 10, "too few real headers");
}

#[test]
fn single_sha256_of_known_texts() {
    // FIPS 180-4 examples.
    assert_eq!(hex::encode(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(hex::encode(&sha256(b"")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn parameters_that_cannot_be_computed_are_refused_and_meet_no_target() {
    let mut scratch = Scratch::new();
    for (log_n, r) in [(0, 1), (10, 0), (64, 1), (255, u32::MAX), (20, 1), (1, u32::MAX), (63, 1 << 31)] {
        let algorithm = Algorithm::Scrypt { log_n, r };
        assert!(algorithm.check().unwrap_err().to_string().contains(&format!("log_n {log_n} and r {r}")));
        assert_eq!(algorithm.hash(&[1; 80], &mut scratch), [0xff; 32]);
        let mut hashes = Vec::new();
        algorithm.hash_batch(&[&[1u8; 80][..]; 7], &mut scratch, &mut hashes);
        assert_eq!(hashes, [[0xff; 32]; 7]);
    }
    for algorithm in [Algorithm::Sha256d, Algorithm::Keccak, Algorithm::Scrypt { log_n: 19, r: 1 }] {
        assert_eq!(algorithm.check(), Ok(()));
    }
}

#[test]
fn only_memory_hard_algorithms_are_offloaded() {
    assert_eq!(Algorithm::Sha256d.cost(), Cost::Inline);
    assert_eq!(Algorithm::Keccak.cost(), Cost::Inline);
    assert_eq!(Algorithm::Scrypt { log_n: 10, r: 1 }.cost(), Cost::Offloaded);
}

/// The same hash by the `scrypt` crate.
fn by_the_crate(header: &[u8], log_n: u8, r: u32) -> Hash {
    let mut hash = [0; 32];
    ::scrypt::scrypt(header, header, &::scrypt::Params::new(log_n, r, 1).unwrap(), &mut hash).unwrap();
    hash
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn scrypt_agrees_with_another_implementation(
        headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..9),
        parameters in prop::collection::vec((1u8..7, 1u32..5), 1..3),
    ) {
        // One scratch for all, so that what one call leaves in it is seen by the next.
        let mut scratch = Scratch::new();
        for (log_n, r) in parameters {
            let algorithm = Algorithm::Scrypt { log_n, r };
            let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
            let mut hashes = vec![[9; 32]];
            algorithm.hash_batch(&slices, &mut scratch, &mut hashes);
            prop_assert_eq!(hashes.remove(0), [9; 32]);
            prop_assert_eq!(hashes.len(), headers.len());
            for (header, batched) in headers.iter().zip(hashes) {
                prop_assert_eq!(batched, by_the_crate(header, log_n, r));
                prop_assert_eq!(batched, algorithm.hash(header, &mut scratch));
            }
        }
    }

    #[test]
    fn a_batch_gives_what_single_hashes_give(headers in prop::collection::vec(any::<[u8; 16]>(), 0..9)) {
        let mut scratch = Scratch::new();
        for algorithm in [Algorithm::Sha256d, Algorithm::Keccak] {
            let slices: Vec<&[u8]> = headers.iter().map(<[u8; 16]>::as_slice).collect();
            let mut hashes = Vec::new();
            algorithm.hash_batch(&slices, &mut scratch, &mut hashes);
            let single: Vec<Hash> = slices.iter().map(|header| algorithm.hash(header, &mut scratch)).collect();
            prop_assert_eq!(hashes, single);
        }
    }
}
