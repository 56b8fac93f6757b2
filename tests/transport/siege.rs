//! W20: hostile clients in numbers. An honest miner beside them is served as ever, and they gain nothing.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::site::{SUBSCRIBE, Site};
use crate::stage::{self, PASSWORD};
use crate::support::miner::{Job, Miner, PATIENCE, Wanted};

/// Limits of rates that are not what these tests are about.
const FAST: &str = "messages_per_sec = 1000000\nmessages_burst = 1000000\ninvalid_percent_max = 100";
/// What a line of work has.
const NOTIFY: &str = "\"method\":\"mining.notify\"";
/// How much the daemon may grow by anything here.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// The honest miner is answered.
async fn mine(honest: &mut Miner, job: &Job) {
    let share = honest.mine(job, Wanted::Share).unwrap();
    let reply = honest.submit("alice.rig1", &share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
}

/// It is answered again and again until the attackers are through; nothing of theirs stays.
async fn mine_beside(site: &Site, mut attackers: JoinSet<()>) {
    let (mut honest, job) = site.behind(0, b"").await.unwrap();
    let before = site.daemon.resident_bytes().unwrap();
    let mut shares = 0;
    while !attackers.is_empty() {
        mine(&mut honest, &job).await;
        shares += 1;
        // Hashing is slow in a test, and the attackers are to have the machine.
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Some(ended) = attackers.try_join_next() {
            ended.unwrap();
        }
    }
    mine(&mut honest, &job).await;
    let grown = site.daemon.resident_bytes().unwrap().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the daemon grew by {grown} bytes");
    let landed = |rows: &[crate::support::mariadb::ShareRow]| {
        rows.iter().filter(|row| row.username == "alice.rig1" && row.our_result == "Y").count() == shares + 1
    };
    stage::rows_when(&site.db, site.database, "every honest row", landed).await;
    assert!(!site.daemon.log().iter().any(|line| line.contains("panicked")));
}

#[tokio::test]
async fn w20_slowloris_in_numbers_are_let_go() {
    let site = Site::start("siege_drip", &["subscribe_timeout_secs = 1"]).await;
    let drip = |port: SocketAddr| async move {
        let mut socket = TcpStream::connect(port).await.unwrap();
        // Never a whole line, and never silent for long.
        for byte in SUBSCRIBE[..SUBSCRIBE.len() - 1].iter().cycle() {
            if socket.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut attackers = JoinSet::new();
    (0..400).for_each(|_| drop(attackers.spawn(drip(site.port(0)))));
    mine_beside(&site, attackers).await;
}

#[tokio::test]
async fn w20_a_hundred_thousand_lines_of_garbage_are_answered_and_forgotten() {
    const ROUNDS: usize = 25_000;
    let site = Site::start("siege_garbage", &[FAST]).await;
    // Two and then a good one, so that the connection is not closed for them.
    let lines = b"%!garbage \x01\x02\n{\"id\":[[[[[[[[[[[[[[[[\n{\"id\":1,\"method\":\"mining.ping\",\"params\":[]}\n";
    let pour = move |port: SocketAddr| async move {
        let (reader, mut writer) = TcpStream::connect(port).await.unwrap().into_split();
        let write = async {
            for _ in 0..ROUNDS / 25 {
                writer.write_all(&lines.repeat(25)).await.unwrap();
            }
        };
        let read = async {
            let mut answers = BufReader::new(reader).lines();
            for _ in 0..ROUNDS {
                for pong in [false, false, true] {
                    let answer = answers.next_line().await.unwrap().unwrap();
                    assert_eq!(answer.contains("pong"), pong, "{answer}");
                }
            }
        };
        tokio::join!(write, read);
    };
    let mut attackers = JoinSet::new();
    (0..2).for_each(|_| drop(attackers.spawn(pour(site.port(0)))));
    mine_beside(&site, attackers).await;
}

#[tokio::test]
async fn w07_w20_a_share_in_thousands_of_spellings_counts_once() {
    const ROUNDS: usize = 250;
    let site = Site::start("siege_spellings", &[FAST]).await;
    let (mut fraud, job) = site.behind(0, b"").await.unwrap();
    assert!(fraud.authorize("alice.rig2", PASSWORD).await.unwrap().is_true());
    let share = fraud.mine(&job, Wanted::Share).unwrap();
    assert!(fraud.submit("alice.rig2", &share).await.unwrap().is_true());
    let params = share.submit_params("alice.rig2");
    let field = |at: usize| params[at].as_str().unwrap().to_owned();
    let changed = |at: usize, text: String| {
        let mut params = params.clone();
        params[at] = json!(text);
        params
    };
    let with_bits = |bits: &str| {
        let mut params = params.clone();
        params.as_array_mut().unwrap().push(json!(bits));
        params
    };
    let late = format!("{:08x}", u32::from_str_radix(&field(3), 16).unwrap() + 100_000);
    let spellings = [
        params.clone(),
        changed(2, field(2).to_uppercase()),
        changed(3, field(3).to_uppercase()),
        changed(4, field(4).to_uppercase()),
        changed(2, field(2) + "00"),
        changed(2, field(2)[2..].to_owned()),
        changed(3, late),
        changed(4, "0".to_owned() + &field(4)),
        changed(4, "0x".to_owned() + &field(4)),
        with_bits("00000000"),
        with_bits("00000001"),
        with_bits("ffffffff"),
    ];
    let mut attackers = JoinSet::new();
    attackers.spawn(async move {
        for _ in 0..ROUNDS {
            for spelling in &spellings {
                fraud.send("mining.submit", spelling).await.unwrap();
            }
            for _ in &spellings {
                let reply = fraud.next_reply().await.unwrap();
                assert!(reply.error.is_some() && !reply.is_true(), "{}", reply.line);
            }
        }
    });
    mine_beside(&site, attackers).await;
    let rows = site.db.rows(site.database).await;
    let counted =
        |result: &str| rows.iter().filter(|row| row.username == "alice.rig2" && row.our_result == result).count();
    assert_eq!(counted("Y"), 1);
    assert!(counted("N") < 1000, "a flood of refused shares does not fill the table: {}", counted("N"));
}

#[tokio::test]
async fn w11_idle_connections_in_numbers_hear_of_a_tip_and_deaf_ones_do_not_matter() {
    let site = Site::start("siege_crowd", &[FAST, ""]).await;
    let (mut honest, job) = site.behind(0, b"").await.unwrap();
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(site.port(0)).await.unwrap();
        socket.write_all(SUBSCRIBE).await.unwrap();
        let question = b"{\"id\":7,\"method\":\"mining.get_transactions\",\"params\":[]}\n".repeat(200);
        // As many questions as it takes at once.
        let _taken = timeout(Duration::from_millis(5), async { while socket.write_all(&question).await.is_ok() {} });
        _taken.await.unwrap_err();
        deaf.push(socket);
    }
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut lines = BufReader::new(site.say(1, SUBSCRIBE).await).lines();
        while !timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap().contains(NOTIFY) {}
        idle.push(lines);
    }
    site.node.new_tip();
    let job = honest.wait_for_new_tip(&job).await.unwrap();
    for lines in &mut idle {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        assert!(line.contains(NOTIFY) && line.contains("true"), "{line}");
    }
    mine(&mut honest, &job).await;
}
