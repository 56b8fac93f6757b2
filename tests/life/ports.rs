//! Listening sockets outlive the daemon.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::house::{House, kept_as, port_at};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::miner::{Algorithm, Miner, Wanted};
use crate::support::ports::free_port;

/// Somebody who connects, and connects again.
struct ConnectLoop {
    stop: Arc<AtomicBool>,
    connected: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl ConnectLoop {
    fn start(port: SocketAddr) -> Self {
        let (stop, connected) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let (stopped, count) = (Arc::clone(&stop), connected.clone());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                TcpStream::connect(port).await.expect("refused");
                count.send_modify(|count| *count += 1);
                tokio::task::yield_now().await;
            }
        });
        Self { stop, connected, task }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("a connection was refused");
        *self.connected.borrow()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_by_restarts_and_kills() {
    let house = House::new("life_connect", SHA256D_EASY).await;
    let mut daemon = house.run().await;
    house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
    let connecting = ConnectLoop::start(house.port);
    for round in 0..4 {
        let before = *connecting.connected.borrow();
        if round % 2 == 0 {
            assert!(daemon.stop().await.unwrap().success());
        } else {
            daemon.kill().unwrap();
        }
        assert!(house.manager.names().contains(&kept_as(house.port)));
        daemon = house.run().await;
        house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
        // Somebody connected meanwhile, and is served in the end.
        let (mut miner, job) = Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        // Whoever found the queue full has to try again, which takes a second.
        connecting.connected.subscribe().wait_for(|count| *count > before).await.unwrap();
    }
    assert!(connecting.end().await > 0);
    let lines = house.manager.lines();
    assert!(lines.iter().any(|line| line.starts_with("STATUS=bitcoin: ")), "{lines:?}");
    daemon.signal(Signal::HUP).unwrap();
    house.manager.wait_for("RELOADING", |line| line == "RELOADING=1").await.unwrap();
    house.manager.wait_for("its time", |line| line.starts_with("MONOTONIC_USEC=")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_that_left_the_configuration_are_closed_and_strangers_ignored() {
    let mut house = House::new("life_ports", SHA256D_EASY).await;
    let old = house.port;
    let daemon = house.run().await;
    assert!(daemon.stop().await.unwrap().success());

    // What does not belong there: a socket that does not listen, another kind, and names nobody gave.
    let bystander = TcpListener::bind("127.0.0.1:0").unwrap();
    house.manager.put("somebody", OwnedFd::from(bystander.try_clone().unwrap()));
    house.manager.put("handover-nonsense", OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()));
    let new = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let any = SocketAddr::from(([0u16; 8], free_port()));
    house.coin.ports = vec![port_at(new, SHA256D_EASY), port_at(any, SHA256D_EASY)];
    let daemon = house.run().await;
    let mut expected = [kept_as(new), kept_as(any)];
    expected.sort();
    house.manager.wait_for_names(&expected).await.unwrap();
    assert_eq!(TcpStream::connect(old).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    daemon.wait_for_log("but no port: closed").await.unwrap();
    daemon.wait_for_log("no longer a port: closed").await.unwrap();
    // Back again, and the address of all is taken over as well.
    house.coin.ports.push(port_at(old, SHA256D_EASY));
    assert!(daemon.stop().await.unwrap().success());
    let daemon = house.run().await;
    assert_eq!(daemon.log().iter().filter(|line| line.contains("port taken over")).count(), 2);
    for port in [new, SocketAddr::from(([127, 0, 0, 1], any.port())), old] {
        Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_a_socket_unit_are_taken_and_kept() {
    let house = House::new("life_socket_unit", SHA256D_EASY).await;
    let unit = TcpListener::bind(house.port).unwrap();
    house.manager.put("mpos-stratum.socket", OwnedFd::from(unit.try_clone().unwrap()));
    // Whoever connects before the daemon is there waits.
    let early = tokio::spawn(Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD));
    let daemon = house.run().await;
    early.await.unwrap().unwrap();
    daemon.wait_for_log("port taken over").await.unwrap();
    house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_without_a_store_and_variables_that_lie_do_no_harm() {
    let mut house = House::new("life_no_store", SHA256D_EASY).await;
    house.manager.environment = vec![("LISTEN_FDS", "40".to_owned()), ("LISTEN_FDNAMES", "a:b".to_owned())];
    let daemon = house.run().await;
    daemon.wait_for_log("what the service manager passed cannot be used").await.unwrap();
    Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    house.manager.forget();
    assert!(daemon.stop().await.unwrap().success());
    house.manager.environment.clear();
    let _daemon = house.run().await;
    Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_of_a_coin_that_stays_down_is_closed_so_that_its_miners_go_elsewhere() {
    let house = House::new("life_down_one", SHA256D_EASY).await;
    stage::create_database(&house.db, "life_down_two").await;
    let second = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let other = Coin {
        name: "second",
        keys: "instance = 1".to_owned(),
        ports: vec![port_at(second, SHA256D_EASY)],
        ..Coin::fake(&house.node, &house.db, "life_down_two")
    };
    let config = stage::configuration(&[&house.coin, &other]) + "\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let daemon = house.manager.run(house.state().parent().unwrap(), &config).unwrap();
    daemon.port("second").await.unwrap();
    let mut both = [kept_as(house.port), kept_as(second)];
    both.sort();
    house.manager.wait_for_names(&both).await.unwrap();
    assert!(daemon.stop().await.unwrap().success());

    let spools = std::fs::read_dir(house.state().join("spool")).unwrap().map(|entry| entry.unwrap().path());
    let is_first = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("life_down_one");
    let first: Vec<_> = spools.filter(is_first).collect();
    std::fs::write(first[0].join("spool.id"), "damaged").unwrap();
    let daemon = house.manager.run(house.state().parent().unwrap(), &config).unwrap();
    daemon.wait_for_log("the coin stays down").await.unwrap();
    daemon.port("second").await.unwrap();
    house.manager.wait_for_names(&[kept_as(second)]).await.unwrap();
    assert_eq!(TcpStream::connect(house.port).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    // Whoever distributes miners is told.
    let line = daemon.wait_for_log("metrics are served").await.unwrap();
    let address = line.split("listen=").nth(1).unwrap().split(' ').next().unwrap();
    let mut asked = TcpStream::connect(address).await.unwrap();
    asked.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("life_down_one is DOWN"), "{answer}");
}
