//! X11 and its relatives: the header goes into the first function, the 64 bytes that come out into
//! the next, and the first 32 of the last are the hash.

use groestl::Groestl512;
use jh::Jh512;
use sha3::{Digest, Keccak512};
use skein::Skein512;
use skein::digest::consts::U64;

use super::primitives::blake;
use super::simple::truncated;
use crate::bytes::Hash;

/// What goes from one function of a chain to the next.
type Wide = [u8; 64];

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chained {
    /// BLAKE, Groestl, JH, Keccak, Skein: the five finalists for SHA-3.
    Nist5,
}

/// A function of a chain, 512 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Blake,
    Groestl,
    Jh,
    Keccak,
    Skein,
}

use Step::{Blake, Groestl, Jh, Keccak, Skein};

const NIST5: &[Step] = &[Blake, Groestl, Jh, Keccak, Skein];

impl Step {
    fn apply(self, data: &[u8]) -> Wide {
        match self {
            Blake => blake::blake512(data),
            Groestl => Groestl512::digest(data).into(),
            Jh => Jh512::digest(data).into(),
            Keccak => Keccak512::digest(data).into(),
            Skein => Skein512::<U64>::digest(data).into(),
        }
    }
}

/// One function after the other; the greatest hash if there is none.
fn through(steps: &[Step], header: &[u8]) -> Hash {
    let Some((first, others)) = steps.split_first() else { return [0xff; 32] };
    truncated(&others.iter().fold(first.apply(header), |value, step| step.apply(&value)))
}

impl Chained {
    /// The hash of a header of any length.
    pub fn hash(self, header: &[u8]) -> Hash {
        match self {
            Self::Nist5 => through(NIST5, header),
        }
    }
}
