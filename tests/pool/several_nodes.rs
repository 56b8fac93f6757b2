//! Several real nodes at once: stopped, slow, and on two sides of a partition.

use std::time::Duration;

use serde_json::json;

use crate::stage::{self, Coin, PASSWORD, SCRYPT_EASY, SHA256D_EASY};
use crate::support::bcoin::Bcoin;
use crate::support::daemon::Daemon;
use crate::support::fault_proxy::FaultProxy;
use crate::support::litecoind::{self, Litecoin};
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::hash::display;
use crate::support::miner::{Algorithm, Job, Miner, Wanted};
use crate::support::scripted_node::{Reply, ScriptedNode};

/// A daemon of the tests, by its cookie.
fn with_cookie(node: &litecoind::Daemon) -> String {
    reached_at(node.rpc_config().port, node)
}

/// The same behind another port.
fn reached_at(port: u16, node: &litecoind::Daemon) -> String {
    let cookie = node.dir().join("regtest/.cookie");
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
    let on_it = |job: &Job| json!(display(&job.previous)) == tip;
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

/// The node's RPC is away from before the block is found until it is in the chain: its peer-to-peer connection is enough.
#[tokio::test]
async fn a_block_lands_by_the_peer_connection_alone() {
    let (node, db) = (Litecoin::start_at(3).await, MariaDb::shared());
    let line = FaultProxy::start(node.rpc_config().port).await;
    stage::create_database(&db, "peer_alone").await;
    let mut coin = Coin::litecoin(&node, &db, "peer_alone").await;
    coin.keys = "p2p_magic = \"fabfb5da\"".to_owned();
    coin.nodes = format!("{}p2p = \"127.0.0.1:{}\"\n", stage::node_table(line.port()), node.p2p_port);
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    node.has_peers_of_ours(1).await;
    line.refuse(true);
    line.sever();
    daemon.wait_for_log("node does not answer").await.unwrap();
    let hash = find(&mut miner, &job).await;
    assert_eq!(node.rpc("waitforblock", json!([hash, 30_000])).await["hash"], json!(hash));
    let block = node.rpc("getblock", json!([hash, 2])).await;
    let witness = &block["tx"][0]["hash"];
    assert_ne!(witness, &block["tx"][0]["txid"], "the coinbase has its witness");
    assert!(!daemon.log().iter().any(|line| line.contains("step=\"marked\"")), "nobody can have said so yet");
    line.refuse(false);
    row_of(&db, "peer_alone", &hash).await;
}

/// What the line to a slow node takes, there and back again.
const SLOW: Duration = Duration::from_millis(500);

/// A second for each call: slow enough that every tip and every block is elsewhere first.
#[tokio::test]
async fn a_slow_node_among_fast_ones_holds_up_neither_tips_nor_blocks() {
    let (nodes, db) = (Litecoin::start_at(3).await, MariaDb::shared());
    let line = FaultProxy::start(nodes.peer.rpc_config().port).await;
    stage::create_database(&db, "slow_node").await;
    let mut coin = Coin::litecoin(&nodes, &db, "slow_node").await;
    // The slow one is the operator's first choice.
    let slow = reached_at(line.port(), &nodes.peer) + "name = \"slow\"\n";
    coin.nodes = slow + &stage::node_table(nodes.rpc_config().port) + "name = \"fast\"\n";
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, _) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    line.delay(SLOW);
    let mut found = Vec::new();
    for _ in 0..3 {
        // A stranger's tip: the fast node's word is enough.
        let theirs = nodes.generate(1).await.remove(0);
        let on_theirs = |job: &Job| display(&job.previous) == theirs;
        let job = miner.wait_for_job_where("work on the stranger's block", on_theirs).await.unwrap();
        // One of ours, and work upon it.
        let hash = find(&mut miner, &job).await;
        let on_ours = |job: &Job| display(&job.previous) == hash;
        miner.wait_for_job_where("work on our block", on_ours).await.unwrap();
        row_of(&db, "slow_node", &hash).await;
        found.push(hash);
    }
    // Every tip was worked on by the word of the fast one, though the other is preferred.
    let first_of_tips = |line: &&String| line.contains("new template") && line.contains("new_tip=true");
    let by: Vec<bool> =
        daemon.log().iter().filter(first_of_tips).skip(1).map(|line| line.contains("node=\"fast\"")).collect();
    assert_eq!(by, [true; 6]);
    // The slow one has them all, its word came after the decision and changed nothing.
    for hash in &found {
        let heard = format!("{hash}\" step=\"answered\" node=\"slow\"");
        daemon.wait_for_log(&heard).await.unwrap();
        let marked = |line: &&String| line.contains(hash.as_str()) && line.contains("step=\"marked\"");
        assert_eq!(daemon.log().iter().filter(marked).count(), 1, "{hash}");
    }
    let tip = found.last().unwrap();
    assert_eq!(nodes.peer.rpc("getbestblockhash", json!([])).await, json!(tip));
    let rows = stage::rows_of(&db, "slow_node", 3).await;
    assert!(rows.iter().all(|row| row.upstream_result.as_deref() == Some("Y")), "{rows:#?}");
    let disturbed = |line: &&String| line.contains("node is set aside") || line.contains("does not answer");
    assert_eq!(daemon.log().iter().filter(disturbed).count(), 0, "slow is neither wrong nor away");
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
