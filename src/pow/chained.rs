//! X11 and its relatives: the header goes into the first function, the 64 bytes that come out into
//! the next, and the first 32 of the last are the hash.

use groestl::Groestl512;
use jh::Jh512;
use sha3::{Digest, Keccak512};
use shabal::Shabal512;
use skein::Skein512;
use skein::digest::consts::U64;
use tiger::Tiger;

use super::primitives::{blake, bmw, cubehash, echo, fugue, hamsi, haval, luffa, shavite, simd};
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
    /// X11, Hamsi and Fugue.
    X13,
    /// X13 and Shabal.
    X14,
    /// X14 and Whirlpool.
    X15,
    /// X15, SHA-512 and HAVAL.
    X17,
    /// Sixteen picks, with repetitions, out of X15's functions and SHA-512: the hash of the previous block picks.
    X16r,
    /// X16R with Tiger before three of the functions.
    X16rv2,
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
    Hamsi,
    Fugue,
    Shabal,
    Whirlpool,
    Sha512,
    /// 256 bits, with zeros behind them.
    Haval,
}

use Step::{
    Blake, Bmw, CubeHash, Echo, Fugue, Groestl, Hamsi, Haval, Jh, Keccak, Luffa, Sha512, Shabal, Shavite, Simd, Skein,
    Whirlpool,
};

const NIST5: &[Step] = &[Blake, Groestl, Jh, Keccak, Skein];
const X11: &[Step] = &[Blake, Bmw, Groestl, Skein, Jh, Keccak, Luffa, CubeHash, Shavite, Simd, Echo];
const C11: &[Step] = &[Blake, Bmw, Groestl, Jh, Keccak, Skein, Luffa, CubeHash, Shavite, Simd, Echo];
const QUBIT: &[Step] = &[Luffa, CubeHash, Shavite, Simd, Echo];
const FRESH: &[Step] = &[Shavite, Simd, Shavite, Simd, Echo];
/// X13 to X17 go on where X11 ends.
const X13_TAIL: [Step; 2] = [Hamsi, Fugue];
const X15_TAIL: [Step; 4] = [Hamsi, Fugue, Shabal, Whirlpool];
const X17_TAIL: [Step; 6] = [Hamsi, Fugue, Shabal, Whirlpool, Sha512, Haval];

/// What the hexadecimal digits of the previous block's hash stand for in X16R.
const X16R: [Step; 16] = [
    Blake, Bmw, Groestl, Jh, Keccak, Skein, Luffa, CubeHash, Shavite, Simd, Echo, Hamsi, Fugue, Shabal, Whirlpool,
    Sha512,
];

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
            Hamsi => hamsi::hamsi512(data),
            Fugue => fugue::fugue512(data),
            Shabal => Shabal512::digest(data).into(),
            Whirlpool => whirlpool::Whirlpool::digest(data).into(),
            Sha512 => sha2::Sha512::digest(data).into(),
            Haval => padded(&haval::haval256_5(data)),
        }
    }
}

/// A shorter hash with zeros behind it.
fn padded(hash: &[u8]) -> Wide {
    let mut wide = [0; 64];
    for (to, from) in wide.iter_mut().zip(hash) {
        *to = *from;
    }
    wide
}

/// One function after the other; the greatest hash if there is none.
fn through(steps: &[Step], header: &[u8]) -> Hash {
    further(steps, &[], header)
}

/// The same with more functions behind them.
fn further(steps: &[Step], tail: &[Step], header: &[u8]) -> Hash {
    let Some((first, others)) = steps.split_first() else { return [0xff; 32] };
    truncated(&others.iter().chain(tail).fold(first.apply(header), |value, step| step.apply(&value)))
}

/// The functions that a header picks: the last sixteen digits of the previous block's hash as it is
/// displayed, bytes 11 down to 4 of the header. Bytes that a header does not have count as zero.
fn x16r_picks(header: &[u8]) -> impl Iterator<Item = Step> {
    let bytes = (4..12).rev().map(|at| header.get(at).copied().unwrap_or(0));
    bytes.flat_map(|byte| [byte >> 4, byte & 0xf]).map(|digit| X16R[usize::from(digit)])
}

fn x16r(header: &[u8], with_tiger: bool) -> Hash {
    let apply = |step: Step, data: &[u8]| {
        if with_tiger && matches!(step, Keccak | Luffa | Sha512) {
            step.apply(&padded(&Tiger::digest(data)))
        } else {
            step.apply(data)
        }
    };
    let mut picks = x16r_picks(header);
    let first = picks.next().unwrap_or(Blake);
    truncated(&picks.fold(apply(first, header), |value, step| apply(step, &value)))
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
            Self::X13 => further(X11, &X13_TAIL, header),
            Self::X14 => further(X11, &X15_TAIL[..3], header),
            Self::X15 => further(X11, &X15_TAIL, header),
            Self::X17 => further(X11, &X17_TAIL, header),
            Self::X16r => x16r(header, false),
            Self::X16rv2 => x16r(header, true),
        }
    }
}
