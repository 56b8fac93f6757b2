//! A daemon that hangs is started again.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::{House, kept_as};
use crate::stage::{PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::miner::{Algorithm, Miner, PATIENCE, Wanted};

/// The service manager's patience. Short, but not too short for a busy machine.
const WATCHDOG: Duration = Duration::from_secs(4);

fn signs(house: &House) -> usize {
    house.manager.lines().iter().filter(|line| *line == "WATCHDOG=1").count()
}

/// What systemd does: waits until no sign of life has come for too long.
async fn until_silent(house: &House) {
    let mut before = signs(house);
    loop {
        tokio::time::sleep(WATCHDOG).await;
        let now = signs(house);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Has the daemon write a log that nobody reads, until all its threads stand still there.
async fn hang(house: &House, daemon: &Daemon) {
    daemon.read_log(false);
    let fill = async {
        loop {
            // Each is a line or two; nobody is there to take the later ones.
            let _ = timeout(Duration::from_millis(20), async {
                let stream = TcpStream::connect(house.port).await.unwrap();
                stream.writable().await.unwrap();
                let _ = stream.try_write(&[0x16; 600]);
                let mut byte = [0];
                stream.readable().await.unwrap();
                let _ = stream.try_read(&mut byte);
            })
            .await;
        }
    };
    tokio::select! {
        () = fill => {}
        () = until_silent(house) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_ends_in_a_restart_and_the_ports_live_on() {
    let mut house = House::new("life_watchdog", SHA256D_EASY).await;
    house.keys = "log_level = \"trace\"";
    house.manager.environment = vec![("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())];
    let daemon = house.run().await;
    // It lives for as long as it works.
    let (mut miner, job) = Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    for _ in 0..4 {
        let before = signs(&house);
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        let alive = async {
            while signs(&house) == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, alive).await.expect("no sign of life");
    }
    timeout(Duration::from_secs(60), hang(&house, &daemon)).await.expect("it goes on giving signs of life");
    daemon.kill().unwrap();
    house.manager.wait_for_names(&[kept_as(house.port)]).await.unwrap();
    let _daemon = house.run().await;
    Miner::log_in(house.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
}
