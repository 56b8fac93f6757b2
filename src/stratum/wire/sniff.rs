//! What somebody speaks, told by the first bytes.

use super::proxy::{SIGNATURE, WORD};

/// First byte of a TLS connection: a record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// How requests of HTTP begin that load balancers and browsers make.
const HTTP_METHODS: [&[u8]; 3] = [b"GET ", b"HEAD ", b"POST "];

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// Not to be told yet.
    Unknown,
    /// TLS.
    Tls,
    /// An HTTP request; whether it is one for a head alone.
    Http {
        /// `HEAD` is answered without a body.
        head: bool,
    },
    /// The header of a proxy, or what looks like one.
    Proxy,
    /// Anything else, which is for the session to judge.
    Stratum,
}

/// Looks at everything that was received so far. [`Spoken::Unknown`] only for less than 12 bytes.
pub fn spoken(bytes: &[u8]) -> Spoken {
    let Some(first) = bytes.first() else { return Spoken::Unknown };
    if *first == TLS_HANDSHAKE {
        return Spoken::Tls;
    }
    let mut beginnings = HTTP_METHODS.iter().copied().chain([WORD, &SIGNATURE[..]]);
    let Some(beginning) = beginnings.find(|beginning| bytes.starts_with(beginning)) else {
        let mut beginnings = HTTP_METHODS.iter().copied().chain([WORD, &SIGNATURE[..]]);
        let may_become = beginnings.any(|beginning| beginning.starts_with(bytes));
        return if may_become { Spoken::Unknown } else { Spoken::Stratum };
    };
    match HTTP_METHODS.contains(&beginning) {
        true => Spoken::Http { head: *first == b'H' },
        false => Spoken::Proxy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart_at_the_first_byte_that_does() {
        let told = |bytes: &[u8]| {
            (1..=bytes.len()).find_map(|end| match spoken(&bytes[..end]) {
                Spoken::Unknown => None,
                spoken => Some((end, spoken)),
            })
        };
        assert_eq!(told(b"{\"id\":1}"), Some((1, Spoken::Stratum)));
        assert_eq!(told(b"\n{\"id\":1}"), Some((1, Spoken::Stratum)));
        assert_eq!(told(b"\r\n{\"id\":1}"), Some((3, Spoken::Stratum)));
        assert_eq!(told(b"\r\n\r\n{\"id\":1}"), Some((5, Spoken::Stratum)));
        assert_eq!(told(b"\x16\x03\x01"), Some((1, Spoken::Tls)));
        assert_eq!(told(b"GET / HTTP/1.1"), Some((4, Spoken::Http { head: false })));
        assert_eq!(told(b"POST /"), Some((5, Spoken::Http { head: false })));
        assert_eq!(told(b"HEAD /"), Some((5, Spoken::Http { head: true })));
        assert_eq!(told(b"GETWORK"), Some((4, Spoken::Stratum)));
        assert_eq!(told(b"PROXY TCP4"), Some((6, Spoken::Proxy)));
        assert_eq!(told(&SIGNATURE), Some((12, Spoken::Proxy)));
        assert_eq!(told(b"PUT /"), Some((2, Spoken::Stratum)));
        assert_eq!(spoken(b""), Spoken::Unknown);
    }
}
