//! The scripts that nodes run at every new block, of both predecessors and our own, each as it is described.

use std::process::Command;

use serde_json::json;

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner};
use crate::support::scripted_node::{Reply, ScriptedNode};

/// Runs a script and returns what it wrote.
async fn run(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let both = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(both).unwrap())
}

/// A line to a TCP port and, if wanted, the answer: what NOMP's programs and stratum-mining's script do.
fn line_to(port: u16, line: &str, reads: bool) -> Command {
    let read = if reads { "IFS= read -r -t 5 answer <&3; printf %s \"$answer\"" } else { "true" };
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && printf '%s\\n' \"$1\" >&3 && {{ {read}; }}");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", line]);
    command
}

#[tokio::test]
async fn acceptance_12_old_blocknotify_scripts_and_the_new_one_bring_new_work() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "told").await;
    let mut coin = Coin::fake(&node, &db, "told");
    // Nothing else can bring the news in the time of this test.
    coin.templates = "poll_ms = 60000\nlongpoll = false".to_owned();
    coin.ledger.push_str("\n[coin.update_block]\npassword = \"admin-secret\"\n");
    let config = stage::configuration(&[&coin]).replacen("[daemon]", "[daemon]\nnomp_listen = \"127.0.0.1:0\"", 1);
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(directory.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let listening = daemon.wait_for_log("lines of NOMP").await.unwrap();
    let nomp: u16 = listening.rsplit(':').next().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let socket = directory.path().join("state/notify.sock");

    for script in ["ours", "cli.js", "blocknotify.c", "blocknotify.sh"] {
        node.new_tip();
        let hash = node.tip();
        let (command, expected) = match script {
            "ours" => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
                command.args(["notify", "bitcoin", &hash, "--socket"]).arg(&socket);
                (command, "")
            }
            "cli.js" => {
                let line =
                    format!(r#"{{"command":"blocknotify","params":["bitcoin","{hash}"],"options":{{"port":{nomp}}}}}"#);
                (line_to(nomp, &line, true), "Pool workers notified")
            }
            "blocknotify.c" => {
                let line = format!(r#"{{"command":"blocknotify","params":["bitcoin","{hash}"]}}"#);
                (line_to(nomp, &line, false), "")
            }
            _ => {
                let line = r#"{"id": 1, "method": "mining.update_block", "params": ["admin-secret"]}"#;
                (line_to(port.port(), line, true), r#"{"id":1,"result":true,"error":null}"#)
            }
        };
        let (succeeded, words) = run(command).await;
        assert!(succeeded && words == expected, "{script}: {words}");
        let next = miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(crate::support::miner::hash::display(&next.previous), hash, "{script}");
        job = next;
    }

    let line = r#"{"command":"reloadpool","params":["bitcoin"],"options":{}}"#;
    assert_eq!(run(line_to(nomp, line, true)).await, (true, "reloaded: nothing had changed".to_owned()));

    // Not with another password, and our command says what is wrong.
    let line = r#"{"id": 1, "method": "mining.update_block", "params": ["guess"]}"#;
    let (_, words) = run(line_to(port.port(), line, true)).await;
    assert!(words.contains("Not allowed"), "{words}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    command.args(["notify", "dogecoin", &node.tip(), "--socket"]).arg(&socket);
    let (succeeded, words) = run(command).await;
    assert!(!succeeded && words.contains("dogecoin") && words.contains("bitcoin"), "{words}");
}

#[tokio::test]
async fn a_node_that_does_not_publish_where_its_zmq_is_said_to_be_is_told_of() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "objections").await;
    let publisher = |address: &'static str| {
        ScriptedNode::start(move |asked| match asked.method.as_str() {
            "getzmqnotifications" => Reply::Result(json!([{ "type": "pubhashblock", "address": address }])),
            _ => Reply::Error(-32601, "Method not found"),
        })
    };
    let elsewhere = publisher("tcp://127.0.0.1:28999").await;
    let mut coin = Coin::fake(&node, &db, "objections");
    let zmq = "zmq = \"tcp://127.0.0.1:28332\"\n";
    coin.nodes += &format!("{zmq}{}{zmq}", stage::node_table(elsewhere.rpc_config().port));
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let told = "new blocks may never come by ZMQ";
    daemon.wait_for_logs(told, 2).await.unwrap();
    let lines: Vec<String> = daemon.log().into_iter().filter(|line| line.contains(told)).collect();
    for words in ["does not know getzmqnotifications", "publishes blocks on tcp://127.0.0.1:28999"] {
        assert!(lines.iter().any(|line| line.contains(words) && line.contains("port=28332")), "{words}: {lines:?}");
    }
    // Work does not depend on it.
    let port = daemon.port("bitcoin").await.unwrap();
    Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn where_a_node_says_that_it_publishes_is_among_the_tip_sources() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "discovered").await;
    let publisher = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = publisher.local_addr().unwrap();
    node.claim_to_publish(&format!("tcp://{place}"));
    let mut coin = Coin::fake(&node, &db, "discovered");
    coin.nodes += "name = \"home\"\n";
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path(), &stage::configuration(&[&coin])).unwrap();
    let found = daemon.wait_for_log("the node says that it publishes new blocks by ZMQ there").await.unwrap();
    assert!(found.contains("node=\"home\"") && found.contains(&format!("port={}", place.port())), "{found}");
    // It said so with its first answers, long before there was work.
    let summary = daemon.wait_for_log("the coin can be mined").await.unwrap();
    let sources = format!("polling every 100 ms, longpoll, zmq of home at {place}, notify");
    assert!(summary.contains(&format!("tip_sources=\"{sources}\"")), "{summary}");
    let mut status = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    status.arg("status").arg("--socket").arg(home.path().join("state/control.sock"));
    let (_, words) = run(status).await;
    assert!(words.contains(&format!("new tips   {sources}")), "{words}");
}
