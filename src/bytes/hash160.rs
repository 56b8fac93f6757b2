//! RIPEMD-160 of SHA-256: the hash of public keys and scripts in addresses.

use ripemd::Ripemd160;
use sha2::Digest;

use super::sha256::sha256;

/// RIPEMD-160 of the SHA-256 of `data`.
pub fn hash160(data: &[u8]) -> [u8; 20] {
    Ripemd160::digest(sha256(data)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn the_key_of_bip173s_examples() {
        let key = hex::decode(b"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798").unwrap();
        assert_eq!(hex::encode(&hash160(&key)), "751e76e8199196d454941c45d1b3a323f1433bd6");
    }
}
