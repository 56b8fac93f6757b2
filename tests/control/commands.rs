//! Commands that act: on miners, on bans, on the log.

use std::path::Path;
use std::process::Command;

use mpos_stratum::stratum::guard::bans::Cause;
use mpos_stratum::stratum::guard::saved;
use mpos_stratum::stratum::guard::source::Source;
use serde_json::{Value, json};

use crate::office::Office;
use crate::stage::{self, Coin, SHA256D_SOME};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, EventKind, Miner};

#[tokio::test(flavor = "multi_thread")]
async fn miners_are_listed_page_by_page_found_and_kicked() {
    let office = Office::open("control_miners", "", "").await;
    assert_eq!(office.told(&["miners", "list"]).await, "nobody is connected\n");
    let (mut rig1, _) = office.miner_from(1, "alice.rig1").await;
    let (mut rig2, job) = office.miner_from(2, "alice.rig2").await;
    let (mut bob, _) = office.miner_from(3, "Bob.Garage").await;
    Office::share(&mut rig2, &job, "alice.rig2").await;

    let first = office.json(&["miners", "list", "--limit", "2"]).await;
    let next = first["next"].as_u64().unwrap().to_string();
    let second = office.json(&["miners", "list", "--limit", "2", "--after", &next]).await;
    let of = |page: &Value| page["miners"].as_array().unwrap().clone();
    let all: Vec<Value> = of(&first).into_iter().chain(of(&second)).collect();
    assert_eq!((all.len(), &second["next"]), (3, &Value::Null));
    let names: Vec<&str> = all.iter().map(|miner| miner["workers"][0].as_str().unwrap()).collect();
    assert_eq!(names, ["alice.rig1", "alice.rig2", "Bob.Garage"]);
    assert_eq!((all[1]["accepted"].as_u64(), all[0]["accepted"].as_u64()), (Some(1), Some(0)));
    assert!(all[1]["hashrate"].as_f64() > Some(0.0) && all[1]["idle_secs"].is_u64());
    assert_eq!((&all[2]["address"], &all[2]["agent"]), (&json!("127.0.0.3"), &json!("mpos-stratum-test/1.0")));

    let found = |page: Value| page["miners"].as_array().unwrap().len();
    assert_eq!(found(office.json(&["miners", "find", "alice"]).await), 2);
    assert_eq!(found(office.json(&["miners", "find", "*RIG?"]).await), 2);
    assert_eq!(found(office.json(&["miners", "find", "*", "--address", "127.0.0.3"]).await), 1);
    assert_eq!(office.command(&["miners", "find", "mallory"]).await.status.code(), Some(1));
    assert_eq!(office.command(&["miners", "kick"]).await.status.code(), Some(64), "nobody is named");

    let told = office.told(&["miners", "kick", "alice.*", "--reason", "too \u{7}loud"]).await;
    assert!(told.contains("2 connections end"), "{told}");
    rig1.wait_for_close().await.unwrap();
    rig2.wait_for_close().await.unwrap();
    office.daemon.wait_for_log("closed by an operator").await.unwrap();
    assert!(bob.request("mining.ping", json!([])).await.unwrap().error.is_none(), "others stay");
    // And nobody is banned.
    let (_rig1, _) = office.miner_from(1, "alice.rig1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_find_the_socket_where_the_configuration_has_it() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    stage::create_database(&db, "control_runtime_dir").await;
    let config = stage::configuration(&[&Coin::fake(&node, &db, "control_runtime_dir")]);
    let config = config.replacen("[daemon]\n", "[daemon]\nruntime_dir = \"run3\"\n", 1);
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run3")).unwrap();
    let daemon = Daemon::start_in(home.path(), &config).unwrap();
    daemon.port("bitcoin").await.unwrap();
    let file = home.path().join("mpos-stratum.toml");
    let ended = |arguments: &[&str], file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(arguments).arg("--config").arg(file).env_remove("RUNTIME_DIRECTORY").output().unwrap()
    };
    // A file with a mistake that the daemon has not read yet still says where it is.
    daemon.write_config(&format!("{config}[coin.mistake]\n")).unwrap();
    let hash = "ab".repeat(32);
    for (arguments, code) in [
        (&["status", "--json"][..], 0),
        (&["miners", "list", "--json"], 0),
        (&["miners", "kick", "nobody"], 1),
        (&["ban", "list"], 0),
        (&["ban", "add", "192.0.2.7"], 0),
        (&["ban", "lift", "192.0.2.7"], 0),
        (&["log-level"], 0),
        (&["notify", "bitcoin", &hash], 0),
        (&["notify", "dogecoin", &hash], 64),
        (&["reload"], 78),
    ] {
        let output = ended(arguments, &file);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // Whoever may not read it is not bothered with that, and told where the daemon was looked for.
    for arguments in [&["notify", "bitcoin", &hash][..], &["log-level"]] {
        let output = ended(arguments, &home.path().join("none.toml"));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(69) && !words.contains("none.toml"), "{words}");
        assert!(words.contains("/run/mpos-stratum/"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_miner_is_told_why_if_its_program_shows_messages() {
    let office = Office::open("control_words", "", "").await;
    let mut miner = Miner::connect(office.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe_with(json!(["cgminer/4.12"])).await.unwrap();
    assert!(miner.authorize("alice.rig1", crate::stage::PASSWORD).await.unwrap().is_true());
    miner.wait_for_job().await.unwrap();
    office.told(&["miners", "kick", "alice.rig1", "--reason", "firmware floods us"]).await;
    let said = |kind: &EventKind| matches!(kind, EventKind::Other(method, words) if method == "client.show_message" && words[0] == "firmware floods us");
    miner.wait_for_event("message", 0, said).await.unwrap();
    miner.wait_for_close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_difficulty_comes_with_new_work_and_is_credited() {
    let office = Office::open("control_difficulty", "", "").await;
    let (mut alice, first) = office.miner_from(1, "alice.rig1").await;
    let wanted = SHA256D_SOME / 2.0;
    let answer = office.json(&["miners", "set-difficulty", "alice.rig1", &wanted.to_string()]).await;
    assert_eq!((&answer["told"], answer["least"].as_f64(), &answer["adjusted"]), (&json!(1), Some(wanted), &json!(0)));
    let job = alice.wait_for_job_where("work of its own", |job| job.id != first.id).await.unwrap();
    let sent = alice.events.iter().any(|event| event.kind == EventKind::Difficulty(wanted));
    assert!(sent, "the difficulty goes before the work");
    Office::share(&mut alice, &job, "alice.rig1").await;
    Office::share(&mut alice, &first, "alice.rig1").await;
    let rows = crate::stage::rows_of(&office.db, office.database, 2).await;
    let difficulties: Vec<f64> = rows.iter().map(|row| row.difficulty).collect();
    assert!((difficulties[0] / wanted - 1.0).abs() < 1e-6, "{difficulties:?}");
    let nonsense = office.command(&["miners", "set-difficulty", "alice.rig1", "0"]).await;
    assert_eq!(nonsense.status.code(), Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn vardiff_moves_on_from_a_set_difficulty_and_its_bounds_hold() {
    let vardiff = format!("vardiff = {{ min = {}, max = {} }}", SHA256D_SOME / 4.0, SHA256D_SOME * 4.0);
    let office = Office::open("control_vardiff", "", &vardiff).await;
    let (_alice, _) = office.miner_from(1, "alice.rig1").await;
    let answer = office.json(&["miners", "set-difficulty", "alice", "1000000"]).await;
    assert_eq!((answer["most"].as_f64(), &answer["adjusted"]), (Some(SHA256D_SOME * 4.0), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_closes_what_is_open_refuses_what_comes_and_survives_a_kill() {
    let office = Office::open("control_bans", "", "").await;
    let (mut alice, _) = office.miner_from(7, "alice.rig1").await;
    let (mut bob, _) = office.miner_from(9, "Bob.Garage").await;
    let told = office.told(&["ban", "add", "127.0.0.6/31", "--for", "2h", "--reason", "a \"reason\""]).await;
    assert!(told.contains("1 connections were closed"), "{told}");
    alice.wait_for_close().await.unwrap();
    assert!(bob.request("mining.ping", json!([])).await.unwrap().error.is_none());

    let bans = office.json(&["ban", "list"]).await;
    let ban = &bans["bans"][0];
    assert_eq!(
        (&ban["network"], &ban["reason"], &ban["ordered"]),
        (&json!("127.0.0.6/31"), &json!("a \"reason\""), &json!(true))
    );
    assert_eq!(ban["until"].as_u64().unwrap() - ban["since"].as_u64().unwrap(), 7200);
    let come = async |port| {
        let from = std::net::Ipv4Addr::new(127, 0, 0, 6);
        let mut miner = Miner::connect_from(from, port, Algorithm::Sha256d).await?;
        miner.subscribe().await
    };
    assert!(come(office.port).await.is_err(), "banned");

    // Killed at once: the word of an operator is on the disk when it is answered.
    let Office { daemon, home, db, node, .. } = office;
    let config = std::fs::read_to_string(home.path().join("mpos-stratum.toml")).unwrap();
    daemon.kill().unwrap();
    // Two that were banned for misbehaviour, one of them by a version that noted the end only.
    let state = home.path().join("state/bans");
    let mut kept = saved::read(&state).unwrap();
    let cause = Cause { since: 1_700_000_000, closes: 3, window_secs: 600 };
    for (address, cause) in [("192.0.2.9", Some(cause)), ("192.0.2.10", None)] {
        let source = Source::of(address.parse().unwrap());
        kept.sources.push(saved::SavedBan { source, until: stage::unix_secs() + 3600, cause });
    }
    saved::write(&state, &kept).unwrap();
    let daemon = crate::support::daemon::Daemon::start_in(home.path(), &config).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let office = Office { daemon, node, db, database: "control_bans", port, home };
    assert!(come(office.port).await.is_err(), "still banned");
    let bans = office.json(&["ban", "list"]).await;
    let of = |address: &str| bans["bans"].as_array().unwrap().iter().find(|ban| ban["network"] == address).unwrap();
    let why = "invalid shares: 3 connections were closed for them within 600 s";
    let (noted, before) = (of("192.0.2.9"), of("192.0.2.10"));
    assert_eq!((&noted["since"], &noted["reason"]), (&json!(1_700_000_000), &json!(why)));
    assert_eq!((&before["since"], &before["reason"]), (&Value::Null, &json!("invalid shares")));
    let told = office.told(&["ban", "list"]).await;
    assert!(told.lines().any(|line| line.ends_with(&format!(", since 2023-11-14 22:13:20: {why}"))), "{told}");
    assert!(told.lines().any(|line| line.ends_with(" UTC: invalid shares")), "{told}");
    for address in ["192.0.2.9", "192.0.2.10"] {
        office.told(&["ban", "lift", address]).await;
    }
    assert_eq!(office.command(&["ban", "lift", "127.0.0.6"]).await.status.code(), Some(64), "as it was banned");
    office.told(&["ban", "lift", "127.0.0.6/31"]).await;
    assert!(come(office.port).await.is_ok());
    assert!(office.told(&["ban", "list"]).await.contains("nobody is banned"));
    for wrong in ["127.0.0.1/8", "nowhere", "300.0.0.1"] {
        assert_eq!(office.command(&["ban", "add", wrong]).await.status.code(), Some(64), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_changes_while_it_runs() {
    let office = Office::open("control_log", "", "").await;
    assert_eq!(office.told(&["log-level"]).await.trim(), "info");
    assert_eq!(office.told(&["log-level", "stratum=debug"]).await.trim(), "info,stratum=debug");
    let (alice, _) = office.miner_from(1, "alice.rig1").await;
    drop(alice);
    office.daemon.wait_for_log("connection closed").await.unwrap();
    assert_eq!(office.told(&["log-level", "error"]).await.trim(), "error");
    let wrong = office.command(&["log-level", "kitchen=debug"]).await;
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("not a part of the daemon"));
    // A command is told at info, which is not logged any more.
    office.told(&["log-level", "info"]).await;
    let before = office.daemon.log().iter().filter(|line| line.contains("an operator's command")).count();
    assert!(before >= 2, "{:#?}", office.daemon.log());
}
