//! How connections reach a port and what they may do before anybody has looked at their shares.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// A port's sockets: encryption, proxies in front of it, limits per address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transport {
    /// `None`: plain TCP only.
    pub tls: Option<Tls>,
    /// `None`: nobody may speak for another address.
    pub proxy: Option<Proxy>,
    /// What one address and one connection may do.
    pub limits: Limits,
}

/// TLS on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// True: nothing but TLS; false: a connection that begins as TLS is TLS, others are plain.
    pub required: bool,
    /// Who the pool is.
    pub files: TlsFiles,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The chain, the pool's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The PROXY protocol on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// True: every connection comes from a trusted proxy and begins with a header; false: only trusted
    /// proxies may send one, and need not.
    pub required: bool,
    /// Who may say for whom it speaks; never empty.
    pub trusted: Vec<Network>,
    /// A header that is not complete by then closes the connection.
    pub header_timeout: Duration,
}

/// Events per second in the long run, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_sec: u32,
    /// At once, after a pause.
    pub burst: u32,
}

impl Rate {
    /// A tenth of it, but no less than a login needs: for a connection on which no share has counted yet.
    pub fn of_newcomers(self) -> Self {
        let tenth = |part: u32, least: u32| (part / 10).max(least.min(part));
        Self { per_sec: tenth(self.per_sec, 1), burst: tenth(self.burst, LOGIN_LINES) }
    }
}

/// Lines that even talkative miners do not exceed until they mine.
pub const LOGIN_LINES: u32 = 20;

/// What one address and one connection of a port may do. IPv6 addresses count by their /64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most connections of one address at once; more are closed at once.
    pub connections_per_address_max: u32,
    /// New connections of one address; faster ones wait.
    pub connections: Rate,
    /// Lines of one connection; at the limit nothing more is read from it for a while. Until a share of it
    /// has counted it has a tenth of this, and all such connections of an address have together, beyond
    /// [`LOGIN_LINES`] each, no more than this.
    pub messages: Rate,
    /// Refused authorisations of one address in a minute; after so many, its authorisations wait.
    pub failed_authorizations_per_min: u32,
    /// How long they wait.
    pub authorization_delay: Duration,
    /// Connections closed for invalid shares within `ban_window` after which their address is banned.
    pub ban_closes: u32,
    /// See `ban_closes`.
    pub ban_window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Addresses that none of these limits but `messages` holds for.
    pub exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        let loopback =
            [Network::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8), Network::new(Ipv6Addr::LOCALHOST.into(), 128)];
        Self {
            connections_per_address_max: 512,
            connections: Rate { per_sec: 50, burst: 200 },
            messages: Rate { per_sec: 100, burst: 400 },
            failed_authorizations_per_min: 5,
            authorization_delay: Duration::from_secs(60),
            ban_closes: 2,
            ban_window: Duration::from_secs(600),
            ban: Duration::from_secs(600),
            exempt: loopback.into_iter().flatten().collect(),
        }
    }
}

/// The addresses that begin with the same bits, as in `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// The network of so many leading bits; `None` if an address has not that many, or if there are bits
    /// set behind them. IPv4-mapped networks become IPv4 ones.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (address, bits) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), mapped @ IpAddr::V4(_)) => (mapped, bits.checked_sub(96)?),
            (address, _) => (address, bits),
        };
        let (number, width) = number(address);
        let behind = u32::from(width.checked_sub(bits)?);
        let is_clean = number.trailing_zeros() >= behind || number == 0;
        is_clean.then_some(Self { address, bits })
    }

    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|digit| digit.is_ascii_digit()) => {
                (address.parse().ok()?, Some(bits.parse().ok()?))
            }
            Some(_) => return None,
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        Self::new(address, bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))
    }

    /// Its first address, if it is no more than one address, or the /64 that counts as one.
    pub fn single_source(&self) -> Option<IpAddr> {
        let least = if self.address.is_ipv4() { 32 } else { 64 };
        (self.bits >= least).then_some(self.address)
    }

    /// Whether an address belongs to it. IPv4-mapped addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let ((one, width), (two, _)) = (number(self.address), number(address));
        let behind = u32::from(width.saturating_sub(self.bits));
        let begin = |number: u128| number.checked_shr(behind).unwrap_or(0);
        self.address.is_ipv4() == address.is_ipv4() && begin(one) == begin(two)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_has_a_tenth_but_can_log_in() {
        let newcomer = |per_sec, burst| {
            let Rate { per_sec, burst } = Rate { per_sec, burst }.of_newcomers();
            (per_sec, burst)
        };
        assert_eq!(newcomer(100, 400), (10, 40));
        assert_eq!(newcomer(50, 100), (5, 20));
        assert_eq!(newcomer(5, 8), (1, 8), "never more than the port gives");
        assert_eq!(newcomer(1, 1), (1, 1));
    }

    #[test]
    fn networks_are_read_strictly() {
        for (text, shown) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(Network::parse(text).unwrap().to_string(), shown);
        }
        for text in ["192.0.2.1/24", "192.0.2.0/33", "::1/64", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10/8", "", "/"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("192.0.2.0/24", "192.0.2.255") && !holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.1"), "mapped addresses are IPv4");
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "8.8.8.8"));
        assert!(holds("2001:db8::/33", "2001:db8:7fff::1") && !holds("2001:db8::/33", "2001:db8:8000::1"));
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.2"));
    }
}
