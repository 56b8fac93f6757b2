//! The Debian package in a pristine Debian 12 under systemd (`make test-package`): what an operator does with it, from
//! the first installation to the purge, and that no share is lost by any of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    dead_code,
    missing_docs,
    reason = "tests may end at the first surprise and tell their way; what is shared with other tests is used in part"
)]

mod support;

#[path = "package/callers.rs"]
mod callers;
#[path = "package/contents.rs"]
mod contents;
#[path = "package/crew.rs"]
mod crew;
#[path = "package/life.rs"]
mod life;
#[path = "package/machine.rs"]
mod machine;
#[path = "package/site.rs"]
mod site;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::Machine;
use crate::site::Site;
use crate::support::miner::PATIENCE;

const SERVICE: &str = "mpos-stratum";
const CONFIG: &str = "/etc/mpos-stratum/config.toml";
const CONF_D: &str = "/etc/mpos-stratum/conf.d";
const STATE: &str = "/var/lib/mpos-stratum";

/// The package in a folder below `target`.
fn package(folder: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(folder);
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("mpos-stratum_") && name.ends_with(".deb")
    };
    let found = std::fs::read_dir(&folder).ok().and_then(|dir| dir.map(|entry| entry.unwrap().path()).find(is_it));
    found.unwrap_or_else(|| panic!("no package in {}: run this by `make test-package`", folder.display()))
}

/// Waits for the service's state; the states on the way there may be others.
async fn wait_for_state(machine: &Machine, wanted: &str) {
    let state = || machine.property("ActiveState");
    let reached = async {
        while state() != wanted {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "the service is {}", machine.must(&["systemctl", "--no-pager", "show", SERVICE]));
}

#[test]
fn the_package_lives_through_what_operators_do() {
    let machine = Machine::boot();
    machine.enter_network();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        installed_but_not_started(&machine);
        nothing_is_served_without_a_configuration(&machine);
        it_does_without_a_node_and_a_database(&machine);
        let mut site = Site::set_up(&machine).await;
        configured_started_and_mined_on(&mut site).await;
        the_daemon_is_shut_in(&machine);
        life::commands_outside_know_the_daemon_beside_them(&machine);
        life::lived_through_by_many_miners(&mut site).await;
        life::an_upgrade_does_not_end_the_pool(&mut site).await;
        life::an_upgrade_keeps_what_the_operator_did(&site);
        life::killed_and_hung(&mut site).await;
        a_wrong_configuration_is_no_loop(&mut site).await;
        removed_with_shares_that_no_database_has(&mut site).await;
        purged_when_all_is_drained(&mut site).await;
    });
}

fn installed_but_not_started(machine: &Machine) {
    let ended = machine.install(&package("deb"));
    assert_eq!(ended.code, 0, "{}", ended.text);
    assert_eq!(machine.run(&["systemctl", "is-enabled", SERVICE]).text.trim(), "disabled");
    assert_eq!(machine.run(&["systemctl", "is-active", SERVICE]).text.trim(), "inactive");
    modes_are_safe(machine);
    let user = machine.must(&["getent", "passwd", SERVICE]);
    assert!(user.contains("/var/lib/mpos-stratum:/usr/sbin/nologin"), "{user}");
    assert_eq!(machine.run(&["ls", STATE]).code, 2, "nothing has run yet");
    assert_eq!(machine.must(&["dpkg", "--verify", SERVICE]), "");
}

/// Passwords will stand there.
fn modes_are_safe(machine: &Machine) {
    let modes = machine.must(&[
        "stat",
        "--format",
        "%n %a %U:%G",
        "/etc/mpos-stratum",
        CONF_D,
        CONFIG,
        "/usr/sbin/mpos-stratum",
    ]);
    assert_eq!(
        modes,
        "/etc/mpos-stratum 750 root:mpos-stratum\n\
         /etc/mpos-stratum/conf.d 750 root:mpos-stratum\n\
         /etc/mpos-stratum/config.toml 640 root:mpos-stratum\n\
         /usr/sbin/mpos-stratum 755 root:root"
    );
}

fn nothing_is_served_without_a_configuration(machine: &Machine) {
    let check = machine.run(&["mpos-stratum", "check"]);
    assert_eq!(check.code, 78);
    assert!(check.text.contains("there is no coin"), "{}", check.text);
    let second = machine.now();
    assert_ne!(machine.run(&["systemctl", "start", SERVICE]).code, 0);
    failed_for_good(machine);
    let log = machine.log_since(&second);
    assert!(log.contains("there is no coin; add a [[coin]] table"), "{log}");
    machine.must(&["systemctl", "reset-failed", SERVICE]);
}

/// The test that comes with the package's sources, for whoever builds Debian packages from them.
fn it_does_without_a_node_and_a_database(machine: &Machine) {
    machine.feed(&["sh", "-s"], include_bytes!("../packaging/debian/tests/smoke"));
    machine.must(&["rm", "-r", STATE]);
    modes_are_safe(machine);
    machine.put(&format!("{CONF_D}/more.toml"), b"[daemon]\n");
    let check = machine.run(&["mpos-stratum", "check"]);
    assert!(check.text.contains("more.toml:1:2: daemon: only [[coin]] tables"), "{}", check.text);
    machine.must(&["rm", &format!("{CONF_D}/more.toml")]);
}

/// The service ended with the exit code of a wrong configuration and was not started again.
fn failed_for_good(machine: &Machine) {
    assert_eq!(machine.property("ActiveState"), "failed");
    assert_eq!(machine.property("ExecMainStatus"), "78");
    assert_eq!(machine.property("NRestarts"), "0");
}

async fn configured_started_and_mined_on(site: &mut Site<'_>) {
    let machine = site.machine;
    site.put_credentials();
    machine.put(CONFIG, site.configuration().as_bytes());
    let by_hand = machine.run(&["mpos-stratum", "check"]);
    assert!(by_hand.code == 0 && by_hand.text.contains("set CREDENTIALS_DIRECTORY"), "{}", by_hand.text);
    let credentials = "CREDENTIALS_DIRECTORY=/etc/mpos-stratum/credentials";
    machine.must(&["env", credentials, "mpos-stratum", "check", "--online"]);
    machine.must(&["systemctl", "enable", "--now", SERVICE]);
    assert_eq!(machine.property("ActiveState"), "active");
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 20).await;
    let block = site.block(&mut miner).await;
    site.shares(&mut miner, 5).await;
    site.every_share_is_a_row().await;
    let row = format!("SELECT COUNT(*) FROM shares WHERE solution = '{block}' AND upstream_result = 'Y'");
    let verdict = async {
        while site.number(&row) == 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, verdict).await.expect("the row of the block never had its verdict");
    let status = machine.property("StatusText");
    assert!(status.contains("litecoin"), "{status}");
    // What a coin daemon's blocknotify does, as its user.
    let hash = "00".repeat(32);
    machine.must(&[
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "mpos-stratum",
        "notify",
        "litecoin",
        &hash,
    ]);
}

/// The sandbox is in force, and the daemon's files are nobody else's.
fn the_daemon_is_shut_in(machine: &Machine) {
    let pid = machine.property("MainPID");
    let status = machine.must(&["cat", &format!("/proc/{pid}/status")]);
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "`{line}` is not in {status}");
    }
    assert_eq!(machine.must(&["ps", "-o", "user=", "-p", &pid]).trim(), "mpos-stratum");
    let limits = machine.must(&["cat", &format!("/proc/{pid}/limits")]);
    assert!(limits.lines().any(|line| line.starts_with("Max core file size") && line.contains(" 0 ")), "{limits}");
    // Miners and the disk they wait for come first, hashes next, and newcomers behind all services.
    let threads = machine.must(&["ps", "-L", "-o", "comm=,ni=", "-p", &pid]);
    for (name, niceness) in [("mpos-stratum", "-15"), ("spool-sync", "-15"), ("hasher-0", "-5"), ("strangers", "5")] {
        let all: Vec<&str> = threads.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect();
        assert!(!all.is_empty() && all.iter().all(|found| *found == niceness), "{name}: {threads}");
    }
    let mode = machine.must(&["stat", "--format", "%a %U:%G", STATE]);
    assert_eq!(mode, "750 mpos-stratum:mpos-stratum");
    let log = machine.must(&["journalctl", "--unit", SERVICE, "--output", "cat"]);
    assert!(!log.contains("change-me") && !log.contains("pool-secret"), "{log}");
    assert!(!log.contains("command denied"), "grants.sql gives what is needed: {log}");
    let score = machine.must(&["systemd-analyze", "security", "--threshold=15", "--no-pager", SERVICE]);
    assert!(score.contains("Overall exposure level"), "{score}");
}

async fn a_wrong_configuration_is_no_loop(site: &mut Site<'_>) {
    let machine = site.machine;
    machine.put(CONFIG, site.configuration().replace("fallback_worker", "falback_worker").as_bytes());
    assert_ne!(machine.run(&["systemctl", "restart", SERVICE]).code, 0);
    // As long as a loop would take for its next turn.
    tokio::time::sleep(Duration::from_secs(3)).await;
    failed_for_good(machine);
    machine.put(CONFIG, site.configuration().as_bytes());
    machine.must(&["systemctl", "start", SERVICE]);
    let (mut miner, _) = site.miner().await;
    site.shares(&mut miner, 3).await;
    site.every_share_is_a_row().await;
}

async fn removed_with_shares_that_no_database_has(site: &mut Site<'_>) {
    let machine = site.machine;
    let (mut miner, _) = site.miner().await;
    machine.must(&["systemctl", "stop", "mariadb"]);
    site.shares(&mut miner, 12).await;
    let removed = machine.run(&["dpkg", "--remove", SERVICE]);
    assert_eq!(removed.code, 0, "{}", removed.text);
    for part in ["12 events that no database has confirmed", "is kept, also if the package is purged"] {
        assert!(removed.text.contains(part), "{}", removed.text);
    }
    assert_eq!(machine.run(&["pgrep", "--exact", SERVICE]).code, 1, "it still runs");
    let purged = machine.run(&["dpkg", "--purge", SERVICE]);
    assert_eq!(purged.code, 0, "{}", purged.text);
    assert!(purged.text.contains("/var/lib/mpos-stratum is kept"), "{}", purged.text);
    assert_eq!(machine.run(&["ls", CONFIG]).code, 2, "the configuration is purged");
    // Once more, and what was answered arrives.
    machine.must(&["systemctl", "start", "mariadb"]);
    assert_eq!(machine.install(&package("deb")).code, 0);
    machine.put(CONFIG, site.configuration().as_bytes());
    assert_eq!(machine.must(&["stat", "--format", "%a %U:%G", CONFIG]), "640 root:mpos-stratum");
    machine.must(&["systemctl", "start", SERVICE]);
    site.every_share_is_a_row().await;
}

async fn purged_when_all_is_drained(site: &mut Site<'_>) {
    let machine = site.machine;
    let none_left = async {
        while machine.run(&["mpos-stratum", "spool", "left"]).code != 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, none_left).await.expect("the spool never became empty");
    machine.put(&format!("{CONF_D}/second.toml"), b"# a further coin, with its passwords\n");
    let purged = machine.run(&["dpkg", "--purge", SERVICE]);
    assert_eq!(purged.code, 0, "{}", purged.text);
    assert_eq!(machine.run(&["ls", STATE]).code, 2, "nothing was left in it");
    assert!(purged.text.contains("/etc/mpos-stratum is kept: it holds files of yours"), "{}", purged.text);
    assert_eq!(machine.must(&["ls", "/etc/mpos-stratum"]), "credentials", "what the operator made stays");
    let units = machine.run(&["systemctl", "list-unit-files", "--no-legend", "mpos-stratum.service"]);
    assert_eq!(units.text.trim(), "");
    assert_eq!(machine.run(&["sh", "-c", "ls /etc/systemd/system/*/mpos-stratum.service"]).code, 2);
    assert_eq!(machine.install(&package("deb")).code, 0, "and it can be installed again");
    // A removal that is no purge keeps the configuration for the next time.
    machine.put(CONFIG, site.configuration().as_bytes());
    machine.must(&["dpkg", "--remove", SERVICE]);
    assert_eq!(machine.install(&package("deb")).code, 0);
    assert_eq!(machine.must(&["cat", CONFIG]), site.configuration().trim_end());
    modes_are_safe(machine);
}
