//! Proof-of-work algorithms, behind one enum. SHA-256 is in [`crate::bytes::sha256`], since every
//! chain hashes its transactions with it.
//!
//! A header goes in, 32 bytes come out in internal byte order; read as a little-endian integer
//! they are compared with a target. Cheap algorithms are hashed where the share is read; the
//! others belong on the threads of [`hashers`].
//!
//! To add one: a variant of [`Algorithm`] with its line in [`Algorithm::hash_at`] and in
//! [`Algorithm::class`], a row in [`names`], and vectors in `tests/data/pow-vectors.json`. Functions
//! that no trustworthy crate offers are in [`primitives`], one file each.

mod argon2d;
mod bcrypt;
pub mod by_time;
mod chained;
mod cost;
pub mod hashers;
mod heavy;
pub mod ids;
mod keccak;
mod lyra2;
mod memory_hard;
pub mod names;
mod neoscrypt;
pub mod params;
pub mod primitives;
mod scratch;
pub mod scrypt;
mod simple;
mod yescrypt;

use crate::bytes::Hash;

pub use self::argon2d::Argon2d;
pub use self::chained::Chained;
pub use self::cost::{Class, Cost};
pub use self::lyra2::Lyra2;
pub use self::memory_hard::MemoryHard;
pub use self::scratch::Scratch;
pub use self::yescrypt::Yescrypt;
pub use crate::bytes::sha256::{sha256, sha256d};

/// A proof-of-work algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Double SHA-256.
    Sha256d,
    /// scrypt with p = 1.
    Scrypt {
        /// log2 of the cost N.
        log_n: u8,
        /// Block size.
        r: u32,
    },
    /// Keccak-256 with the original padding.
    Keccak,
    /// Keccak-256 of the Keccak-256 of header and time: "normal hashing".
    KeccakNormal,
    /// SHA-256 of Skein-512-512.
    Skein,
    /// Groestl-512 twice.
    Groestl,
    /// SHA-256 of Groestl-512.
    GroestlMyriad,
    /// BLAKE-256 with eight rounds.
    Blake,
    /// SHAvite-3-512 twice.
    Shavite3,
    /// Fugue-256.
    Fugue,
    /// Heavycoin's four hashes around HEFTY1.
    Hefty1,
    /// The same with the bits that NOMP took.
    Hefty1Nomp,
    /// Three cores of bcrypt with cost 12.
    Bcrypt,
    /// BLAKE2s-256.
    Blake2s,
    /// SHA-1 over twenty-six windows of a base64 text.
    Sha1coin,
    /// SHA-256, SHA-512 and RIPEMD-160 (LBRY).
    Lbry,
    /// A cipher that changes with time, and Keccak-p[800] (DigiByte).
    Odocrypt {
        /// So many seconds a cipher is in force: ten days on the main network.
        epoch_secs: u32,
    },
    /// Functions of 512 bits one after the other: X11 and its relatives.
    Chained(Chained),
    /// scrypt's descendants and what else is made to need memory.
    MemoryHard(MemoryHard),
}

/// Parameters that no hash can be computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "scrypt with log_n {log_n} and r {r} is not supported: log_n and r must be at least 1, r at most {r_max}, and the memory, \
     128 * r * 2^log_n bytes, at most {max} bytes",
    r_max = scrypt::R_MAX,
    max = scrypt::MEMORY_BYTES_MAX
)]
pub struct UnsupportedParameters {
    log_n: u8,
    r: u32,
}

impl Algorithm {
    /// Whether the parameters can be computed with; to be asked when configuration is read.
    ///
    /// # Errors
    /// scrypt parameters that are out of range or need too much memory.
    pub fn check(self) -> Result<(), UnsupportedParameters> {
        match self {
            Self::Scrypt { log_n, r } if !scrypt::is_supported(log_n, r) => Err(UnsupportedParameters { log_n, r }),
            Self::MemoryHard(memory_hard) => memory_hard.check(),
            _ => Ok(()),
        }
    }

    /// Whether a hash can be computed at a time, for the algorithms that [change with time](Algorithm::depends_on_time).
    ///
    /// # Errors
    /// It would need more memory than a hash may have.
    pub fn check_at(self, time: u32) -> Result<(), UnsupportedParameters> {
        match self {
            Self::MemoryHard(memory_hard) => memory_hard.check_at(time),
            _ => self.check(),
        }
    }

    /// The hash of `header`, whatever its length. With parameters that [`Algorithm::check`] refuses
    /// the answer is the greatest hash there is, which meets no target.
    pub fn hash(self, header: &[u8], scratch: &mut Scratch) -> Hash {
        self.hash_at(header, header_time(header), scratch)
    }

    /// [`Algorithm::hash`] at another time than the header's own, for the algorithms that
    /// [change with time](Algorithm::depends_on_time).
    pub fn hash_at(self, header: &[u8], time: u32, scratch: &mut Scratch) -> Hash {
        match self {
            Self::Sha256d => sha256d(header),
            Self::Scrypt { log_n, r } => scrypt::hash(header, log_n, r, &mut scratch.scrypt),
            Self::Keccak => keccak::keccak256(header),
            Self::KeccakNormal => keccak::normal(header, time),
            Self::Skein => simple::skein(header),
            Self::Groestl => simple::groestl(header),
            Self::GroestlMyriad => simple::groestl_myriad(header),
            Self::Blake => primitives::blake::blake256_8(header),
            Self::Shavite3 => simple::shavite3(header),
            Self::Fugue => primitives::fugue::fugue256(header),
            Self::Hefty1 => heavy::heavy(header),
            Self::Hefty1Nomp => heavy::heavy_nomp(header),
            Self::Bcrypt => bcrypt::hash(header),
            Self::Blake2s => simple::blake2s(header),
            Self::Sha1coin => simple::sha1coin(header),
            Self::Lbry => simple::lbry(header),
            Self::Odocrypt { epoch_secs } => scratch.odocrypt(time, epoch_secs).hash(header),
            Self::Chained(chained) => chained.hash(header),
            Self::MemoryHard(memory_hard) => memory_hard.hash_at(header, time, scratch),
        }
    }

    /// Appends the hash of each of `headers` to `hashes`, in order.
    pub fn hash_batch(self, headers: &[&[u8]], scratch: &mut Scratch, hashes: &mut Vec<Hash>) {
        match self {
            Self::Scrypt { log_n, r } => scrypt::hash_batch(headers, log_n, r, &mut scratch.scrypt, hashes),
            Self::MemoryHard(memory_hard) => memory_hard.hash_batch(headers, scratch, hashes),
            _ => hashes.extend(headers.iter().map(|header| self.hash(header, scratch))),
        }
    }

    /// How many headers are worth hashing at once: as many as are computed side by side.
    pub fn batch_max(self) -> usize {
        match self {
            Self::Scrypt { log_n, r } => scrypt::batch_max(log_n, r),
            Self::MemoryHard(memory_hard) => memory_hard.batch_max(),
            _ => 1,
        }
    }

    /// The time in a header by which the algorithm's cost is measured; of no importance to those that do not change with it.
    pub fn measured_at(self) -> u32 {
        match self {
            Self::MemoryHard(memory_hard) => memory_hard.measured_at(),
            _ => 0,
        }
    }

    /// Whether the header's time decides how it is hashed. A share whose time is out of its window
    /// must not be hashed then: whoever chooses the time would choose the cost.
    pub fn depends_on_time(self) -> bool {
        match self {
            Self::KeccakNormal | Self::Odocrypt { .. } => true,
            Self::MemoryHard(memory_hard) => memory_hard.depends_on_time(),
            Self::Sha256d
            | Self::Scrypt { .. }
            | Self::Keccak
            | Self::Skein
            | Self::Groestl
            | Self::GroestlMyriad
            | Self::Blake
            | Self::Shavite3
            | Self::Fugue
            | Self::Hefty1
            | Self::Hefty1Nomp
            | Self::Bcrypt
            | Self::Blake2s
            | Self::Sha1coin
            | Self::Lbry
            | Self::Chained(_) => false,
        }
    }
}

/// The time in a header of the usual form; 0 if it is too short to have one.
pub fn header_time(header: &[u8]) -> u32 {
    header.get(68..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
