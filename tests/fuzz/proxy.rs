//! The header of the PROXY protocol, and what is told by first bytes: whatever the pieces in which they come, the
//! verdict is the same, and it is that of a reference that knows the whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mpos_stratum::stratum::wire::proxy::{Header, NoHeader, parse};
use mpos_stratum::stratum::wire::sniff::{Spoken, spoken};

use super::tape::Tape;

/// Of the specification, section 2.2.
const SIGNATURE: &[u8] = &[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/// The longest line of version 1 (section 2.1), with its end.
const LINE_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken.
const BINARY_BYTES_MAX: usize = 16 + 2048;
/// Up to here a verdict is asked for at every byte, beyond at some.
const EVERY_BYTE: usize = 160;

/// A header as a proxy would send it, and whom it speaks for.
struct Sent {
    bytes: Vec<u8>,
    source: Option<IpAddr>,
}

/// An address, often one in which zeros are written short.
fn octets<const N: usize>(tape: &mut Tape<'_>) -> [u8; N] {
    let sparse = tape.one_in(2);
    std::array::from_fn(|_| tape.byte()).map(|octet| if sparse && octet & 3 != 0 { 0 } else { octet })
}

fn port(tape: &mut Tape<'_>) -> u16 {
    u16::from_le_bytes([tape.byte(), tape.byte()])
}

/// IPv4 in IPv6 counts as IPv4.
fn plain(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

fn sent_line(tape: &mut Tape<'_>) -> Sent {
    let ports = format!("{} {}", port(tape), port(tape));
    let (text, source) = match tape.roll(4) {
        0 => ("PROXY UNKNOWN".to_owned(), None),
        1 => (format!("PROXY UNKNOWN {}", tape.take(20).escape_ascii()), None),
        2 => {
            let (from, to) = (Ipv4Addr::from(octets(tape)), Ipv4Addr::from(octets(tape)));
            (format!("PROXY TCP4 {from} {to} {ports}"), Some(from.into()))
        }
        _ => {
            let (from, to) = (Ipv6Addr::from(octets::<16>(tape)), Ipv6Addr::from(octets::<16>(tape)));
            (format!("PROXY TCP6 {from} {to} {ports}"), Some(plain(from)))
        }
    };
    Sent { bytes: format!("{text}\r\n").into_bytes(), source }
}

fn sent_binary(tape: &mut Tape<'_>) -> Sent {
    let is_local = tape.one_in(4);
    let family = *tape.pick(&[0x00, 0x11, 0x12, 0x21, 0x22, 0x31]);
    let (mut rest, mut source) = (Vec::new(), None);
    match family {
        0x11 | 0x12 => {
            let addresses: [u8; 8] = octets(tape);
            source = addresses.first_chunk::<4>().map(|from| IpAddr::from(*from));
            rest.extend(addresses);
            rest.extend([1, 2, 3, 4]);
        }
        0x21 | 0x22 => {
            let addresses: [u8; 32] = octets(tape);
            source = addresses.first_chunk::<16>().map(|from| plain(Ipv6Addr::from(*from)));
            rest.extend(addresses);
            rest.extend([1, 2, 3, 4]);
        }
        0x31 => rest.extend([b'/'; 216]),
        _ => {}
    }
    // UDP does not carry Stratum.
    let source = source.filter(|_| !is_local && family & 0xf == 1);
    let extension = tape.take(tape.clone().roll(30));
    rest.extend_from_slice(extension);
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let bytes = [SIGNATURE, &[if is_local { 0x20 } else { 0x21 }, family], &length, &rest].concat();
    Sent { bytes, source }
}

/// The header at the beginning of the bytes, if there is a whole and good one: its length and source.
fn reference(bytes: &[u8]) -> Option<(usize, Option<IpAddr>)> {
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        let [command, family, high, low, body @ ..] = rest else { return None };
        let length = usize::from(*high) << 8 | usize::from(*low);
        let body = body.get(..length).filter(|_| length <= 2048)?;
        let source = match (command, family) {
            (0x21, 0x11) => Some(IpAddr::from(*body.get(..12)?.first_chunk::<4>()?)),
            (0x21, 0x21) => Some(plain(Ipv6Addr::from(*body.get(..36)?.first_chunk::<16>()?))),
            (0x20 | 0x21, _) => None,
            _ => return None,
        };
        return Some((16 + length, source));
    }
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes.get(..end).filter(|_| end + 2 <= LINE_BYTES_MAX)?;
    let text = std::str::from_utf8(line).ok().filter(|text| !text.contains('\n'))?;
    let words: Vec<&str> = text.split(' ').collect();
    let is_port = |text: &&str| text.parse::<u16>().is_ok_and(|number| number.to_string() == **text);
    let source = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", "TCP4", from, to, ports @ ..] if ports.len() == 2 && ports.iter().all(is_port) => {
            to.parse::<Ipv4Addr>().ok()?;
            Some(IpAddr::V4(from.parse().ok()?))
        }
        ["PROXY", "TCP6", from, to, ports @ ..] if ports.len() == 2 && ports.iter().all(is_port) => {
            to.parse::<Ipv6Addr>().ok()?;
            Some(plain(from.parse().ok()?))
        }
        _ => return None,
    };
    Some((end + 2, source))
}

/// The places at which the bytes so far are looked at.
fn cuts(tape: &mut Tape<'_>, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..=length.min(EVERY_BYTE)).collect();
    while let Some(last) = cuts.last().copied().filter(|last| *last < length) {
        cuts.push(length.min(last + 1 + 4 * tape.roll(200)));
    }
    cuts
}

/// Lets bytes arrive in pieces.
pub fn check(data: &[u8]) {
    let mut tape = Tape::new(data);
    let (sent, spoilt) = match tape.roll(3) {
        0 => (None, false),
        1 => (Some(sent_line(&mut tape)), tape.one_in(2)),
        _ => (Some(sent_binary(&mut tape)), tape.one_in(2)),
    };
    let mut bytes = sent.as_ref().map_or_else(Vec::new, |sent| sent.bytes.clone());
    if spoilt {
        let at = usize::from(tape.byte()) * bytes.len() / 256;
        // One bit, or any.
        bytes[at] = if tape.one_in(2) { tape.byte() } else { bytes[at] ^ 1 << tape.roll(8) };
    }
    let cuts_tape = &mut Tape::new(tape.take(4));
    bytes.extend_from_slice(tape.rest());
    let known = reference(&bytes);
    if let Some(sent) = sent.filter(|sent| !spoilt && sent.bytes.len() <= LINE_BYTES_MAX) {
        assert_eq!(known, Some((sent.bytes.len(), sent.source)), "{}", bytes.escape_ascii());
    }

    let (mut verdict, mut language) = (Ok(Header::Incomplete), Spoken::Unknown);
    for cut in cuts(cuts_tape, bytes.len()) {
        let so_far = &bytes[..cut];
        let (now, heard) = (parse(so_far), spoken(so_far));
        assert!(verdict == Ok(Header::Incomplete) || now == verdict, "taken back at {cut}: {}", so_far.escape_ascii());
        assert!(language == Spoken::Unknown || heard == language, "{}", so_far.escape_ascii());
        assert!(heard != Spoken::Unknown || cut < SIGNATURE.len(), "{}", so_far.escape_ascii());
        (verdict, language) = (now, heard);
        match (verdict, known) {
            (Ok(Header::Complete { length, source }), Some(known)) => {
                assert_eq!((length, source), known, "{}", so_far.escape_ascii());
                assert!(length <= cut);
                assert_eq!(language, Spoken::Proxy);
            }
            (Ok(Header::Complete { .. }), None) => panic!("no header: {}", so_far.escape_ascii()),
            (Ok(Header::Incomplete), Some((length, _))) => assert!(cut < length, "{}", so_far.escape_ascii()),
            (Err(NoHeader), Some(_)) => panic!("a good header: {}", bytes.escape_ascii()),
            (Ok(Header::Incomplete), None) => {
                let max = if so_far.first() == Some(&b'P') { LINE_BYTES_MAX } else { BINARY_BYTES_MAX };
                assert!(cut < max, "waits for ever: {}", so_far.escape_ascii());
            }
            (Err(NoHeader), None) => {}
        }
    }
}
