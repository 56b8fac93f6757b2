//! The table of algorithms.
//!
//! Aliases come from NOMP's coin files, from stratum-mining's `ALGO_NAME` and `COINDAEMON_ALGO`, from the
//! names of the Python modules those load, and from mining programs. Bits are 32 less the log2 of the
//! factor by which the mining programs (cpuminer-multi, cpuminer-opt) and the pools written for
//! them make difficulty 1 easier than Bitcoin's. The classes of MPOS are those it ships.

use super::Proof::{Chains, Implementations};
use super::{Algorithm, Named};
use crate::pow::Chained;

const TWO_C: &str = "node-multi-hashing, cpuminer-multi";

pub(super) static ALGORITHMS: [Named; 30] = [
    Named::new("sha256d", Algorithm::Sha256d, 32, Chains("Bitcoin, Peercoin, Unobtanium, DigiByte, Myriadcoin"))
        .aliases(&["sha256", "sha-256", "sha-256d", "double-sha256"])
        .mpos(32)
        .blocks_by_sha256d(),
    Named::new(
        "scrypt",
        Algorithm::Scrypt { log_n: 10, r: 1 },
        16,
        Chains("Litecoin, DigiByte, Monacoin, Verge, ECCoin"),
    )
    .aliases(&["ltc_scrypt", "scrypt-1024"])
    .mpos(16)
    .blocks_by_sha256d(),
    Named::new("scrypt-og", Algorithm::Scrypt { log_n: 6, r: 1 }, 16, Implementations("node-multi-hashing, OpenSSL"))
        .blocks_by_sha256d(),
    // Miners count 2^25 hashes for the coins that name transactions by one SHA-256, where NOMP counted
    // 2^24; cpuminer's `keccakc` (Creativecoin, double SHA-256) is 2^24.
    Named::new("keccak", Algorithm::Keccak, 25, Chains("SmartCash, Bitgesell")).aliases(&["max"]).single_sha256(),
    Named::new("keccak-normal", Algorithm::KeccakNormal, 24, Implementations("node-multi-hashing, sha3")),
    Named::new("skein", Algorithm::Skein, 32, Chains("Myriadcoin, DigiByte")).aliases(&["skeinhash"]),
    Named::new("groestl", Algorithm::Groestl, 24, Chains("Groestlcoin")).aliases(&["groestlcoin"]).single_sha256(),
    Named::new("groestl-myriad", Algorithm::GroestlMyriad, 32, Chains("Myriadcoin"))
        .aliases(&["myr-gr", "myriad-groestl", "groestlmyriad"])
        .blocks_by_sha256d(),
    Named::new("blake2s", Algorithm::Blake2s, 32, Chains("Nevacoin")),
    Named::new("sha1coin", Algorithm::Sha1coin, 32, Chains("Sha1coin")).aliases(&["sha1"]).blocks_by_sha256d(),
    Named::new("lbry", Algorithm::Lbry, 24, Chains("LBRY")).blocks_by_sha256d(),
    // NOMP counted 2^24 for blake and said that its blocks are named by double SHA-256: the chain says otherwise.
    Named::new("blake", Algorithm::Blake, 32, Chains("Blakecoin")).aliases(&["blakecoin", "blake256"]).single_sha256(),
    Named::new("shavite3", Algorithm::Shavite3, 32, Chains("Inkcoin")).aliases(&["ink"]),
    Named::new("nist5", Algorithm::Chained(Chained::Nist5), 32, Chains("Talkcoin")),
    // MPOS has no class for quark; stratum-mining counted 2^24 where all others count 2^32.
    Named::new("quark", Algorithm::Chained(Chained::Quark), 32, Chains("Quark, PIVX, Diamond")),
    Named::new("x11", Algorithm::Chained(Chained::X11), 32, Chains("Dash, Onix"))
        .aliases(&["xcoin", "darkcoin", "dash"])
        .mpos(24),
    Named::new("c11", Algorithm::Chained(Chained::C11), 32, Chains("Chaincoin")).aliases(&["flax"]),
    Named::new("qubit", Algorithm::Chained(Chained::Qubit), 32, Chains("Myriadcoin, DigiByte")).blocks_by_sha256d(),
    Named::new("fresh", Algorithm::Chained(Chained::Fresh), 24, Implementations(TWO_C)),
    Named::new("fugue", Algorithm::Fugue, 24, Chains("Fuguecoin")).aliases(&["fugue256"]).single_sha256(),
    // Heavycoin's headers have 84 bytes (`header = "heavycoin"`), and its transactions are named by the same hash.
    Named::new("hefty1", Algorithm::Hefty1, 32, Chains("Heavycoin")).aliases(&["heavy"]).heavy_transactions(),
    Named::new("hefty1-nomp", Algorithm::Hefty1Nomp, 32, Implementations("node-multi-hashing")),
    Named::new("bcrypt", Algorithm::Bcrypt, 32, Implementations("node-multi-hashing, blowfish")),
    Named::new("x13", Algorithm::Chained(Chained::X13), 32, Chains("Marucoin, DeepOnion"))
        .aliases(&["marucoin"])
        .mpos(24),
    Named::new("x14", Algorithm::Chained(Chained::X14), 32, Implementations(TWO_C)),
    Named::new("x15", Algorithm::Chained(Chained::X15), 32, Implementations(TWO_C)).aliases(&["bitblock"]).mpos(24),
    Named::new("x16r", Algorithm::Chained(Chained::X16r), 24, Chains("Ravencoin")),
    Named::new("x16rv2", Algorithm::Chained(Chained::X16rv2), 24, Chains("Ravencoin")),
    Named::new("x17", Algorithm::Chained(Chained::X17), 32, Chains("Verge")),
    Named::new("odocrypt", Algorithm::Odocrypt { epoch_secs: 864_000 }, 32, Chains("DigiByte"))
        .aliases(&["odo"])
        .blocks_by_sha256d(),
];
