//! What counts as one origin of connections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or the /64 of an IPv6 address: whoever has one IPv6 address has the whole /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address.
    V4([u8; 4]),
    /// The first 64 bits of an address.
    V6([u8; 8]),
}

impl Source {
    /// The source of an address; IPv4-mapped addresses are IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// Its first address: `Source::of` gives the source back.
    pub fn first_address(self) -> IpAddr {
        match self {
            Self::V4(octets) => Ipv4Addr::from(octets).into(),
            Self::V6(prefix) => Ipv6Addr::from(u128::from(u64::from_be_bytes(prefix)) << 64).into(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(_) => write!(f, "{}", self.first_address()),
            Self::V6(_) => write!(f, "{}/64", self.first_address()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_first_64_bits_and_mapped_addresses_as_ipv4() {
        let of = |address: &str| Source::of(address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
        assert_eq!(of("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        for address in ["192.0.2.7", "2001:db8:1:2::1", "::1"] {
            assert_eq!(Source::of(of(address).first_address()), of(address));
        }
    }
}
