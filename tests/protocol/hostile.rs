//! Hostile clients beside an honest one: it loses nothing, and memory stays within bounds.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::stage::{FakeStage, PASSWORD, SHA256D_SOME, good};
use crate::support::miner::{Algorithm, Miner, Wanted};

/// Shares that the honest miner sends.
const SHARES: usize = 100;
/// How much all attackers together may make the daemon grow.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// Sends the same bytes again and again, on a new connection whenever the old one is closed; what comes back
/// is thrown away.
async fn flood(port: SocketAddr, opening: String, bytes: Vec<u8>) {
    loop {
        let Ok(socket) = TcpStream::connect(port).await else { continue };
        let (mut reader, mut writer) = socket.into_split();
        let read = async {
            let mut buffer = [0; 4096];
            while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
        };
        let write = async {
            if writer.write_all(opening.as_bytes()).await.is_ok() {
                while writer.write_all(&bytes).await.is_ok() {}
            }
        };
        tokio::select! { () = read => {}, () = write => {} }
        tokio::task::yield_now().await;
    }
}

/// Asks for a new name every time.
async fn guess_names(port: SocketAddr) {
    loop {
        let Ok(mut miner) = Miner::connect(port, Algorithm::Sha256d).await else { continue };
        for guess in 0u32.. {
            let name = format!("alice.guess{guess}");
            if miner.authorize(&name, "x").await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w20_b17_an_honest_miner_loses_nothing_among_hostile_ones() {
    let keys = "\ninvalid_percent_max = 100\n";
    let stage = FakeStage::start_with("protocol_hostile", |coin| coin.ports[0] += keys).await;
    let (mut honest, job) = stage.miner("alice.rig1").await;
    let (mut fraud, work) = stage.miner("alice.rig2").await;
    let opening = [
        json!({"id": 1, "method": "mining.subscribe", "params": []}),
        json!({"id": 2, "method": "mining.authorize", "params": ["alice.rig2", PASSWORD]}),
    ];
    let opening: String = opening.iter().map(|line| format!("{line}\n")).collect();
    let submit = |params| format!("{}\n", json!({"id": 3, "method": "mining.submit", "params": params})).into_bytes();
    // The work of another connection is worth nothing on these, whatever its spelling.
    let good_one = fraud.mine(&work, Wanted::Share).unwrap();
    let mut upper = good_one.submit_params("alice.rig2");
    upper[4] = json!(upper[4].as_str().unwrap().to_uppercase());
    let weak = fraud.mine(&work, Wanted::BelowShare).unwrap();
    let before = stage.daemon.resident_bytes().unwrap();
    let mut attackers = JoinSet::new();
    for bytes in [
        submit(good_one.submit_params("alice.rig2")),
        submit(upper),
        submit(weak.submit_params("alice.rig2")),
        submit(json!(["alice.rig2", "ffffffffff", "00", "00", "00"])),
        [b"[".repeat(1000), b"\n".to_vec()].concat(),
        b"{\"id\":1,\"method\":\"mining.ping\",\"params\":[\"\xff\xfe\x00\"]}\n".to_vec(),
        [b"{\"id\":1,\"method\":\"".to_vec(), vec![b'm'; 10 << 20]].concat(),
    ] {
        attackers.spawn(flood(stage.port, opening.clone(), bytes));
    }
    attackers.spawn(guess_names(stage.port));

    for _ in 0..SHARES {
        let share = honest.mine(&job, Wanted::Share).unwrap();
        let reply = honest.submit("alice.rig1", &share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
    }
    let grown = stage.daemon.resident_bytes().unwrap().saturating_sub(before);
    attackers.shutdown().await;
    assert!(grown < GROWTH_BYTES_MAX, "the daemon grew by {grown} bytes");
    let all = |rows: &[crate::support::mariadb::ShareRow]| {
        rows.iter().filter(|row| row.username == "alice.rig1").count() == SHARES
    };
    let rows = crate::stage::rows_when(&stage.db, stage.database, "all honest rows", all).await;
    let honest_rows = rows.iter().filter(|row| row.username == "alice.rig1").map(crate::stage::facts);
    assert!(honest_rows.eq(vec![good("alice.rig1", SHA256D_SOME); SHARES]));
    assert!(!stage.daemon.log().iter().any(|line| line.contains("panicked")));
}
