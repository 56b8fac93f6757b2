//! The limits together, by hand and without sockets.

use super::*;
use crate::clock::ManualClock;
use crate::config::{Network, Rate};

/// Time of day at which connections end here.
const BEGUN: u64 = 1_700_000_000;

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn limits() -> Limits {
    Limits { connections_per_address_max: 3, connections: Rate { per_sec: 1, burst: 2 }, ..Limits::default() }
}

fn guard(limits: &Limits) -> (Arc<Guard>, Arc<PortGuard>) {
    let daemon = Guard::new(10);
    let port = PortGuard::new(&daemon, limits, 8);
    (daemon, port)
}

#[test]
fn an_address_has_so_many_connections_and_its_place_is_free_again_when_one_ends() {
    let (_, port) = guard(&Limits { connections: Rate { per_sec: 1000, burst: 1000 }, ..limits() });
    let admit = |text: &str| {
        let mut admission = port.enter().unwrap();
        admission.admit(address(text), at(1)).map(|_| admission)
    };
    let mut open: Vec<_> = (0..3).map(|host| admit(&format!("2001:db8::{host}")).unwrap()).collect();
    assert_eq!(admit("2001:db8::ffff:1").unwrap_err(), Refused::AddressFull, "a /64 is one address");
    open.push(admit("2001:db8:0:1::1").unwrap());
    open.push(admit("192.0.2.1").unwrap());
    drop(open.remove(0));
    open.push(admit("2001:db8::7").unwrap());
    drop(open);
    assert!(lock(&port.tables).open.is_empty());
}

#[test]
fn a_storm_is_slowed_down_and_then_refused() {
    let (_, port) = guard(&Limits { connections_per_address_max: 100, ..limits() });
    let connect = |now| port.enter().unwrap().admit(address("192.0.2.1"), now);
    let delays: Vec<_> = (0..14).map(|_| connect(at(50))).collect();
    let secs: Vec<_> = delays.iter().map(|delay| delay.map(|delay| delay.as_secs())).collect();
    let waits = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(Ok);
    assert_eq!(secs[..12], waits);
    assert_eq!(secs[12..], [Err(Refused::TooFast); 2], "nobody waits for ever");
    assert_eq!(connect(at(62)), Ok(Duration::ZERO));
}

#[test]
fn port_and_daemon_have_bounds_of_their_own() {
    let (daemon, port) = guard(&limits());
    let other = PortGuard::new(&daemon, &limits(), 100);
    let mut open: Vec<_> = (0..8).map(|_| port.enter().unwrap()).collect();
    assert_eq!(port.enter().unwrap_err(), Refused::PortFull);
    open.extend((0..2).map(|_| other.enter().unwrap()));
    assert_eq!(other.enter().unwrap_err(), Refused::DaemonFull);
    assert_eq!(daemon.connections(), 10);
    drop(open);
    assert_eq!((daemon.connections(), other.connections.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn exempt_addresses_know_no_limits() {
    let exempt = vec![Network::parse("192.0.2.0/24").unwrap()];
    let (_, port) = guard(&Limits { exempt, ban_closes: 1, ..limits() });
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut admission = port.enter().unwrap();
        assert_eq!(admission.admit(address("::ffff:192.0.2.9"), at(1)), Ok(Duration::ZERO));
        open.push(admission);
    }
    for _ in 0..10 {
        assert!(!open[0].on_close(CloseReason::InvalidShares, at(1), BEGUN));
        open[0].on_refused_authorization(at(1));
    }
    assert_eq!(open[0].authorization_delay(at(1)), Duration::ZERO);
    open.clear();
    assert!(close(&port, "198.51.100.1", CloseReason::InvalidShares, at(1)));
}

/// A connection of this address comes and is closed; true if that bans the address.
fn close(port: &Arc<PortGuard>, text: &str, reason: CloseReason, now: Duration) -> bool {
    let mut admission = port.enter().unwrap();
    admission.admit(address(text), now).unwrap();
    admission.on_close(reason, now, BEGUN)
}

#[test]
fn loopback_is_never_banned_even_if_it_is_not_exempt() {
    let (_, port) = guard(&Limits { exempt: Vec::new(), ban_closes: 1, ..limits() });
    for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert!(!close(&port, text, CloseReason::InvalidShares, at(1)));
    }
    assert!(!close(&port, "198.51.100.1", CloseReason::Idle, at(1)), "only misbehaviour bans");
}

#[test]
fn bans_hold_on_every_port_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("bans"), ManualClock::at(1_700_000_000));
    let (daemon, port) = guard(&limits());
    let now = clock.monotonic();
    assert!(!close(&port, "2001:db8::1", CloseReason::InvalidShares, now));
    daemon.save(&path, &clock);
    assert!(!path.exists(), "nothing to save yet");
    assert!(close(&port, "2001:db8::2", CloseReason::InvalidShares, now));
    let other = PortGuard::new(&daemon, &limits(), 100);
    let admit = |port: &Arc<PortGuard>, clock: &ManualClock| {
        port.enter().unwrap().admit(address("2001:db8::3"), clock.monotonic())
    };
    assert_eq!(admit(&other, &clock), Err(Refused::Banned));
    daemon.save(&path, &clock);
    let listed = daemon.bans(&clock);
    let said = (listed[0].ordered, listed[0].since, &*listed[0].reason);
    assert_eq!(said, (false, Some(BEGUN), "invalid shares: 2 connections were closed for them within 600 s"));

    // 400 seconds later another life takes over, whose monotonic clock starts anew.
    let clock = ManualClock::at(1_700_000_400);
    let (daemon, port) = guard(&limits());
    daemon.restore(&path, &clock);
    assert_eq!(daemon.bans(&clock), listed);
    // Another life after it knows the beginning as well.
    daemon.unsaved.store(true, Ordering::Relaxed);
    daemon.save(&path, &clock);
    let (again, _) = guard(&limits());
    again.restore(&path, &clock);
    assert_eq!(again.bans(&clock), listed);
    clock.advance(at(199));
    assert_eq!(admit(&port, &clock), Err(Refused::Banned));
    clock.advance(at(1));
    assert_eq!(admit(&port, &clock), Ok(Duration::ZERO));

    // Damage forgives everybody, and does not stand in the way of the next ban.
    std::fs::write(&path, "mpos-stratum bans 1\nrubbish").unwrap();
    let (daemon, port) = guard(&Limits { ban_closes: 1, ..limits() });
    daemon.restore(&path, &clock);
    assert_eq!(admit(&port, &clock), Ok(Duration::ZERO));
    assert!(close(&port, "2001:db8::2", CloseReason::InvalidShares, clock.monotonic()));
    daemon.save(&path, &clock);
    assert_eq!(saved::read(&path).unwrap().sources.len(), 1);
}

#[test]
fn an_operator_s_ban_holds_for_exempt_addresses_too_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("bans"), ManualClock::at(1_700_000_000));
    let exempt = Limits { exempt: vec![Network::parse("192.0.2.0/24").unwrap()], ..limits() };
    let (daemon, port) = guard(&exempt);
    let order = BanOrder { network: Network::parse("192.0.2.0/28").unwrap(), lasts: at(600), reason: "why".to_owned() };
    assert!(daemon.ban(&order, &clock));
    let admit = |port: &Arc<PortGuard>, text: &str, clock: &ManualClock| {
        port.enter().unwrap().admit(address(text), clock.monotonic())
    };
    assert_eq!(admit(&port, "192.0.2.15", &clock), Err(Refused::Banned));
    assert_eq!(admit(&port, "192.0.2.16", &clock), Ok(Duration::ZERO));
    daemon.save(&path, &clock);

    let clock = ManualClock::at(1_700_000_400);
    let (daemon, port) = guard(&exempt);
    daemon.restore(&path, &clock);
    let listed = daemon.bans(&clock);
    assert_eq!((listed.len(), &*listed[0].who, listed[0].until), (1, "192.0.2.0/28", 1_700_000_600));
    assert_eq!((listed[0].since, &*listed[0].reason), (Some(1_700_000_000), "why"));
    clock.advance(at(199));
    assert_eq!(admit(&port, "192.0.2.15", &clock), Err(Refused::Banned));
    assert!(daemon.lift(&order.network, &clock) && !daemon.lift(&order.network, &clock));
    assert_eq!(admit(&port, "192.0.2.15", &clock), Ok(Duration::ZERO));
}

#[test]
fn a_ban_for_misbehaviour_is_lifted_by_any_address_of_its_source() {
    let (daemon, port) = guard(&Limits { ban_closes: 1, ..limits() });
    let clock = ManualClock::at(1_700_000_000);
    assert!(close(&port, "2001:db8::1", CloseReason::InvalidShares, clock.monotonic()));
    assert_eq!(daemon.bans(&clock)[0].who, "2001:db8::/64");
    assert!(daemon.lift(&Network::parse("2001:db8::7").unwrap(), &clock));
    assert!(daemon.bans(&clock).is_empty());
}

#[test]
fn few_banned_connections_are_kept_waiting_at_a_time() {
    let daemon = Guard::new(100_000);
    let port = PortGuard::new(&daemon, &limits(), 3 * DETAINED_SHARE);
    let admission = port.enter().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| admission.detain().unwrap()).collect();
    assert!(admission.detain().is_none());
    waiting.pop();
    assert!(admission.detain().is_some());
    port.change(&limits(), 2 * DETAINED_SHARE * DETAINED_MAX);
    waiting.extend((2..DETAINED_MAX).map(|_| admission.detain().unwrap()));
    assert!(admission.detain().is_none(), "however large the port is");
}

#[test]
fn who_makes_noise_connects_more_slowly_but_never_much() {
    let connections = Rate { per_sec: 10, burst: 20 };
    let limits = Limits { connections_per_address_max: 10, connections, ..limits() };
    let (_, port) = guard(&limits);
    let enter = |now: Duration| {
        let mut admission = port.enter().unwrap();
        (admission.admit(address("198.51.100.1"), now).unwrap(), admission)
    };
    let (delay, quiet) = enter(at(1));
    assert!(!quiet.on_close(CloseReason::Idle, at(1), BEGUN) && delay.is_zero());
    let (first, second) = (enter(at(1)).1, enter(at(1)).1);
    assert!(
        !first.on_close(CloseReason::Junk, at(1), BEGUN) && !second.on_close(CloseReason::LineTooLong, at(1), BEGUN)
    );
    // 21 of 20 are gone: three connections, and nine more for each that made noise.
    let (delay, noisy) = enter(at(1));
    assert_eq!(delay, Duration::from_millis(200));
    for _ in 0..100 {
        noisy.on_close(CloseReason::Junk, at(1), BEGUN);
    }
    let (delay, _) = enter(at(1));
    assert!(delay > NOISE_DELAY_MAX && delay < 2 * NOISE_DELAY_MAX, "{delay:?}");
}
