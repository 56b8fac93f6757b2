//! What algorithms are called, here and in the configuration files of our predecessors.

use super::Algorithm;

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
    /// Other spellings, compared without regard to case.
    aliases: &'static [&'static str],
}

/// Every algorithm. Aliases come from NOMP's coin files, from stratum-mining's `ALGO_NAME` and
/// `COINDAEMON_ALGO`, and from the names of the Python modules those load.
static ALGORITHMS: [Named; 4] = [
    Named {
        name: "sha256d",
        algorithm: Algorithm::Sha256d,
        stratum_bits: 32,
        mpos_bits: Some(32),
        aliases: &["sha256", "sha-256", "sha-256d", "double-sha256"],
    },
    Named {
        name: "scrypt",
        algorithm: Algorithm::Scrypt { log_n: 10, r: 1 },
        stratum_bits: 16,
        mpos_bits: Some(16),
        aliases: &["ltc_scrypt", "scrypt-1024"],
    },
    Named {
        name: "scrypt-og",
        algorithm: Algorithm::Scrypt { log_n: 6, r: 1 },
        stratum_bits: 16,
        mpos_bits: Some(16),
        aliases: &[],
    },
    Named {
        // Miners count 2^25 hashes where NOMP counted 2^24.
        name: "keccak",
        algorithm: Algorithm::Keccak,
        stratum_bits: 25,
        mpos_bits: None,
        aliases: &[],
    },
];

/// The algorithm of a name or an alias.
pub fn find(name: &str) -> Option<&'static Named> {
    let is = |spelling: &str| spelling.eq_ignore_ascii_case(name);
    ALGORITHMS.iter().find(|named| is(named.name) || named.aliases.iter().any(|alias| is(alias)))
}

/// Our names of all algorithms.
pub fn all() -> impl Iterator<Item = &'static str> {
    ALGORITHMS.iter().map(|named| named.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predecessors_spellings_are_known() {
        for (spelling, name) in
            [("SHA256", "sha256d"), ("sha256d", "sha256d"), ("ltc_scrypt", "scrypt"), ("Scrypt", "scrypt")]
        {
            assert_eq!(find(spelling).map(|named| named.name), Some(name), "{spelling}");
        }
        // scrypt-n changes its cost with time and scrypt-jane is another function: neither is scrypt.
        for unknown in ["", "scrypt-n", "scrypt-jane", "vtc_scrypt", "x11", "max"] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_spelling_stands_for_two_algorithms() {
        let spellings: Vec<&str> =
            ALGORITHMS.iter().flat_map(|named| named.aliases.iter().copied().chain([named.name])).collect();
        for spelling in &spellings {
            let same = spellings.iter().filter(|other| other.eq_ignore_ascii_case(spelling));
            assert_eq!(same.count(), 1, "{spelling}");
        }
    }
}
