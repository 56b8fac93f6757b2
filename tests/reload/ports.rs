//! Ports come and go.

use std::net::TcpListener;

use tokio::net::TcpStream;

use crate::site::{Site, free_address, log_in, port_at, share};
use crate::stage::{SHA256D_EASY, SHA256D_SOME};
use crate::support::miner::EventKind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w21_a_port_comes_and_the_old_one_goes_while_its_miners_stay() {
    let mut site = Site::open("reload_ports", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    let (old, new) = (site.port, free_address());
    site.coins[0].ports.push(port_at(new, SHA256D_SOME));
    let told = site.reload().await;
    assert!(told.contains(&format!("port {new} added")), "{told}");
    site.daemon.nth_port("bitcoin", 1).await.unwrap();
    let (mut second, job) = log_in(new).await;
    assert_eq!(job.difficulty, SHA256D_SOME);
    share(&mut second).await;
    share(&mut miner).await;
    site.coins[0].ports.remove(0);
    let told = site.reload().await;
    assert!(told.contains(&format!("port {old} removed")), "{told}");
    site.daemon.wait_for_log("stratum port closed").await.unwrap();
    let refused = async { while TcpStream::connect(old).await.is_ok() {} };
    tokio::time::timeout(crate::support::miner::PATIENCE, refused).await.unwrap();
    share(&mut miner).await;
    share(&mut second).await;
    let status =
        site.status_when("one port", |status| status["coins"][0]["ports"].as_array().unwrap().len() == 1).await;
    assert_eq!(status["coins"][0]["connections"], 2, "both mine");
    // Back again, while somebody of before is still there.
    site.coins[0].ports.insert(0, port_at(old, SHA256D_EASY));
    site.reload().await;
    site.daemon.nth_port("bitcoin", 2).await.unwrap();
    let (mut third, _) = log_in(old).await;
    for miner in [&mut miner, &mut second, &mut third] {
        share(miner).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn miners_of_a_port_that_goes_are_sent_where_it_says() {
    let mut site = Site::open("reload_moved", SHA256D_EASY, "advertise = \"pool.example.org:3334\"").await;
    let other = free_address();
    site.coins[0].ports.push(port_at(other, SHA256D_EASY));
    site.reload().await;
    site.daemon.nth_port("bitcoin", 1).await.unwrap();
    let (mut stays, _) = log_in(other).await;
    let (mut goes, _) = site.miner().await;
    share(&mut goes).await;
    site.coins[0].ports.remove(0);
    site.reload().await;
    goes.wait_for_close().await.unwrap();
    let sent = goes.events.iter().any(|event| {
        matches!(&event.kind, EventKind::Other(name, params)
            if name == "client.reconnect" && params.to_string().contains("pool.example.org"))
    });
    assert!(sent, "{:?}", goes.events);
    share(&mut stays).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_cannot_be_bound_refuses_everything() {
    let mut site = Site::open("reload_taken", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let good = free_address();
    site.coins[0].ports =
        vec![port_at(site.port, SHA256D_SOME), port_at(good, SHA256D_EASY), port_at(address, SHA256D_EASY)];
    site.keys = "log_level = \"debug\"".to_owned();
    let why = site.refused().await;
    assert!(why.contains(&format!("coin bitcoin: port {address}: cannot listen there")), "{why}");
    let status = site.status_when("the status", |_| true).await;
    assert_eq!((&status["log_level"], status["coins"][0]["ports"].as_array().unwrap().len()), (&"info".into(), 1));
    assert!(TcpStream::connect(good).await.is_err(), "what was bound before is free again");
    share(&mut miner).await;
    assert_eq!(miner.in_force.difficulty, Some(SHA256D_EASY));
    drop(taken);
    site.reload().await;
    site.daemon.nth_port("bitcoin", 2).await.unwrap();
    let (mut second, _) = log_in(address).await;
    share(&mut second).await;
    miner.wait_for_job_where("the difficulty", |job| job.difficulty == SHA256D_SOME).await.unwrap();
    share(&mut miner).await;
}
