//! Addresses and the output scripts they stand for.
//!
//! Base58check with a version byte (BIP13 for script hashes), bech32 for segwit version 0 (BIP173),
//! bech32m for later versions (BIP350), and CashAddr. A coinbase paying to the wrong script burns the whole
//! block, so nothing is guessed: checksum, version, prefix and length must all fit.

use std::error::Error;
use std::ops::RangeInclusive;

use bech32::primitives::decode::{CheckedHrpstring, SegwitHrpstring, SegwitHrpstringError};
use bech32::{Bech32, Bech32m};

use super::form::AddressForms;
use super::{cash, script};
use crate::bytes::sha256::sha256d;

/// Longer texts are refused before decoding, whose cost grows with the square of the length. It is
/// the limit of BIP173; base58check addresses are far shorter.
const ADDRESS_CHARS_MAX: usize = 90;

/// How long base58check addresses are, but for hashes that begin with many zeros.
const BASE58CHECK_CHARS: RangeInclusive<usize> = 30..=36;

/// Why a text is not an address of the coin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// Longer than any address.
    #[error("the address has {chars} characters; no address has more than {ADDRESS_CHARS_MAX}")]
    TooLong {
        /// How many.
        chars: usize,
    },
    /// Not base58, and not a segwit address with one of the coin's prefixes either.
    #[error("character {character:?} at byte {position} does not occur in a base58 address")]
    Character {
        /// The offending character.
        character: char,
        /// Where it stands, in bytes from the start.
        position: usize,
    },
    /// Not base58 in some other way.
    #[error("not base58: {0}")]
    Base58(String),
    /// Base58check with a wrong checksum.
    #[error("the checksum is wrong: there is a typing error somewhere in the address")]
    Checksum,
    /// Base58check of something else than a version and a hash.
    #[error("the address carries {found} bytes where a version and a hash, 21 bytes, are expected")]
    Length {
        /// Bytes without the checksum.
        found: usize,
    },
    /// Base58check with a version that the coin does not use.
    #[error(
        "version byte {found} belongs to another coin or network; this coin has {pubkey_hash:?} for keys and \
         {script_hash:?} for scripts"
    )]
    Version {
        /// The address's version byte.
        found: u8,
        /// Those of the coin, for keys.
        pubkey_hash: Vec<u8>,
        /// Those of the coin, for scripts.
        script_hash: Vec<u8>,
    },
    /// A good segwit address with a prefix that the coin does not use.
    #[error("prefix {found:?} belongs to another coin or network; this coin has {known:?}")]
    Prefix {
        /// The address's human-readable part.
        found: String,
        /// Those of the coin.
        known: Vec<String>,
    },
    /// The coin's CashAddr prefix, but what follows is wrong.
    #[error("not a valid CashAddr address: {0}")]
    Cash(&'static str),
    /// A good CashAddr address, of a kind that no coinbase is paid to here.
    #[error("a CashAddr address of another kind than a key's or a script's hash of 20 bytes")]
    CashKind,
    /// The coin's segwit prefix, but what follows is wrong.
    #[error("not a valid segwit address: {0}")]
    Segwit(String),
    /// A good segwit address of a kind that has no rules yet.
    #[error(
        "it has witness version {version} and {bytes} bytes, for which there are no rules yet: anybody could spend what it \
         gets"
    )]
    Open {
        /// Its witness version.
        version: u8,
        /// Bytes of its program.
        bytes: usize,
    },
}

impl AddressError {
    /// Whether the text is an address beyond doubt, but mistyped: not one of another coin or of an unknown form, nor one
    /// with a checksum of the coin's own if it `has_own_checksums`.
    pub fn is_mistyped(&self, text: &str, has_own_checksums: bool) -> bool {
        match self {
            Self::Checksum => !has_own_checksums && BASE58CHECK_CHARS.contains(&text.len()),
            Self::Segwit(_) => true,
            Self::Cash(_) => text.contains(':'),
            _ => false,
        }
    }
}

/// The output script that pays to the address `text`.
///
/// Witness versions that have no meaning yet are decoded too, as BIP350 wants it.
///
/// # Errors
/// The text is not an address, or is one of another coin or network.
pub fn decode(text: &str, forms: &AddressForms) -> Result<Vec<u8>, AddressError> {
    let chars = text.chars().count();
    if chars == 0 {
        return Err(AddressError::Empty);
    }
    if chars > ADDRESS_CHARS_MAX {
        return Err(AddressError::TooLong { chars });
    }
    if let Some(read) = cash::decode(text, &forms.cash) {
        return read.map_err(|fault| match fault {
            cash::Fault::Kind(_) => AddressError::CashKind,
            cash::Fault::Checksum => AddressError::Cash("the checksum is wrong: it is mistyped, or of another network"),
            cash::Fault::Form => AddressError::Cash("it has characters or a length that no such address has"),
        });
    }
    let prefix = text.rsplit_once('1').map(|(prefix, _)| prefix.to_ascii_lowercase());
    let has_known_prefix = prefix.as_ref().is_some_and(|prefix| forms.segwit.contains(prefix));
    match (SegwitHrpstring::new(text), prefix) {
        (Ok(segwit), _) if has_known_prefix => {
            let program: Vec<u8> = segwit.byte_iter().collect();
            script::pay_to_witness_program(segwit.witness_version().to_u8(), &program)
                .ok_or_else(|| AddressError::Segwit(format!("no witness program has {} bytes", program.len())))
        }
        // One in some thousand base58 addresses begins with the prefix and a 1 by chance: `PC1` of Peercoin's.
        (Err(error), _) if has_known_prefix => {
            decode_base58check(text, forms).map_err(|_| AddressError::Segwit(reason(text, &error)))
        }
        // The checksum fits, so this is a segwit address and no mistyped base58 one.
        (Ok(_), Some(found)) => Err(AddressError::Prefix { found, known: forms.segwit.clone() }),
        _ => decode_base58check(text, forms),
    }
}

/// Whether a base58 address holds this hash, whatever its version and its checksum are: some coins have checksums of
/// their own.
pub fn holds(text: &str, hash: &[u8; 20]) -> bool {
    if text.len() > ADDRESS_CHARS_MAX {
        return false;
    }
    bs58::decode(text).into_vec().is_ok_and(|bytes| bytes.windows(hash.len()).any(|part| part == hash))
}

/// What is wrong with a segwit address, in words that help whoever typed it.
fn reason(text: &str, error: &SegwitHrpstringError) -> String {
    if !matches!(error, SegwitHrpstringError::Checksum(_)) {
        // The outer error names the part, its sources say what is wrong with it.
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            words = format!("{words}: {inner}");
            source = inner.source();
        }
        return words;
    }
    if CheckedHrpstring::new::<Bech32>(text).is_ok() {
        "it has a bech32 checksum where its version wants bech32m (BIP350); the wallet that made it is too old"
            .to_owned()
    } else if CheckedHrpstring::new::<Bech32m>(text).is_ok() {
        "it has a bech32m checksum where version 0 wants bech32 (BIP173)".to_owned()
    } else {
        "the checksum is wrong: there is a typing error somewhere in the address".to_owned()
    }
}

fn decode_base58check(text: &str, forms: &AddressForms) -> Result<Vec<u8>, AddressError> {
    let bytes = bs58::decode(text).into_vec().map_err(|error| match error {
        bs58::decode::Error::InvalidCharacter { index, .. } | bs58::decode::Error::NonAsciiCharacter { index } => {
            let character = text.get(index..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            AddressError::Character { character, position: index }
        }
        other => AddressError::Base58(other.to_string()),
    })?;
    let Some((payload, checksum)) = bytes.split_last_chunk::<4>() else {
        return Err(AddressError::Length { found: 0 });
    };
    if !sha256d(payload).starts_with(checksum) {
        return Err(AddressError::Checksum);
    }
    let Some((&version, Ok(hash))) = payload.split_first().map(|(version, hash)| (version, hash.try_into())) else {
        return Err(AddressError::Length { found: payload.len() });
    };
    if forms.pubkey_hash.contains(&version) {
        Ok(script::pay_to_pubkey_hash(hash))
    } else if forms.script_hash.contains(&version) {
        Ok(script::pay_to_script_hash(hash))
    } else {
        Err(AddressError::Version {
            found: version,
            pubkey_hash: forms.pubkey_hash.clone(),
            script_hash: forms.script_hash.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
