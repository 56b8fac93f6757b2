//! CashAddr: the addresses of Bitcoin Cash and eCash (specification "CashAddr", 2017, version byte with
//! types 0, a key's hash, and 1, a script's hash).

use super::script;

/// The 32 digits, the same as bech32's.
const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Digits of the checksum at the end.
const CHECKSUM_DIGITS: usize = 8;
/// Version byte of a key's hash of 20 bytes.
const PUBKEY_HASH: u8 = 0;
/// Version byte of a script's hash of 20 bytes.
const SCRIPT_HASH: u8 = 8;

/// What of a text that may be a CashAddr address is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The checksum does not fit the prefix and the digits.
    Checksum,
    /// A good address of a kind that a coinbase is not paid to here.
    Kind(u8),
    /// A digit that is none, both cases mixed, or a wrong length.
    Form,
}

/// The script of a CashAddr address whose prefix, if it is written, is one of `prefixes`. Without a prefix
/// every one of them is tried, as wallets do. `None`: the text is no CashAddr of these prefixes at all.
pub fn decode(text: &str, prefixes: &[String]) -> Option<Result<Vec<u8>, Fault>> {
    let lower = text.to_ascii_lowercase();
    let mixed = text.bytes().any(|byte| byte.is_ascii_uppercase()) && text != text.to_ascii_uppercase();
    match lower.split_once(':') {
        Some((prefix, digits)) => prefixes
            .iter()
            .any(|known| known == prefix)
            .then(|| if mixed { Err(Fault::Form) } else { decode_digits(prefix, digits) }),
        // A base58 address may have any letters: only a good checksum tells that this is none.
        None if mixed => None,
        None => prefixes
            .iter()
            .map(|prefix| decode_digits(prefix, &lower))
            .find(|read| !matches!(read, Err(Fault::Checksum | Fault::Form))),
    }
}

fn decode_digits(prefix: &str, text: &str) -> Result<Vec<u8>, Fault> {
    let digit = |byte: u8| DIGITS.iter().zip(0u8..).find(|(digit, _)| **digit == byte).map(|(_, value)| value);
    let digits = text.bytes().map(digit).collect::<Option<Vec<u8>>>().ok_or(Fault::Form)?;
    let data = digits.len().checked_sub(CHECKSUM_DIGITS).and_then(|end| digits.get(..end)).ok_or(Fault::Form)?;
    let covered = prefix.bytes().map(|byte| byte & 31).chain([0]).chain(digits.iter().copied());
    if polynomial(covered) != 0 {
        return Err(Fault::Checksum);
    }
    let bytes = to_bytes(data).ok_or(Fault::Form)?;
    let (&version, hash) = bytes.split_first().ok_or(Fault::Form)?;
    match (version, hash.try_into()) {
        (PUBKEY_HASH, Ok(hash)) => Ok(script::pay_to_pubkey_hash(hash)),
        (SCRIPT_HASH, Ok(hash)) => Ok(script::pay_to_script_hash(hash)),
        _ => Err(Fault::Kind(version)),
    }
}

/// Groups of five bits into bytes; what is left over must be zeros, fewer than five.
fn to_bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let (mut held, mut bits) = (0u32, 0);
    let mut bytes = Vec::with_capacity(digits.len() * 5 / 8);
    for digit in digits {
        held = (held << 5 | u32::from(*digit)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (held >> bits).to_be_bytes();
            bytes.push(byte);
        }
    }
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(bytes)
}

/// The BCH code over 40 bits that the specification defines; zero for digits with a good checksum.
fn polynomial(digits: impl Iterator<Item = u8>) -> u64 {
    const GENERATORS: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let check = digits.fold(1u64, |check, digit| {
        let top = check >> 35;
        let shifted = (check & 0x07_ffff_ffff) << 5 ^ u64::from(digit);
        GENERATORS.iter().enumerate().fold(
            shifted,
            |check, (bit, generator)| {
                if top >> bit & 1 == 1 { check ^ generator } else { check }
            },
        )
    });
    check ^ 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    fn prefixes() -> Vec<String> {
        ["bitcoincash", "bchtest", "bchreg"].map(String::from).to_vec()
    }

    fn script(text: &str) -> Option<Result<String, Fault>> {
        decode(text, &prefixes()).map(|read| read.map(|script| hex::encode(&script)))
    }

    #[test]
    fn the_specification_s_addresses() {
        // The same hashes in base58check, from the specification.
        for (cash, base58) in [
            ("qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu"),
            ("qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy", "1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR"),
            ("qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r", "16w1D5WRVKJuZUsSRzdLp9w3YGcgoxDXb"),
            ("ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq", "3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC"),
            ("pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e", "3LDsS579y7sruadqu11beEJoTjdFiFCdX4"),
            ("pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37", "31nwvkZwyPdgzjBJZXfDmSWsC4ZLKpYyUw"),
        ] {
            let payload = bs58::decode(base58).into_vec().unwrap();
            let hash = hex::encode(&payload[1..21]);
            let expected = if base58.starts_with('1') { format!("76a914{hash}88ac") } else { format!("a914{hash}87") };
            assert_eq!(script(&format!("bitcoincash:{cash}")), Some(Ok(expected.clone())), "{cash}");
            assert_eq!(script(cash), Some(Ok(expected.clone())), "without its prefix");
            assert_eq!(script(&format!("BITCOINCASH:{}", cash.to_ascii_uppercase())), Some(Ok(expected)));
        }
    }

    #[test]
    fn nothing_is_guessed() {
        let good = "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a";
        assert_eq!(script(&format!("bchtest:{good}")), Some(Err(Fault::Checksum)), "another network's");
        assert_eq!(script(&format!("ecash:{good}")), None, "another coin's");
        for at in 0..good.len() {
            let mut bad = good.to_owned().into_bytes();
            bad[at] = if bad[at] == b'q' { b'p' } else { b'q' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(script(&format!("bitcoincash:{bad}")), Some(Err(Fault::Checksum)), "{at}");
            assert_eq!(script(&bad), None);
        }
        assert_eq!(script(&format!("bitcoincash:Q{}", &good[1..])), Some(Err(Fault::Form)));
        assert_eq!(script("bitcoincash:b"), Some(Err(Fault::Form)));
        assert_eq!(script("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu"), None);
        // A hash of 24 bytes, from the specification's vectors.
        let long = "bitcoincash:q9adhakpwzztepkpwp5z0dq62m6u5v5xtyj7j3h2ws4mr9g0";
        assert_eq!(script(long), Some(Err(Fault::Kind(1))));
    }
}
