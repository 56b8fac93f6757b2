//! adopt and rewind, carried out by the real daemon.

use mpos_stratum::ledger::record::Event;
use mpos_stratum::service::blocks::dossier::Dossier;
use mpos_stratum::service::{blocks_dir, server_note};
use serde_json::json;
use tokio::sync::watch;

use crate::rig::{Rig, block, good};
use crate::support::daemon::Daemon;
use crate::support::mariadb::MariaDb;

fn workers(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("alice.r{number}")).collect()
}

/// Ten rows in the database, two more events in the spool.
async fn ten_and_two(database: &'static str) -> Rig {
    let rig = Rig::new(database).await;
    rig.write(&workers(1..=10).iter().map(|worker| good(worker)).collect::<Vec<_>>());
    rig.drain().await;
    rig.write(&workers(11..=12).iter().map(|worker| good(worker)).collect::<Vec<_>>());
    rig
}

async fn rows_are(rig: &Rig, wanted: &[String]) {
    let poll = async {
        while rig.workers().await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let late = tokio::time::timeout(std::time::Duration::from_secs(30), poll).await.is_err();
    assert!(!late, "{:?} instead of {wanted:?}", rig.workers().await);
}

async fn stopped(rig: &Rig) -> Daemon {
    let daemon = rig.start();
    daemon.wait_for_log("drain stopped").await.unwrap();
    daemon
}

/// A backup from the seventh row was restored.
const RESTORED: &str = "DELETE FROM shares WHERE id > 7; UPDATE mpos_stratum_cursor SET seq = 7";

#[tokio::test]
async fn a_restored_database_gets_the_lost_rows_again() {
    let rig = ten_and_two("tools_rewind").await;
    rig.sql(RESTORED).await;
    let daemon = stopped(&rig).await;
    let status = rig.run(&["spool", "status"]).await;
    assert!(status.code == 1 && status.out.contains("DECIDE") && status.out.contains("up to 7 only"), "{status:?}");
    let asked = rig.run(&["spool", "rewind", "--to", "8"]).await;
    assert!(
        asked.code == 64 && asked.err.contains("events 8 to 10 (3 rows)") && asked.err.contains("--yes"),
        "{asked:?}"
    );
    let done = rig.run(&["spool", "rewind", "--to", "8", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains("carried it out"), "{done:?}");
    rows_are(&rig, &workers(1..=12)).await;
    let status = rig.run(&["spool", "status", "--json"]).await;
    assert_eq!((status.code, &status.json()["drain"]["state"]), (0, &json!("running")), "{status:?}");
    let again = rig.run(&["spool", "rewind", "--to", "8", "--yes"]).await;
    assert!(again.code == 64 && again.err.contains("not stopped"), "{again:?}");
    assert!(daemon.stop().await.unwrap().success());
    rows_are(&rig, &workers(1..=12)).await;
}

#[tokio::test]
async fn a_restored_database_may_go_without_the_lost_rows() {
    let rig = ten_and_two("tools_adopt").await;
    rig.sql(RESTORED).await;
    let _daemon = stopped(&rig).await;
    let asked = rig.run(&["spool", "adopt"]).await;
    assert!(
        asked.code == 64 && asked.err.contains("events 8 to 10 (3 numbers, 3 readable rows) are given up"),
        "{asked:?}"
    );
    assert_eq!(rig.run(&["spool", "adopt", "--yes"]).await.code, 0);
    rows_are(&rig, &workers((1..=7).chain(11..=12))).await;
}

#[tokio::test]
async fn a_decision_made_while_the_daemon_is_stopped_is_carried_out_when_it_starts() {
    let rig = ten_and_two("tools_later").await;
    rig.sql("DELETE FROM mpos_stratum_cursor").await;
    let done = rig.run(&["spool", "adopt"]).await;
    assert!(done.code == 0 && done.out.contains("when it starts"), "{done:?}");
    let daemon = rig.start();
    rows_are(&rig, &workers(1..=12)).await;
    daemon.kill().unwrap();
    // The decision was for once: a row that is lost again is for the operator again.
    rig.sql("DELETE FROM mpos_stratum_cursor").await;
    let _daemon = stopped(&rig).await;
    assert_eq!(rig.workers().await.len(), 12);
}

#[tokio::test]
async fn a_decision_on_what_has_changed_since_is_refused() {
    let rig = ten_and_two("tools_stale").await;
    rig.sql(RESTORED).await;
    assert_eq!(rig.run(&["spool", "rewind", "--to", "8", "--yes"]).await.code, 0);
    // A newer backup came to light.
    rig.sql("UPDATE mpos_stratum_cursor SET seq = 9").await;
    let daemon = rig.start();
    let line = daemon.wait_for_log("decision is refused").await.unwrap();
    assert!(line.contains("is at 9"), "{line}");
    daemon.wait_for_log("drain stopped").await.unwrap();
    assert_eq!(rig.workers().await, workers(1..=7));
}

#[tokio::test]
async fn another_spools_place_is_taken_over_by_command_alone() {
    let rig = ten_and_two("tools_foreign").await;
    let other = "f".repeat(32);
    rig.sql(&format!(
        "INSERT INTO mpos_stratum_spool SELECT name, spool_id, seq, host, version, lease_at, UTC_TIMESTAMP(3) FROM mpos_stratum_cursor; \
         UPDATE mpos_stratum_cursor SET spool_id = '{other}', seq = 3, lease_at = UTC_TIMESTAMP(3)"
    ))
    .await;
    let _daemon = stopped(&rig).await;
    let asked = rig.run(&["spool", "adopt"]).await;
    assert!(asked.code == 64 && asked.err.contains("is alive"), "{asked:?}");
    assert_eq!(rig.run(&["spool", "adopt", "--yes"]).await.code, 0);
    rows_are(&rig, &workers(1..=12)).await;
    let kept: Vec<u64> =
        rig.db.query(rig.database, &format!("SELECT seq FROM mpos_stratum_spool WHERE spool_id = '{other}'")).await;
    assert_eq!(kept, [3], "the other spool's position is kept");
}

#[tokio::test]
async fn a_spool_older_than_the_database_goes_on_only_where_the_operator_says() {
    let rig = ten_and_two("tools_ahead").await;
    rig.sql("UPDATE mpos_stratum_cursor SET seq = 20").await;
    assert!(stopped(&rig).await.stop().await.unwrap().success());
    // More than the database speaks of: that does not make its position a good one.
    rig.write(&workers(13..=25).iter().map(|worker| good(worker)).collect::<Vec<_>>());
    let _daemon = stopped(&rig).await;
    let status = rig.run(&["spool", "status"]).await;
    assert!(status.code == 1 && status.out.contains("is at event 20"), "{status:?}");
    let asked = rig.run(&["spool", "adopt", "--yes"]).await;
    assert!(asked.code == 64 && asked.err.contains("--from"), "{asked:?}");
    assert_eq!(rig.run(&["spool", "adopt", "--from", "12", "--yes"]).await.code, 0);
    rows_are(&rig, &workers((1..=10).chain(12..=25))).await;
}

#[tokio::test]
async fn damaged_events_are_given_up_by_command() {
    let rig = ten_and_two("tools_given_up").await;
    let segment = rig.spool().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|window| window == b"alice.r11").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let _daemon = stopped(&rig).await;
    let asked = rig.run(&["spool", "adopt"]).await;
    assert!(
        asked.code == 64 && asked.err.contains("events 11 to 11 (1 numbers, 0 readable rows) are given up"),
        "{asked:?}"
    );
    assert_eq!(rig.run(&["spool", "adopt", "--yes"]).await.code, 0);
    rows_are(&rig, &workers((1..=10).chain([12]))).await;
}

/// The record of a block is lost with a bad sector; its dossier is another file.
#[tokio::test]
async fn a_block_in_damage_gets_its_row_from_its_dossier() {
    let rig = ten_and_two("tools_block_lost").await;
    let found = block("alice.lost", 840_000, [0x5a; 32]);
    let Event::Share(share) = &found else { unreachable!("a share") };
    rig.write(&[found.clone(), good("alice.r14")]);
    let mut dossier = Dossier::of("bitcoin", rig.ledger().spool().to_string(), share).unwrap();
    (dossier.seq, dossier.marked, dossier.closed) = (Some(13), Some(true), true);
    let blocks = blocks_dir(&rig.spool());
    std::fs::create_dir_all(&blocks).unwrap();
    std::fs::write(blocks.join("00840000-5a.json"), serde_json::to_vec(&dossier).unwrap()).unwrap();
    let segment = rig.spool().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    for worker in [&b"alice.r12"[..], b"alice.lost"] {
        let at = bytes.windows(worker.len()).position(|window| window == worker).unwrap();
        bytes[at] ^= 1;
    }
    std::fs::write(&segment, &bytes).unwrap();
    let daemon = stopped(&rig).await;
    let asked = rig.run(&["spool", "adopt", "--from", "14"]).await;
    let hash = "5a".repeat(32);
    let named = format!("block candidate 13 is among them: height 840000, hash {hash}, worker \"alice.lost\"");
    assert!(asked.code == 64 && asked.err.contains(&named) && asked.err.contains("put in again"), "{asked:?}");
    let done = rig.run(&["spool", "adopt", "--from", "14", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains("candidate 13 is recorded again as event"), "{done:?}");
    let wanted = workers((1..=11).chain([14])).into_iter().chain(["alice.lost".to_owned()]).collect::<Vec<_>>();
    rows_are(&rig, &wanted).await;
    let verdict = async {
        loop {
            let verdicts: Vec<String> = rig.db.query(rig.database, "SELECT verdict FROM mpos_stratum_block").await;
            match &verdicts[..] {
                [verdict] if verdict == "accepted" => return,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), verdict).await.expect("no verdict");
    let last = rig.db.rows(rig.database).await.pop().unwrap();
    assert_eq!((last.solution, last.upstream_result.as_deref()), (hash, Some("Y")));
    assert!(daemon.stop().await.unwrap().success());
}

/// The first server is back from the dead, without what the daemon has stored on the second since.
#[tokio::test]
async fn commands_ask_the_server_that_the_daemon_writes_to() {
    let mut rig = ten_and_two("tools_in_use").await;
    let second = MariaDb::start();
    crate::stage::create_database(&second, rig.database).await;
    rig.add_server(&second);
    let ledger = rig.ledger();
    let token: Vec<String> = rig.db.query(rig.database, "SELECT token FROM mpos_stratum_cursor").await;
    let cursor = format!(
        "INSERT INTO mpos_stratum_cursor VALUES ('shares', '{}', 10, '{}', UTC_TIMESTAMP(3) - INTERVAL 61 SECOND, 0, 'h', '1')",
        ledger.spool(),
        token[0]
    );
    second.run_sql(rig.database, &cursor).await;
    rig.sql("UPDATE mpos_stratum_cursor SET seq = 7").await;
    let asked = async || {
        let status = rig.run(&["spool", "status", "--json"]).await.json();
        (status["trouble"].is_null(), status["database"]["cursor"]["seq"].as_u64().unwrap())
    };
    // Without a word of the daemon the order of the configuration counts.
    assert_eq!(asked().await, (false, 7));
    let server = watch::Sender::new(format!("127.0.0.1:{}", second.port()).as_str().into());
    let told = tokio::spawn(server_note::keep(rig.spool(), server.subscribe()));
    drop(server);
    told.await.unwrap();
    assert_eq!(asked().await, (true, 10));
    let audit = rig.run(&["audit", "--json"]).await;
    assert!(audit.out.contains("\"count\":10"), "{audit:?}");
    ledger.close();
    drop(ledger);
    assert_eq!(asked().await, (false, 7), "the next start of the daemon begins with the first");
}

#[tokio::test]
async fn the_daemon_says_which_server_it_writes_to() {
    let rig = Rig::new("tools_note").await;
    let daemon = rig.start();
    let note = rig.spool().join("server.json");
    let written = async {
        while !std::fs::read_to_string(&note).is_ok_and(|text| text.contains("sock")) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), written).await.expect("no word");
    assert!(daemon.stop().await.unwrap().success());
}
