//! Several real nodes at once: stopped, slow, and on two sides of a partition.

use serde_json::json;

use crate::stage::{self, Coin, PASSWORD, SCRYPT_EASY, SHA256D_EASY};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::litecoind::{self, Litecoin};
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Job, Miner, Wanted};
use crate::support::scripted_node::{Reply, ScriptedNode};

/// A daemon of the tests, by its cookie.
fn with_cookie(node: &litecoind::Daemon) -> String {
    let (port, cookie) = (node.rpc_config().port, node.dir().join("regtest/.cookie"));
    format!("[[coin.node]]\nurl = \"http://127.0.0.1:{port}\"\ncookie_file = \"{}\"\n", cookie.display())
}

/// Finds a block on the job and returns its hash.
async fn find(miner: &mut Miner, job: &Job) -> String {
    let share = miner.mine(job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    share.block_hash()
}

/// The row of a block: the only one with it, credited and settled.
async fn row_of(db: &MariaDb, database: &str, hash: &str) {
    let settled =
        |rows: &[ShareRow]| rows.iter().any(|row| row.solution == hash && row.upstream_result.as_deref() == Some("Y"));
    let rows = stage::rows_when(db, database, "the verdict", settled).await;
    let rows: Vec<_> = rows.iter().filter(|row| row.solution == hash).map(stage::facts).collect();
    assert_eq!(rows, [stage::block("alice.rig1", hash, SCRYPT_EASY)]);
}

#[tokio::test]
async fn blocks_land_with_a_node_stopped_one_slow_and_two_sides_apart() {
    let (mut one, two, db) = (Litecoin::start_at(3).await, Litecoin::start_at(5).await, MariaDb::shared());
    let slow = ScriptedNode::start(|_| Reply::Hang).await;
    stage::create_database(&db, "several").await;
    let mut coin = Coin::litecoin(&two, &db, "several").await;
    coin.keys = "p2p_magic = \"fabfb5da\"".to_owned();
    let peer = |node: &Litecoin| {
        format!("{}p2p = \"127.0.0.1:{}\"\n", stage::node_table(node.rpc_config().port), node.p2p_port)
    };
    let tables = [
        stage::node_table(slow.rpc_config().port),
        peer(&one),
        with_cookie(&one.peer),
        peer(&two),
        with_cookie(&two.peer),
    ];
    coin.nodes = tables.concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    daemon.wait_for_log("the coin can be mined").await.unwrap();
    let (mut miner, _) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let tip = two.rpc("getbestblockhash", json!([])).await;
    let on_it = |job: &Job| json!(crate::support::miner::hash::display(&job.previous)) == tip;
    let job = miner.wait_for_job_where("work on the side with more", on_it).await.unwrap();

    // Two sides and a node that answers nothing.
    let first = find(&mut miner, &job).await;
    row_of(&db, "several", &first).await;
    for node in [&two.main, &two.peer] {
        assert_eq!(node.rpc("waitforblock", json!([first, 10_000])).await["hash"], json!(first));
    }
    // One side gone altogether.
    one.peer.stop().await;
    one.main.stop().await;
    let job = miner.wait_for_new_tip(&job).await.unwrap();
    let second = find(&mut miner, &job).await;
    row_of(&db, "several", &second).await;
    assert_eq!(two.rpc("getbestblockhash", json!([])).await, json!(second));
    // It comes back, they meet, and it follows the side that was mined on.
    tokio::join!(one.main.run(), one.peer.run());
    two.rpc("addnode", json!([format!("127.0.0.1:{}", one.p2p_port), "onetry"])).await;
    assert_eq!(one.rpc("waitforblock", json!([second, 30_000])).await["hash"], json!(second));
    let job = miner.wait_for_new_tip(&job).await.unwrap();
    let third = find(&mut miner, &job).await;
    row_of(&db, "several", &third).await;
    for node in [&one.main, &one.peer, &two.main, &two.peer] {
        assert_eq!(node.rpc("waitforblock", json!([third, 10_000])).await["hash"], json!(third));
    }
    // Nothing was reported twice, and nothing changed its verdict.
    let rows = stage::rows_of(&db, "several", 3).await;
    assert!(rows.iter().all(|row| row.upstream_result.as_deref() == Some("Y")), "{rows:#?}");
    for hash in [first, second, third] {
        let decided =
            daemon.log().iter().filter(|line| line.contains(&hash) && line.contains("step=\"marked\"")).count();
        assert_eq!(decided, 1, "{hash}");
    }
}

/// A listener that answers every connection one byte at a time and never finishes.
async fn slow_loris() -> (u16, tokio::task::JoinHandle<()>) {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let drip = async |mut stream: tokio::net::TcpStream| {
        for byte in b"HTTP/1.1 200 OK\r\nX-Wait: ".iter().chain(std::iter::repeat(&b'.')) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let accept = async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(drip(stream));
        }
    };
    (port, tokio::spawn(accept))
}

#[tokio::test]
async fn nodes_that_never_finish_an_answer_hold_up_nothing() {
    let (real, db) = (Bcoin::start().await, MariaDb::shared());
    let hanging = ScriptedNode::start(|_| Reply::Hang).await;
    let (dripping, _loris) = slow_loris().await;
    stage::create_database(&db, "loris").await;
    let mut coin = Coin::bcoin(&real, &db, "loris");
    coin.nodes = [dripping, hanging.rpc_config().port, real.rpc_config().port].map(stage::node_table).concat();
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    for height in 1..4 {
        let hash = find(&mut miner, &job).await;
        job = miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(real.rpc("getblockhash", json!([height])).await, json!(hash));
        let settled = |rows: &[ShareRow]| {
            rows.iter().any(|row| row.solution == hash && row.upstream_result.as_deref() == Some("Y"))
        };
        let rows = stage::rows_when(&db, "loris", "the verdict", settled).await;
        let rows: Vec<_> = rows.iter().filter(|row| row.solution == hash).map(stage::facts).collect();
        assert_eq!(rows, [stage::block("alice.rig1", &hash, SHA256D_EASY)]);
    }
    // The summary of the start has every field, and says who is not there.
    let log = daemon.log();
    let summary = log.iter().find(|line| line.contains("the coin can be mined")).unwrap();
    let fields = [
        "network=",
        "reward=",
        "height=",
        "peers=",
        "network_difficulty=",
        "network_hashes_per_sec=",
        "ports=",
        "fee=",
        "nodes=",
        "tip_sources=",
    ];
    for field in fields {
        assert!(summary.contains(field), "{field} is not in {summary}");
    }
    assert!(summary.contains("none in the coinbase") && summary.contains("away"), "{summary}");
}
