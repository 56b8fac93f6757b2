//! Good files, bad files, and who is told.

use rustix::process::Signal;

use crate::site::{Site, share};
use crate::stage::{self, Coin, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_manager::FakeManager;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::Algorithm;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w21_a_bad_file_changes_nothing_and_says_why_and_a_good_one_ends_that() {
    let mut site = Site::open("reload_files", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    share(&mut miner).await;
    // Two mistakes, and a change that alone would be good.
    let good = site.coins[0].ports[0].clone();
    site.coins[0].ports[0] = format!("{good}\nkeepalive_secs = 99\nidle_timeout_sec = 3");
    site.keys = "log_level = \"debug\"".to_owned();
    let why = site.refused().await;
    assert!(why.contains("keepalive_secs") && why.contains("did you mean `idle_timeout_secs`?"), "{why}");
    assert!(why.contains("nothing was changed"), "{why}");
    let status = site.status_when("the alarm", |status| status["alarms"][0].is_string()).await;
    let alarm = status["alarms"][0].as_str().unwrap();
    assert!(alarm.starts_with("the last reload was REFUSED: ") && alarm.contains("keepalive_secs"), "{alarm}");
    assert_eq!(status["log_level"], "info");
    // The same by the signal.
    site.daemon.signal(Signal::HUP).unwrap();
    site.daemon.wait_for_log("SIGHUP").await.unwrap();
    site.daemon.wait_for_log("reload refused, nothing was changed").await.unwrap();
    share(&mut miner).await;

    // A file that is not there, and one that is none.
    site.daemon.write_config("[daemon").unwrap();
    let output = site.command(&["reload"]).await;
    assert_eq!(output.status.code(), Some(78));
    share(&mut miner).await;

    site.coins[0].ports[0] = format!("{good}\nkeepalive_secs = 40");
    let told = site.reload().await;
    assert!(told.contains("daemon: log_level info -> debug"), "{told}");
    assert!(told.contains("keepalive_secs 50s -> 40s") && told.contains("Taken over."), "{told}");
    let status = site.status_when("the good file", |status| status["log_level"] == "debug").await;
    assert_eq!(status["alarms"].as_array().unwrap().len(), 0, "{status}");
    share(&mut miner).await;
    let told = site.reload().await;
    assert!(told.contains("Nothing has changed"), "{told}");
    // What a log-level command says, a file that says nothing new about it leaves alone.
    assert!(site.command(&["log-level", "warn"]).await.status.success());
    site.reload().await;
    site.status_when("the level", |status| status["log_level"] == "warn").await;
    share(&mut miner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_restart_is_listed_and_the_rest_is_applied() {
    let mut site = Site::open("reload_restart", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    site.keys = "worker_threads = 3\nlog_level = \"warn\"".to_owned();
    site.coins[0].ledger = "durability = \"power\"".to_owned();
    let (by_socket, socket, port) = (site.coins[0].mpos.clone(), site.db.socket(), site.db.port());
    let socket = format!("socket = \"{}\"", socket.display());
    site.coins[0].mpos = by_socket.replace(&socket, &format!("host = \"127.0.0.1\"\nport = {port}"));
    let server = format!(
        "coin bitcoin: mpos.host {} -> 127.0.0.1:{port} (needs a restart: the spool belongs to that table",
        site.db.socket().display()
    );
    site.coins[0].keys = "coinbase_text = \"/other/\"".to_owned();
    let told = site.reload().await;
    for part in [
        &server,
        "daemon: worker_threads none -> 3 (needs a restart: ",
        "coin bitcoin: coinbase_text \"/mpos-stratum/\" -> \"/other/\" (needs a restart: ",
        "coin bitcoin: ledger.durability process -> power (needs a restart: ",
        "daemon: log_level info -> warn\n",
        "Taken over, but for what needs a restart.",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let waits = |status: &serde_json::Value| {
        status["alarms"][0]
            .as_str()
            .is_some_and(|alarm| alarm.starts_with("waits for a restart: daemon: worker_threads"))
    };
    let status = site.status_when("what waits", waits).await;
    assert_eq!(status["log_level"], "warn");
    share(&mut miner).await;
    // It still waits, and does not once the file has the old values again.
    assert!(site.reload().await.contains("Nothing of it holds before a restart."));
    site.coins[0].ledger.clear();
    site.coins[0].mpos = by_socket;
    site.coins[0].keys.clear();
    site.keys = "log_level = \"warn\"".to_owned();
    assert!(site.reload().await.contains("Nothing has changed"));
    site.status_when("nothing waits", |status| status["alarms"].as_array().unwrap().is_empty()).await;
    share(&mut miner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "reload_manager").await;
    let coin = Coin::fake(&node, &db, "reload_manager");
    let (manager, home) = (FakeManager::start().unwrap(), tempfile::tempdir().unwrap());
    let config = stage::configuration(&[&coin]);
    let daemon: Daemon = manager.run(home.path(), &config).unwrap();
    manager.wait_for("READY", |line| line == "READY=1").await.unwrap();
    daemon.port(coin.name).await.unwrap();
    let ready = || manager.lines().iter().filter(|line| *line == "READY=1").count();
    assert_eq!(ready(), 1);
    daemon.write_config(&format!("{config}\n[nonsense]\n")).unwrap();
    daemon.signal(Signal::HUP).unwrap();
    let told = manager.wait_for("STATUS", |line| line.contains("REFUSED")).await.unwrap();
    assert!(told.starts_with("STATUS=the last reload was REFUSED: ") && told.contains("nonsense"), "{told}");
    assert!(told.contains("bitcoin: "), "and how the coins are");
    manager.wait_for("READY after it", |_| ready() == 2).await.unwrap();
    daemon.write_config(&config).unwrap();
    let before = manager.lines().len();
    daemon.signal(Signal::HUP).unwrap();
    daemon.wait_for_log("configuration taken over").await.unwrap();
    manager.wait_for("READY again", |_| ready() == 3).await.unwrap();
    let lines = manager.lines();
    let since = &lines[before..];
    let place = |wanted: &str| since.iter().position(|line| line.starts_with(wanted)).unwrap();
    assert!(place("RELOADING=1") < place("READY=1"), "{since:?}");
    assert!(since.iter().any(|line| line.starts_with("MONOTONIC_USEC=")));
    assert!(since.iter().skip(place("READY=1")).all(|line| !line.contains("REFUSED")), "{since:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_goes_into_a_file_that_is_opened_again_when_it_was_moved_away() {
    let mut site = Site::open("reload_log_file", SHA256D_EASY, "").await;
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("daemon.log"), dir.path().join("daemon.log.1"));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    // A folder is no file: the reload is refused and names the key.
    site.keys = format!("log_file = {:?}", dir.path());
    let why = site.refused().await;
    assert!(why.contains("daemon.log_file = ") && why.contains("nothing was changed"), "{why}");
    site.keys = format!("log_file = {path:?}");
    let told = site.reload().await;
    assert!(told.contains("daemon: log_file") && told.contains("Taken over."), "{told}");
    site.daemon.wait_for_logs("configuration taken over", 1).await.unwrap();
    assert!(read(&path).contains("configuration taken over"), "{}", read(&path));
    assert!(!read(&path).contains('\u{1b}'), "no colours: {}", read(&path));

    std::fs::rename(&path, &moved).unwrap();
    site.daemon.signal(Signal::USR1).unwrap();
    site.daemon.wait_for_log("SIGUSR1: opened the log's file again").await.unwrap();
    assert!(read(&path).contains("SIGUSR1") && !read(&moved).contains("SIGUSR1"), "{}", read(&moved));
    std::fs::rename(&path, &moved).unwrap();
    // By a reload too, also one that is refused.
    site.keys = "log_level = \"loud\"".to_owned();
    site.refused().await;
    site.daemon.wait_for_log("reload refused").await.unwrap();
    assert!(read(&path).contains("reload refused"), "{}", read(&path));

    site.keys = String::new();
    let told = site.reload().await;
    assert!(told.contains("daemon: log_file"), "{told}");
    let before = read(&path);
    site.reload().await;
    site.daemon.wait_for_logs("configuration taken over", 3).await.unwrap();
    assert_eq!(read(&path), before, "nothing is written there any more");

    // A start goes on without it: a full disk must not keep miners away.
    site.keys = format!("log_file = {:?}", dir.path());
    site.coins[0].ports = vec!["listen = \"127.0.0.1:0\"\ndifficulty = 1e-9".to_owned()];
    let daemon = Daemon::start(&site.file()).unwrap();
    let line = daemon.wait_for_log("cannot be opened for writing").await.unwrap();
    assert!(line.contains("WARN") && line.contains("daemon.log_file = "), "{line}");
    daemon.port("bitcoin").await.unwrap();
}
