//! Scripts: pushes of data and heights, and the output scripts that addresses stand for.

/// Pushes an empty string, which is also the number 0.
const OP_0: u8 = 0x00;
/// The greatest length that is its own push opcode.
const DIRECT_PUSH_MAX: usize = 75;
const OP_PUSHDATA1: u8 = 0x4c;
const OP_PUSHDATA2: u8 = 0x4d;
const OP_PUSHDATA4: u8 = 0x4e;
/// OP_1 stands for the number 1, and so on to OP_16.
const OP_1: u8 = 0x51;
const OP_16: u8 = 0x60;
const OP_DUP: u8 = 0x76;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_HASH160: u8 = 0xa9;
const OP_CHECKSIG: u8 = 0xac;

/// Appends the height as BIP34 wants it at the start of a coinbase's script: the shortest push of
/// a script number. 0 to 16 have opcodes of their own; from 17 on it is a length and little-endian
/// bytes, with a zero byte added where the topmost bit would read as a minus sign.
pub fn push_height(height: u32, script: &mut Vec<u8>) {
    match u8::try_from(height) {
        Ok(0) => script.push(OP_0),
        Ok(small @ 1..=16) => script.push(OP_1 + small - 1),
        _ => {
            let bytes = u64::from(height).to_le_bytes();
            // The bits of the number and one for the sign, in whole bytes.
            let length = (u32::BITS - height.leading_zeros()) as usize / 8 + 1;
            push_data(&bytes[..length], script);
        }
    }
}

/// Appends a push of `data`: the shortest opcode that can carry its length, then the bytes. Single
/// bytes are pushed as they are, never as OP_1 to OP_16, so the size depends on the length alone.
pub fn push_data(data: &[u8], script: &mut Vec<u8>) {
    push_length(data.len(), script);
    script.extend_from_slice(data);
}

/// Appends the opcode and length of a push of `length` bytes, which are to follow.
pub fn push_length(length: usize, script: &mut Vec<u8>) {
    let bytes = length.to_le_bytes();
    match length {
        0..=DIRECT_PUSH_MAX => script.push(bytes[0]),
        76..=0xff => script.extend_from_slice(&[OP_PUSHDATA1, bytes[0]]),
        0x100..=0xffff => script.extend_from_slice(&[OP_PUSHDATA2, bytes[0], bytes[1]]),
        // A push of 4 GiB or more cannot be written; no data of that size exists here.
        _ => script.extend_from_slice(&[OP_PUSHDATA4, bytes[0], bytes[1], bytes[2], bytes[3]]),
    }
}

/// Pays to a key itself, as the first coinbases did; coins with proof of stake still want it.
pub fn pay_to_pubkey(key: &[u8]) -> Vec<u8> {
    let mut script = Vec::new();
    push_data(key, &mut script);
    script.push(OP_CHECKSIG);
    script
}

/// Pays to the key whose HASH160 this is.
pub fn pay_to_pubkey_hash(hash: &[u8; 20]) -> Vec<u8> {
    let mut script = vec![OP_DUP, OP_HASH160];
    push_data(hash, &mut script);
    script.extend_from_slice(&[OP_EQUALVERIFY, OP_CHECKSIG]);
    script
}

/// Pays to the script whose HASH160 this is (BIP16).
pub fn pay_to_script_hash(hash: &[u8; 20]) -> Vec<u8> {
    let mut script = vec![OP_HASH160];
    push_data(hash, &mut script);
    script.push(OP_EQUAL);
    script
}

/// Whether a script pays to the hash of another script (BIP16); `None`: it is of neither of the first two kinds of addresses.
pub fn pays_to_script(script: &[u8]) -> Option<bool> {
    match (script.first(), script.len()) {
        (Some(&OP_HASH160), 23) => Some(true),
        (Some(&OP_DUP), 25) => Some(false),
        _ => None,
    }
}

/// Pays to a witness program (BIP141): `None` unless the version is 0 to 16 and the program has 2
/// to 40 bytes, for version 0 exactly 20 or 32.
pub fn pay_to_witness_program(version: u8, program: &[u8]) -> Option<Vec<u8>> {
    let mut script = vec![match (version, program.len()) {
        (0, 20 | 32) => OP_0,
        (1..=16, 2..=40) => OP_1 + version - 1,
        _ => return None,
    }];
    push_data(program, &mut script);
    Some(script)
}

/// Version and length of the witness program that an output script pays to, if it is such a script (BIP141).
pub fn witness_program(script: &[u8]) -> Option<(u8, usize)> {
    let (&version, program) = script.split_first()?;
    let (&length, program) = program.split_first()?;
    let version = match version {
        OP_0 => 0,
        OP_1..=OP_16 => version - OP_1 + 1,
        _ => return None,
    };
    (usize::from(length) == program.len() && (2..=40).contains(&program.len())).then_some((version, program.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::hex;

    fn height(height: u32) -> String {
        let mut script = Vec::new();
        push_height(height, &mut script);
        hex::encode(&script)
    }

    /// Reads a script number as the node does: little-endian with the sign in the topmost bit.
    fn read_number(bytes: &[u8]) -> i64 {
        let mut value = 0i64;
        for (index, byte) in bytes.iter().enumerate() {
            let is_last = index + 1 == bytes.len();
            value |= i64::from(if is_last { byte & 0x7f } else { *byte }) << (8 * index);
        }
        if bytes.last().is_some_and(|last| last & 0x80 != 0) { -value } else { value }
    }

    #[test]
    fn b16_heights_at_every_boundary() {
        for (number, script) in [
            (0, "00"),
            (1, "51"),
            (2, "52"),
            (16, "60"),
            (17, "0111"),
            (127, "017f"),
            (128, "028000"),
            (255, "02ff00"),
            (256, "020001"),
            (32_767, "02ff7f"),
            (32_768, "03008000"),
            // The first block under BIP34 and, as its coinbase has it, block 951,658.
            (227_931, "035b7a03"),
            (951_658, "036a850e"),
            (8_388_607, "03ffff7f"),
            (8_388_608, "0400008000"),
            (0x7fff_ffff, "04ffffff7f"),
            (0x8000_0000, "050000008000"),
            (u32::MAX, "05ffffffff00"),
        ] {
            assert_eq!(height(number), script, "{number}");
        }
    }

    #[test]
    fn pushes_use_the_shortest_opcode() {
        for (length, opcode) in [
            (0, "00"),
            (1, "01"),
            (75, "4b"),
            (76, "4c4c"),
            (255, "4cff"),
            (256, "4d0001"),
            (65_535, "4dffff"),
            (65_536, "4e00000100"),
        ] {
            let data = vec![0xee; length];
            let mut script = vec![0xaa];
            push_data(&data, &mut script);
            let head = script.len() - length;
            assert_eq!(hex::encode(&script[..head]), format!("aa{opcode}"), "{length}");
            assert_eq!(script[head..], data);
        }
    }

    #[test]
    fn output_scripts() {
        assert_eq!(hex::encode(&pay_to_pubkey_hash(&[0x11; 20])), format!("76a914{}88ac", "11".repeat(20)));
        assert_eq!(hex::encode(&pay_to_script_hash(&[0x22; 20])), format!("a914{}87", "22".repeat(20)));
        let program = |version, length| pay_to_witness_program(version, &vec![0x33; length]).map(|s| hex::encode(&s));
        assert_eq!(program(0, 20), Some(format!("0014{}", "33".repeat(20))));
        assert_eq!(program(0, 32), Some(format!("0020{}", "33".repeat(32))));
        assert_eq!(program(1, 32), Some(format!("5120{}", "33".repeat(32))));
        assert_eq!(program(16, 2), Some("60023333".to_owned()));
        for (version, length) in [(0, 2), (0, 21), (0, 40), (1, 1), (1, 41), (17, 32), (255, 32)] {
            assert_eq!(program(version, length), None, "version {version}, {length} bytes");
        }
    }

    proptest! {
        #[test]
        fn a_height_reads_back_and_is_minimal(number in prop_oneof![0u32..70_000, any::<u32>()]) {
            let mut script = Vec::new();
            push_height(number, &mut script);
            match number {
                0 => prop_assert_eq!(script, [0]),
                1..=16 => prop_assert_eq!(u32::from(script[0]), 0x50 + number),
                _ => {
                    prop_assert_eq!(usize::from(script[0]), script.len() - 1);
                    let bytes = &script[1..];
                    prop_assert_eq!(read_number(bytes), i64::from(number));
                    // Minimal: without the last byte it would be another number or negative.
                    prop_assert!(read_number(&bytes[..bytes.len() - 1]) != i64::from(number));
                }
            }
        }
    }
}
