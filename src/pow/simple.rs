//! Algorithms of a line or two over functions from crates.

use blake2::Blake2s256;
use groestl::Groestl512;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha512};
use skein::Skein512;
use skein::digest::consts::U64;

use super::primitives::shavite::shavite512;
use super::{sha256, sha256d};
use crate::bytes::Hash;

/// The first 32 bytes of a longer hash.
pub fn truncated(hash: &[u8; 64]) -> Hash {
    let (first, _) = hash.split_first_chunk::<32>().unwrap_or((&[0xff; 32], &[]));
    *first
}

/// SHA-256 of Skein-512-512 (Skeincoin, Myriadcoin, DigiByte).
pub fn skein(header: &[u8]) -> Hash {
    sha256(&Skein512::<U64>::digest(header))
}

/// Groestl-512 twice, cut to 32 bytes (Groestlcoin).
pub fn groestl(header: &[u8]) -> Hash {
    truncated(&Groestl512::digest(Groestl512::digest(header)).into())
}

/// SHA-256 of Groestl-512 (Myriadcoin).
pub fn groestl_myriad(header: &[u8]) -> Hash {
    sha256(&Groestl512::digest(header))
}

/// SHAvite-3-512 twice, cut to 32 bytes (Inkcoin).
pub fn shavite3(header: &[u8]) -> Hash {
    truncated(&shavite512(&shavite512(header)))
}

/// BLAKE2s with 32 bytes of output and no key (Verge).
pub fn blake2s(header: &[u8]) -> Hash {
    Blake2s256::digest(header).into()
}

/// Letters of the base64 text that Sha1coin keeps, the windows it hashes, and how long those are.
const SHA1COIN_LETTERS: usize = 26;
const SHA1COIN_WINDOW: usize = 12;

/// Sha1coin: the SHA-1 of the header as base64, its first 26 letters and then 11 of them again, so
/// that a window of 12 starts at each of the 26; the SHA-1 of all windows, added up by XOR, behind
/// twelve zeros.
pub fn sha1coin(header: &[u8]) -> Hash {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha1::digest(header));
    let letters = text.as_bytes().get(..SHA1COIN_LETTERS).unwrap_or_default();
    let ring: Vec<u8> = letters.iter().chain(letters).take(SHA1COIN_LETTERS + SHA1COIN_WINDOW - 1).copied().collect();
    let mut hash = [0; 32];
    for window in ring.windows(SHA1COIN_WINDOW) {
        for (sum, byte) in hash.iter_mut().skip(12).zip(Sha1::digest(window)) {
            *sum ^= byte;
        }
    }
    hash
}

/// LBRY: RIPEMD-160 of both halves of the SHA-512 of the double SHA-256, and double SHA-256 of both.
pub fn lbry(header: &[u8]) -> Hash {
    let wide = Sha512::digest(sha256d(header));
    let (left, right) = wide.split_at(32);
    sha256d(&[Ripemd160::digest(left), Ripemd160::digest(right)].concat())
}
