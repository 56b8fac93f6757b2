//! Bans that an operator ordered: whole networks, each with a reason. They stand above `exempt`.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::Network;

/// Most bans by order; a further one is refused. Every new connection is held against each.
pub const ORDERED_MAX: usize = 1000;
/// Most characters of a reason that are kept.
pub const REASON_CHARS_MAX: usize = 120;

/// A ban by order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// Who is banned.
    pub network: Network,
    /// Why.
    pub reason: String,
    /// Unix second of the order.
    pub since: u64,
    /// Unix second of its end, as it was ordered.
    pub ends: u64,
    /// Monotonic time of its end.
    pub until: Duration,
}

/// The bans by order.
#[derive(Debug, Default)]
pub struct OrderedBans {
    bans: Vec<Ordered>,
}

impl OrderedBans {
    /// Bans a network, or changes its ban. False: there are too many.
    pub fn add(&mut self, mut ban: Ordered, now: Duration) -> bool {
        self.bans.retain(|other| other.until > now && other.network != ban.network);
        if self.bans.len() >= ORDERED_MAX {
            return false;
        }
        // It is kept in a file of lines.
        ban.reason = ban.reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        self.bans.push(ban);
        true
    }

    /// Lifts the ban of exactly this network. False: there is none.
    pub fn lift(&mut self, network: &Network, now: Duration) -> bool {
        let before = self.in_force(now).count();
        self.bans.retain(|ban| ban.until > now && ban.network != *network);
        self.bans.len() < before
    }

    /// Whether an address is banned.
    pub fn is_banned(&self, address: IpAddr, now: Duration) -> bool {
        self.in_force(now).any(|ban| ban.network.contains(address))
    }

    /// The bans in force, in the order in which they were given.
    pub fn in_force(&self, now: Duration) -> impl Iterator<Item = &Ordered> {
        self.bans.iter().filter(move |ban| ban.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(network: &str, until: u64) -> Ordered {
        let network = Network::parse(network).unwrap();
        Ordered { network, reason: "said\nso".to_owned(), since: 1, ends: 1 + until, until: Duration::from_secs(until) }
    }

    #[test]
    fn a_ban_holds_until_it_ends_or_is_lifted_and_their_number_is_bounded() {
        let (mut bans, at) = (OrderedBans::default(), Duration::from_secs);
        assert!(bans.add(ban("192.0.2.0/24", 100), at(1)) && bans.add(ban("2001:db8::/32", 50), at(1)));
        let banned = |bans: &OrderedBans, address: &str, now| bans.is_banned(address.parse().unwrap(), at(now));
        assert!(banned(&bans, "192.0.2.9", 99) && !banned(&bans, "192.0.2.9", 100) && !banned(&bans, "192.0.3.9", 2));
        assert!(banned(&bans, "::ffff:192.0.2.9", 2) && banned(&bans, "2001:db8:7::1", 2));
        assert!(bans.add(ban("192.0.2.0/24", 200), at(2)), "another end for the same network");
        assert_eq!(bans.in_force(at(2)).count(), 2);
        assert_eq!(bans.in_force(at(2)).last().unwrap().reason, "saidso");
        assert!(!bans.lift(&Network::parse("192.0.2.0/25").unwrap(), at(3)));
        assert!(bans.lift(&Network::parse("192.0.2.0/24").unwrap(), at(3)) && !banned(&bans, "192.0.2.9", 3));
        let fill = |bans: &mut OrderedBans, nth: usize| {
            bans.add(ban(&format!("10.0.{}.{}", nth / 256, nth % 256), 100), at(3))
        };
        assert!((0..ORDERED_MAX - 1).all(|nth| fill(&mut bans, nth)) && !fill(&mut bans, ORDERED_MAX));
        assert!(bans.add(ban("198.51.100.1", 300), at(100)), "what is over gives way");
    }
}
