//! What no miner should send. Whatever it is, the next honest miner notices nothing.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{FakeStage, PASSWORD, SHA256D_SOME, bad, good};
use crate::support::miner::{Algorithm, Miner, Wanted};

/// Longest line, as the daemon's default is.
const LINE_BYTES_MAX: usize = 8192;

async fn connect(stage: &FakeStage) -> Miner {
    Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap()
}

/// A miner that does everything right, and the row of its share: the `nth` of all.
async fn honest(stage: &FakeStage, nth: usize) {
    let (mut miner, job) = stage.miner("alice.rig1").await;
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    assert_eq!(stage.facts(nth).await[nth - 1], good("alice.rig1", SHA256D_SOME));
}

/// Code and text of the refusal of a line that has no id to answer to.
async fn refusal(miner: &mut Miner) -> (Value, Option<i64>) {
    let reply = miner.next_reply().await.unwrap();
    (reply.id.clone(), reply.code())
}

#[tokio::test]
async fn a_line_without_end_closes_the_connection() {
    let stage = FakeStage::start("endless").await;
    // With its end and without, in one piece and in many, before and after a good one.
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let padded = format!("{{\"id\":1,\"method\":\"mining.ping\",\"params\":[\"{long}\"]}}\n");
    for (nth, text) in [format!("{long}x"), format!("{long}\n"), padded, "y".repeat(1 << 20)].into_iter().enumerate() {
        let mut miner = connect(&stage).await;
        assert!(miner.request("mining.ping", json!([])).await.unwrap().error.is_none());
        // The pool may hang up before it has all.
        let _sent = miner.send_raw(text.as_bytes()).await;
        miner.wait_for_close().await.unwrap();
        honest(&stage, nth + 1).await;
    }
    // The longest that is allowed is a line like any other.
    let mut miner = connect(&stage).await;
    let start = "{\"id\":7,\"method\":\"mining.ping\",\"params\":[";
    let fill = " ".repeat(LINE_BYTES_MAX - start.len() - 2);
    miner.send_raw(format!("{start}{fill}]}}\r\n").as_bytes()).await.unwrap();
    assert_eq!(miner.next_reply().await.unwrap().result, json!("pong"));
}

#[tokio::test]
async fn three_lines_that_are_no_requests_close_the_connection() {
    let stage = FakeStage::start("garbage").await;
    let deep = format!("{{\"id\":1,\"method\":\"mining.submit\",\"params\":{}", "[".repeat(8000));
    let deep_object = "{\"a\":".repeat(1500);
    let deep_param =
        format!("{{\"id\":1,\"method\":\"mining.submit\",\"params\":[{}{}]}}", "[".repeat(9), "]".repeat(9));
    let long_param = format!("{{\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"{}\"]}}", "9".repeat(4000));
    let lines: [&[u8]; 14] = [
        b"BREW / HTTP/1.1",
        b"{",
        b"[]",
        b"null",
        b"{\"id\":1,\"method\":\"mining.ping\",\"params\":[]}}",
        b"{\"id\":1,\"id\":2,\"method\":\"mining.ping\",\"params\":[]}",
        b"{\"id\":1,\"method\":7,\"params\":[]}",
        b"{\"id\":1,\"method\":\"mining.ping\xff\xfe\",\"params\":[]}",
        b"\0\0\0\0",
        b"{\"id\":1,\"method\":\"mining.ping\0\",\"params\":[]}",
        deep.as_bytes(),
        deep_object.as_bytes(),
        deep_param.as_bytes(),
        long_param.as_bytes(),
    ];
    for (nth, line) in lines.into_iter().enumerate() {
        let mut miner = connect(&stage).await;
        let line = [line, b"\n"].concat();
        for _ in 0..2 {
            miner.send_raw(&line).await.unwrap();
            assert_eq!(refusal(&mut miner).await, (Value::Null, Some(20)), "{}", line.escape_ascii());
        }
        // A good one in between forgives the others.
        assert!(miner.request("mining.ping", json!([])).await.unwrap().error.is_none());
        for _ in 0..3 {
            miner.send_raw(&line).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(refusal(&mut miner).await, (Value::Null, Some(20)));
        }
        miner.wait_for_close().await.unwrap();
        honest(&stage, nth + 1).await;
    }
}

#[tokio::test]
async fn odd_parameters_are_answered_and_harmless() {
    let stage = FakeStage::start("oddities").await;
    let (mut miner, job) = stage.miner("alice.rig2").await;
    let long = "9".repeat(1000);
    for (method, params, code) in [
        ("mining.submit", json!([]), 20),
        ("mining.submit", json!({}), 20),
        ("mining.submit", json!("text"), 20),
        ("mining.submit", Value::Null, 20),
        ("mining.submit", json!(["alice.rig2", job.id]), 20),
        ("mining.submit", json!(["alice.rig2", job.id, "00", "00"]), 20),
        ("mining.submit", json!([1, 2, 3, 4, 5]), 20),
        ("mining.submit", json!([null, null, null, null, null]), 20),
        ("mining.submit", json!([["alice.rig2"], [job.id], [], {}, [[]]]), 20),
        ("mining.authorize", json!([]), 20),
        ("mining.authorize", json!([7, 7]), 20),
        ("mining.authorize", json!({"name": "alice.rig2"}), 20),
        ("mining.authorize", json!([long, long]), 24),
        ("mining.submit\u{0}", json!([]), -3),
        ("", json!([]), 0),
        ("mining.get_everything", json!([]), -3),
    ] {
        if code == 0 {
            // An answer to something that nobody asked: nothing comes back, and nothing else is held up.
            miner.send(method, &params).await.unwrap();
            assert!(miner.request("mining.ping", json!([])).await.unwrap().error.is_none());
            continue;
        }
        let reply = miner.request(method, params.clone()).await.unwrap();
        assert_eq!(reply.code(), Some(code), "{method} {params}: {}", reply.line);
    }
    for params in [json!([-1]), json!([1e308]), json!(["1e999"]), json!([null]), json!([0]), json!([]), json!([[1]])] {
        let reply = miner.request("mining.suggest_difficulty", params.clone()).await.unwrap();
        assert!(reply.is_true(), "{params}: {}", reply.line);
    }
    for params in [json!([]), json!([["version-rolling"], {"version-rolling.mask": -5}]), json!([{}, []]), json!(7)] {
        let reply = miner.request("mining.configure", params.clone()).await.unwrap();
        assert!(reply.error.is_none() && reply.result.is_object(), "{params}: {}", reply.line);
    }
    // Numbers that are none of ours, as JSON itself allows them. One of them nobody can hold: with it
    // the parameters are none at all.
    for field in ["-1", "1e400", "123456789012345678901234567890", "-0", "4294967296", "1.5"] {
        let line = format!(
            "{{\"id\":99,\"method\":\"mining.submit\",\"params\":[\"alice.rig2\",\"{}\",\"{}\",{field},{field}]}}\n",
            job.id,
            "0".repeat(job.extranonce2_bytes * 2)
        );
        miner.send_raw(line.as_bytes()).await.unwrap();
        let reply = miner.next_reply().await.unwrap();
        assert_eq!(reply.code(), Some(20), "{field}: {}", reply.line);
    }
    // None of it became more than a refused row of the miner's own.
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig2", &share).await.unwrap().is_true());
    let rows = stage.facts(6).await;
    let (last, refused) = rows.split_last().unwrap();
    assert_eq!(*last, good("alice.rig2", SHA256D_SOME));
    assert_eq!(refused, vec![bad("alice.rig2", "incorrect size of ntime", SHA256D_SOME); 5]);
    honest(&stage, 7).await;
}

#[tokio::test]
async fn requests_in_pieces_and_in_heaps() {
    let stage = FakeStage::start("pieces").await;
    // Half a line, and gone.
    for half in ["", "{", "{\"id\":1,\"method\":\"mining.subscribe\",\"par"] {
        let mut socket = TcpStream::connect(stage.port).await.unwrap();
        socket.write_all(half.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(socket.read(&mut [0; 64]).await.unwrap(), 0, "no answer to half a line");
    }
    // Byte by byte, each in a packet of its own.
    let mut miner = connect(&stage).await;
    for byte in b" {\"id\": 1, \"method\": \"mining.subscribe\", \"params\": [\"slow/1\"]}\r\n\r\n\n" {
        miner.send_raw(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let reply = miner.next_reply().await.unwrap();
    assert_eq!((&reply.id, reply.error), (&json!(1), None));
    honest(&stage, 1).await;

    // Two hundred shares in one packet, more than may be unanswered at once: all count, in order.
    let (mut miner, job) = stage.miner("alice.rig2").await;
    assert!(miner.authorize("Bob.Garage", PASSWORD).await.unwrap().is_true());
    let mut packet = String::new();
    for id in 0..200 {
        let worker = if id % 3 == 0 { "Bob.Garage" } else { "alice.rig2" };
        let share = miner.mine(&job, Wanted::Share).unwrap();
        let line = json!({"id": format!("#{id}"), "method": "mining.submit", "params": share.submit_params(worker)});
        packet += &format!("{line}\n");
    }
    miner.send_raw(packet.as_bytes()).await.unwrap();
    for id in 0..200 {
        let reply = miner.next_reply().await.unwrap();
        assert!(reply.is_true() && reply.id == json!(format!("#{id}")), "{}", reply.line);
    }
    let rows = stage.facts(201).await;
    for (id, row) in rows[1..].iter().enumerate() {
        let worker = if id % 3 == 0 { "Bob.Garage" } else { "alice.rig2" };
        assert_eq!(*row, good(worker, SHA256D_SOME), "row {id}");
    }
    honest(&stage, 202).await;
}
