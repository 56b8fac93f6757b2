//! One round of AES (FIPS 197), which some hash functions are built of: by the processor's own instruction
//! where it has one.

use aes::hazmat::cipher_round;

/// SubBytes, ShiftRows, MixColumns and the addition of a key.
#[inline]
pub fn aes_round(block: [u8; 16], key: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    cipher_round(&mut block, &key.into());
    block.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn the_first_round_of_the_example_in_fips_197() {
        let bytes = |text: &str| hex::decode(text.as_bytes()).unwrap().try_into().unwrap();
        let start = bytes("193de3bea0f4e22b9ac68d2ae9f84808");
        let key = bytes("a0fafe1788542cb123a339392a6c7605");
        assert_eq!(aes_round(start, key), bytes("a49c7ff2689f352b6b5bea43026a5049"));
    }
}
