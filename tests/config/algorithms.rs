//! What the configuration says about algorithms.

use mpos_stratum::chain::header::HeaderForm;
use mpos_stratum::pow::ids::{BlockHash, TransactionHash};
use mpos_stratum::pow::names::{self, Proof};
use mpos_stratum::pow::{Algorithm, Argon2d, Class, MemoryHard};

use super::{least, one_mistake, problems, read};

/// The coin of `LEAST` as some other algorithm's, with further keys.
fn with_algorithm(algorithm: &str, keys: &str) -> String {
    let profile = format!(
        "algorithm = \"{algorithm}\"\nmpos_bits = 24\nblock_hash = \"pow\"\naddresses = {{ pubkey_hash = [1] }}\n{keys}"
    );
    least("preset = \"litecoin\"", &profile)
}

#[test]
fn every_algorithm_can_be_chosen_once_the_operator_accepts_what_it_is() {
    for named in names::all() {
        // What YaCoin's chain needs today is more than a hash may have; with bounds it is another coin's.
        let bounds = if named.name == "scrypt-jane" { "scrypt_jane_factors = [4, 14]" } else { "" };
        let accept = &format!("accept_unproven = true\naccept_expensive = true\n{bounds}");
        let accepted = read(&with_algorithm(named.name, accept)).coins[0].profile.clone();
        assert_eq!(names::name_of(accepted.algorithm), named.name);
        assert!(accepted.algorithm == named.algorithm || !bounds.is_empty());
        assert_eq!(accepted.stratum_bits, named.stratum_bits);
        assert_eq!(accepted.transaction_hash, named.transaction_hash);
        for alias in named.aliases {
            assert_eq!(read(&with_algorithm(alias, accept)).coins[0].profile.algorithm, accepted.algorithm);
        }
        let bare = problems(&with_algorithm(named.name, bounds));
        let is_unproven = matches!(named.proof_of(accepted.algorithm), Proof::Implementations(_));
        let must_accept = is_unproven || accepted.algorithm.class() == Class::Expensive;
        assert_eq!(bare.is_empty(), !must_accept, "{}: {bare:?}", named.name);
    }
}

#[test]
fn unproven_and_expensive_algorithms_are_refused_with_the_key_that_accepts_them() {
    one_mistake(&with_algorithm("x15", ""), &["unproven", "accept_unproven = true", "algo hash"]);
    one_mistake(&with_algorithm("bcrypt", "accept_unproven = true"), &["50 ms", "accept_expensive = true"]);
    // Parameters that no chain has shown are as unproven as an algorithm.
    one_mistake(&with_algorithm("scrypt", "scrypt_log_n = 6"), &["unproven", "OpenSSL", "accept_unproven = true"]);
    one_mistake(&with_algorithm("scrypt", "scrypt_r = 8"), &["unproven", "accept_unproven = true"]);
    assert!(problems(&with_algorithm("scrypt", "scrypt_log_n = 11")).is_empty());
    // What it costs on any day until 2030 counts, not what it costs on the last.
    let falling = "scrypt_n_steps = [[524288, 0], [2048, 1900000000]]\naccept_unproven = true";
    one_mistake(&with_algorithm("scrypt-n", falling), &["50 ms", "accept_expensive = true"]);
    let impossible = "scrypt_n_steps = [[2048, 0], [1073741824, 1700000000], [2048, 1900000000]]";
    one_mistake(&with_algorithm("scrypt-n", impossible), &["log_n 30", "not supported"]);
    one_mistake(&with_algorithm("scrypt-jane", "scrypt_jane_fixed = [1900000000, 9]"), &["scrypt", "not supported"]);
    for large in ["scrypt_log_n = 17", "scrypt_log_n = 14\nscrypt_r = 8"] {
        let large = format!("{large}\naccept_unproven = true");
        one_mistake(&with_algorithm("scrypt", &large), &["accept_expensive = true"]);
    }
    assert!(problems(&with_algorithm("scrypt", "scrypt_log_n = 16\naccept_unproven = true")).is_empty());
    one_mistake(&with_algorithm("x11", "odocrypt_epoch_secs = 9"), &["odocrypt_epoch_secs", "x11"]);
    let test_network = "odocrypt_epoch_secs = 86400\naccept_unproven = true";
    let profile = read(&with_algorithm("odocrypt", test_network)).coins[0].profile.clone();
    assert_eq!(profile.algorithm, Algorithm::Odocrypt { epoch_secs: 86_400 });
}

/// The headers at hand are of the first days of such chains: they prove nothing of what is hashed today.
#[test]
fn a_cost_that_grows_is_only_proven_while_it_is_one_that_a_header_has_shown() {
    let unproven = |algorithm: &str, keys: &str, others: &str| {
        let refused = with_algorithm(algorithm, keys);
        one_mistake(&refused, &["unproven with these parameters", others, "accept_unproven = true"]);
        assert!(problems(&with_algorithm(algorithm, &format!("{keys}\naccept_unproven = true"))).is_empty());
    };
    let proven = |algorithm: &str, keys: &str| assert_eq!(problems(&with_algorithm(algorithm, keys)), [], "{keys}");
    // Vertcoin's table has been above 2048 since 2016.
    unproven("scrypt-n", "", "OpenSSL");
    proven("scrypt-n", "scrypt_n_steps = [[2048, 0]]");
    proven("scrypt-n", "scrypt_n_steps = [[1024, 0], [2048, 1800000000]]");
    // What was before 2026 and what comes after 2030 does not matter, every step between does.
    proven("scrypt-n", "scrypt_n_steps = [[512, 0], [2048, 1500000000], [4096, 1924992000]]");
    unproven("scrypt-n", "scrypt_n_steps = [[2048, 0], [4096, 1924991999]]", "OpenSSL");
    unproven("scrypt-n", "scrypt_n_steps = [[2048, 0], [512, 1800000000], [2048, 1800000001]]", "OpenSSL");
    let others = "node-multi-hashing, cpuminer-multi";
    unproven("scrypt-jane", "scrypt_jane_factors = [4, 14]", others);
    unproven("scrypt-jane", "scrypt_jane_fixed = [1446336000, 14]", others);
    unproven("scrypt-jane", "scrypt_jane_factors = [3, 3]", others);
    proven("scrypt-jane", "scrypt_jane_factors = [4, 4]");
    proven("scrypt-jane", "scrypt_jane_fixed = [0, 4]");
    unproven("scrypt-jane", "scrypt_jane_factors = [4, 4]\nscrypt_jane_fixed = [1900000000, 5]", others);
    assert!(names::find("scrypt-n").unwrap().is_unproven() && names::find("scrypt-jane").unwrap().is_unproven());
}

#[test]
fn argon2d_has_the_passes_memory_and_lanes_of_the_coin() {
    let keys = "argon2d_t = 1\nargon2d_m_kib = 250\nargon2d_lanes = 4";
    for (name, v13) in [("argon2d-dyn", false), ("argon2d-dyn-v13", true)] {
        one_mistake(&with_algorithm(name, keys), &["unproven with these parameters", "accept_unproven = true"]);
        let accepted = format!("{keys}\naccept_unproven = true");
        let algorithm = read(&with_algorithm(name, &accepted)).coins[0].profile.algorithm;
        let argon2d = Argon2d { v13, passes: 1, memory_kib: 250, lanes: 4 };
        assert_eq!(algorithm, Algorithm::MemoryHard(MemoryHard::Argon2d(argon2d)));
        assert_eq!(names::name_of(algorithm), name);
    }
    // One alone, and what it costs.
    let costly = |keys: &str| with_algorithm("argon2d-dyn", &format!("{keys}\naccept_unproven = true"));
    assert!(problems(&costly("argon2d_m_kib = 8192")).is_empty());
    one_mistake(&costly("argon2d_m_kib = 8193"), &["50 ms", "accept_expensive = true"]);
    one_mistake(&costly("argon2d_t = 33"), &["50 ms", "accept_expensive = true"]);
    assert!(problems(&with_algorithm("argon2d-dyn", "argon2d_lanes = 8")).is_empty());
    one_mistake(&costly("argon2d_m_kib = 63"), &["argon2d_m_kib", "too little for 8 lanes", "eight for each lane"]);
    one_mistake(&costly("argon2d_lanes = 63"), &["argon2d_m_kib", "too little for 63 lanes"]);
    for wrong in ["argon2d_t = 0", "argon2d_m_kib = 65536", "argon2d_lanes = 256"] {
        one_mistake(&costly(wrong), &[wrong.split(' ').next().unwrap()]);
    }
    one_mistake(&with_algorithm("x11", "argon2d_t = 2"), &["no meaning for x11", "argon2d-dyn"]);
}

#[test]
fn headers_are_laid_out_as_the_coin_says() {
    let form = |algorithm: &str, keys: &str| read(&with_algorithm(algorithm, keys)).coins[0].profile.form.clone();
    assert_eq!(form("x11", "").header, HeaderForm::Bitcoin);
    assert_eq!(form("lbry", "header = \"lbry\"").header, HeaderForm::Lbry);
    let heavycoin = form("hefty1", "header = \"heavycoin\"");
    assert_eq!((heavycoin.header, heavycoin.vote_max), (HeaderForm::Heavycoin, 1024));
    assert_eq!(form("hefty1", "header = \"heavycoin\"\nvote_max = 8").vote_max, 8);
    one_mistake(&with_algorithm("x11", "header = \"decred\""), &["header", "\"heavycoin\""]);
    one_mistake(&with_algorithm("x11", "vote_max = 8"), &["vote_max", "heavycoin"]);
    let rolled = "header = \"heavycoin\"\nversion_mask = \"1fffe000\"";
    one_mistake(&with_algorithm("hefty1", rolled), &["version_mask", "vote"]);
    let schedule = "schedule = { retarget_blocks = 2016, halving_blocks = 150, first_subsidy = 5 }";
    one_mistake(&with_algorithm("lbry", &format!("header = \"lbry\"\n{schedule}")), &["schedule", "header"]);
}

#[test]
fn transactions_and_blocks_are_named_as_the_coin_says() {
    let profile = |algorithm, keys| read(&with_algorithm(algorithm, keys)).coins[0].profile.clone();
    assert_eq!(profile("groestl", "").transaction_hash, TransactionHash::Sha256);
    assert_eq!(profile("groestl", "transaction_hash = \"sha256d\"").transaction_hash, TransactionHash::Sha256d);
    let verge = with_algorithm("x17", "").replace("\"pow\"", "\"scrypt\"");
    assert_eq!(read(&verge).coins[0].profile.block_hash, BlockHash::Scrypt);
    let named = verge.replace("block_hash = \"scrypt\"", "block_hash = \"scrypt\"\nemit_invalid_block_hashes = true");
    one_mistake(&named, &["emit_invalid_block_hashes", "every share", "leave it out"]);
}
