//! One round of AES (FIPS 197), which some hash functions are built of: by the processor's own instruction
//! where it has one.

use aes::hazmat::{cipher_round, cipher_round_par};

/// SubBytes, ShiftRows, MixColumns and the addition of a key.
#[inline]
pub fn aes_round(block: [u8; 16], key: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    cipher_round(&mut block, &key.into());
    block.into()
}

/// The same of eight blocks, side by side.
#[inline]
pub fn aes_rounds(blocks: [[u8; 16]; 8], keys: [[u8; 16]; 8]) -> [[u8; 16]; 8] {
    let mut blocks = blocks.map(aes::Block::from).into();
    cipher_round_par(&mut blocks, &keys.map(aes::Block::from).into());
    std::array::from_fn(|index| blocks[index].into())
}

/// The product of two bytes in the field of AES.
pub const fn times(byte: u8, by: u8) -> u8 {
    let (mut product, mut shifted, mut rest) = (0, byte, by);
    while rest > 0 {
        if rest & 1 == 1 {
            product ^= shifted;
        }
        shifted = shifted << 1 ^ if shifted & 0x80 == 0 { 0 } else { 0x1b };
        rest >>= 1;
    }
    product
}

/// The S-box of AES (FIPS 197, 5.1.1): the inverse in the field, then an affine map.
pub const S_BOX: [u8; 256] = {
    let mut s_box = [0x63; 256];
    // Powers of a generator, and those of its inverse beside them.
    let (mut power, mut inverse) = (1, 1);
    let mut count = 0;
    while count < 255 {
        let mixed = inverse
            ^ u8::rotate_left(inverse, 1)
            ^ u8::rotate_left(inverse, 2)
            ^ u8::rotate_left(inverse, 3)
            ^ u8::rotate_left(inverse, 4);
        s_box[power as usize] = mixed ^ 0x63;
        power = times(power, 3);
        inverse = times(inverse, 0xf6);
        count += 1;
    }
    s_box
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn the_s_box_is_that_of_fips_197() {
        assert_eq!(S_BOX[..4], [0x63, 0x7c, 0x77, 0x7b]);
        assert_eq!((S_BOX[0x53], S_BOX[0xff]), (0xed, 0x16));
        assert_eq!((times(0x57, 0x83), times(3, 0xf6)), (0xc1, 1));
    }

    #[test]
    fn the_first_round_of_the_example_in_fips_197() {
        let bytes = |text: &str| hex::decode(text.as_bytes()).unwrap().try_into().unwrap();
        let start = bytes("193de3bea0f4e22b9ac68d2ae9f84808");
        let key = bytes("a0fafe1788542cb123a339392a6c7605");
        assert_eq!(aes_round(start, key), bytes("a49c7ff2689f352b6b5bea43026a5049"));
        let (mut starts, mut keys) = ([[7; 16]; 8], [[9; 16]; 8]);
        (starts[5], keys[5]) = (start, key);
        let all = aes_rounds(starts, keys);
        assert_eq!((all[5], all[0], all[7]), (aes_round(start, key), aes_round([7; 16], [9; 16]), all[0]));
    }
}
