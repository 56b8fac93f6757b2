//! Difficulty, vardiff, limits: of connections that are open and of new ones.

use crate::site::{Site, log_in, port_at, share};
use crate::stage::{SHA256D_EASY, SHA256D_SOME};
use crate::support::miner::{Algorithm, Miner};

fn vardiff(min: f64, max: f64) -> String {
    format!("[coin.port.vardiff]\nmin = {min}\nmax = {max}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn difficulty_and_its_bounds_reach_the_miners_that_are_connected() {
    let mut site = Site::open("reload_difficulty", SHA256D_EASY, "").await;
    let (mut miner, job) = site.miner().await;
    assert_eq!(job.difficulty, SHA256D_EASY);
    let old = miner.mine(&job, crate::support::miner::Wanted::Share).unwrap();
    // A port of one difficulty has another.
    site.coins[0].ports[0] = port_at(site.port, SHA256D_SOME);
    site.reload().await;
    let next = miner.wait_for_job_where("another difficulty", |job| job.difficulty == SHA256D_SOME).await.unwrap();
    assert_ne!(next.id, job.id);
    share(&mut miner).await;
    // Work that was handed out before counts as it was handed out.
    assert!(miner.submit(crate::site::WORKER, &old).await.unwrap().is_true());
    assert_eq!(log_in(site.port).await.1.difficulty, SHA256D_SOME);
    // Its difficulty is adjusted from now on, within bounds that leave it alone,
    site.coins[0].ports[0] = format!("{}\n{}", port_at(site.port, SHA256D_SOME), vardiff(SHA256D_EASY, SHA256D_SOME));
    site.reload().await;
    share(&mut miner).await;
    assert_eq!(miner.in_force.difficulty, Some(SHA256D_SOME));
    // and then within others, below which it is.
    let higher = SHA256D_SOME * 4.0;
    site.coins[0].ports[0] = format!("{}\n{}", port_at(site.port, higher), vardiff(higher, higher));
    let told = site.reload().await;
    assert!(told.contains("vardiff.min"), "{told}");
    miner.wait_for_job_where("the lower bound", |job| job.difficulty == higher).await.unwrap();
    share(&mut miner).await;
    // A file with a mistake leaves all that as it is.
    site.coins[0].ports[0] = format!("{}\n{}", port_at(site.port, 2.0), vardiff(higher, higher));
    assert!(site.refused().await.contains("outside vardiff's bounds"));
    share(&mut miner).await;
    assert_eq!((miner.in_force.difficulty, log_in(site.port).await.1.difficulty), (Some(higher), higher));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_for_whoever_comes_and_nobody_who_is_there_loses_his_place() {
    let mut site = Site::open("reload_limits", SHA256D_EASY, "connections_max = 3").await;
    let (mut one, _) = site.miner().await;
    let (mut two, _) = site.miner().await;
    site.coins[0].ports[0] = format!("{}\nconnections_max = 1", port_at(site.port, SHA256D_EASY));
    site.reload().await;
    let mut refused = Miner::connect(site.port, Algorithm::Sha256d).await.unwrap();
    refused.wait_for_close().await.unwrap();
    share(&mut one).await;
    share(&mut two).await;
    site.coins[0].ports[0] = format!("{}\nconnections_max = 3\nexempt = []", port_at(site.port, SHA256D_EASY));
    site.reload().await;
    let (mut three, _) = site.miner().await;
    share(&mut three).await;
    // The daemon's own limit, which is below what is there.
    site.keys = "connections_max = 2".to_owned();
    site.coins[0].ports[0] = port_at(site.port, SHA256D_EASY);
    site.reload().await;
    let mut refused = Miner::connect(site.port, Algorithm::Sha256d).await.unwrap();
    refused.wait_for_close().await.unwrap();
    drop(two);
    drop(three);
    site.status_when("room", |status| status["connections"] == 1).await;
    let (mut four, _) = site.miner().await;
    share(&mut four).await;
    share(&mut one).await;
    // Who does not subscribe is closed by the timeout that holds now.
    site.keys.clear();
    site.coins[0].ports[0] = format!("{}\nsubscribe_timeout_secs = 1", port_at(site.port, SHA256D_EASY));
    site.reload().await;
    let mut silent = Miner::connect(site.port, Algorithm::Sha256d).await.unwrap();
    silent.wait_for_close().await.unwrap();
    share(&mut one).await;
}
