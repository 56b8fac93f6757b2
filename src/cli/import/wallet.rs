//! Where MPOS's wallet answers. MPOS makes a URL of `wallet.type` and `wallet.host`.

/// The RPC of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) https: bool,
    pub(super) host: String,
    /// `None`: there is none that is one, or a path behind it, which no configuration of ours takes.
    pub(super) port: Option<u16>,
}

impl Address {
    /// Reads `host:port` as operators write it: with or without a scheme, a login before it, a slash behind it.
    /// `None`: it is neither HTTP nor HTTPS.
    pub(super) fn read(kind: Option<&str>, host: &str) -> Option<Self> {
        let (scheme, rest) = host.trim().split_once("://").unwrap_or((kind.unwrap_or("http").trim(), host.trim()));
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self { https, host: host.to_owned(), port: port.parse().ok().filter(|port| *port > 0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_are_found_however_they_are_written() {
        for (kind, written, https, host, port) in [
            (None, "localhost:19334", false, "localhost", Some(19334)),
            (Some("http"), "https://localhost:19334", true, "localhost", Some(19334)),
            (Some("https"), "10.0.0.7:9332/", true, "10.0.0.7", Some(9332)),
            (Some("https"), "http://10.0.0.7:9332", false, "10.0.0.7", Some(9332)),
            (Some("HTTP"), " HTTP://user:secret@node.example:9332 ", false, "node.example", Some(9332)),
            (None, "[::1]:9332", false, "::1", Some(9332)),
            (None, "localhost", false, "localhost", None),
            (None, "localhost:0", false, "localhost", None),
            (None, "localhost:9332/wallet/pool", false, "localhost", None),
        ] {
            let expected = Address { https, host: host.to_owned(), port };
            assert_eq!(Address::read(kind, written), Some(expected), "{kind:?} {written}");
        }
        assert_eq!(Address::read(Some("ftp"), "localhost:1"), None);
        assert_eq!(Address::read(None, "unix://localhost:1"), None);
    }
}
