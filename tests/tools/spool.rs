//! Looking into spools: while the daemon works, without a database, and damaged.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Stdio;

use mpos_stratum::ledger::record::{Event, ShareRecord, VerdictRecord};
use serde_json::json;

use crate::rig::{Rig, block, command, good};
use crate::stage::{self, PASSWORD};
use crate::support::miner::{Algorithm, Miner, Wanted};
use crate::support::spool::share;

#[tokio::test]
async fn a_spool_is_shown_while_its_daemon_works() {
    let rig = Rig::new("tools_shown").await;
    let daemon = rig.start();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    for _ in 0..20 {
        let found = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &found).await.unwrap().is_true());
    }
    let rows = stage::rows_of(&rig.db, rig.database, 20).await;
    let status = rig.run(&["spool", "status", "--json"]).await;
    assert_eq!(status.code, 0, "{status:?}");
    let shown = status.json();
    assert_eq!(shown["process"], json!(daemon.pid()));
    assert_eq!((&shown["written"], &shown["decision_needed"]), (&json!(20), &json!(false)));
    assert_eq!(shown["database"]["cursor"]["seq"], json!(20));
    assert_eq!(shown["drain"]["state"], json!("running"));
    let dump = rig.run(&["spool", "dump", "--json"]).await;
    assert_eq!((dump.code, dump.err.as_str()), (0, ""));
    let events = dump.lines();
    assert_eq!(events.len(), 20);
    for (seq, (event, row)) in (1..).zip(events.iter().zip(&rows)) {
        assert_eq!((&event["seq"], &event["time"]), (&json!(seq), &json!(row.time)));
        assert_eq!(
            (&event["worker"], &event["ip"], &event["error"]),
            (&json!("alice.rig1"), &json!("127.0.0.1"), &json!(null))
        );
        assert_eq!(event["row_difficulty"].as_f64().unwrap() as f32, row.difficulty as f32);
        assert!(event["shareDiff"].as_f64().unwrap() >= event["difficulty"].as_f64().unwrap());
    }
    let verify = rig.run(&["spool", "verify"]).await;
    assert!(verify.code == 0 && verify.out.contains("20 shares accepted, 0 refused"), "{verify:?}");
    assert!(daemon.stop().await.unwrap().success());
    let text = rig.run(&["spool", "status"]).await;
    assert!(text.code == 0 && text.out.contains("not in use") && text.out.contains("20 written"), "{text:?}");
}

#[tokio::test]
async fn an_empty_spool_has_no_last_event() {
    let rig = Rig::new("tools_empty").await;
    rig.write(&[]);
    let verify = rig.run(&["spool", "verify"]).await;
    assert!(verify.code == 0 && verify.out.contains(" bytes: no event\n"), "{verify:?}");
}

#[tokio::test]
async fn every_field_of_an_event_is_dumped() {
    let rig = Rig::new("tools_dump").await;
    let stale = ShareRecord { accepted: false, reason: "stale, \"old\"".into(), ..share("bob.x") };
    let verdict = VerdictRecord {
        candidate: 1,
        written_hash: [5; 32],
        accepted: true,
        node_hash: [6; 32],
        reason: String::new(),
    };
    rig.write(&[block("alice.rig1", 321, [5; 32]), Event::Share(stale), Event::Verdict(verdict)]);
    let dump = rig.run(&["spool", "dump"]).await;
    let events = dump.lines();
    let fields: BTreeSet<&str> = events[0].as_object().unwrap().keys().map(String::as_str).collect();
    for field in [
        "job",
        "ip",
        "worker",
        "height",
        "reward",
        "blockReward",
        "difficulty",
        "shareDiff",
        "blockDiff",
        "blockDiffActual",
        "blockHash",
        "blockHashInvalid",
        "txHash",
        "error",
        "seq",
        "time",
        "accepted",
        "row_difficulty",
        "solution",
    ] {
        assert!(fields.contains(field), "{field} is not in {fields:?}");
    }
    let hash = |byte: &str| json!(byte.repeat(32));
    assert_eq!((&events[0]["blockHash"], &events[0]["txHash"]), (&hash("05"), &hash("03")));
    assert_eq!((&events[0]["blockHashInvalid"], &events[0]["height"]), (&json!(null), &json!(321)));
    assert_eq!((&events[1]["error"], &events[1]["accepted"]), (&json!("stale, \"old\""), &json!(false)));
    assert_eq!(events[1]["blockHashInvalid"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&events[2]["kind"], &events[2]["candidate"], &events[2]["nodeHash"]),
        (&json!("verdict"), &json!(1), &hash("06"))
    );
    let csv = rig.run(&["spool", "dump", "--csv", "--from", "2", "--to", "2"]).await;
    let lines: Vec<&str> = csv.out.lines().collect();
    assert_eq!(lines.len(), 2, "{csv:?}");
    assert!(
        lines[0].split(',').any(|name| name == "shareDiff") && lines[1].contains("\"stale, \"\"old\"\"\""),
        "{lines:?}"
    );
}

#[tokio::test]
async fn damage_is_placed_and_explained() {
    let rig = Rig::new("tools_damage").await;
    rig.write(&(1..=5).map(|number| good(&format!("alice.d{number}"))).collect::<Vec<_>>());
    let segment = rig.spool().join("00000000000000000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|window| window == b"alice.d3").unwrap();
    let mut bad = bytes.clone();
    bad[at] ^= 1;
    std::fs::write(&segment, &bad).unwrap();
    let verify = rig.run(&["spool", "verify", "--json"]).await;
    assert_eq!(verify.code, 1, "{verify:?}");
    let finding = &verify.json()["findings"][0];
    assert_eq!((&finding["first_seq"], &finding["last_seq"]), (&json!(3), &json!(3)));
    assert_eq!((&finding["meaning"], &finding["file"]), (&json!("damage"), &json!(segment)));
    let offset = usize::try_from(finding["offset"].as_u64().unwrap()).unwrap();
    assert!(offset < at && at - offset < 256, "{offset} {at}");
    let dump = rig.run(&["spool", "dump"]).await;
    assert_eq!((dump.code, dump.lines().len()), (1, 4));
    assert!(dump.err.contains("events 3 to 3 cannot be read"), "{}", dump.err);
    assert_eq!(rig.run(&["spool", "status"]).await.code, 1);
    std::fs::write(&segment, &bytes).unwrap();
    rig.drain().await;
    std::fs::write(&segment, &bad).unwrap();
    let verify = rig.run(&["spool", "verify", "--json"]).await;
    assert_eq!((verify.code, &verify.json()["findings"][0]["meaning"]), (1, &json!("drained")));
}

#[tokio::test]
async fn a_reader_that_goes_away_and_a_database_that_is_away_are_no_failure() {
    let rig = Rig::new("tools_pipe").await;
    let events: Vec<Event> = (0..2000).map(|_| good("alice.rig1")).collect();
    let ledger = rig.ledger();
    ledger.append(&events).unwrap();
    ledger.close();
    drop(ledger);
    let config = rig.dir.path().join("mpos-stratum.toml");
    let mut child = command(&config, &["spool", "dump"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
    let text = std::fs::read_to_string(&config).unwrap();
    let socket = rig.db.socket().display().to_string();
    // The spool's directory follows from the server's address.
    let before = rig.spool();
    std::fs::write(&config, text.replace(&socket, "/nonexistent/sock")).unwrap();
    std::fs::rename(before, rig.spool()).unwrap();
    let status = rig.run(&["spool", "status"]).await;
    assert!(
        status.code == 0 && status.out.contains("cannot be asked") && status.out.contains("2000 events"),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_spool_must_be_named_where_there_are_several() {
    let rig = Rig::new("tools_several").await;
    let config = rig.dir.path().join("mpos-stratum.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let coin = text.split_once("[[coin]]").unwrap().1;
    let other =
        coin.replace("name = \"bitcoin\"", "name = \"other\"\ninstance = 1").replace("tools_several", "tools_other");
    std::fs::write(&config, format!("{text}[[coin]]{other}")).unwrap();
    let dump = rig.run(&["spool", "dump"]).await;
    assert!(dump.code == 64 && dump.err.contains("bitcoin") && dump.err.contains("other"), "{dump:?}");
    let dump = rig.run(&["spool", "dump", "--coin", "nobody"]).await;
    assert!(dump.code == 64 && dump.err.contains("there is no coin \"nobody\""), "{dump:?}");
    let dump = rig.run(&["spool", "dump", "--coin", "other"]).await;
    assert!(dump.code == 69 && dump.err.contains("The daemon makes the spool"), "{dump:?}");
}

#[tokio::test]
async fn a_spool_that_no_coin_uses_is_not_forgotten_in_silence() {
    let rig = Rig::new("tools_stray").await;
    rig.write(&[good("alice.r1"), good("alice.r2")]);
    let old = rig.spool().with_file_name("tools_stray-00000000");
    std::fs::rename(rig.spool(), &old).unwrap();
    rig.write(&[good("alice.r3")]);
    let status = rig.run(&["spool", "status"]).await;
    let told = status.out.contains("FORGOTTEN") && status.out.contains("holds 2 events");
    assert!(status.code == 1 && told, "{status:?}");
    let daemon = rig.start();
    daemon.wait_for_log("no coin uses it").await.unwrap();
    std::fs::rename(&old, rig.dir.path().join("elsewhere")).unwrap();
    let status = rig.run(&["spool", "status", "--json"]).await;
    assert!(!status.out.contains("forgotten"), "{status:?}");
}
