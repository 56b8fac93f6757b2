use std::sync::Arc;

use super::*;
use crate::bytes::{hex, parse_display_hash};
use crate::chain::form::{AlgorithmBits, ChainForm};
use crate::chain::header::{Extra, HeaderForm};
use crate::pow::ids::TransactionHash;
use crate::pow::{Algorithm, sha256d};

fn profile(algorithm: Algorithm, block_hash: BlockHash) -> Profile {
    Profile {
        algorithm,
        stratum_bits: 32,
        mpos_bits: 32,
        block_hash,
        transaction_hash: TransactionHash::default(),
        version_mask: 0,
        form: Arc::default(),
        pays_public_key: false,
        several_algorithms: false,
        time_rolling: true,
        extranonce2_bytes: 4,
    }
}

const SCRYPT: Algorithm = Algorithm::Scrypt { log_n: 10, r: 1 };

/// Real headers of an algorithm, of chains that name their blocks by sha256d.
fn real(algorithm: &str) -> Vec<Sample> {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../tests/data/pow-vectors.json")).unwrap();
    let text = |vector: &serde_json::Value, key: &str| vector[key].as_str().map(str::to_owned);
    let of = |vector: &serde_json::Value| {
        let fits = text(vector, "algorithm").as_deref() == Some(algorithm)
            && vector["params"].as_object().is_none_or(serde_json::Map::is_empty);
        let hash = parse_display_hash(&text(vector, "block_hash_hex")?)?;
        let header = hex::decode(text(vector, "header_hex")?.as_bytes())?;
        let named = header.len() == 80 && sha256d(&header) == hash;
        (fits && named).then_some(Sample { height: 7, hash, header, parent: None, staked: Some(false) })
    };
    vectors.iter().filter_map(of).collect()
}

/// A header of regtest's target that meets or misses it by sha256d.
fn made(version: u32, meets: bool) -> Sample {
    let header = |nonce| {
        let (merkle_root, bits) = ([2; 32], 0x207f_ffff);
        let header =
            Header { version, previous: [1; 32], merkle_root, time: 3, bits, nonce, extra: Extra::None }.to_bytes();
        let met = Target::from_compact(0x207f_ffff).unwrap().is_met_by(&sha256d(&header));
        (met == meets).then_some(header)
    };
    let header = (0..100).find_map(header).unwrap();
    Sample { height: 9, hash: sha256d(&header), header: header.to_vec(), parent: None, staked: Some(false) }
}

#[test]
fn the_right_profile_is_proven_by_every_real_header() {
    for (name, algorithm) in [("sha256d", Algorithm::Sha256d), ("scrypt", SCRYPT)] {
        let samples = real(name);
        assert!(samples.len() >= 2, "{name}: {}", samples.len());
        let proof = prove(&profile(algorithm, BlockHash::Sha256d), &samples).unwrap();
        assert_eq!((proof.named, proof.mined), (samples.len(), samples.len()), "{name}");
        assert!(proof.example.unwrap().network_difficulty > 0.0);
    }
    assert_eq!(prove(&profile(SCRYPT, BlockHash::Pow), &[]).unwrap().named, 0);
}

#[test]
fn another_chain_s_profile_is_refused() {
    let bitcoin = real("sha256d");
    let misfit = prove(&profile(SCRYPT, BlockHash::Sha256d), &bitcoin).unwrap_err();
    assert_eq!(misfit, Misfit::Work { height: 7 });
    let litecoin = real("scrypt");
    assert_eq!(prove(&profile(Algorithm::Sha256d, BlockHash::Sha256d), &litecoin), Err(Misfit::Work { height: 7 }));
    // The right work, but blocks named by the wrong hash: MPOS would find none.
    let misfit = prove(&profile(SCRYPT, BlockHash::Pow), &litecoin).unwrap_err();
    assert!(matches!(&misfit, Misfit::Name { height: 7, theirs, .. } if *theirs == display_hash(&litecoin[0].hash)));
    assert!(misfit.to_string().contains("MPOS would never find"), "{misfit}");
}

#[test]
fn blocks_that_were_not_mined_on_this_chain_excuse_themselves() {
    let sha256d_coin = profile(Algorithm::Sha256d, BlockHash::Sha256d);
    let merged = made(0x0062_0104, false);
    let staked = Sample { staked: Some(true), ..made(7, false) };
    let untold = Sample { staked: None, ..made(7, false) };
    let proof = prove(&sha256d_coin, &[merged, staked, untold, made(2, true)]).unwrap();
    assert_eq!((proof.named, proof.mined), (4, 1));
    assert_eq!(prove(&sha256d_coin, &[made(2, true), made(2, false)]), Err(Misfit::Work { height: 9 }));
    // A name must be right even so.
    let stranger = Sample { hash: [9; 32], ..made(0x0062_0104, false) };
    assert!(matches!(prove(&sha256d_coin, &[stranger]), Err(Misfit::Name { .. })));
}

#[test]
fn among_several_algorithms_one_block_of_ours_is_enough() {
    let several = Profile { several_algorithms: true, ..profile(Algorithm::Sha256d, BlockHash::Sha256d) };
    let mut samples = vec![made(2, false); HEADERS_OF_SEVERAL as usize];
    assert_eq!(prove(&several, &samples), Err(Misfit::Work { height: 9 }));
    samples[5] = made(2, true);
    assert_eq!(prove(&several, &samples).unwrap().mined, 1);
    assert_eq!(prove(&several, &samples[6..]).unwrap().mined, 0, "too few to tell");
}

#[test]
fn where_blocks_say_their_algorithm_all_of_ours_count_and_none_is_needed() {
    let algorithm_bits = AlgorithmBits { mask: 0xf00, value: 0x200 };
    let form = Arc::new(ChainForm { algorithm_bits, ..ChainForm::default() });
    let of = profile(Algorithm::Sha256d, BlockHash::Sha256d);
    let several = Profile { several_algorithms: true, form, ..of };
    let (ours, other) = (2 | 0x200, 2 | 0x400);
    let strangers = vec![made(other, false); HEADERS_OF_SEVERAL as usize];
    assert_eq!(prove(&several, &strangers).map(|proof| (proof.named, proof.mined)), Ok((64, 0)));
    // A stranger's block proves nothing, even if it happens to meet its target.
    assert_eq!(prove(&several, &[made(other, true), made(ours, true), made(ours, true)]).unwrap().mined, 2);
    assert_eq!(prove(&several, &[made(ours, true), made(ours, false)]), Err(Misfit::Work { height: 9 }));
}

#[test]
fn longer_headers_prove_their_profiles_and_no_other() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../tests/data/pow-vectors.json")).unwrap();
    for (coin, algorithm, form, block_hash) in [
        ("LBRY", Algorithm::Lbry, HeaderForm::Lbry, BlockHash::Sha256d),
        ("Heavycoin", Algorithm::Hefty1, HeaderForm::Heavycoin, BlockHash::Pow),
    ] {
        let of_coin = |vector: &&serde_json::Value| vector["coin"] == coin && vector["block_hash_hex"].is_string();
        let sample = |vector: &serde_json::Value| Sample {
            height: 7,
            hash: parse_display_hash(vector["block_hash_hex"].as_str().unwrap()).unwrap(),
            header: hex::decode(vector["header_hex"].as_str().unwrap().as_bytes()).unwrap(),
            parent: None,
            staked: Some(false),
        };
        let samples: Vec<Sample> = vectors.iter().filter(of_coin).map(sample).collect();
        let own = ChainForm { header: form, ..ChainForm::default() };
        let own = Profile { form: Arc::new(own), ..profile(algorithm, block_hash) };
        let proof = prove(&own, &samples).unwrap();
        assert!(proof.mined == samples.len() && proof.mined >= 1, "{coin}: {proof:?}");
        let other = profile(algorithm, block_hash);
        assert_eq!(prove(&other, &samples), Err(Misfit::Header { height: 7 }));
    }
}

#[test]
fn headers_of_other_lengths_or_targets_are_not_understood() {
    let long = Sample { header: vec![0; 112], ..made(2, true) };
    assert_eq!(prove(&profile(Algorithm::Sha256d, BlockHash::Sha256d), &[long]), Err(Misfit::Header { height: 9 }));
    let mut zero = made(2, true);
    zero.header[72..76].fill(0);
    assert_eq!(prove(&profile(Algorithm::Sha256d, BlockHash::Sha256d), &[zero]), Err(Misfit::Header { height: 9 }));
}

#[test]
fn merged_mining_is_proven_by_the_other_chain_s_header() {
    let coin = profile(Algorithm::Sha256d, BlockHash::Sha256d);
    let (good, bad) = (made(2, true).header, made(2, false).header);
    let merged = |parent: Option<Vec<u8>>| Sample { parent, ..made(0x0062_0104, false) };
    let proof = prove(&coin, &[merged(Some(good.clone()))]).unwrap();
    assert_eq!((proof.named, proof.mined), (1, 1));
    assert_eq!(proof.example.unwrap().pow, sha256d(&good));
    assert_eq!(prove(&coin, &[merged(Some(bad))]), Err(Misfit::Work { height: 9 }));
    assert_eq!(prove(&coin, &[merged(None)]).unwrap().mined, 0, "not shown by the node");
    // A block of this chain alone has no other header.
    let own = Sample { parent: Some(good), ..made(2, false) };
    assert_eq!(prove(&coin, &[own]), Err(Misfit::Work { height: 9 }));
}
