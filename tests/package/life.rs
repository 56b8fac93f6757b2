//! What ends and begins the daemon under real miners: reloads, restarts, upgrades, kills, hangs.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::callers::Callers;
use crate::crew::{self, Crew};
use crate::machine::Machine;
use crate::site::{LISTEN, PASSWORD, Site};
use crate::support::miner::{Algorithm, Miner};
use crate::{CONFIG, SERVICE, package, wait_for_state};

/// Miners who live through everything that an operator does while the daemon runs.
const MINERS: usize = 200;
/// A second port, which comes with a reload.
const SECOND: &str = "127.0.0.1:3334";
/// A watchdog of less than the unit's 30 s: nobody needs to wait for that long.
const WATCHDOG: &str = "[Service]\nWatchdogSec=5s\n";
const DROP_IN: &str = "/etc/systemd/system/mpos-stratum.service.d/quick.conf";

/// Past the test harness, which keeps what a test that succeeds has printed.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(format!("=== {text}\n").as_bytes());
}

fn address(port: &str) -> SocketAddr {
    port.parse().unwrap()
}

/// What the unit's sandbox hides from the daemon must not make another place of its spool: to commands that are run
/// outside it would be a copy at work.
pub fn commands_outside_know_the_daemon_beside_them(machine: &Machine) {
    let asked = |arguments: &[&str]| {
        let outside = ["env", "CREDENTIALS_DIRECTORY=/etc/mpos-stratum/credentials", SERVICE];
        machine.run(&[&outside[..], arguments].concat())
    };
    let status = asked(&["spool", "status"]);
    assert_eq!(status.code, 0, "{}", status.text);
    assert!(status.text.contains("running") && !status.text.contains("a copy of"), "{}", status.text);
    let seen: serde_json::Value = serde_json::from_str(asked(&["doctor", "--json"]).text.trim()).unwrap();
    for id in ["writer.other", "spool.position"] {
        let findings = seen["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id);
        let severities: Vec<_> = findings.map(|finding| &finding["severity"]).collect();
        assert!(!severities.is_empty() && severities.iter().all(|severity| *severity == "fine"), "{id}: {seen}");
    }
}

/// Reloads, a restart and an upgrade: the same connections mine on, nothing is refused, every share is a row.
pub async fn lived_through_by_many_miners(site: &mut Site<'_>) {
    let machine = site.machine;
    site.hire(MINERS);
    let callers = Callers::start(address(LISTEN));
    let crew = Crew::start(address(LISTEN), PASSWORD, MINERS);
    crew.more(2 * MINERS).await;
    tell(&format!("{MINERS} miners: the longest wait for an answer {:?}", crew.longest_wait()));

    let pid = machine.property("MainPID");
    reloaded_good_and_bad(site).await;
    crew.more(MINERS).await;
    assert_eq!((machine.property("ActiveState"), machine.property("MainPID")), ("active".to_owned(), pid.clone()));
    tell(&format!("a good and a bad reload: the longest wait {:?}", crew.longest_wait()));

    let began = Instant::now();
    machine.must(&["systemctl", "restart", SERVICE]);
    let took = began.elapsed();
    crew.more(2 * MINERS).await;
    tell(&format!("a restart: {took:?}, the longest wait of a miner {:?}", crew.longest_wait()));
    let restarted = machine.property("MainPID");
    assert_ne!(restarted, pid);
    every_connection_came_over(machine);

    let began = Instant::now();
    let ended = machine.install(&package("package/next"));
    assert_eq!(ended.code, 0, "{}", ended.text);
    let took = began.elapsed();
    crew.more(2 * MINERS).await;
    tell(&format!("an upgrade: {took:?}, the longest wait of a miner {:?}", crew.longest_wait()));
    assert_ne!(machine.property("MainPID"), restarted, "the new one serves");
    assert_eq!(machine.property("NRestarts"), "0");
    every_connection_came_over(machine);

    let (connections, slowest) = callers.end();
    tell(&format!("{connections} further connections, none refused, the slowest took {slowest:?}"));
    site.has_rows_of(&crew.end()).await;
}

/// The daemon said so when it began.
fn every_connection_came_over(machine: &Machine) {
    let id = machine.property("InvocationID");
    let log = machine.must(&["journalctl", "--output", "cat", &format!("_SYSTEMD_INVOCATION_ID={id}")]);
    let line = log.lines().find(|line| line.contains("going on where the last run ended"));
    let connections = line.and_then(|line| line.split("connections=").nth(1)?.split(' ').next()?.parse::<usize>().ok());
    // Somebody may have been calling.
    assert!(connections.is_some_and(|connections| connections >= MINERS), "not all connections came over: {log}");
}

async fn reloaded_good_and_bad(site: &Site<'_>) {
    let machine = site.machine;
    machine.put(CONFIG, site.configuration_with_port(SECOND).as_bytes());
    machine.must(&["systemctl", "reload", SERVICE]);
    Miner::log_in(address(SECOND), Algorithm::Scrypt, &crew::name(0), PASSWORD).await.unwrap();
    machine.put(CONFIG, b"[[coin]]\nname = \"A\"\n");
    let second = machine.now();
    assert_ne!(machine.run(&["systemctl", "reload", SERVICE]).code, 0, "a bad file has to be refused");
    let log = machine.log_since(&second);
    assert!(log.contains("nothing was changed") && log.contains("config.toml:2:"), "{log}");
    let since = format!("@{second}");
    let warnings = ["journalctl", "--unit", SERVICE, "--output", "cat", "--priority", "warning", "--since", &since];
    let warnings = machine.must(&warnings);
    assert!(warnings.contains("nothing was changed"), "{warnings}");
    assert!(!warnings.contains("configuration taken over"), "the journal knows levels: {warnings}");
    assert!(machine.property("StatusText").contains("the last reload was REFUSED"));
    machine.put(CONFIG, site.configuration().as_bytes());
    machine.must(&["systemctl", "reload", SERVICE]);
    let status = machine.property("StatusText");
    assert!(status.starts_with("configuration 3; ") && !status.contains("REFUSED"), "{status}");
    assert!(Miner::connect(address(SECOND), Algorithm::Scrypt).await.is_err(), "the second port is closed again");
}

/// Killed, and hung until the watchdog ends it: nobody is refused, and it begins again by itself.
pub async fn killed_and_hung(site: &mut Site<'_>) {
    let machine = site.machine;
    // The service has just been started: the port listens from the first work on.
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 1).await;
    let callers = Callers::start(address(LISTEN));
    let restarts = || machine.property("NRestarts").parse::<u32>().unwrap();
    let before = restarts();
    for _ in 0..2 {
        let (mut miner, _) = site.miner().await;
        site.shares(&mut miner, 10).await;
        machine.must(&["systemctl", "kill", "--signal", "KILL", SERVICE]);
        let (mut miner, _) = site.miner().await;
        site.shares(&mut miner, 5).await;
        wait_for_state(machine, "active").await;
    }
    assert_eq!(restarts(), before + 2, "by itself");
    let (connections, slowest) = callers.end();
    tell(&format!("two kills: {connections} connections, none refused, the slowest took {slowest:?}"));

    machine.put(DROP_IN, WATCHDOG.as_bytes());
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "restart", SERVICE]);
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 5).await;
    let callers = Callers::start(address(LISTEN));
    let (second, before) = (machine.now(), restarts());
    let began = Instant::now();
    machine.must(&["systemctl", "kill", "--kill-who", "main", "--signal", "STOP", SERVICE]);
    while restarts() == before {
        assert!(began.elapsed() < Duration::from_secs(60), "the watchdog does not bark");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    wait_for_state(machine, "active").await;
    assert!(machine.log_of_system_since(&second).contains("Watchdog timeout"));
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 5).await;
    let (connections, slowest) = callers.end();
    tell(&format!("hung: back after {:?}, {connections} connections, the slowest took {slowest:?}", began.elapsed()));
    machine.must(&["rm", DROP_IN]);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "restart", SERVICE]);
    site.every_share_is_a_row().await;
}

/// A configuration that the new version cannot use, though the old one has long taken over a good one: an upgrade leaves
/// the old one at work and says what to do.
pub async fn an_upgrade_does_not_end_the_pool(site: &mut Site<'_>) {
    let machine = site.machine;
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 3).await;
    let pid = machine.property("MainPID");
    machine.put(CONFIG, site.configuration().replace("fallback_worker", "falback_worker").as_bytes());
    let ended = machine.install(&package("package/next"));
    assert_eq!(ended.code, 0, "{}", ended.text);
    for part in
        ["config.toml:", "falback_worker", "NOT RESTARTED", "mpos-stratum check --config /etc/mpos-stratum/config.toml"]
    {
        assert!(ended.text.contains(part), "`{part}` is not in {}", ended.text);
    }
    assert_eq!((machine.property("ActiveState"), machine.property("MainPID")), ("active".to_owned(), pid.clone()));
    site.shares(&mut miner, 3).await;
    machine.put(CONFIG, site.configuration().as_bytes());
    assert_eq!(machine.install(&package("package/next")).code, 0);
    assert_ne!(machine.property("MainPID"), pid, "mended, the new one serves");
    site.shares(&mut miner, 3).await;
    site.every_share_is_a_row().await;
}

/// What else an upgrade leaves as it was.
pub fn an_upgrade_keeps_what_the_operator_did(site: &Site<'_>) {
    let machine = site.machine;
    assert_eq!(machine.must(&["cat", CONFIG]), site.configuration().trim_end(), "the operator's configuration stays");
    assert_eq!(machine.must(&["stat", "--format", "%a %U:%G", CONFIG]), "640 root:mpos-stratum");
    // A service that was stopped stays so, and the operator's modes stay.
    machine.must(&["systemctl", "stop", SERVICE]);
    machine.must(&["chmod", "0600", CONFIG]);
    assert_eq!(machine.install(&package("package/next")).code, 0);
    assert_eq!(machine.run(&["systemctl", "is-active", SERVICE]).text.trim(), "inactive");
    assert_eq!(machine.must(&["stat", "--format", "%a", CONFIG]), "600");
    machine.must(&["chmod", "0640", CONFIG]);
    machine.must(&["systemctl", "start", SERVICE]);
}

/// Holds the rows of each miner against what it was told.
pub fn compare(rows: &BTreeMap<String, usize>, accepted: &[usize]) {
    for (miner, accepted) in accepted.iter().enumerate() {
        assert_eq!(rows.get(&crew::name(miner)), Some(accepted), "{}", crew::name(miner));
    }
}
