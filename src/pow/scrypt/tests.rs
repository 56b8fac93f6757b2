use proptest::prelude::*;

use super::romix::{ChaCha, Core, Salsa};
use super::*;

/// ROMix of some blocks, in lanes.
type Lanes = fn(&mut [Row], &mut [Row], usize) -> bool;

/// Every instruction set that this processor has, and the numbers of lanes it knows.
fn sets<C: Core>() -> Vec<(Lanes, [usize; 4])> {
    #[cfg(target_arch = "x86_64")]
    let all = [
        (avx2::romix::<C> as Lanes, avx2::LANES, avx2::is_available()),
        (avx512::romix::<C>, avx512::LANES, avx512::is_available()),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let all: [(Lanes, [usize; 4], bool); 0] = [];
    all.into_iter().filter(|(.., available)| *available).map(|(romix, lanes, _)| (romix, lanes)).collect()
}

fn in_lanes_as_alone<C: Core>(blocks: &[Row], n: usize) {
    let mut alone = blocks.to_vec();
    for block in alone.chunks_mut(1) {
        portable::romix_1::<C>(block, &mut vec![Row::ZERO; n], n);
    }
    for (romix, sizes) in sets::<C>() {
        for lanes in sizes {
            let mut together = blocks[..lanes].to_vec();
            assert!(romix(&mut together, &mut vec![Row::ZERO; n * lanes], n));
            assert!(together == alone[..lanes], "{lanes} lanes, {n} rows");
        }
        // What it cannot do it leaves alone.
        for lanes in [0, 3, 5, 7, 13, 16] {
            let mut together = blocks[..lanes].to_vec();
            assert!(!romix(&mut together, &mut vec![Row::ZERO; n * lanes], n));
            assert!(together == blocks[..lanes]);
        }
    }
}

#[test]
fn slices_that_do_not_fit_together_are_left_alone() {
    for (romix, _) in sets::<Salsa<4>>() {
        for (rows, n) in [(3, 4), (5, 4), (3, 3), (0, 0), (0, 4), (4, usize::MAX)] {
            let mut blocks = [Row([[7; 4]; 8])];
            romix(&mut blocks, &mut vec![Row::ZERO; rows], n);
            assert_eq!(blocks, [Row([[7; 4]; 8])], "{rows} rows for {n}");
        }
    }
}

#[test]
fn diagonals_and_back() {
    let words: [u32; 32] = std::array::from_fn(|at| at as u32);
    let row = Row::from_salsa(&words);
    assert_eq!(row.0[0], [0, 5, 10, 15]);
    assert_eq!(row.0[5], [20, 25, 30, 19]);
    assert_eq!(row.salsa_words(), words);
    assert_eq!(Row::from_words(&words).words(), words);
}

#[test]
fn lanes_are_as_many_as_needed_and_fit_into_memory() {
    let Some(vectors) = Vectors::detect() else { return };
    for log_n in 1..=19 {
        for count in 1..=40 {
            let lanes = vectors.lanes(count, 1 << log_n);
            assert!((lanes * ROW_BYTES) << log_n <= 64 << 20, "{count} headers, 2^{log_n}");
            assert!((1..=BATCH_MAX).contains(&lanes));
            assert!(count > 1 || lanes == 1);
        }
    }
    assert_eq!(vectors.lanes(1, 1 << 19), 1);
    assert_eq!(vectors.lanes(12, 1 << 19), 1);
    assert!(vectors.lanes(12, 1024) >= 6);
}

#[test]
fn memory_is_kept_within_its_bound_and_not_taken_twice() {
    let mut pad = Pad::default();
    let mut hashes = Vec::new();
    let headers = [&[5u8; 80][..]; 30];
    for log_n in [3, 5, 2] {
        hash_batch(&headers, log_n, 1, &mut pad, &mut hashes);
    }
    let taken = pad.rows.capacity();
    assert!(taken <= BATCH_MAX << 5);
    hash_batch(&headers, 5, 1, &mut pad, &mut hashes);
    assert_eq!(pad.rows.capacity(), taken);
    assert_eq!(hashes.len(), 120);
}

/// scrypt-jane by the crates `hmac` and `sha3`, around the portable ROMix.
fn jane_by_crates(header: &[u8], log_n: u8) -> Hash {
    use hmac::{KeyInit, Mac, SimpleHmac};
    let derived = |salt: &[u8], number: u32| {
        let mac = SimpleHmac::<sha3::Keccak512>::new_from_slice(header).unwrap();
        mac.chain_update(salt).chain_update(number.to_be_bytes()).finalize().into_bytes()
    };
    let bytes: Vec<u8> = (1..=2).flat_map(|number| derived(header, number)).collect();
    let mut block = [Row::from_words(&words_of(&bytes.try_into().unwrap()))];
    portable::romix_1::<ChaCha<4>>(&mut block, &mut vec![Row::ZERO; 1 << log_n], 1 << log_n);
    derived(&bytes_of(&block[0].words()), 1)[..32].try_into().unwrap()
}

#[test]
fn scrypt_jane_of_every_length_around_the_block_of_its_hmac_is_that_of_the_crates() {
    let bytes: Vec<u8> = (0..300u32).map(|number| (number * 7 + 3) as u8).collect();
    let mut pad = Pad::default();
    for length in (0..=2 * 72 + 2).chain([215, 216, 217, 299]) {
        let header = &bytes[..length];
        assert_eq!(jane::hash(header, 3, &mut pad), jane_by_crates(header, 3), "{length} bytes");
    }
}

#[test]
fn without_vectors_headers_are_hashed_as_the_crate_does() {
    let bytes: Vec<u8> = (0..200u32).map(|number| (number * 5 + 1) as u8).collect();
    let mut pad = Pad::default();
    for length in [0, 1, 63, 64, 65, 80, 112, 200] {
        for log_n in [1, 4, 10] {
            let mut hashes = Vec::new();
            hash_batch_by(None, &[&bytes[..length]; 3], (log_n, 1), &mut pad, &mut hashes);
            assert_eq!(hashes, [hash_by_crate(&bytes[..length], log_n, 1); 3], "{length} bytes, log_n {log_n}");
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    any::<[[u32; 4]; 8]>().prop_map(Row)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn lanes_compute_what_one_computes(blocks in prop::collection::vec(row(), 16), log_n in 1usize..6) {
        in_lanes_as_alone::<Salsa<4>>(&blocks, 1 << log_n);
        in_lanes_as_alone::<ChaCha<4>>(&blocks, 1 << log_n);
    }

    #[test]
    fn any_number_of_headers_of_any_length_are_hashed_as_the_crate_does(
        headers in prop::collection::vec(
            prop_oneof![4 => prop::collection::vec(any::<u8>(), 80), 1 => prop::collection::vec(any::<u8>(), 0..150)],
            16,
        ),
        log_n in 1u8..6,
    ) {
        let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        let expected: Vec<Hash> = slices.iter().map(|header| hash_by_crate(header, log_n, 1)).collect();
        let mut pad = Pad::default();
        for count in 1..=16 {
            let mut hashes = Vec::new();
            hash_batch(&slices[..count], log_n, 1, &mut pad, &mut hashes);
            prop_assert!(hashes == expected[..count]);
        }
    }

    #[test]
    fn every_instruction_set_hashes_as_the_crate_does(headers in prop::collection::vec(any::<[u8; 20]>(), 12)) {
        let headers: Vec<[u8; 80]> = headers.iter().map(|part| part.repeat(4).try_into().unwrap()).collect();
        let expected: Vec<Hash> = headers.iter().map(|header| hash_by_crate(header, 4, 1)).collect();
        #[cfg(target_arch = "x86_64")]
        for (vectors, sizes, available) in [
            (Vectors::Avx2, avx2::LANES, avx2::is_available()),
            (Vectors::Avx512, avx512::LANES, avx512::is_available()),
        ] {
            for lanes in sizes.into_iter().filter(|_| available) {
                let mut hashes = vec![NEVER; lanes];
                prop_assert!(vectors.scrypt(&headers[..lanes], &mut vec![Row::ZERO; lanes * 16], 16, &mut hashes));
                prop_assert!(hashes == expected[..lanes]);
            }
        }
    }
}
