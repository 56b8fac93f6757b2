//! Strict hexadecimal: both letter cases are read, only lower case is written, and nothing but
//! hexadecimal digits of the expected count is accepted. Lenient decoders (stopping at the first
//! bad digit, padding short input) let one share be credited under two spellings.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of one digit.
const fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// Lower-case digits of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Appends lower-case digits of `bytes` to `out`.
pub fn encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Decodes exactly `out.len()` bytes; false on any other length or any other character.
pub fn decode_into(text: &[u8], out: &mut [u8]) -> bool {
    if text.len() != out.len() * 2 {
        return false;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return false };
        *byte = high << 4 | low;
    }
    true
}

/// Decodes exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes).then_some(bytes)
}

/// Decodes any even number of digits.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    decode_into(text, &mut bytes).then_some(bytes)
}

/// Decodes exactly eight digits as a big-endian 32-bit number, the form of `ntime`, `nonce`,
/// `version` and `nbits` on the wire.
pub fn decode_u32(text: &[u8]) -> Option<u32> {
    decode_array::<4>(text).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_cases_and_writes_lower_case() {
        assert_eq!(decode(b"00fFAb").as_deref(), Some(&[0, 0xff, 0xab][..]));
        assert_eq!(encode(&[0, 0xff, 0xab]), "00ffab");
        let mut out = b"x".to_vec();
        encode_into(&[0x1e], &mut out);
        assert_eq!(out, b"x1e");
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [&b"0"[..], b"0g", b" 0", b"0x00", b"00 ", b"+1", b"\xff\xff", b"-1"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        assert_eq!(decode_array::<4>(b"0000000"), None);
        assert_eq!(decode_array::<4>(b"000000000"), None);
        assert_eq!(decode_u32(b"1d00ffff"), Some(0x1d00_ffff));
        assert_eq!(decode_u32(b"1d00fff"), None);
    }
}
