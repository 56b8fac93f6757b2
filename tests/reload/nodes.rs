//! Nodes come and go, and change their passwords.

use rustix::process::Signal;
use tokio::net::TcpListener;

use crate::site::{Site, share};
use crate::stage::{SHA256D_EASY, rows_of};
use crate::support::fake_node::FakeNode;
use crate::support::miner::hash::display;
use crate::support::miner::{Algorithm, Job};

fn names(status: &serde_json::Value) -> Vec<String> {
    let nodes = status["coins"][0]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| format!("{} {}", node["name"].as_str().unwrap(), node["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_from_one_node_to_the_next() {
    let mut site = Site::open("reload_nodes", SHA256D_EASY, "").await;
    let (mut miner, job) = site.miner().await;
    share(&mut miner).await;
    let (first, second) = (site.coins[0].nodes.clone(), FakeNode::start(Algorithm::Sha256d).unwrap());
    // A node on another branch of the chain is watched, not mined on, while the first one is there.
    site.coins[0].nodes = format!("{first}{}", second.config());
    let told = site.reload().await;
    assert!(told.contains("node") && told.contains("added"), "{told}");
    site.status_when("two nodes", |status| names(status).len() == 2).await;
    share(&mut miner).await;
    site.node.new_tip();
    let next = miner.wait_for_new_tip(&job).await.unwrap();
    share(&mut miner).await;
    // The first one goes: work comes from the other.
    site.coins[0].nodes = second.config();
    let told = site.reload().await;
    assert!(told.contains("removed"), "{told}");
    let gone = site.node.calls("getblocktemplate");
    second.new_tip();
    second.new_tip();
    second.new_tip();
    let is_its = |job: &Job| display(&job.previous) == second.tip();
    assert!(!is_its(&next));
    miner.wait_for_job_where("the other's tip", is_its).await.unwrap();
    share(&mut miner).await;
    assert_eq!(site.node.calls("getblocktemplate"), gone, "nobody asks it any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_is_a_warning_and_how_often_they_are_asked_changes() {
    let mut site = Site::open("reload_away", SHA256D_EASY, "").await;
    let (mut miner, job) = site.miner().await;
    let away = crate::site::free_address();
    let first = site.coins[0].nodes.clone();
    site.coins[0].nodes =
        format!("{first}[[coin.node]]\nname = \"spare\"\nurl = \"http://{away}\"\nuser = \"pool\"\npassword = \"x\"\n");
    site.coins[0].templates = "poll_ms = 50\nstale_after_secs = 300".to_owned();
    let output = site.try_reload().await;
    assert!(output.status.success());
    let (told, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(told.contains("templates.poll_ms 100ms -> 50ms") && told.contains("node spare added"), "{told}");
    assert!(warned.contains("node spare does not answer now"), "{warned}");
    site.status_when("the spare", |status| names(status).iter().any(|node| node == "spare unreachable")).await;
    site.node.new_tip();
    miner.wait_for_new_tip(&job).await.unwrap();
    share(&mut miner).await;
    // Another password of a node that stays.
    site.coins[0].nodes = site.coins[0].nodes.replace("password = \"x\"", "password = \"y\"");
    let told = site.reload().await;
    assert!(told.contains("coin bitcoin, node spare: login changed") && !told.contains('"'), "{told}");
    share(&mut miner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_coin_is_refused_with_the_reason() {
    let mut site = Site::open("reload_misfit", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    let (first, wrong) = (site.coins[0].nodes.clone(), FakeNode::start(Algorithm::Scrypt).unwrap());
    // Its blocks have other names than this coin's.
    wrong.name_by_proof_of_work();
    site.coins[0].nodes = format!("{first}{}", wrong.config());
    site.keys = "log_level = \"debug\"".to_owned();
    let why = site.refused().await;
    assert!(why.contains("the coin's profile is not that of the node's chain"), "{why}");
    let status = site.status_when("the status", |_| true).await;
    assert_eq!((names(&status).len(), &status["log_level"]), (1, &"info".into()));
    share(&mut miner).await;
    site.coins[0].nodes = first;
    assert!(site.reload().await.contains("log_level info -> debug"));
    share(&mut miner).await;
}

/// A chain that changed its algorithm: whoever catches up with it has only blocks of the old one at first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_still_catches_up_is_taken_and_waits_for_its_proof() {
    let mut site = Site::open("reload_catching_up", SHA256D_EASY, "").await;
    let (mut miner, job) = site.miner().await;
    let (first, late) = (site.coins[0].nodes.clone(), FakeNode::start(Algorithm::Scrypt).unwrap());
    late.set_catching_up(Some((5, 900)));
    // In front of the one that is mined on: it would be preferred.
    site.coins[0].nodes = format!("{}name = \"late\"\n{first}", late.config());
    let output = site.try_reload().await;
    assert!(output.status.success(), "{output:?}");
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("node late: it is still catching up") && warned.contains("at block 5 of 900"), "{warned}");
    let is = |wanted: &'static str| {
        move |status: &serde_json::Value| names(status).iter().any(|node| node == &format!("late {wanted}"))
    };
    site.status_when("the late node", is("syncing")).await;
    site.daemon.wait_for_log("the node's chain cannot be held against the profile yet").await.unwrap();
    site.node.new_tip();
    let on_first = |job: &Job| display(&job.previous) == site.node.tip();
    miner.wait_for_job_where("the first one's tip", on_first).await.unwrap();
    share(&mut miner).await;
    assert_ne!(job.previous, miner.job().unwrap().previous);
    assert_eq!(
        late.calls("getblocktemplate"),
        late.calls("getblockchaininfo"),
        "asked for how far it is, not for work"
    );
    // Caught up it is judged by what it has: another algorithm after all, or the right one.
    late.set_catching_up(None);
    site.coins[0].nodes = format!("{}name = \"late\"\ntimeout_secs = 29\n{first}", late.config());
    let why = site.refused().await;
    assert!(why.contains("the coin's profile is not that of the node's chain"), "{why}");
    late.prove_briefly(Algorithm::Sha256d);
    site.reload().await;
    let proven = site.daemon.wait_for_log("the node's chain is that of the profile").await.unwrap();
    assert!(proven.contains("late"), "{proven}");
    share(&mut miner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_reload_that_waits_for_a_node() {
    let mut site = Site::open("reload_stop", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_stop", 1).await;
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = format!("[[coin.node]]\nname = \"silent\"\nurl = \"http://{}\"\n", silent.local_addr().unwrap());
    site.coins[0].nodes += &format!("{node}user = \"pool\"\npassword = \"x\"\n");
    let asked = async {
        let called = silent.accept().await.unwrap();
        site.daemon.signal(Signal::TERM).unwrap();
        called
    };
    let (output, _called) = tokio::join!(site.try_reload(), asked);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("the daemon stops: nothing was read again"), "{why}");
}
