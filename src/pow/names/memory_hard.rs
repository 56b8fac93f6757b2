//! The table's part for algorithms made to need memory; see [`super::rows`] for where its facts are from.

use super::Proof::{Chains, Implementations};
use super::{Algorithm, Named};
use crate::pow::by_time::{Growth, Steps};
use crate::pow::{Argon2d, Lyra2, MemoryHard, Yescrypt};

const fn row(name: &'static str, algorithm: MemoryHard, stratum_bits: u8, proof: super::Proof) -> Named {
    Named::new(name, Algorithm::MemoryHard(algorithm), stratum_bits, proof)
}

pub(super) static ALGORITHMS: [Named; 13] = [
    row("scrypt-n", MemoryHard::ScryptN(Steps::VERTCOIN), 16, Chains("Vertcoin, Garlicoin"))
        .aliases(&["nscrypt", "scryptn", "vtc_scrypt", "vert_scrypt"])
        .mpos(16)
        .blocks_by_sha256d(),
    row("scrypt-jane", MemoryHard::ScryptJane(Growth::YACOIN), 16, Chains("YaCoin")).aliases(&[
        "scryptjane",
        "yac_scrypt",
        "scrypt-chacha",
    ]),
    // Lyra2RE v1 miners count 2^25 hashes where its successors count 2^24.
    row("lyra2re", MemoryHard::Lyra2(Lyra2::Re), 25, Implementations("cpuminer-multi, Vertcoin Core"))
        .aliases(&["lyra2"])
        .blocks_by_sha256d(),
    row("lyra2rev2", MemoryHard::Lyra2(Lyra2::Rev2), 24, Chains("NIX, Vertcoin"))
        .aliases(&["lyra2re2", "lyra2v2"])
        .blocks_by_sha256d(),
    row("lyra2rev3", MemoryHard::Lyra2(Lyra2::Rev3), 24, Chains("Vertcoin"))
        .aliases(&["lyra2re3", "lyra2v3"])
        .blocks_by_sha256d(),
    row("lyra2z", MemoryHard::Lyra2(Lyra2::Z), 24, Chains("Zcoin")).blocks_by_sha256d(),
    row("allium", MemoryHard::Lyra2(Lyra2::Allium), 24, Implementations("cpuminer-multi, Garlicoin"))
        .blocks_by_sha256d(),
    // NOMP counted 2^27 where all mining programs count 2^16.
    row("neoscrypt", MemoryHard::NeoScrypt, 16, Chains("Feathercoin, Vivo")).mpos(16).blocks_by_sha256d(),
    row("yescrypt", MemoryHard::Yescrypt(Yescrypt::R8), 16, Chains("Myriadcoin")).blocks_by_sha256d(),
    row("yescryptr16", MemoryHard::Yescrypt(Yescrypt::R16), 16, Chains("Bitweb, Yenten, Fennec")),
    row("yescryptr32", MemoryHard::Yescrypt(Yescrypt::R32), 16, Chains("WAVI, LuckyPepe")),
    row("argon2d-dyn", MemoryHard::Argon2d(Argon2d::DYNAMIC), 16, Chains("Dynamic")).aliases(&["argon2d500"]),
    row(
        "argon2d-dyn-v13",
        MemoryHard::Argon2d(Argon2d { v13: true, ..Argon2d::DYNAMIC }),
        16,
        Implementations("node-multi-hashing, argon2"),
    )
    .aliases(&["argon2d"]),
];
