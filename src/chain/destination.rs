//! Where a coinbase pays to, as operators write it.

use super::address::{self, AddressError};
use super::form::AddressForms;
use super::script;
use crate::bytes::hex;

/// The whole of a reward, in the unit in which shares of it are counted.
pub const WHOLE_PPM: u32 = 1_000_000;
/// Written before a raw output script.
const SCRIPT_MARK: &str = "script:";
/// Longest raw script: far beyond any that somebody is paid by, far below what would fill a block.
pub const SCRIPT_BYTES_MAX: usize = 520;

/// Where a coinbase pays to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An address of the coin.
    Address(String),
    /// The HASH160 of a key: 40 hexadecimal digits.
    KeyHash([u8; 20]),
    /// A public key itself: 66 or 130 hexadecimal digits.
    PublicKey(Vec<u8>),
    /// An output script: `script:` and its hexadecimal digits.
    Script(Vec<u8>),
}

/// Why a text is no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// `script:` is followed by something else.
    #[error(
        "`script:` must be followed by the hexadecimal digits of an output script, {SCRIPT_BYTES_MAX} bytes at most"
    )]
    Script,
    /// 66 or 130 hexadecimal digits that are no public key.
    #[error("a public key starts with 02 or 03 and has 66 digits, or with 04 and has 130")]
    PublicKey,
}

impl Destination {
    /// Reads what the operator wrote. Whether an address is one of the coin is seen by
    /// [`Destination::script`].
    ///
    /// # Errors
    /// A text that is marked or shaped as a script or a key, but is none.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if let Some(digits) = text.strip_prefix(SCRIPT_MARK) {
            let script = hex::decode(digits.as_bytes()).filter(|script| (1..=SCRIPT_BYTES_MAX).contains(&script.len()));
            return script.map(Self::Script).ok_or(DestinationError::Script);
        }
        // No address is so long and of such digits alone.
        match (text.len(), hex::decode(text.as_bytes())) {
            (40, Some(hash)) => hash.try_into().map(Self::KeyHash).map_err(|_| DestinationError::PublicKey),
            (66 | 130, Some(key)) => match (key.first(), key.len()) {
                (Some(2 | 3), 33) | (Some(4), 65) => Ok(Self::PublicKey(key)),
                _ => Err(DestinationError::PublicKey),
            },
            _ => Ok(Self::Address(text.to_owned())),
        }
    }

    /// The address, if it is one: nodes can be asked about it.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Address(address) => Some(address),
            _ => None,
        }
    }

    /// The output script that pays it, by our own reading.
    ///
    /// # Errors
    /// The address is none of the coin.
    pub fn script(&self, forms: &AddressForms) -> Result<Vec<u8>, AddressError> {
        match self {
            Self::Address(text) => address::decode(text, forms),
            Self::KeyHash(hash) => Ok(script::pay_to_pubkey_hash(hash)),
            Self::PublicKey(key) => Ok(script::pay_to_pubkey(key)),
            Self::Script(script) => Ok(script.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<String, DestinationError> {
        let forms = AddressForms { pubkey_hash: vec![0], ..AddressForms::default() };
        Destination::parse(text).map(|to| hex::encode(&to.script(&forms).unwrap()))
    }

    #[test]
    fn every_way_to_write_one() {
        let key = format!("02{}", "11".repeat(32));
        let long = format!("04{}", "11".repeat(64));
        assert_eq!(script(&key), Ok(format!("21{key}ac")));
        assert_eq!(script(&long), Ok(format!("41{long}ac")));
        assert_eq!(script(&"22".repeat(20)), Ok(format!("76a914{}88ac", "22".repeat(20))));
        assert_eq!(script("script:6a00"), Ok("6a00".to_owned()));
        let genesis = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        assert_eq!(script(genesis), Ok("76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac".to_owned()));
        assert_eq!(Destination::parse(genesis).unwrap().address(), Some(genesis));
        assert_eq!(Destination::parse(&key).unwrap().address(), None);
    }

    #[test]
    fn what_is_shaped_like_one_and_is_none() {
        for bad in ["script:", "script:6", "script:0x00", &format!("script:{}", "00".repeat(SCRIPT_BYTES_MAX + 1))] {
            assert_eq!(script(bad), Err(DestinationError::Script), "{bad}");
        }
        for bad in
            [format!("05{}", "11".repeat(32)), format!("02{}", "11".repeat(64)), format!("04{}", "11".repeat(32))]
        {
            assert_eq!(script(&bad), Err(DestinationError::PublicKey), "{bad}");
        }
    }
}
