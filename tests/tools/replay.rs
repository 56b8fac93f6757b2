//! Rows of the quarantine, mended and put in again.

use serde_json::Value;

use crate::rig::{Rig, good};

/// A table that refuses one worker's rows, and a quarantine with two of them.
async fn refused(database: &'static str) -> Rig {
    let rig = Rig::new(database).await;
    rig.sql(
        "CREATE TRIGGER refuse BEFORE INSERT ON shares FOR EACH ROW \
         IF NEW.username = 'alice.bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF",
    )
    .await;
    rig.write(&["alice.r1", "alice.bad", "alice.r3", "alice.bad", "alice.r5"].map(good));
    rig.drain().await;
    assert_eq!(rig.workers().await, ["alice.r1", "alice.r3", "alice.r5"]);
    rig
}

async fn rows_are(rig: &Rig, wanted: &[&str]) {
    let poll = async {
        while rig.workers().await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let late = tokio::time::timeout(std::time::Duration::from_secs(30), poll).await.is_err();
    assert!(!late, "{:?} instead of {wanted:?}", rig.workers().await);
}

/// The operator's copy, with another worker in it.
fn mended(rig: &Rig) -> String {
    let lines = std::fs::read_to_string(rig.spool().join("quarantine.jsonl")).unwrap();
    let mended = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["share"]["worker"] = "alice.mended".into();
        format!("{line}\n")
    });
    let file = rig.dir.path().join("mended.jsonl");
    std::fs::write(&file, mended.collect::<String>()).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn the_running_daemon_replays_each_row_once() {
    let rig = refused("tools_replay_live").await;
    let file = mended(&rig);
    let daemon = rig.start();
    daemon.port("bitcoin").await.unwrap();
    let one = rig.run(&["spool", "replay", "--quarantine", "--file", &file, "--seq", "4"]).await;
    assert!(one.code == 0 && one.out.contains("event 4: is now event 6"), "{one:?}");
    let all = rig.run(&["spool", "replay", "--quarantine", "--file", &file]).await;
    assert!(
        all.out.contains("event 2: is now event 7") && all.out.contains("event 4: was replayed before, as event 6"),
        "{all:?}"
    );
    rows_are(&rig, &["alice.r1", "alice.r3", "alice.r5", "alice.mended", "alice.mended"]).await;
    daemon.kill().unwrap();
    let daemon = rig.start();
    let again = rig.run(&["spool", "replay", "--quarantine", "--file", &file]).await;
    assert!(again.out.matches("was replayed before").count() == 2, "{again:?}");
    assert!(daemon.stop().await.unwrap().success());
    assert_eq!(rig.workers().await.len(), 5);
}

#[tokio::test]
async fn without_a_daemon_the_command_writes_into_the_spool_itself() {
    let rig = refused("tools_replay_off").await;
    rig.sql("DROP TRIGGER refuse").await;
    let done = rig.run(&["spool", "replay", "--quarantine"]).await;
    assert!(done.code == 0 && done.out.contains("event 2: is now event 6"), "{done:?}");
    let again = rig.run(&["spool", "replay", "--quarantine"]).await;
    assert!(again.out.matches("was replayed before").count() == 2, "{again:?}");
    rig.drain().await;
    rows_are(&rig, &["alice.r1", "alice.r3", "alice.r5", "alice.bad", "alice.bad"]).await;
    let rows = rig.db.rows(rig.database).await;
    assert!(rows.is_sorted_by_key(|row| row.time), "{rows:#?}");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told_and_changes_nothing() {
    let rig = refused("tools_replay_bad").await;
    let file = mended(&rig);
    let text = std::fs::read_to_string(&file).unwrap();
    for (bad, word) in [
        (text.replace("\"accepted\":true", "\"accepted\":false"), "`accepted` was true"),
        (text.replace("\"seq\":2", "\"seq\":3"), "event 3 is not in quarantine.jsonl"),
        (text.replace("alice.mended", ""), "`worker`"),
        (format!("{text}nonsense\n"), "line 3"),
        (String::new(), "holds no row"),
    ] {
        std::fs::write(&file, bad).unwrap();
        let refused = rig.run(&["spool", "replay", "--quarantine", "--file", &file]).await;
        assert!(refused.code == 64 && refused.err.contains(word), "{word}: {refused:?}");
    }
    let missing = rig.run(&["spool", "replay", "--quarantine", "--seq", "1,2"]).await;
    assert!(missing.code == 64 && missing.err.contains("event 1 is not in"), "{missing:?}");
    assert_eq!(rig.run(&["spool", "dump"]).await.lines().len(), 5);
}

#[tokio::test]
async fn a_paused_drain_goes_on_by_command() {
    let rig = refused("tools_resume").await;
    let mut events = vec![good("alice.bad"); 6];
    events.push(good("alice.r12"));
    rig.write(&events);
    let daemon = rig.start();
    daemon.wait_for_log("drain paused").await.unwrap();
    let done = rig.run(&["spool", "resume", "--rows", "10"]).await;
    assert!(done.code == 0 && done.out.contains("up to 10 further rows"), "{done:?}");
    rows_are(&rig, &["alice.r1", "alice.r3", "alice.r5", "alice.r12"]).await;
    let status = rig.run(&["spool", "status", "--json"]).await.json();
    assert_eq!(status["quarantined"], 8, "{status}");
    let again = rig.run(&["spool", "resume"]).await;
    assert!(again.code == 64 && again.err.contains("not paused"), "{again:?}");
}

/// The command works without a daemon; meanwhile one is started.
#[tokio::test]
async fn a_daemon_that_starts_waits_for_a_command_at_work() {
    let rig = Rig::new("tools_replay_start").await;
    let at_work = rig.ledger();
    let daemon = rig.start();
    let line = daemon.wait_for_log("is in use by another process").await.unwrap();
    assert!(line.contains(&format!("(pid {})", std::process::id())) && line.contains("waiting for up to"), "{line}");
    at_work.close();
    drop(at_work);
    daemon.port("bitcoin").await.unwrap();
    assert!(!daemon.log().iter().any(|line| line.contains("stays down")));
    assert!(daemon.stop().await.unwrap().success());
}
