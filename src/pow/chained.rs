//! X11 and its relatives: the header goes into the first function, the 64 bytes that come out into
//! the next, and the first 32 of the last are the hash.

use groestl::Groestl512;
use jh::Jh512;
use sha3::{Digest, Keccak512};
use skein::Skein512;
use skein::digest::consts::U64;

use super::primitives::{blake, bmw, cubehash, echo, luffa, shavite, simd};
use super::simple::truncated;
use crate::bytes::Hash;

/// What goes from one function of a chain to the next.
type Wide = [u8; 64];

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chained {
    /// BLAKE, Groestl, JH, Keccak, Skein: the five finalists for SHA-3.
    Nist5,
    /// Nine steps of six functions, three of them chosen by what came before.
    Quark,
    /// Eleven functions.
    X11,
    /// X11 in another order.
    C11,
    /// The last five functions of X11.
    Qubit,
    /// SHAvite and SIMD twice, and ECHO.
    Fresh,
}

/// A function of a chain, 512 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Blake,
    Bmw,
    Groestl,
    Jh,
    Keccak,
    Skein,
    Luffa,
    CubeHash,
    Shavite,
    Simd,
    Echo,
}

use Step::{Blake, Bmw, CubeHash, Echo, Groestl, Jh, Keccak, Luffa, Shavite, Simd, Skein};

const NIST5: &[Step] = &[Blake, Groestl, Jh, Keccak, Skein];
const X11: &[Step] = &[Blake, Bmw, Groestl, Skein, Jh, Keccak, Luffa, CubeHash, Shavite, Simd, Echo];
const C11: &[Step] = &[Blake, Bmw, Groestl, Jh, Keccak, Skein, Luffa, CubeHash, Shavite, Simd, Echo];
const QUBIT: &[Step] = &[Luffa, CubeHash, Shavite, Simd, Echo];
const FRESH: &[Step] = &[Shavite, Simd, Shavite, Simd, Echo];

/// Quark's steps after the first: the function if bit 3 of what came before is set, and if it is not.
const QUARK: [[Step; 2]; 8] = [
    [Bmw, Bmw],
    [Groestl, Skein],
    [Groestl, Groestl],
    [Jh, Jh],
    [Blake, Bmw],
    [Keccak, Keccak],
    [Skein, Skein],
    [Keccak, Jh],
];

impl Step {
    fn apply(self, data: &[u8]) -> Wide {
        match self {
            Blake => blake::blake512(data),
            Bmw => bmw::bmw512(data),
            Groestl => Groestl512::digest(data).into(),
            Jh => Jh512::digest(data).into(),
            Keccak => Keccak512::digest(data).into(),
            Skein => Skein512::<U64>::digest(data).into(),
            Luffa => luffa::luffa512(data),
            CubeHash => cubehash::cubehash512(data),
            Shavite => shavite::shavite512(data),
            Simd => simd::simd512(data),
            Echo => echo::echo512(data),
        }
    }
}

/// One function after the other; the greatest hash if there is none.
fn through(steps: &[Step], header: &[u8]) -> Hash {
    let Some((first, others)) = steps.split_first() else { return [0xff; 32] };
    truncated(&others.iter().fold(first.apply(header), |value, step| step.apply(&value)))
}

fn quark(header: &[u8]) -> Hash {
    let first = Blake.apply(header);
    truncated(&QUARK.iter().fold(first, |value, [set, clear]| {
        let step = if value[0] & 8 == 0 { clear } else { set };
        step.apply(&value)
    }))
}

impl Chained {
    /// The hash of a header of any length.
    pub fn hash(self, header: &[u8]) -> Hash {
        match self {
            Self::Nist5 => through(NIST5, header),
            Self::Quark => quark(header),
            Self::X11 => through(X11, header),
            Self::C11 => through(C11, header),
            Self::Qubit => through(QUBIT, header),
            Self::Fresh => through(FRESH, header),
        }
    }
}
