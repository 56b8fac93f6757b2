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
            Self::Address(text) => safe(address::decode(text, forms)?),
            Self::KeyHash(hash) => Ok(script::pay_to_pubkey_hash(hash)),
            Self::PublicKey(key) => Ok(script::pay_to_pubkey(key)),
            Self::Script(script) => Ok(script.clone()),
        }
    }
}

/// The script of an address that a coinbase of ours is to pay, unless anybody could spend it: witness versions above 1, and
/// programs of version 1 that are no key, have no rules yet (BIP341). Whom a template orders to be paid is not our affair.
///
/// # Errors
/// Anybody could spend it.
pub fn safe(script: Vec<u8>) -> Result<Vec<u8>, AddressError> {
    match script::witness_program(&script) {
        None | Some((0, _) | (1, 32)) => Ok(script),
        Some((version, bytes)) => Err(AddressError::Open { version, bytes }),
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
    fn what_anybody_could_spend_is_no_destination() {
        let forms = AddressForms { segwit: vec!["bc".into()], ..AddressForms::default() };
        let script = |text: &str| Destination::parse(text).unwrap().script(&forms);
        for good in [
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ] {
            assert!(script(good).is_ok(), "{good}");
        }
        for (open, version, bytes) in [
            ("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", 1, 40),
            ("BC1SW50QGDZ25J", 16, 2),
            ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", 2, 16),
        ] {
            assert_eq!(script(open), Err(AddressError::Open { version, bytes }), "{open}");
            // Those that a template names are decoded all the same.
            assert!(address::decode(open, &forms).is_ok());
        }
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
