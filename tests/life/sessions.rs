//! One miner, looked at closely, through restarts of every kind.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::house::{House, kept_as, port_at};
use crate::stage::{PASSWORD, SHA256D_EASY, SHA256D_SOME, rows_of, rows_when};
use crate::support::daemon::Daemon;
use crate::support::miner::{Algorithm, Job, Miner, Share, Wanted};
use crate::support::ports::free_port;

const WORKER: &str = "alice.rig1";

async fn log_in(port: SocketAddr) -> (Miner, Job) {
    Miner::log_in(port, Algorithm::Sha256d, WORKER, PASSWORD).await.unwrap()
}

/// Stops the daemon and starts it again.
async fn restart(house: &House, daemon: Daemon) -> Daemon {
    assert!(daemon.stop().await.unwrap().success());
    house.run().await
}

async fn submit(miner: &mut Miner, share: &Share) {
    let reply = miner.submit(WORKER, share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_of_jobs_from_before_count_once_and_at_their_difficulty() {
    let house = House::new("life_jobs", SHA256D_SOME).await;
    let daemon = house.run().await;
    let (mut miner, job) = log_in(house.port).await;
    let (before, after) = (miner.mine(&job, Wanted::Share).unwrap(), miner.mine(&job, Wanted::Share).unwrap());
    let weak = miner.mine(&job, Wanted::BelowShare).unwrap();
    submit(&mut miner, &before).await;
    let half = format!(
        "{}\n",
        serde_json::json!({"id": 7_000_000, "method": "mining.submit", "params": after.submit_params(WORKER)})
    );
    let (start, end) = half.split_at(half.len() / 2);
    miner.send_raw(start.as_bytes()).await.unwrap();

    let daemon = restart(&house, daemon).await;
    miner.send_raw(end.as_bytes()).await.unwrap();
    let reply = miner.next_reply().await.unwrap();
    assert!(reply.is_true() && reply.id == 7_000_000, "{}", reply.line);
    for (share, code) in [(&before, 22), (&after, 22), (&weak, 23)] {
        let reply = miner.submit(WORKER, share).await.unwrap();
        assert_eq!(reply.error.as_ref().map(|error| error.code), Some(code), "{}", reply.line);
    }
    // New work came with the new process, and does not end the old.
    let new = miner.wait_for_job_where("new work", |new| new.id != job.id).await.unwrap();
    assert!(!new.clean && new.previous == job.previous && new.extranonce1 == job.extranonce1);
    let share = miner.mine(&new, Wanted::Share).unwrap();
    submit(&mut miner, &share).await;
    // Nobody else has its extranonce.
    let (mut other, others_job) = log_in(house.port).await;
    assert_ne!(others_job.extranonce1, job.extranonce1);
    let share = other.mine(&others_job, Wanted::Share).unwrap();
    submit(&mut other, &share).await;

    // Once more: what the last life had been left is handed on.
    let _daemon = restart(&house, daemon).await;
    let reply = miner.submit(WORKER, &before).await.unwrap();
    assert_eq!(reply.error.map(|error| error.code), Some(22));
    let rows = rows_of(&house.db, house.database, 8).await;
    let accepted: Vec<f64> = rows.iter().filter(|row| row.our_result == "Y").map(|row| row.difficulty).collect();
    assert_eq!(accepted, [SHA256D_SOME; 4]);
    // Nothing else stays in the store.
    house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tip_that_moves_during_the_restart_makes_old_work_stale() {
    let house = House::new("life_tip", SHA256D_SOME).await;
    let daemon = house.run().await;
    let (mut miner, job) = log_in(house.port).await;
    let late = miner.mine(&job, Wanted::Share).unwrap();
    assert!(daemon.stop().await.unwrap().success());
    house.node.new_tip();
    let _daemon = house.run().await;
    let new = miner.wait_for_new_tip(&job).await.unwrap();
    assert!(new.clean);
    let reply = miner.submit(WORKER, &late).await.unwrap();
    assert_eq!(reply.error.map(|error| error.code), Some(21));
    let share = miner.mine(&new, Wanted::Share).unwrap();
    submit(&mut miner, &share).await;
    let done = |rows: &[crate::support::mariadb::ShareRow]| rows.iter().any(|row| row.our_result == "Y");
    rows_when(&house.db, house.database, "the share", done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_at_the_restart_changes_nothing_for_miners() {
    let house = House::new("life_no_node", SHA256D_SOME).await;
    let daemon = house.run().await;
    let (mut miner, job) = log_in(house.port).await;
    assert!(daemon.stop().await.unwrap().success());
    house.node.set_fault(crate::support::fake_node::Fault::Refuse);
    let daemon = house.run().await;
    let share = miner.mine(&job, Wanted::Share).unwrap();
    submit(&mut miner, &share).await;
    // New miners get the work that there is.
    log_in(house.port).await;
    house.node.set_fault(crate::support::fake_node::Fault::None);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_not_said_anything_yet_goes_over_too() {
    let house = House::new("life_silent", SHA256D_EASY).await;
    let daemon = house.run().await;
    let mut silent = Miner::connect(house.port, Algorithm::Sha256d).await.unwrap();
    let mut begun = Miner::connect(house.port, Algorithm::Sha256d).await.unwrap();
    // As it may be HTTP, nobody knows yet.
    begun.send_raw(b"P").await.unwrap();
    let (_known, _) = log_in(house.port).await;
    let _daemon = restart(&house, daemon).await;
    silent.subscribe().await.unwrap();
    assert!(silent.authorize(WORKER, PASSWORD).await.unwrap().is_true());
    silent.wait_for_job().await.unwrap();
    begun.send_raw(b"OST / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(begun.next_reply().await.is_err(), "the answer to HTTP");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_port_that_left_the_configuration_are_closed() {
    let mut house = House::new("life_moved", SHA256D_EASY).await;
    let stays = SocketAddr::from(([127, 0, 0, 1], free_port()));
    house.coin.ports.push(port_at(stays, SHA256D_EASY));
    let daemon = house.run().await;
    let ((mut leaves, _), (mut remains, job)) = (log_in(house.port).await, log_in(stays).await);
    let new = SocketAddr::from(([127, 0, 0, 1], free_port()));
    house.coin.ports = vec![port_at(stays, SHA256D_EASY), port_at(new, SHA256D_EASY)];
    let daemon = restart(&house, daemon).await;
    leaves.wait_for_close().await.unwrap();
    daemon.wait_for_log("connections of ports that are no longer configured: closed").await.unwrap();
    let share = remains.mine(&job, Wanted::Share).unwrap();
    submit(&mut remains, &share).await;
    log_in(new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_costs_nobody_his_connection() {
    let mut house = House::new("life_failed", SHA256D_EASY).await;
    let daemon = house.run().await;
    let (mut miner, job) = log_in(house.port).await;
    assert!(daemon.stop().await.unwrap().success());
    // A new port, on which another program listens still.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    house.coin.ports.push(port_at(other.local_addr().unwrap(), SHA256D_EASY));
    let status = house.try_to_begin().wait_for_end().await.unwrap();
    assert_eq!(status.code(), Some(69));
    drop(other);
    let _daemon = house.run().await;
    let share = miner.mine(&job, Wanted::Share).unwrap();
    submit(&mut miner, &share).await;
}

/// A damaged copy of a file in memory.
fn damaged(state: OwnedFd, damage: impl FnOnce(&mut Vec<u8>)) -> OwnedFd {
    let mut bytes = Vec::new();
    let mut state = File::from(state);
    std::io::Seek::rewind(&mut state).unwrap();
    state.read_to_end(&mut bytes).unwrap();
    damage(&mut bytes);
    let mut file = File::from(memfd_create("damaged", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&bytes).unwrap();
    file.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_state_closes_sockets_and_the_daemon_starts() {
    let house = House::new("life_damaged", SHA256D_EASY).await;
    let mut daemon = house.run().await;
    type Damage = fn(&mut Vec<u8>);
    let kinds: [(Damage, &str); 4] = [
        (|bytes| bytes.truncate(bytes.len() / 2), "damaged at byte"),
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "what the checksum says"),
        (|bytes| bytes[8] = 99, "it is of version 99"),
        (|bytes| bytes.clear(), "damaged at byte 0"),
    ];
    for (damage, words) in kinds {
        let (mut miner, _) = log_in(house.port).await;
        assert!(daemon.stop().await.unwrap().success());
        let state = house.manager.take("handover-state").expect("the state is kept");
        house.manager.put("handover-state", damaged(state, damage));
        daemon = house.run().await;
        daemon.wait_for_log(words).await.unwrap();
        miner.wait_for_close().await.unwrap();
        house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
    }
    // Without the sockets, or without the state.
    for missing in ["handover-out", "handover-state"] {
        let (mut miner, _) = log_in(house.port).await;
        assert!(daemon.stop().await.unwrap().success());
        drop(house.manager.take(missing).unwrap());
        daemon = house.run().await;
        daemon.wait_for_log("not all that belongs to them").await.unwrap();
        if missing == "handover-state" {
            miner.wait_for_close().await.unwrap();
        }
    }
    log_in(house.port).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_manager_miners_are_closed_as_ever() {
    let mut house = House::new("life_alone", SHA256D_EASY).await;
    house.manager.environment = vec![("FDSTORE", "0".to_owned())];
    let daemon = house.run().await;
    let (mut miner, _) = log_in(house.port).await;
    assert!(daemon.stop().await.unwrap().success());
    miner.wait_for_close().await.unwrap();
    house.manager.environment.clear();
    // A kill leaves the ports alone, too.
    let daemon = house.run().await;
    let (mut miner, _) = log_in(house.port).await;
    daemon.kill().unwrap();
    miner.wait_for_close().await.unwrap();
}
