use proptest::prelude::*;

use super::*;
use crate::bytes::hex;
use crate::pow::Algorithm;

fn header(number: u8, time: u32) -> [u8; 80] {
    let mut header = [number; 80];
    header[68..72].copy_from_slice(&time.to_le_bytes());
    header
}

#[test]
fn batches_over_times_are_hashed_one_as_the_other() {
    let steps = Steps::new([(2, 100), (3, 200), (5, 300)]).unwrap();
    let growth = Growth { chain_start: 0, factor_min: 1, factor_max: 6, fixed_from: Some((300, 2)) };
    let times = [100, 150, 200, 299, 300, 5, 400, 200, 1_000_000, 0, 250, 100, 299, 299];
    let headers: Vec<[u8; 80]> = (0..).zip(times).map(|(number, time)| header(number, time)).collect();
    let slices: Vec<&[u8]> = headers.iter().map(|header| &header[..]).collect();
    let mut scratch = Scratch::new();
    for memory_hard in [
        MemoryHard::ScryptN(steps),
        MemoryHard::ScryptJane(growth),
        MemoryHard::Lyra2(Lyra2::Rev2),
        MemoryHard::NeoScrypt,
    ] {
        let algorithm = Algorithm::MemoryHard(memory_hard);
        let mut batch = vec![[9; 32]];
        algorithm.hash_batch(&slices, &mut scratch, &mut batch);
        assert_eq!(batch.remove(0), [9; 32]);
        for ((header, hash), time) in headers.iter().zip(batch).zip(times) {
            assert_eq!(hash, algorithm.hash(header, &mut scratch), "{memory_hard:?} at {time}");
            assert_eq!(hash, algorithm.hash_at(header, time, &mut scratch));
            let another = if time < 200 { 350 } else { 120 };
            let cost = |time| match memory_hard {
                MemoryHard::ScryptN(steps) => steps.log_n(time),
                MemoryHard::ScryptJane(growth) => growth.log_n(time),
                _ => 0,
            };
            let other = algorithm.hash_at(header, another, &mut scratch);
            assert_eq!(hash != other, cost(time) != cost(another), "{memory_hard:?} at {time}");
        }
    }
    let at_300 = Algorithm::MemoryHard(MemoryHard::ScryptN(steps)).hash(&headers[4], &mut scratch);
    assert_eq!(at_300, Algorithm::Scrypt { log_n: 5, r: 1 }.hash(&headers[4], &mut scratch));
}

#[test]
fn times_that_would_need_too_much_memory_are_not_hashed() {
    let mut scratch = Scratch::new();
    let yacoin = Algorithm::MemoryHard(MemoryHard::ScryptJane(Growth::YACOIN));
    // 128 MiB and more.
    for time in [1_502_208_928, 1_904_862_112, u32::MAX] {
        assert_eq!(yacoin.hash(&header(1, time), &mut scratch), [0xff; 32]);
        let mut hashes = Vec::new();
        yacoin.hash_batch(&[&header(1, time), &header(2, 0)], &mut scratch, &mut hashes);
        assert_eq!(hashes[0], [0xff; 32]);
        assert_ne!(hashes[1], [0xff; 32]);
    }
    assert_eq!(yacoin.check(), Ok(()));
    // YaCoin of today is beyond the bound; UltraCoin is not.
    assert!(MemoryHard::ScryptJane(Growth::YACOIN).check_today().is_err());
    let ultracoin = Growth { fixed_from: Some((1_446_336_000, 14)), ..Growth::YACOIN };
    assert_eq!(MemoryHard::ScryptJane(ultracoin).check_today(), Ok(()));
    assert_eq!(MemoryHard::ScryptN(Steps::VERTCOIN).check_today(), Ok(()));
    let hopeless = Algorithm::MemoryHard(MemoryHard::ScryptN(Steps::new([(30, 0)]).unwrap()));
    assert!(hopeless.check().is_err());
}

#[test]
fn yescrypt_as_yespower_publishes_it() {
    // The vectors in yespower's TESTS-OK, of the bytes 0, 3, 6 and so on.
    let bytes: Vec<u8> = (0..80u8).map(|number| number.wrapping_mul(3)).collect();
    let mut scratch = Scratch::new();
    for (yescrypt, expected) in [
        (Yescrypt::R32, "3ae05abb3c5cf6f75415a92554c98d50e38ec9552cfa78373616f480b24e559f"),
        (Yescrypt::R16, "927e72d0ded3d80475473f40f1743c67289d453d5242d4f55af4e325e06699c5"),
        (Yescrypt::R8, "5ea2b2956a9eace30a3237ff1d441edee1dc25aab8f0ea15c12165f83a7bc265"),
    ] {
        // In the memory that the larger one left, too.
        assert_eq!(hex::encode(&yescrypt.hash(&bytes, &mut scratch.yescrypt)), expected);
    }
}

#[test]
fn memory_is_kept_and_bounded() {
    let mut scratch = Scratch::new();
    for _ in 0..2 {
        Argon2d::DYNAMIC.hash(&[1; 80], &mut scratch.argon2d);
        assert!(scratch.argon2d.capacity() * size_of::<argon2::Block>() <= 512 << 10);
    }
    let impossible = Argon2d { lanes: 0, ..Argon2d::DYNAMIC };
    assert_eq!(impossible.hash(&[1; 80], &mut scratch.argon2d), [0xff; 32]);
}

proptest! {
    #[test]
    fn lyra2_is_that_of_the_crate(header in prop::collection::vec(any::<u8>(), 80)) {
        for (lyra2, theirs) in [
            (Lyra2::Rev2, lyra2::lyra2rev2::sum(header.clone())),
            (Lyra2::Rev3, lyra2::lyra2rev3::sum(header.clone())),
            (Lyra2::Z, lyra2::lyra2z::sum(header.clone())),
        ] {
            prop_assert_eq!(hex::encode(&lyra2.hash(&header)), hex::encode(&theirs), "{:?}", lyra2);
        }
    }
}
