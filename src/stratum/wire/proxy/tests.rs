//! W19 for the parser: valid, truncated, spoilt, LOCAL and UNKNOWN headers, cut at every byte.

use proptest::prelude::*;

use super::*;

/// A header of version 2.
fn binary(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version_command, family], &length, rest].concat()
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Version 2, TCP over IPv4, from 203.0.113.7 to 192.0.2.1, with an extension behind.
fn binary_v4() -> Vec<u8> {
    let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0xdd, 0xd5, 0x0d, 0x05];
    binary(0x21, 0x11, &[&addresses[..], &[0x05, 0, 3, 1, 2, 3]].concat())
}

fn binary_v6(source: &str) -> Vec<u8> {
    let octets = source.parse::<Ipv6Addr>().unwrap().octets();
    binary(0x21, 0x21, &[&octets[..], &[0; 20]].concat())
}

/// Good headers and whom they name.
fn good() -> Vec<(Vec<u8>, Option<IpAddr>)> {
    let line = |text: &str| text.as_bytes().to_vec();
    let longest =
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(longest.len(), LINE_BYTES_MAX);
    vec![
        (line("PROXY TCP4 203.0.113.7 192.0.2.1 56789 3333\r\n"), address("203.0.113.7")),
        (line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), address("255.255.255.255")),
        (line("PROXY TCP4 203.0.113.7 192.0.2.1 0 0\r\n"), address("203.0.113.7")),
        (line("PROXY TCP6 2001:db8::7 2001:db8::1 56789 3333\r\n"), address("2001:db8::7")),
        (line("PROXY TCP6 ::ffff:203.0.113.7 ::1 56789 3333\r\n"), address("203.0.113.7")),
        (line("PROXY UNKNOWN\r\n"), None),
        (line("PROXY UNKNOWN whatever \x07 1 2 3\r\n"), None),
        (line(longest), None),
        (binary_v4(), address("203.0.113.7")),
        (binary_v6("2001:db8::7"), address("2001:db8::7")),
        (binary_v6("::ffff:203.0.113.7"), address("203.0.113.7")),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &[1; 12]), None),
        (binary(0x21, 0x00, &[1; 7]), None),
        (binary(0x21, 0x12, &[1; 12]), None),
        (binary(0x21, 0x31, &[1; 216]), None),
        (binary(0x21, 0x11, &[9; 2048]), address("9.9.9.9")),
    ]
}

#[test]
fn w19_good_headers_cut_at_every_byte() {
    for (header, source) in good() {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(Header::Incomplete), "{} cut at {cut}", header.escape_ascii());
        }
        let complete = Ok(Header::Complete { length: header.len(), source });
        assert_eq!(parse(&header), complete, "{}", header.escape_ascii());
        // What follows is not looked at.
        assert_eq!(parse(&[&header[..], b"{\"id\":1}\n"].concat()), complete);
        assert_eq!(parse(&[&header[..], &header[..]].concat()), complete);
    }
}

#[test]
fn w19_what_is_no_header_is_known_as_soon_as_possible() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), LINE_BYTES_MAX + 1);
    let lines = [
        "PROXY TCP4 203.0.113.7 192.0.2.1 56789 3333\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56789\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56789 3333 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56789 3333 1\r\n",
        "PROXY TCP4  203.0.113.7 192.0.2.1 56789 3333\r\n",
        "PROXY TCP4 203.0.113.07 192.0.2.1 56789 3333\r\n",
        "PROXY TCP4 203.0.113.256 192.0.2.1 56789 3333\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 056789 3333\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56789 65536\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 +5678 3333\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 -1 3333\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 56789 3333\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 56789 3333\r\n",
        "PROXY TCP5 203.0.113.7 192.0.2.1 56789 3333\r\n",
        "PROXY tcp4 203.0.113.7 192.0.2.1 56789 3333\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXX",
        "proxy",
        "PX",
        "{",
        "\n",
        "\r\n\r\n{",
        long.as_str(),
    ];
    for line in lines {
        assert_eq!(parse(line.as_bytes()), Err(NoHeader), "{line:?}");
    }
    for (header, _) in good().into_iter().filter(|(header, _)| header[0] != b'P') {
        for at in 0..SIGNATURE.len() {
            let mut spoilt = header.clone();
            spoilt[at] ^= 0x20;
            assert_eq!(parse(&spoilt[..=at]), Err(NoHeader), "signature spoilt at {at}");
        }
    }
    for version_command in [0x00, 0x10, 0x11, 0x22, 0x2f, 0x31, 0xff] {
        assert_eq!(parse(&binary(version_command, 0x11, &[1; 12])), Err(NoHeader));
    }
    assert_eq!(parse(&binary(0x21, 0x11, &[1; 11])), Err(NoHeader), "too short for its family");
    assert_eq!(parse(&binary(0x21, 0x21, &[1; 35])), Err(NoHeader));
    assert_eq!(parse(&binary(0x21, 0x11, &[1; 2049])[..16]), Err(NoHeader), "longer than anybody sends");
}

proptest! {
    /// Whatever arrives, more of it never takes back what was said about its beginning.
    #[test]
    fn a_verdict_is_final(choice in 0usize..18, at: prop::sample::Index, byte: u8, tail: Vec<u8>) {
        let mut bytes = good().into_iter().nth(choice).map_or_else(Vec::new, |(header, _)| header);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(tail);
        let mut settled = None;
        for cut in 0..=bytes.len() {
            let verdict = parse(&bytes[..cut]);
            if let Some(settled) = settled {
                prop_assert_eq!(verdict, settled);
            } else if verdict != Ok(Header::Incomplete) {
                if let Ok(Header::Complete { length, .. }) = verdict {
                    prop_assert_eq!(length, cut);
                }
                settled = Some(verdict);
            }
        }
        prop_assert!(bytes.len() <= FIXED_BYTES + REST_BYTES_MAX || settled.is_some());
    }
}
