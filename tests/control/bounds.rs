//! What the control socket puts up with.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::office::Office;
use crate::support::miner::PATIENCE;

const STATUS: &str = r#"{"version":1,"command":"status"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_told_so_and_the_next_one_is_answered() {
    let office = Office::open("control_requests", "", "").await;
    let mut caller = office.caller().await;
    for (line, part) in [
        ("rubbish", "no request"),
        (r#"{"version":1,"command":"switch"}"#, "there are status, miners, kick"),
        (r#"{"version":7,"command":"status"}"#, "version 7"),
        (r#"{"version":1,"command":"miners","limit":-1}"#, "no such request"),
        (r#"{"version":1,"command":"kick","who":{}}"#, "say who is meant"),
    ] {
        let answer = caller.ask(line).await;
        assert!(answer["error"].as_str().unwrap().contains(part), "{line}: {answer}");
        assert_eq!(answer["version"], 1);
    }
    assert_eq!(caller.ask(STATUS).await["status"]["coins"][0]["name"], "bitcoin");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_long_a_line_and_too_many_connections_are_refused() {
    let office = Office::open("control_bounds", "", "").await;
    let mut long = office.caller().await;
    long.stream.get_mut().write_all(&[b' '; 5000]).await.unwrap();
    assert!(long.hear().await.unwrap()["error"].as_str().unwrap().contains("4096 bytes at most"));
    assert!(long.hear().await.is_none(), "and it is closed");
    drop(long);

    let mut callers = Vec::new();
    for _ in 0..16 {
        let mut caller = office.caller().await;
        // The place of the one before may not be free yet.
        let answered = async {
            loop {
                caller.stream.get_mut().write_all(format!("{STATUS}\n").as_bytes()).await.ok();
                match caller.hear().await {
                    Some(answer) if answer["status"].is_object() => return,
                    _ => caller = office.caller().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap();
        callers.push(caller);
    }
    let mut further = office.caller().await;
    assert!(further.hear().await.unwrap()["error"].as_str().unwrap().contains("16 connections are open"));
    assert!(callers[3].ask(STATUS).await["status"].is_object(), "the others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_take_his_answers_is_closed_and_hurts_nobody() {
    let office = Office::open("control_deaf", "", "").await;
    let mut deaf = office.caller().await;
    // Far more questions than the answers to them fit into a socket; nothing is read.
    let questions = format!("{STATUS}\n").repeat(20_000);
    let asked = tokio::spawn(async move {
        let _ = deaf.stream.get_mut().write_all(questions.as_bytes()).await;
        deaf
    });
    let mut other = office.caller().await;
    assert!(other.ask(STATUS).await["status"].is_object());
    let mut deaf = tokio::time::timeout(PATIENCE, asked).await.expect("it is not closed").unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, deaf.stream.read_to_end(&mut rest)).await.expect("it is not closed");
    assert!(read.is_err() || rest.len() < 8 << 20, "{} bytes", rest.len());
    assert!(PATIENCE > Duration::from_secs(5), "longer than the daemon waits");
}
