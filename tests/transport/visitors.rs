//! Who does not speak Stratum, or says nothing at all.

use tokio::io::AsyncWriteExt;

use crate::site::{SUBSCRIBE, Site, last_words, served, turned_away};

#[tokio::test]
async fn http_is_answered_once() {
    let site = Site::start("http", &[""]).await;
    for request in ["GET / HTTP/1.1\r\nHost: pool\r\n\r\n", "POST / HTTP/1.0\r\n\r\n", "GET /x HTTP/1.1\r\n"] {
        let mut socket = site.say(0, request.as_bytes()).await;
        socket.shutdown().await.unwrap();
        let answer = String::from_utf8(last_words(&mut socket).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Connection: close"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())) && !body.is_empty(), "{head} {body}");
    }
    // A head without a body, byte by byte.
    let mut socket = site.say(0, b"").await;
    for byte in b"HEAD / HTTP/1.1\r\n\r\n" {
        // It may be answered and closed before the last of them.
        let _sent = socket.write_all(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let _closed = socket.shutdown().await;
    let answer = String::from_utf8(last_words(&mut socket).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn tls_on_a_plain_port_and_silence_are_closed() {
    let site = Site::start("visitors", &["subscribe_timeout_secs = 1"]).await;
    turned_away(site.say(0, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await).await;
    // Nothing, the beginning of what might become something, and half a line.
    for bytes in [&b""[..], b"GE", b"\r\n\r\n", b"{\"id\":1,"] {
        turned_away(site.say(0, bytes).await).await;
    }
    served(&mut site.say(0, SUBSCRIBE).await).await;
}

#[tokio::test]
async fn w1_subscribe_in_single_bytes_is_answered_in_order() {
    let site = Site::start("w1", &[""]).await;
    let mut socket = site.say(0, b"").await;
    socket.set_nodelay(true).unwrap();
    for byte in SUBSCRIBE {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(socket));
    for start in
        ["{\"id\":1,", "{\"id\":null,\"method\":\"mining.set_difficulty\"", "{\"id\":null,\"method\":\"mining.notify\""]
    {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.starts_with(start), "{line}");
    }
}
