//! What algorithms are called, here and in the configuration files of our predecessors, and what
//! their miners, their coins and MPOS take for granted.

mod memory_hard;
mod rows;

use std::mem::discriminant;

use super::ids::{BlockHash, TransactionHash};
use super::{Algorithm, MemoryHard};

/// How we know that an algorithm gives the right hashes. The vectors are in `tests/data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Headers of the chains of these coins have their published hashes.
    Chains(&'static str),
    /// No header of a chain was at hand; these independent implementations agree with ours. The
    /// operator has to accept that (`accept_unproven`).
    Implementations(&'static str),
}

/// An algorithm with what its miners and MPOS take for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Our name.
    pub name: &'static str,
    /// The algorithm, with its usual parameters.
    pub algorithm: Algorithm,
    /// log2 of the hashes behind one unit of stratum difficulty, as the mining programs count.
    pub stratum_bits: u8,
    /// `target_bits` of the coin class that MPOS ships for the algorithm; `None`: it ships none.
    pub mpos_bits: Option<u8>,
    /// Which hash usually names the blocks of the algorithm's coins.
    pub block_hash: BlockHash,
    /// Which hash usually names their transactions.
    pub transaction_hash: TransactionHash,
    /// How we know that it is right, at the costs that the headers at hand have; see [`Named::proof_of`].
    pub proof: Proof,
    /// Other spellings, compared without regard to case.
    pub aliases: &'static [&'static str],
}

impl Named {
    /// Whether no header of a real chain has shown that it is right with its usual parameters.
    pub fn is_unproven(&self) -> bool {
        matches!(self.proof_of(self.algorithm), Proof::Implementations(_))
    }

    /// How we know that it is right with the parameters of `algorithm`, which need not be the usual ones.
    pub fn proof_of(&self, algorithm: Algorithm) -> Proof {
        match algorithm {
            // Vertcoin's first years, beside the usual N.
            Algorithm::Scrypt { log_n: 10 | 11, r: 1 } => Proof::Chains("Litecoin, Vertcoin"),
            Algorithm::Scrypt { .. } => Proof::Implementations("OpenSSL"),
            // The headers at hand are from the chains' first days. Who mines such a coin now hashes at the cost of
            // today, and every one of the next years has to be among those that a header has shown.
            Algorithm::MemoryHard(memory_hard @ MemoryHard::ScryptN(_)) => match memory_hard.log_n_today() {
                Some(log_n) if *log_n.start() >= 10 && *log_n.end() <= 11 => self.proof,
                _ => Proof::Implementations("OpenSSL"),
            },
            Algorithm::MemoryHard(memory_hard @ MemoryHard::ScryptJane(_)) => match memory_hard.log_n_today() {
                Some(log_n) if log_n == (5..=5) => self.proof,
                _ => Proof::Implementations("node-multi-hashing, cpuminer-multi"),
            },
            // All vectors have the usual parameters.
            Algorithm::MemoryHard(MemoryHard::Argon2d(_)) if algorithm != self.algorithm => {
                Proof::Implementations("argon2")
            }
            _ => self.proof,
        }
    }

    /// A row with what most algorithms have: double SHA-256 for transactions, blocks named by the
    /// proof of work, no class of MPOS's and no other spelling.
    const fn new(name: &'static str, algorithm: Algorithm, stratum_bits: u8, proof: Proof) -> Self {
        Self {
            name,
            algorithm,
            stratum_bits,
            mpos_bits: None,
            block_hash: BlockHash::Pow,
            transaction_hash: TransactionHash::Sha256d,
            proof,
            aliases: &[],
        }
    }

    const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// MPOS ships a coin class with these `target_bits`.
    const fn mpos(self, bits: u8) -> Self {
        Self { mpos_bits: Some(bits), ..self }
    }

    /// Blocks are named by double SHA-256.
    const fn blocks_by_sha256d(self) -> Self {
        Self { block_hash: BlockHash::Sha256d, ..self }
    }

    /// Transactions are named by one SHA-256.
    const fn heavy_transactions(self) -> Self {
        Self { transaction_hash: TransactionHash::Heavy, ..self }
    }

    const fn single_sha256(self) -> Self {
        Self { transaction_hash: TransactionHash::Sha256, ..self }
    }
}

/// What the names of Python's hash modules, which stratum-mining's configurations repeat, end with.
const MODULE_SUFFIX: &str = "_hash";

/// The algorithm of a name or an alias, or of one with `_hash` behind it.
pub fn find(name: &str) -> Option<&'static Named> {
    let spelled = |wanted: &str| {
        let is = |spelling: &str| spelling.eq_ignore_ascii_case(wanted);
        all().find(|named| is(named.name) || named.aliases.iter().any(|alias| is(alias)))
    };
    let module = name.len().checked_sub(MODULE_SUFFIX.len()).and_then(|length| name.split_at_checked(length));
    let bare = module.filter(|(_, end)| end.eq_ignore_ascii_case(MODULE_SUFFIX)).map(|(bare, _)| bare);
    spelled(name).or_else(|| spelled(bare?))
}

/// Every algorithm.
pub fn all() -> impl Iterator<Item = &'static Named> {
    rows::ALGORITHMS.iter().chain(&memory_hard::ALGORITHMS)
}

/// The name of an algorithm, whatever its parameters.
pub fn name_of(algorithm: Algorithm) -> &'static str {
    let same_kind = |named: &&Named| match (named.algorithm, algorithm) {
        // These are two functions.
        (Algorithm::MemoryHard(MemoryHard::Argon2d(one)), Algorithm::MemoryHard(MemoryHard::Argon2d(other))) => {
            one.v13 == other.v13
        }
        (Algorithm::MemoryHard(one), Algorithm::MemoryHard(other)) => discriminant(&one) == discriminant(&other),
        (one, other) => discriminant(&one) == discriminant(&other),
    };
    let exact = all().find(|named| named.algorithm == algorithm);
    exact.or_else(|| all().find(same_kind)).map_or("", |named| named.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::Argon2d;
    use crate::pow::by_time::{Growth, Steps};

    #[test]
    fn predecessors_spellings_are_known() {
        for (spelling, name) in [
            ("SHA256", "sha256d"),
            ("sha256d", "sha256d"),
            ("ltc_scrypt", "scrypt"),
            ("Scrypt", "scrypt"),
            ("lyra2re2_hash", "lyra2rev2"),
            ("nist5_HASH", "nist5"),
            ("groestlcoin_hash", "groestl"),
            ("darkcoin_hash", "x11"),
        ] {
            assert_eq!(find(spelling).map(|named| named.name), Some(name), "{spelling}");
        }
        for unknown in ["", "_hash", "hash", "x11_hash_hash", "ährä_hash", "cryptonight", "verthash"] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
    }

    /// Name, log2 of the hashes behind difficulty 1 (32 less the log2 of the multiplier in the tables of cpuminer-multi,
    /// cpuminer-opt and yiimp), and `target_bits` of a class that MPOS ships: sha256d, scrypt, scryptn, neoscrypt, x11,
    /// x13 and x15. Written from there and not from the rows, since a wrong one makes every share worth a power of two
    /// too much or too little.
    const UNITS: [(&str, u8, Option<u8>); 43] = [
        ("sha256d", 32, Some(32)),
        ("scrypt", 16, Some(16)),
        ("scrypt-og", 16, None),
        ("scrypt-n", 16, Some(16)),
        ("scrypt-jane", 16, None),
        ("keccak", 25, None),
        ("keccak-normal", 24, None),
        ("groestl", 24, None),
        ("groestl-myriad", 32, None),
        ("skein", 32, None),
        ("nist5", 32, None),
        ("blake", 32, None),
        ("blake2s", 32, None),
        ("quark", 32, None),
        ("x11", 32, Some(24)),
        ("c11", 32, None),
        ("qubit", 32, None),
        ("fresh", 24, None),
        ("shavite3", 32, None),
        ("fugue", 24, None),
        ("hefty1", 32, None),
        // Of these three nobody tells a multiplier, and NOMP had none.
        ("hefty1-nomp", 32, None),
        ("bcrypt", 32, None),
        ("argon2d-dyn-v13", 16, None),
        ("x13", 32, Some(24)),
        ("x14", 32, None),
        ("x15", 32, Some(24)),
        ("x16r", 24, None),
        ("x16rv2", 24, None),
        ("x17", 32, None),
        ("lyra2re", 25, None),
        ("lyra2rev2", 24, None),
        ("lyra2rev3", 24, None),
        ("lyra2z", 24, None),
        ("allium", 24, None),
        ("neoscrypt", 16, Some(16)),
        ("yescrypt", 16, None),
        ("yescryptr16", 16, None),
        ("yescryptr32", 16, None),
        ("sha1coin", 32, None),
        ("argon2d-dyn", 16, None),
        ("odocrypt", 32, None),
        ("lbry", 24, None),
    ];

    #[test]
    fn difficulties_count_as_miners_and_mpos_count() {
        for (name, stratum_bits, mpos_bits) in UNITS {
            let named = find(name).unwrap();
            assert_eq!((named.name, named.stratum_bits, named.mpos_bits), (name, stratum_bits, mpos_bits));
        }
        for named in all() {
            assert_eq!(UNITS.iter().filter(|(name, ..)| *name == named.name).count(), 1, "{}", named.name);
        }
    }

    #[test]
    fn no_spelling_stands_for_two_algorithms() {
        let spellings: Vec<&str> = all().flat_map(|named| named.aliases.iter().copied().chain([named.name])).collect();
        for spelling in &spellings {
            let same = spellings.iter().filter(|other| other.eq_ignore_ascii_case(spelling));
            assert_eq!(same.count(), 1, "{spelling}");
        }
    }

    #[test]
    fn an_algorithm_has_its_name_whatever_its_parameters() {
        for named in all() {
            assert_eq!(name_of(named.algorithm), named.name);
        }
        assert_eq!(name_of(Algorithm::Scrypt { log_n: 14, r: 8 }), "scrypt");
        let steps = Steps::new([(4, 0)]).unwrap();
        assert_eq!(name_of(Algorithm::MemoryHard(MemoryHard::ScryptN(steps))), "scrypt-n");
        let growth = Growth { factor_max: 9, ..Growth::YACOIN };
        assert_eq!(name_of(Algorithm::MemoryHard(MemoryHard::ScryptJane(growth))), "scrypt-jane");
        for (v13, name) in [(false, "argon2d-dyn"), (true, "argon2d-dyn-v13")] {
            let argon2d = Argon2d { v13, passes: 1, ..Argon2d::DYNAMIC };
            assert_eq!(name_of(Algorithm::MemoryHard(MemoryHard::Argon2d(argon2d))), name);
        }
    }
}
