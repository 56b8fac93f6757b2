//! Bytes and what is made of them: values one after the other, hexadecimal, CompactSize, 256-bit integers, SHA-256, HASH160.

pub mod fields;
pub mod hash160;
pub mod hex;
pub mod sha256;
pub mod u256;
pub mod varint;

/// A 32-byte hash in internal byte order, the order in which it is hashed and serialised.
/// Its display form (RPC, block explorers, MPOS) is the reverse.
pub type Hash = [u8; 32];

/// The display form of a hash: 64 lower-case hexadecimal digits, byte order reversed.
pub fn display_hash(hash: &Hash) -> String {
    let mut reversed = *hash;
    reversed.reverse();
    hex::encode(&reversed)
}

/// Reads the display form of a hash.
pub fn parse_display_hash(text: &str) -> Option<Hash> {
    let mut hash: Hash = hex::decode_array(text.as_bytes())?;
    hash.reverse();
    Some(hash)
}
