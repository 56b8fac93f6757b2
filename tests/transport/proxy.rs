//! W19: the PROXY protocol over real sockets. W28: IPv6 and IPv4-mapped addresses.

use tokio::io::AsyncWriteExt;

use crate::site::{SUBSCRIBE, Site, last_words, served, state, turned_away};
use crate::support::miner::{Algorithm, Miner};
use mpos_stratum::stratum::guard::saved;
use mpos_stratum::stratum::guard::source::Source;

/// Only the tests' own address is a trusted proxy.
pub const REQUIRED: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.1\"]\nproxy_timeout_secs = 3";
/// Trusted is somebody else.
const REQUIRED_ELSEWHERE: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"192.0.2.0/24\"]";
const OPTIONAL: &str = "proxy_protocol = \"optional_from_trusted\"\ntrusted_proxies = [\"127.0.0.1\"]";
const OPTIONAL_ELSEWHERE: &str = "proxy_protocol = \"optional_from_trusted\"\ntrusted_proxies = [\"192.0.2.0/24\"]";

pub fn line(family: &str, source: &str) -> Vec<u8> {
    let destination = if family == "TCP4" { "192.0.2.1" } else { "2001:db8::1" };
    format!("PROXY {family} {source} {destination} 40000 3333\r\n").into_bytes()
}

/// Version 2 with this command and family.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x20 | command, family], &length, rest].concat()
}

#[tokio::test]
async fn w19_the_proxied_address_is_the_one_that_is_stored() {
    let site = Site::start("w19_good", &[REQUIRED, OPTIONAL]).await;
    let v6 = "2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let headers = [
        (line("TCP4", "203.0.113.7"), "203.0.113.7"),
        (line("TCP6", "2001:db8::7"), "2001:db8::7"),
        (line("TCP6", "::ffff:203.0.113.7"), "203.0.113.7"),
        (binary(1, 0x11, &[203, 0, 113, 8, 1, 1, 1, 1, 0, 1, 0, 2, 3, 0, 1, 9]), "203.0.113.8"),
        (binary(1, 0x21, &[&v6[..], &[0; 20]].concat()), "2001:db8::7"),
        // A health check, an unknown one: the proxy's own address counts.
        (binary(0, 0x00, &[]), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ];
    let mut rows = 0;
    for port in [0, 1] {
        for (header, address) in &headers {
            rows += 1;
            let (mut miner, job) = site.behind(port, header).await.unwrap();
            assert_eq!(site.stored_address(&mut miner, &job, rows).await, *address);
        }
    }
    // In pieces, with the first request in the last of them.
    let header = line("TCP4", "203.0.113.9");
    let mut socket = site.say(0, b"").await;
    for byte in header.iter().chain(SUBSCRIBE) {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    served(&mut socket).await;
    // Where it is optional, nobody has to send one.
    let (mut miner, job) = site.behind(1, b"").await.unwrap();
    assert_eq!(site.stored_address(&mut miner, &job, rows + 1).await, "127.0.0.1");
}

#[tokio::test]
async fn w19_b32_bad_and_spoofed_headers_close_the_connection() {
    let site = Site::start("w19_bad", &[REQUIRED, REQUIRED_ELSEWHERE, OPTIONAL_ELSEWHERE, ""]).await;
    let good = line("TCP4", "203.0.113.7");
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 93], b"\r\n".to_vec()].concat();
    for bad in [
        SUBSCRIBE,
        b"PROXY TCP4 203.0.113.7\r\n",
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
        &long,
        &binary(2, 0x11, &[0; 12]),
    ] {
        turned_away(site.say(0, bad).await).await;
    }
    // A second one, after which anything could be claimed.
    turned_away(site.say(0, &[&good[..], &good[..]].concat()).await).await;
    // Truncated, until the time for it is over.
    turned_away(site.say(0, &good[..good.len() - 1]).await).await;
    turned_away(site.say(0, &binary(1, 0x11, &[1; 12])[..20]).await).await;
    // We are not whom these ports trust: nothing helps on the first, a header does not on the others.
    turned_away(site.say(1, SUBSCRIBE).await).await;
    turned_away(site.say(1, &good).await).await;
    for port in [2, 3] {
        turned_away(site.say(port, &[&good[..], SUBSCRIBE].concat()).await).await;
        turned_away(site.say(port, &[&binary(1, 0x11, &[1; 12])[..], SUBSCRIBE].concat()).await).await;
        served(&mut site.say(port, SUBSCRIBE).await).await;
    }
    site.behind(0, &good).await.unwrap();
}

#[tokio::test]
async fn w28_both_families_on_one_port_are_stored_in_their_plain_form() {
    let site = Site::start("w28_dual", &["listen = \"[::]:0\""]).await;
    let port = site.port(0).port();
    for (nth, (address, stored)) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")].into_iter().enumerate() {
        let address = (address.parse::<std::net::IpAddr>().unwrap(), port).into();
        let (mut miner, job) =
            Miner::log_in(address, Algorithm::Sha256d, "alice.rig1", crate::stage::PASSWORD).await.unwrap();
        assert_eq!(site.stored_address(&mut miner, &job, nth + 1).await, stored);
    }
}

#[tokio::test]
async fn w28_bans_are_by_64_and_survive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(state(home.path())).unwrap();
    let until = crate::stage::unix_secs() + 600;
    let banned = ["2001:db8:1:2::9", "203.0.113.7"].map(|address| saved::SavedBan {
        source: Source::of(address.parse().unwrap()),
        until,
        cause: None,
    });
    let bans = saved::Saved { sources: banned.to_vec(), ordered: Vec::new() };
    saved::write(&state(home.path()).join("bans"), &bans).unwrap();
    let site = Site::start_in(home, "w28_bans", "", &[REQUIRED]).await;
    for (family, address) in [("TCP6", "2001:db8:1:2:ffff::1"), ("TCP4", "203.0.113.7"), ("TCP6", "::ffff:203.0.113.7")]
    {
        let mut socket = site.say(0, &[&line(family, address)[..], SUBSCRIBE].concat()).await;
        assert_eq!(last_words(&mut socket).await, b"", "{address}");
    }
    for (family, address) in [("TCP6", "2001:db8:1:3::9"), ("TCP4", "203.0.113.8")] {
        site.behind(0, &line(family, address)).await.unwrap();
    }
}

#[tokio::test]
async fn damaged_bans_are_ignored_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(state(home.path())).unwrap();
    std::fs::write(state(home.path()).join("bans"), "mpos-stratum bans 1\n203.0.113.7 99999999999\n").unwrap();
    let site = Site::start_in(home, "damaged_bans", "", &[REQUIRED]).await;
    site.daemon.wait_for_log("earlier bans are not taken over").await.unwrap();
    site.behind(0, &line("TCP4", "203.0.113.7")).await.unwrap();
    assert!(site.state().join("bans").exists());
}
