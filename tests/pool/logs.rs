//! The log: nobody can write lines into it, and no secret is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::fake_node::{self, FakeNode};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// The database user's password, one that is wrong, and a wrong one for the node.
const SECRETS: [&str; 3] = ["database-secret", "mistaken-secret", "outdated-secret"];
/// What stands in every line of the log before what happened.
const LEVELS: [&str; 5] = [" ERROR ", " WARN ", " INFO ", " DEBUG ", " TRACE "];

#[tokio::test]
async fn b30_names_are_escaped_and_secrets_are_nowhere() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    for database in ["logs", "logs_denied"] {
        stage::create_database(&db, database).await;
    }
    db.run_sql("logs", &format!("CREATE USER 'logger'@'localhost' IDENTIFIED BY '{}'", SECRETS[0])).await;
    db.run_sql("logs", "GRANT ALL ON logs.* TO 'logger'@'localhost'").await;
    let login = |password: &str, database: &str| {
        let socket = db.socket().display().to_string();
        format!("socket = \"{socket}\"\nuser = \"logger\"\npassword = \"{password}\"\ndatabase = \"{database}\"")
    };
    let mut coin = Coin { mpos: login(SECRETS[0], "logs"), ..Coin::fake(&node, &db, "logs") };
    coin.workers = "auto_create = true".to_owned();
    // A second coin with wrong passwords everywhere: what is refused is logged, too.
    let mut denied = Coin { name: "denied", mpos: login(SECRETS[1], "logs_denied"), ..Coin::fake(&node, &db, "logs") };
    denied.nodes = denied.nodes.replace(fake_node::PASSWORD, SECRETS[2]);
    denied.keys = "instance = 1".to_owned();
    let config = stage::configuration(&[&coin, &denied]);
    let config = config.replace("[daemon]\n", "[daemon]\nlog_level = \"trace\"\n");
    let daemon = Daemon::start(&config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();

    let evil = "evil\" \u{1b}[31m\r\nINJECTED 1970-01-01 ERROR everything is lost\u{0}\u{202e}";
    let mut miner = Miner::connect(port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe_with(json!([evil])).await.unwrap();
    for name in [evil.to_owned(), format!("alice.{evil}"), "alice.rig1\n".to_owned()] {
        miner.authorize(&name, PASSWORD).await.unwrap();
        let params = json!([name, evil, evil, evil, evil]);
        miner.request("mining.submit", params).await.unwrap();
        miner.request(evil, json!([evil])).await.unwrap();
    }
    assert_eq!(miner.authorize("alice.rig1", "guessed-secret").await.unwrap().code(), Some(24));
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    assert!(miner.authorize("alice.fresh", "invented-secret").await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    // A name with blanks around it is a good name; its odd job id is not in the row.
    let rows = stage::rows_of(&db, "logs", 2).await;
    let (refused, accepted) = (stage::facts(&rows[0]), stage::facts(&rows[1]));
    assert_eq!(refused, stage::bad("alice.rig1", "job not found", stage::SHA256D_SOME));
    assert_eq!(accepted, stage::good("alice.rig1", stage::SHA256D_SOME));
    for _ in 0..3 {
        miner.send_raw(format!("{evil}\n").as_bytes()).await.unwrap();
    }
    miner.wait_for_close().await.unwrap();
    let line = daemon.wait_for_log("connection closed").await.unwrap();
    assert!(line.contains(r#"agent="evil\" \u{1b}[31m\r\nINJECTED"#), "{line}");
    daemon.wait_for_log("logs_denied").await.unwrap();
    daemon.wait_for_log("rpcpassword").await.unwrap();
    daemon.signal(rustix::process::Signal::TERM).unwrap();
    daemon.wait_for_log("stopped").await.unwrap();

    let log = daemon.log();
    for line in &log {
        assert!(LEVELS.iter().any(|level| line.contains(level)), "not a line of ours: {line:?}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
    let basic = BASE64.encode(format!("{}:{}", fake_node::USER, fake_node::PASSWORD));
    let all = log.join("\n");
    for secret in [&SECRETS[..], &[PASSWORD, fake_node::PASSWORD, "guessed-secret", "invented-secret", &basic]].concat()
    {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}
