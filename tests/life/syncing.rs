//! A start while the node still catches up with its chain: what is shown meanwhile, and what is told when it is there.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::house::{House, port_at};
use crate::stage::{PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::miner::{Algorithm, Miner};
use crate::support::ports::free_port;

/// Difficulty 256 and difficulty 1 as compact targets.
const HARD: u32 = 0x1c00_ffff;
const EASY: u32 = 0x1d00_ffff;
/// A start difficulty between the two.
const BETWEEN: f64 = 2.0;

/// How many lines of the log have this text.
fn lines(daemon: &Daemon, text: &str) -> usize {
    daemon.log().iter().filter(|line| line.contains(text)).count()
}

/// Nobody else can have the port, but nobody is listened to either.
async fn is_bound_but_not_open(port: SocketAddr) {
    assert_eq!(TcpStream::connect(port).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(TcpSocket::new_v4().unwrap().bind(port).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_shown_until_the_node_is_there_and_ports_open_with_the_first_job() {
    let mut house = House::new("life_syncing", BETWEEN).await;
    let other = SocketAddr::from(([127, 0, 0, 1], free_port()));
    house.coin.ports.push(port_at(other, SHA256D_EASY));
    house.coin.nodes += "[[coin.recipient]]\naddress = \"3333333333333333333333333333333333333333\"\npercent = 2\n";
    house.node.set_catching_up(Some((5, 900)));
    let daemon = house.begin().await;
    let told = daemon.wait_for_log("node is not ready yet").await.unwrap();
    assert!(told.contains("downloading blocks... (at block 5 of 900, 0.55 % verified)"), "{told}");
    let shown =
        |words: &'static str| move |line: &str| line.starts_with("STATUS=bitcoin: no work") && line.contains(words);
    house.manager.wait_for("the progress", shown("(at block 5 of 900, 0.55 % verified)")).await.unwrap();
    for port in [house.port, other] {
        is_bound_but_not_open(port).await;
    }
    house.node.set_catching_up(Some((899, 900)));
    house.manager.wait_for("more progress", shown("at block 899 of 900, 99.88 % verified")).await.unwrap();
    // The log says it again now and then.
    let told = daemon.wait_for_log("no work yet").await.unwrap();
    assert!(told.contains("at block 899 of 900"), "{told}");
    is_bound_but_not_open(house.port).await;
    assert_eq!(lines(&daemon, "the coin can be mined"), 0);

    // Another program that listens there meanwhile, which the system allows, keeps the port from being opened, but not
    // for ever.
    let intruder = std::net::TcpListener::bind(house.port).unwrap();
    house.node.set_catching_up(None);
    daemon.wait_for_log("another program listens on this port").await.unwrap();
    drop(intruder);
    daemon.nth_port("bitcoin", 1).await.unwrap();
    Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let summary = daemon.wait_for_log("the coin can be mined").await.unwrap();
    for field in [
        "coin=\"bitcoin\"",
        "network=\"main\"",
        "reward=\"proof of work\"",
        "height=101",
        "peers=\"8\"",
        "network_difficulty=1.0",
        "network_hashes_per_sec=\"7.158e6\"",
        &format!("ports=\"{} at {BETWEEN}, {other} at ", house.port),
        "fee=\"2 % in the coinbase, to 1\"",
        " ready at 100\"",
        "tip_sources=\"polling every 100 ms, longpoll, notify\"",
    ] {
        assert!(summary.contains(field), "{field} is not in {summary}");
    }
    house.manager.wait_for("mining", |line| line.starts_with("STATUS=bitcoin: mining")).await.unwrap();

    // What one of the ports asks is above the network's difficulty, until that rises; and again when it falls.
    let above = "least difficulty is above the network's";
    let warned = daemon.wait_for_log(above).await.unwrap();
    assert!(warned.contains(&format!("listen={}", house.port)), "{warned}");
    house.node.set_bits(HARD);
    house.node.new_tip();
    daemon.wait_for_log("below the network's again").await.unwrap();
    assert_eq!(lines(&daemon, above), 1);
    house.node.set_bits(EASY);
    house.node.new_tip();
    daemon.wait_for_logs(above, 2).await.unwrap();
    assert_eq!(lines(&daemon, "the coin can be mined"), 1);
}

/// Of two nodes one has only got to where the chain had another algorithm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_among_old_blocks_at_the_start_is_no_other_coins() {
    let mut house = House::new("life_old_blocks", BETWEEN).await;
    let late = FakeNode::start(Algorithm::Scrypt).unwrap();
    late.set_catching_up(Some((5, 900)));
    house.coin.nodes = format!("{}name = \"late\"\n{}", late.config(), house.coin.nodes);
    let daemon = house.begin().await;
    let told = daemon.wait_for_log("the node does not count yet").await.unwrap();
    assert!(told.contains("late") && told.contains("at block 5 of 900") && told.contains("INFO"), "{told}");
    daemon.nth_port("bitcoin", 0).await.unwrap();
    Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    daemon.wait_for_log("the node's chain cannot be held against the profile yet").await.unwrap();
    assert_eq!(lines(&daemon, "node cannot be mined on"), 0);
}
