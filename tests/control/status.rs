//! `status`: with the daemon and without it.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::Command;

use rustix::process::geteuid;

use crate::office::Office;
use crate::stage;
use crate::support::miner::Wanted;

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_is_and_agrees_with_the_rows() {
    let office = Office::open("control_status", "", "").await;
    let (mut alice, job) = office.miner_from(1, "alice.rig1").await;
    let (mut bob, bobs) = office.miner_from(2, "Bob.Garage").await;
    for _ in 0..3 {
        Office::share(&mut alice, &job, "alice.rig1").await;
    }
    Office::share(&mut bob, &bobs, "Bob.Garage").await;
    let weak = alice.mine(&job, Wanted::BelowShare).unwrap();
    assert!(!alice.submit("alice.rig1", &weak).await.unwrap().is_true());
    // Four good rows and a bad one.
    let rows = stage::rows_of(&office.db, office.database, 5).await;
    let status = office.status_when("the drain", |status| status["spools"][0]["lag"] == 0).await;

    let coin = &status["coins"][0];
    let good = rows.iter().filter(|row| row.our_result == "Y").count();
    assert_eq!((good, coin["shares"]["accepted"].as_u64()), (4, Some(4)));
    assert_eq!(coin["shares"]["refused"], serde_json::json!({ "low_difficulty": 1 }));
    assert_eq!((coin["workers"].as_u64(), coin["connections"].as_u64()), (Some(2), Some(2)));
    assert_eq!((coin["mining"].as_bool(), status["alarms"].as_array().unwrap().len()), (Some(true), 0));
    assert_eq!(coin["nodes"][0]["state"], "ready");
    assert!(coin["tip"]["height"].as_u64() > Some(0) && coin["tip"]["source"].is_string());
    assert_eq!(coin["tip_sources"], serde_json::json!(["polling every 100 ms", "longpoll", "notify"]));
    let spool = &status["spools"][0];
    assert_eq!((&spool["written"], &spool["drained"], &spool["drain"]), (&5.into(), &5.into(), &"running".into()));

    // What MPOS makes of the rows: the sum of their difficulty times 2^target_bits, over 180 s.
    let sum: f64 = rows.iter().filter(|row| row.our_result == "Y").map(|row| row.difficulty).sum();
    let mpos = sum * 2f64.powi(32) / 180.0;
    for key in ["mpos", "mpos_now"] {
        let shown = coin["hashrate"][key].as_f64().unwrap();
        assert!((shown / mpos - 1.0).abs() < 1e-6, "{key}: {shown} and {mpos}");
    }
    assert!(coin["hashrate"]["minute"].as_f64() >= Some(mpos), "{}", coin["hashrate"]);

    let text = office.told(&["status"]).await;
    for part in [
        "No alarms.",
        "bitcoin (sha256d)  mining",
        "2 workers on 2 connections",
        "4 accepted, 1 refused",
        "new tips   polling every 100 ms, longpoll, notify",
        "drain running",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = office.json(&["status"]).await;
    assert_eq!(json["coins"][0]["shares"], coin["shares"]);
    assert!(office.told(&["miners", "find", "ALICE"]).await.contains("alice.rig1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_user_and_group_may_open_the_socket() {
    let office = Office::open("control_rights", "", "").await;
    let file = std::fs::metadata(office.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!((file.permissions().mode() & 0o777, file.uid()), (0o660, geteuid().as_raw()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_daemon_the_spool_is_shown() {
    let office = Office::open("control_gone", "", "").await;
    let (mut alice, job) = office.miner_from(1, "alice.rig1").await;
    Office::share(&mut alice, &job, "alice.rig1").await;
    stage::rows_of(&office.db, office.database, 1).await;
    let (socket, config) = (office.socket(), office.home.path().join("mpos-stratum.toml"));
    assert!(office.daemon.stop().await.unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    command.arg("status").arg("--socket").arg(&socket).arg("--config").arg(&config);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (told, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(69));
    assert!(complained.contains("does not run"), "{complained}");
    assert!(told.contains("spool of bitcoin: written 1, the database has 1, 0 events wait"), "{told}");
}
