//! Faults that only a running daemon can have.

use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::daemon::Daemon;
use crate::ward::Ward;

/// Fewer than the daemon's connections may need.
const FILES_MAX: u64 = 300;
/// The node has no work yet, so that the port stays closed.
const CLOSED_PORT: (&str, &str) = ("machine.ports", "warning");

pub async fn of_a_daemon(ward: &mut Ward) {
    let daemon = start(ward).await;
    ward.expect("no work yet", CLOSED_PORT.0, CLOSED_PORT.1).await;
    let process = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    let limit = Rlimit { current: Some(FILES_MAX), maximum: Some(FILES_MAX) };
    let before = prlimit(process, Resource::Nofile, limit).unwrap();
    ward.expect_in(&[], "few files", "machine.open_files", "warning", &[CLOSED_PORT]).await;
    assert!(before.maximum.is_none_or(|maximum| maximum > FILES_MAX));
    daemon.stop().await.unwrap();

    let run = ward.pool.dir.path().join("run");
    std::fs::remove_dir_all(&run).unwrap();
    let daemon = start(ward).await;
    ward.expect_in(&[], "no place for sockets", "machine.notify", "warning", &[CLOSED_PORT]).await;
    daemon.stop().await.unwrap();
    std::fs::create_dir(&run).unwrap();

    // As a database that was put back from a backup.
    ward.pool.sql("UPDATE mpos_stratum_cursor SET seq = seq - 1").await;
    let daemon = start(ward).await;
    daemon.wait_for_log("spool adopt").await.unwrap();
    let more = [("spool.position", "fault"), CLOSED_PORT];
    ward.expect_among("a drain that waits for a decision", "spool.drain", "fault", &more).await;
    daemon.stop().await.unwrap();
    ward.pool.sql("UPDATE mpos_stratum_cursor SET seq = seq + 1").await;
    ward.expect_health("of a daemon").await;
}

/// A daemon that works with the spool.
async fn start(ward: &Ward) -> Daemon {
    let directory: &Path = ward.pool.dir.path();
    let config = std::fs::read_to_string(ward.pool.config_path()).unwrap();
    let daemon = Daemon::start_in(directory, &config).unwrap();
    daemon.wait_for_log("ready").await.unwrap();
    daemon
}
