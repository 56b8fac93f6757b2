use proptest::prelude::*;

use super::*;
use crate::bytes::{display_hash, hex};
use crate::difficulty::Target;

/// A header with its known proof-of-work hash; from real chains, and synthetic ones on which
/// independent implementations agree.
#[derive(serde::Deserialize)]
struct Vector {
    algorithm: String,
    #[serde(default)]
    params: params::Params,
    coin: Option<String>,
    kind: String,
    header_hex: String,
    pow_hash_hex: String,
    block_hash_hex: Option<String>,
    block_hash_is: Option<String>,
    bits: Option<String>,
    meets_target: Option<bool>,
}

impl Vector {
    /// Whether its chain shows that the hash is right: by the block's published name, or because it meets the target
    /// in its header, and those who mine the chain compute it so.
    fn is_known(&self) -> bool {
        self.block_hash_hex.is_some() || self.meets_target == Some(true)
    }
}

/// Algorithms with vectors that are not offered.
const NOT_OFFERED: &[&str] = &["decred", "handshake", "xevan", "tribus"];

fn vectors() -> Vec<(&'static names::Named, Algorithm, Vector)> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../tests/data/pow-vectors.json")).unwrap();
    assert!(all.len() >= 200);
    let offered = all.into_iter().filter(|vector| !NOT_OFFERED.contains(&vector.algorithm.as_str()));
    let with_algorithm = |vector: Vector| {
        // scrypt-og has its vectors among those of scrypt-n.
        let is_og = vector.algorithm == "scrypt-n" && vector.params.get("N").is_some_and(|n| n == 64);
        let name = if is_og { "scrypt" } else { &vector.algorithm };
        let named = names::find(name).unwrap_or_else(|| panic!("{} is not known here", vector.algorithm));
        (named, params::with(named, &vector.params).unwrap(), vector)
    };
    offered.map(with_algorithm).collect()
}

#[test]
fn known_headers_have_their_known_hashes() {
    let mut scratch = Scratch::new();
    let vectors = vectors();
    // Those with the same parameters together, so that lanes are tested with them too.
    let mut hashes = Vec::new();
    for run in vectors.chunk_by(|one, next| one.1 == next.1) {
        let headers: Vec<_> =
            run.iter().map(|(.., vector)| hex::decode(vector.header_hex.as_bytes()).unwrap()).collect();
        let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        run[0].1.hash_batch(&slices, &mut scratch, &mut hashes);
    }
    assert_eq!(hashes.len(), vectors.len());
    for ((_, algorithm, vector), hash) in vectors.into_iter().zip(hashes) {
        let header = hex::decode(vector.header_hex.as_bytes()).unwrap();
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
fn every_algorithm_is_as_proven_as_it_says() {
    let vectors = vectors();
    for named in names::all() {
        let own: Vec<_> = vectors
            .iter()
            .filter(|(of, algorithm, _)| of.name == named.name || *algorithm == named.algorithm)
            .collect();
        assert!(own.len() >= if named.name == "bcrypt" { 2 } else { 1 }, "vectors for {}", named.name);
        let mut coins: Vec<&str> = own
            .iter()
            .filter(|(_, _, vector)| vector.kind != "synthetic" && vector.is_known())
            .filter_map(|(_, _, vector)| vector.coin.as_deref())
            .map(|coin| coin.split(" (").next().unwrap())
            .collect();
        match named.proof {
            names::Proof::Chains(said) => {
                for coin in said.split(", ") {
                    assert!(coins.contains(&coin), "{}: no header of {coin}", named.name);
                }
                coins.retain(|coin| !said.split(", ").any(|said| said == *coin));
            }
            names::Proof::Implementations(_) => {}
        }
        assert!(coins.is_empty(), "{} is proven by {coins:?} too", named.name);
    }
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
fn what_takes_longer_than_fifty_microseconds_is_offloaded() {
    for (name, class) in [
        ("x11", Class::Cheap),
        ("x17", Class::Cheap),
        ("lyra2rev2", Class::Cheap),
        // The block before may pick the costliest function sixteen times.
        ("x16r", Class::Heavy),
        ("x16rv2", Class::Heavy),
        ("hefty1", Class::Heavy),
        ("odocrypt", Class::Heavy),
        ("yescryptr32", Class::Heavy),
        ("scrypt-n", Class::Heavy),
        ("bcrypt", Class::Expensive),
    ] {
        assert_eq!(names::find(name).unwrap().algorithm.class(), class, "{name}");
    }
    assert_eq!(Algorithm::Sha256d.cost(), Cost::Inline);
    assert_eq!(Algorithm::Keccak.cost(), Cost::Inline);
    assert_eq!(Algorithm::Scrypt { log_n: 10, r: 1 }.cost(), Cost::Offloaded);
    // The bench measures what stands at the edge of the class.
    for (log_n, r, class) in [
        (16, 1, Class::Heavy),
        (17, 1, Class::Expensive),
        (13, 8, Class::Heavy),
        (14, 8, Class::Expensive),
        (10, 64, Class::Heavy),
        (13, 9, Class::Expensive),
        (255, 2, Class::Expensive),
    ] {
        assert_eq!(Algorithm::Scrypt { log_n, r }.class(), class, "{log_n} {r}");
    }
}

/// The bytes of the synthetic headers, on for as long as needed.
fn stream(length: usize) -> Vec<u8> {
    (0..).flat_map(|number| sha256(format!("pow-vectors:0:{number}").as_bytes())).take(length).collect()
}

#[test]
fn scrypt_with_other_block_sizes_and_header_lengths() {
    // Answers by OpenSSL.
    for (length, log_n, r, expected) in [
        (80, 4, 8, "6c7968e473e5f46f81552b17c6a6983ef3b11af4d0a38de958ace30f0d2378be"),
        (80, 10, 8, "a727f1cfd7ae39cb3fae3a95ecc1ace94da4b0e68136fd43a842692ee6b903a9"),
        (0, 10, 1, "e1b26964095f0dfc4ea3d77e5cf920cf7b5175fa70b96a1408c3e01ccdb74ab3"),
        (64, 5, 2, "78bef9b38970cc55ce5e4ea6b14458238d585f785f399bb169ef7db5c071461a"),
        (65, 5, 2, "415816d437979a53d11a1b6f72409b83af81aa8c2e5bf1e58fb3073f47f8cc92"),
        (144, 10, 1, "b7e2b498cfc23084cd5d0f199b14aac9387e20b2c7bc9d21c295979cfa29dfc0"),
        (200, 1, 3, "051c9d381853f011b5c07292eac0f739aa90fe9677d838d41c61b4c285f9e1d1"),
    ] {
        let hash = Algorithm::Scrypt { log_n, r }.hash(&stream(length), &mut Scratch::new());
        assert_eq!(display_hash(&hash), expected, "{length} bytes, log_n {log_n}, r {r}");
    }
}

/// None of these is a header of the usual length; all are hashed, and so is the empty one.
#[test]
fn headers_of_every_length_are_hashed_by_every_algorithm() {
    let mut scratch = Scratch::new();
    for named in names::all().filter(|named| named.algorithm.class() != Class::Expensive) {
        let mut seen = std::collections::HashSet::new();
        // OdoCrypt takes 80 bytes and fills what is missing with zeros.
        let fixed = matches!(named.algorithm, Algorithm::Odocrypt { .. });
        let is_cheap = named.algorithm.class() == Class::Cheap;
        let algorithm = at_small_costs(named.algorithm);
        let lengths: Vec<usize> = if is_cheap { (0..=96).collect() } else { vec![0, 1, 63, 80, 96] };
        for length in lengths.into_iter().chain([112, 127, 128, 140, 143, 144, 180, 236, 255, 256, 257, 1487, 4096]) {
            // NeoScrypt is defined to read no more than 256 bytes.
            if named.name == "neoscrypt" && length > 256 {
                continue;
            }
            let hash = algorithm.hash(&stream(length), &mut scratch);
            assert!((seen.insert(hash) || fixed) && hash != [0xff; 32], "{} of {length} bytes", named.name);
        }
    }
}

#[test]
fn the_time_is_that_of_the_header_unless_given() {
    let mut scratch = Scratch::new();
    let mut header = stream(80);
    header[68..72].copy_from_slice(&0x5546_1234u32.to_le_bytes());
    assert_eq!(header_time(&header), 0x5546_1234);
    assert_eq!(header_time(&header[..71]), 0);
    for named in names::all().filter(|named| named.algorithm.class() == Class::Cheap) {
        let own = named.algorithm.hash(&header, &mut scratch);
        assert_eq!(named.algorithm.hash_at(&header, 0x5546_1234, &mut scratch), own);
        let at_another = named.algorithm.hash_at(&header, 0x4546_1234, &mut scratch);
        assert_eq!(at_another != own, named.algorithm.depends_on_time(), "{}", named.name);
    }
}

/// The algorithm with a small N if it would take seconds, or too much memory, at any time that comes.
fn at_small_costs(algorithm: Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::MemoryHard(MemoryHard::ScryptN(_)) => {
            let steps = by_time::Steps::new([(4, 0), (6, 1 << 30), (1, 2 << 30), (5, 3 << 30)]).unwrap();
            Algorithm::MemoryHard(MemoryHard::ScryptN(steps))
        }
        Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)) => {
            let small = by_time::Growth { factor_min: 0, factor_max: 5, ..growth };
            Algorithm::MemoryHard(MemoryHard::ScryptJane(small))
        }
        usual => usual,
    }
}

/// Each part keeps no more than it says, whatever was hashed: singly, at once, and at the greatest cost.
#[test]
fn memory_stays_within_its_bounds() {
    const MIB: usize = 1 << 20;
    let mut scratch = Scratch::new();
    let within = |scratch: &Scratch, what: &str| {
        let kept = scratch.bytes();
        let bounds = [64 * MIB, 32 << 10, 16 * MIB, MIB / 2];
        assert!(kept.iter().zip(bounds).all(|(kept, bound)| *kept <= bound), "{what}: {kept:?}");
    };
    let headers: Vec<Vec<u8>> = (0..13).map(|number| [stream(79), vec![number]].concat()).collect();
    let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
    for named in names::all().filter(|named| named.algorithm.class() != Class::Expensive) {
        let algorithm = at_small_costs(named.algorithm);
        let mut hashes = Vec::new();
        for count in [1, algorithm.batch_max() + 1] {
            algorithm.hash_batch(&slices[..count], &mut scratch, &mut hashes);
            within(&scratch, named.name);
        }
        assert!(!hashes.contains(&[0xff; 32]), "{}", named.name);
    }
    // They were used, so the bounds are of something.
    let kept = scratch.bytes();
    assert!(kept.iter().all(|bytes| *bytes > 0), "{kept:?}");
    assert_eq!(kept[2], 16 * MIB, "yescrypt's largest needs all of it");
    // The most lanes that have room at the greatest cost.
    let greatest = Algorithm::Scrypt { log_n: 19, r: 1 };
    assert_ne!(greatest.hash(&headers[0], &mut scratch), [0xff; 32]);
    within(&scratch, "scrypt with the greatest N");
    assert_eq!(scratch.bytes()[0], 64 * MIB);
    // It grows to what is needed, not to twice what it had.
    for memory_kib in [40 << 10, u16::MAX] {
        let argon2d = Argon2d { passes: 1, memory_kib, lanes: 1, v13: true };
        assert_ne!(Algorithm::MemoryHard(MemoryHard::Argon2d(argon2d)).hash(&headers[0], &mut scratch), [0xff; 32]);
        let [.., kept] = scratch.bytes();
        assert!(kept > 39 * MIB && kept <= usize::from(memory_kib) << 10, "{kept}");
    }
}

/// Fails if an algorithm of the class has two hashes for one header; a panic fails it anyway.
fn hashed_twice_alike(class: Class, header: &[u8], time: u32) -> Result<(), TestCaseError> {
    let mut scratch = Scratch::new();
    for named in names::all().filter(|named| named.algorithm.class() == class) {
        let algorithm = at_small_costs(named.algorithm);
        let hash = algorithm.hash_at(header, time, &mut scratch);
        prop_assert_eq!(algorithm.hash_at(header, time, &mut scratch), hash, "{}", named.name);
    }
    Ok(())
}

proptest! {
    // They take a second each without optimisation.
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn no_heavy_algorithm_panics_on_any_header_at_any_time(
        header in prop::collection::vec(any::<u8>(), 0..300),
        time: u32,
    ) {
        hashed_twice_alike(Class::Heavy, &header, time)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_cheap_algorithm_panics_on_any_header_at_any_time(
        header in prop::collection::vec(any::<u8>(), 0..300),
        time: u32,
    ) {
        hashed_twice_alike(Class::Cheap, &header, time)?;
    }

    #[test]
    fn costs_that_change_with_time_stay_within_their_bounds(time: u32, start: u32, least in 0..=30u8, most in 0..=30u8) {
        let growth = by_time::Growth { chain_start: start, factor_min: least, factor_max: most, fixed_from: None };
        for log_n in [growth.log_n(time), by_time::Steps::VERTCOIN.log_n(time)] {
            // What is larger is refused before any memory is asked for.
            prop_assert!(log_n <= 31 && (scrypt::is_supported(log_n, 1) == (log_n <= 19)), "{}", log_n);
        }
    }
}

proptest! {
    #[test]
    fn a_batch_gives_what_single_hashes_give(
        headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..9),
    ) {
        let mut scratch = Scratch::new();
        for algorithm in [Algorithm::Sha256d, Algorithm::Keccak, Algorithm::Scrypt { log_n: 2, r: 1 }] {
            let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
            let single: Vec<Hash> = slices.iter().map(|header| algorithm.hash(header, &mut scratch)).collect();
            // What is there already stays.
            let mut hashes = vec![[9; 32]];
            algorithm.hash_batch(&slices, &mut scratch, &mut hashes);
            prop_assert_eq!(hashes.remove(0), [9; 32]);
            prop_assert_eq!(hashes, single);
        }
    }
}
