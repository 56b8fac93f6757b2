//! What must hold between coins.

use std::net::{IpAddr, SocketAddr};

use super::problem::{Place, Report};
use super::{Endpoint, Ledger, Mpos};

/// What other coins must agree with or keep away from, each as far as it could be read.
#[derive(Default)]
pub(super) struct CoinMarks<'a> {
    /// The coin's name.
    pub(super) name: Option<(String, Place<'a>)>,
    /// Payout address and instance.
    pub(super) payout: Option<((String, u16), Place<'a>)>,
    /// The database and the spool in front of it.
    pub(super) shares: Option<((Mpos, Ledger), Place<'a>)>,
    /// The chain it declares to be on.
    pub(super) chain: Option<String>,
    /// The addresses of its ports.
    pub(super) listens: Vec<(SocketAddr, Place<'a>)>,
}

impl CoinMarks<'_> {
    fn called(&self) -> &str {
        self.name.as_ref().map_or("another coin", |(name, _)| name)
    }
}

/// An address of the daemon's own, beside its coins' ports.
pub(super) struct Door<'a> {
    /// The table that opens it, for people.
    pub(super) of: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where that is written.
    pub(super) place: Place<'a>,
}

/// Compares every coin with every earlier one, and the ports of all with the daemon's own.
pub(super) fn check(report: &Report, doors: &[Door<'_>], coins: &[CoinMarks<'_>]) {
    for (index, coin) in coins.iter().enumerate() {
        for earlier in coins.iter().take(index) {
            names(report, earlier, coin);
            payouts(report, earlier, coin);
            shares(report, earlier, coin);
        }
    }
    ports(report, doors, coins);
}

fn names(report: &Report, earlier: &CoinMarks<'_>, coin: &CoinMarks<'_>) {
    if let (Some((one, _)), Some((two, place))) = (&earlier.name, &coin.name)
        && one == two
    {
        report.problem(place, "is the name of an earlier coin too", "give every coin a name of its own");
    }
}

fn payouts(report: &Report, earlier: &CoinMarks<'_>, coin: &CoinMarks<'_>) {
    if let (Some((one, _)), Some((two, place))) = (&earlier.payout, &coin.payout)
        && one == two
    {
        let what = format!(
            "is paid by {} too with the same instance, {}: both would hand out the same work",
            earlier.called(),
            two.1
        );
        report.problem(place, what, "give one of them another `instance`");
    }
}

fn shares(report: &Report, earlier: &CoinMarks<'_>, coin: &CoinMarks<'_>) {
    let (Some(((one, one_ledger), _)), Some(((two, two_ledger), place))) = (&earlier.shares, &coin.shares) else {
        return;
    };
    if one.database != two.database {
        return;
    }
    if !servers(one).iter().any(|host| servers(two).contains(host)) {
        let mixed = matches!(
            (&one.endpoint, &two.endpoint),
            (Endpoint::Socket(_), Endpoint::Tcp(..)) | (Endpoint::Tcp(..), Endpoint::Socket(_))
        );
        if mixed {
            let what = format!("may be the database of {} under another address", earlier.called());
            report.warning(place, what, "name a server in one way only, so that this can be told");
        }
        return;
    }
    if coin.chain.is_none() || coin.chain != earlier.chain {
        let what = format!(
            "is the `shares` table of {} too: MPOS would count the shares of two chains as one",
            earlier.called()
        );
        let remedy =
            "give each coin the database of its own MPOS, or, if both are one chain, the same `chain = \"...\"`";
        report.problem(place, what, remedy);
    } else if one != two || one_ledger != two_ledger {
        let what =
            format!("shares one table and so one spool with {}, but says something else about it", earlier.called());
        report.problem(place, what, "make [coin.mpos] and [coin.ledger] of both coins the same");
    }
}

/// Every server that may hold the database.
fn servers(mpos: &Mpos) -> Vec<Endpoint> {
    std::iter::once(&mpos.endpoint).chain(&mpos.failover).map(server).collect()
}

/// An endpoint in a form in which one server has one name, as far as that can be known here.
fn server(endpoint: &Endpoint) -> Endpoint {
    match endpoint {
        Endpoint::Tcp(host, port) => {
            let host = host.to_ascii_lowercase();
            let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            Endpoint::Tcp(if loopback { "localhost".to_owned() } else { host }, *port)
        }
        Endpoint::Socket(path) => Endpoint::Socket(path.clone()),
    }
}

fn ports(report: &Report, doors: &[Door<'_>], coins: &[CoinMarks<'_>]) {
    let mut all: Vec<_> = doors.iter().map(|door| (door.of, &door.address, &door.place)).collect();
    for coin in coins {
        all.extend(coin.listens.iter().map(|(address, place)| (coin.called(), address, place)));
    }
    for (index, (_, address, place)) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|(_, earlier, _)| clash(**earlier, **address));
        if let Some((called, earlier, _)) = earlier {
            let what = format!("clashes with {earlier} of {called}");
            report.problem(place, what, "give every port a number of its own");
        }
    }
}

/// Whether two addresses cannot both be listened on. `[::]` takes the IPv4 side too, `0.0.0.0` leaves
/// IPv6 alone. Port 0 asks for any free port.
fn clash(one: SocketAddr, two: SocketAddr) -> bool {
    if one.port() != two.port() || one.port() == 0 {
        return false;
    }
    let (one, two) = (one.ip().to_canonical(), two.ip().to_canonical());
    let covers = |wide: IpAddr, other: IpAddr| match wide {
        IpAddr::V4(ip) => ip.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    one == two || covers(one, two) || covers(two, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_overlap_clash() {
        let clash = |one: &str, two: &str| {
            let (one, two) = (one.parse().unwrap(), two.parse().unwrap());
            assert_eq!(clash(one, two), clash(two, one));
            clash(one, two)
        };
        assert!(clash("0.0.0.0:3333", "127.0.0.1:3333"));
        assert!(clash("[::]:3333", "127.0.0.1:3333"));
        assert!(clash("[::]:3333", "0.0.0.0:3333"));
        assert!(clash("[::]:3333", "[::1]:3333"));
        assert!(clash("10.0.0.1:3333", "10.0.0.1:3333"));
        assert!(clash("[::ffff:10.0.0.1]:3333", "10.0.0.1:3333"));
        assert!(!clash("0.0.0.0:3333", "[::1]:3333"));
        assert!(!clash("0.0.0.0:3333", "0.0.0.0:3334"));
        assert!(!clash("10.0.0.1:3333", "10.0.0.2:3333"));
        assert!(!clash("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn a_server_has_one_name_on_this_machine() {
        let tcp = |host: &str| server(&Endpoint::Tcp(host.to_owned(), 3306));
        assert_eq!(tcp("localhost"), tcp("127.0.0.1"));
        assert_eq!(tcp("::1"), tcp("LocalHost"));
        assert_ne!(tcp("db1"), tcp("db2"));
        assert_ne!(tcp("db1"), server(&Endpoint::Tcp("db1".to_owned(), 3307)));
    }
}
