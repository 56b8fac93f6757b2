//! A connection's first share that counts moves it from among the strangers to the miners: nothing that was sent
//! around it is lost, answered twice or out of turn, whatever the connection speaks.

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::proxy::{REQUIRED, line};
use crate::site::Site;
use crate::stage::{self, PASSWORD};
use crate::support::miner::{Algorithm, Job, Miner, Wanted};
use crate::tls::{keys, renew, tunnel};

/// Shares of one connection, sent in one go with a ping behind each.
const SHARES: usize = 30;

/// A batch of lines whose request numbers count from 1000.
fn batch(miner: &mut Miner, job: &Job) -> (Vec<u8>, Vec<bool>) {
    let weak = miner.mine(job, Wanted::BelowShare).unwrap();
    let mut shares: Vec<_> = (0..SHARES).map(|_| (miner.mine(job, Wanted::Share).unwrap(), true)).collect();
    // The first counts for nothing, and so does one that is sent again.
    shares.insert(0, (weak, false));
    shares.push((shares[1].0.clone(), false));
    let (mut bytes, mut verdicts) = (Vec::new(), Vec::new());
    for (share, counts) in shares {
        for (method, params) in [("mining.submit", share.submit_params("alice.rig1")), ("mining.ping", json!([]))] {
            let id = 1000 + verdicts.len();
            bytes.extend(format!("{}\n", json!({"id": id, "method": method, "params": params})).bytes());
            verdicts.push(counts || method == "mining.ping");
        }
    }
    (bytes, verdicts)
}

/// Sends everything in two pieces cut at `cut`, the second after the first `heard` answers, and hears all answers.
async fn moves(miner: &mut Miner, job: &Job, cut: usize, heard: usize) {
    let (bytes, verdicts) = batch(miner, job);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    miner.send_raw(first).await.unwrap();
    for (nth, good) in verdicts.iter().enumerate() {
        if nth == heard {
            miner.send_raw(second).await.unwrap();
        }
        let reply = miner.next_reply().await.unwrap();
        assert_eq!(reply.id, json!(1000 + nth), "{}", reply.line);
        assert_eq!(reply.error.is_none(), *good, "{}", reply.line);
    }
    let last = miner.request("mining.ping", json!([])).await.unwrap();
    assert_eq!(last.result, json!("pong"), "nothing came twice");
}

#[tokio::test]
async fn the_first_share_that_counts_moves_a_connection_with_everything_it_has() {
    let home = tempfile::tempdir().unwrap();
    let trusted = renew(home.path());
    let site = Site::start_in(home, "moving", "", &["", REQUIRED, &keys("required")]).await;
    let tls13 = tunnel(site.port(2), trusted.clone(), &TLS13).await;
    let tls12 = tunnel(site.port(2), trusted, &TLS12).await;
    let (mut miners, mut rows) = (Vec::new(), 0);
    let header = line("TCP4", "203.0.113.7");
    // In one piece; in the middle of the first share, of the first that counts, of one behind it, before a line's end.
    for (cut, heard) in [(usize::MAX, usize::MAX), (70, 0), (250, 2), (1200, 5), (399, 3)] {
        for way in [site.port(0), site.port(1), tls13, tls12] {
            let mut miner = Miner::connect(way, Algorithm::Sha256d).await.unwrap();
            if way == site.port(1) {
                miner.send_raw(&header).await.unwrap();
            }
            miner.subscribe().await.unwrap();
            assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
            let job = miner.wait_for_job().await.unwrap();
            moves(&mut miner, &job, cut, heard).await;
            rows += SHARES + 2;
            miners.push((miner, job));
        }
    }
    let stored = stage::rows_of(&site.db, site.database, rows).await;
    assert_eq!(stored.iter().filter(|row| row.our_result == "Y").count(), miners.len() * SHARES);
    // They are miners now, and hear of work as all do.
    site.node.new_tip();
    for (miner, job) in &mut miners {
        miner.wait_for_new_tip(job).await.unwrap();
    }
    let moved = site.daemon.log().iter().filter(|line| line.contains("among the miners")).count();
    assert_eq!(moved, miners.len());
}

#[tokio::test]
async fn the_threads_of_strangers_come_behind_those_of_miners() {
    let site = Site::start("nicer", &[""]).await;
    let niceness = |of: &str| -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", site.daemon.pid())).unwrap();
        let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
        let of = format!("({of}) ");
        // After the name in brackets, niceness is the 17th field.
        let nice =
            |stat: String| stat.split_once(&of).map(|(_, rest)| rest.split(' ').nth(16).unwrap().parse().unwrap());
        stats.filter_map(nice).collect()
    };
    let own = rustix::process::getpriority_process(None).unwrap();
    let (strangers, miners) = (niceness("strangers"), niceness("mpos-stratum"));
    assert!(
        !strangers.is_empty() && strangers.iter().all(|nice| *nice == (own + 20).min(10).max(own)),
        "{strangers:?}"
    );
    assert!(!miners.is_empty() && miners.iter().all(|nice| *nice == own), "{miners:?}");
}
