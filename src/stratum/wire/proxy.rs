//! The header of the PROXY protocol, versions 1 and 2, with which a balancer says for whom it speaks.
//! After HAProxy's specification (proxy-protocol.txt, sections 2.1 and 2.2). Pure: bytes in, verdict out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What version 2 begins with.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
pub const WORD: &[u8] = b"PROXY ";
/// Longest header of version 1, with its line end.
const LINE_BYTES_MAX: usize = 107;
/// Fixed part of version 2: signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// Longest rest of version 2 (addresses and extensions) that is accepted; proxies send some hundred bytes.
const REST_BYTES_MAX: usize = 2048;

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The beginning of a header.
    Incomplete,
    /// A whole one.
    Complete {
        /// Its length in bytes; what follows belongs to the miner.
        length: usize,
        /// The miner's address; `None` if the proxy speaks for itself (a health check) or does not
        /// know: then the address of the socket counts.
        source: Option<IpAddr>,
    },
}

/// The bytes are no header, whatever may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoHeader;

/// Looks at everything that was received so far.
///
/// # Errors
/// See [`NoHeader`].
pub fn parse(bytes: &[u8]) -> Result<Header, NoHeader> {
    match bytes.first() {
        None => Ok(Header::Incomplete),
        Some(b'P') => parse_line(bytes),
        Some(_) => parse_binary(bytes),
    }
}

/// Version 1: a line of text.
fn parse_line(bytes: &[u8]) -> Result<Header, NoHeader> {
    let common = bytes.len().min(WORD.len());
    if bytes.get(..common) != WORD.get(..common) {
        return Err(NoHeader);
    }
    let Some(end) = bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(Header::Incomplete) } else { Err(NoHeader) };
    };
    let line = bytes.get(WORD.len()..end).ok_or(NoHeader)?.strip_suffix(b"\r").ok_or(NoHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| NoHeader)?;
    Ok(Header::Complete { length: end + 1, source: line_source(line)? })
}

/// What stands behind `PROXY `.
fn line_source(line: &str) -> Result<Option<IpAddr>, NoHeader> {
    // Whatever follows UNKNOWN must be ignored.
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(None);
    }
    let parts: Vec<&str> = line.splitn(6, ' ').collect();
    let [family, source, destination, source_port, destination_port] = parts.as_slice() else { return Err(NoHeader) };
    if !is_port(source_port) || !is_port(destination_port) {
        return Err(NoHeader);
    }
    let addresses: Option<(IpAddr, IpAddr)> = match *family {
        "TCP4" => source
            .parse::<Ipv4Addr>()
            .ok()
            .zip(destination.parse::<Ipv4Addr>().ok())
            .map(|(one, two)| (one.into(), two.into())),
        "TCP6" => source
            .parse::<Ipv6Addr>()
            .ok()
            .zip(destination.parse::<Ipv6Addr>().ok())
            .map(|(one, two)| (one.into(), two.into())),
        _ => None,
    };
    let (source, _) = addresses.ok_or(NoHeader)?;
    Ok(Some(source.to_canonical()))
}

/// A port as the specification wants it: decimal, without leading zeros.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0')) && text.parse::<u16>().is_ok()
}

/// Version 2: binary.
fn parse_binary(bytes: &[u8]) -> Result<Header, NoHeader> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes.get(..common) != SIGNATURE.get(..common) {
        return Err(NoHeader);
    }
    // Version 2 in the upper half; command LOCAL or PROXY in the lower one.
    let is_local = match bytes.get(SIGNATURE.len()) {
        None => return Ok(Header::Incomplete),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(NoHeader),
    };
    let Some([family, high, low]) = bytes.get(SIGNATURE.len() + 1..FIXED_BYTES) else { return Ok(Header::Incomplete) };
    let rest_bytes = usize::from(u16::from_be_bytes([*high, *low]));
    let address_bytes = match (is_local, family) {
        (false, 0x11) => 12,
        (false, 0x21) => 36,
        // Other families, among them UNSPEC and UDP, say nothing about a TCP connection.
        _ => 0,
    };
    if rest_bytes > REST_BYTES_MAX || rest_bytes < address_bytes {
        return Err(NoHeader);
    }
    let length = FIXED_BYTES + rest_bytes;
    let Some(rest) = bytes.get(FIXED_BYTES..length) else { return Ok(Header::Incomplete) };
    let source = match address_bytes {
        12 => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        36 => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets).to_canonical()),
        _ => None,
    };
    Ok(Header::Complete { length, source })
}

#[cfg(test)]
mod tests;
