//! What has to be the same for sessions to go on, in words that belong to the format of [`super::state`].
//!
//! A daemon compares them with those that another version of it wrote: what has a word keeps it, whatever it is called
//! in the program by then. With another word every miner of the coin would connect again at the upgrade.

use crate::chain::header::HeaderForm;
use crate::coin::profile::Profile;
use crate::pow::by_time::{Growth, Steps};
use crate::pow::ids::TransactionHash;
use crate::pow::{Algorithm, Argon2d, Chained, Lyra2, MemoryHard, Yescrypt};

/// The words for how a coin is mined.
pub fn mined_by(profile: &Profile) -> String {
    let algorithm = algorithm(profile.algorithm);
    let text = format!("{algorithm} {} {}", transaction_hash(profile.transaction_hash), profile.stratum_bits);
    match profile.form.header {
        // Left out, as by daemons that knew no other.
        HeaderForm::Bitcoin => text,
        HeaderForm::Lbry => format!("{text} Lbry"),
        HeaderForm::Heavycoin => format!("{text} Heavycoin"),
    }
}

fn transaction_hash(hash: TransactionHash) -> &'static str {
    match hash {
        TransactionHash::Sha256d => "Sha256d",
        TransactionHash::Sha256 => "Sha256",
        TransactionHash::Heavy => "Heavy",
    }
}

fn algorithm(algorithm: Algorithm) -> String {
    let word = match algorithm {
        Algorithm::Scrypt { log_n, r } => return format!("Scrypt {{ log_n: {log_n}, r: {r} }}"),
        Algorithm::Odocrypt { epoch_secs } => return format!("Odocrypt {{ epoch_secs: {epoch_secs} }}"),
        Algorithm::Chained(chained) => return format!("Chained({})", of_chained(chained)),
        Algorithm::MemoryHard(memory_hard) => return format!("MemoryHard({})", of_memory_hard(memory_hard)),
        Algorithm::Sha256d => "Sha256d",
        Algorithm::Keccak => "Keccak",
        Algorithm::KeccakNormal => "KeccakNormal",
        Algorithm::Skein => "Skein",
        Algorithm::Groestl => "Groestl",
        Algorithm::GroestlMyriad => "GroestlMyriad",
        Algorithm::Blake => "Blake",
        Algorithm::Shavite3 => "Shavite3",
        Algorithm::Fugue => "Fugue",
        Algorithm::Hefty1 => "Hefty1",
        Algorithm::Hefty1Nomp => "Hefty1Nomp",
        Algorithm::Bcrypt => "Bcrypt",
        Algorithm::Blake2s => "Blake2s",
        Algorithm::Sha1coin => "Sha1coin",
        Algorithm::Lbry => "Lbry",
    };
    word.to_owned()
}

fn of_chained(chained: Chained) -> &'static str {
    match chained {
        Chained::Nist5 => "Nist5",
        Chained::Quark => "Quark",
        Chained::X11 => "X11",
        Chained::C11 => "C11",
        Chained::Qubit => "Qubit",
        Chained::Fresh => "Fresh",
        Chained::X13 => "X13",
        Chained::X14 => "X14",
        Chained::X15 => "X15",
        Chained::X17 => "X17",
        Chained::X16r => "X16r",
        Chained::X16rv2 => "X16rv2",
    }
}

fn of_memory_hard(memory_hard: MemoryHard) -> String {
    let word = match memory_hard {
        MemoryHard::ScryptN(steps) => return format!("ScryptN({})", of_steps(&steps)),
        MemoryHard::ScryptJane(growth) => return format!("ScryptJane({})", of_growth(&growth)),
        MemoryHard::Argon2d(argon2d) => return format!("Argon2d({})", of_argon2d(argon2d)),
        MemoryHard::NeoScrypt => "NeoScrypt",
        MemoryHard::Lyra2(Lyra2::Re) => "Lyra2(Re)",
        MemoryHard::Lyra2(Lyra2::Rev2) => "Lyra2(Rev2)",
        MemoryHard::Lyra2(Lyra2::Rev3) => "Lyra2(Rev3)",
        MemoryHard::Lyra2(Lyra2::Z) => "Lyra2(Z)",
        MemoryHard::Lyra2(Lyra2::Allium) => "Lyra2(Allium)",
        MemoryHard::Yescrypt(Yescrypt::R8) => "Yescrypt(R8)",
        MemoryHard::Yescrypt(Yescrypt::R16) => "Yescrypt(R16)",
        MemoryHard::Yescrypt(Yescrypt::R32) => "Yescrypt(R32)",
    };
    word.to_owned()
}

fn of_steps(steps: &Steps) -> String {
    let places: Vec<String> = steps.places().iter().map(|(from, log_n)| format!("({from}, {log_n})")).collect();
    format!("Steps {{ steps: [{}] }}", places.join(", "))
}

fn of_growth(growth: &Growth) -> String {
    let Growth { chain_start, factor_min, factor_max, fixed_from } = growth;
    let fixed = fixed_from.map_or("None".to_owned(), |(from, factor)| format!("Some(({from}, {factor}))"));
    format!(
        "Growth {{ chain_start: {chain_start}, factor_min: {factor_min}, factor_max: {factor_max}, fixed_from: {fixed} }}"
    )
}

fn of_argon2d(argon2d: Argon2d) -> String {
    let Argon2d { v13, passes, memory_kib, lanes } = argon2d;
    format!("Argon2d {{ v13: {v13}, passes: {passes}, memory_kib: {memory_kib}, lanes: {lanes} }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::names;

    /// What daemons of version 1 of the format have written, by the names of the algorithms.
    const WORDS: &str = include_str!("mined-by.words");

    #[test]
    fn every_algorithm_keeps_its_word() {
        let words: Vec<(&str, &str)> = WORDS.lines().map(|line| line.split_once(": ").unwrap()).collect();
        for named in names::all() {
            let known = words.iter().find(|(name, _)| *name == named.name);
            let (_, word) = known.unwrap_or_else(|| panic!("{}: note its word in mined-by.words", named.name));
            assert_eq!(algorithm(named.algorithm), *word, "{}", named.name);
        }
        assert_eq!(words.len(), names::all().count(), "a word of an algorithm that is gone");
    }

    #[test]
    fn parameters_are_part_of_the_word() {
        let steps = Steps::new([(11, 0), (12, 77)]).unwrap();
        let growth = Growth { fixed_from: Some((1_446_336_000, 14)), ..Growth::YACOIN };
        for (one, word) in [
            (Algorithm::Scrypt { log_n: 11, r: 2 }, "Scrypt { log_n: 11, r: 2 }".to_owned()),
            (Algorithm::Odocrypt { epoch_secs: 86_400 }, "Odocrypt { epoch_secs: 86400 }".to_owned()),
            (
                Algorithm::MemoryHard(MemoryHard::ScryptN(steps)),
                format!("MemoryHard(ScryptN(Steps {{ steps: [(0, 11){}] }}))", ", (77, 12)".repeat(23)),
            ),
            (
                Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)),
                "MemoryHard(ScryptJane(Growth { chain_start: 1367991200, factor_min: 4, factor_max: 30, fixed_from: \
                 Some((1446336000, 14)) }))"
                    .to_owned(),
            ),
        ] {
            assert_eq!(algorithm(one), word);
        }
    }

    #[test]
    fn transactions_and_headers_keep_their_words() {
        let text = include_str!("../../../config.example.toml").to_owned();
        let config = crate::config::parse(std::path::Path::new("config.toml"), text).unwrap();
        let mut profile = config.coins[0].profile.clone();
        assert_eq!(mined_by(&profile), "Scrypt { log_n: 10, r: 1 } Sha256d 16");
        for (hash, header, words) in [
            (TransactionHash::Sha256, HeaderForm::Lbry, "Sha256 16 Lbry"),
            (TransactionHash::Heavy, HeaderForm::Heavycoin, "Heavy 16 Heavycoin"),
        ] {
            profile.transaction_hash = hash;
            profile.form = std::sync::Arc::new(crate::chain::form::ChainForm { header, ..(*profile.form).clone() });
            assert_eq!(mined_by(&profile), format!("Scrypt {{ log_n: 10, r: 1 }} {words}"));
        }
    }
}
