//! Answers `GET /metrics` and `GET /healthz`: one request a connection, within bounds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::metrics;
use crate::service::scene::Scene;
use crate::service::status::{alarms, unserved};

/// Connections at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 8;
/// Longest request, with its headers; a longer one is refused.
const REQUEST_BYTES_MAX: usize = 4096;
/// How long a request may take to come, and again its answer to be taken.
const TALK_MAX: Duration = Duration::from_secs(5);
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, scene: watch::Receiver<Arc<Scene>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut talks = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while talks.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let scene = scene.clone();
                talks.spawn(async move {
                    if let Err(problem) = talk(stream, &scene).await {
                        tracing::debug!(%problem, "a request for metrics was not answered");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn talk(mut stream: TcpStream, scene: &watch::Receiver<Arc<Scene>>) -> io::Result<()> {
    let head = timeout(TALK_MAX, head(&mut stream)).await??;
    let answer = match request(&head) {
        Asked::Metrics { body } => {
            let scene = Arc::clone(&scene.borrow());
            let text = metrics(&scene);
            worded("200 OK", "text/plain; version=0.0.4; charset=utf-8", &text, body)
        }
        Asked::Health { body } => {
            let (status, text) = health(&Arc::clone(&scene.borrow()));
            worded(status, "text/plain; charset=utf-8", &text, body)
        }
        Asked::Other(status) => {
            worded(status, "text/plain", "only GET /metrics and /healthz are answered here\n", true)
        }
    };
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(TALK_MAX, told).await?
}

/// Up to the empty line; too much is what it is so far.
async fn head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut limited = stream.take(REQUEST_BYTES_MAX as u64);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if limited.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

#[derive(Debug, PartialEq)]
enum Asked {
    /// The metrics; `body`: not only the headers.
    Metrics { body: bool },
    /// Whether miners are served.
    Health { body: bool },
    /// Something that gets this status.
    Other(&'static str),
}

fn request(head: &[u8]) -> Asked {
    if !head.windows(4).any(|end| end == b"\r\n\r\n") {
        return Asked::Other(if head.len() >= REQUEST_BYTES_MAX {
            "431 Request Header Fields Too Large"
        } else {
            "400 Bad Request"
        });
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next().unwrap_or_default(), words.next());
    if !version.is_some_and(|version| version.starts_with(b"HTTP/1.")) || words.next().is_some() {
        return Asked::Other("400 Bad Request");
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match (method, path) {
        (Some(b"GET"), b"/metrics") => Asked::Metrics { body: true },
        (Some(b"HEAD"), b"/metrics") => Asked::Metrics { body: false },
        (Some(b"GET"), b"/healthz") => Asked::Health { body: true },
        (Some(b"HEAD"), b"/healthz") => Asked::Health { body: false },
        (Some(b"GET" | b"HEAD"), _) => Asked::Other("404 Not Found"),
        _ => Asked::Other("405 Method Not Allowed"),
    }
}

/// 200 while miners of all coins are served, else 503; and everything that somebody should look at.
fn health(scene: &Scene) -> (&'static str, String) {
    let (status, word) = match unserved(scene).is_empty() {
        true => ("200 OK", "serving\n"),
        false => ("503 Service Unavailable", "not serving\n"),
    };
    (status, alarms(scene).into_iter().fold(word.to_owned(), |text, alarm| text + &alarm.replace('\n', " ") + "\n"))
}

fn worded(status: &str, kind: &str, text: &str, body: bool) -> String {
    let length = text.len();
    let text = if body { text } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_and_health_are_served() {
        for (head, asked) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Metrics { body: true }),
            ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", Asked::Metrics { body: true }),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", Asked::Metrics { body: false }),
            ("GET /healthz HTTP/1.1\r\n\r\n", Asked::Health { body: true }),
            ("HEAD /healthz HTTP/1.1\r\n\r\n", Asked::Health { body: false }),
            ("GET / HTTP/1.1\r\n\r\n", Asked::Other("404 Not Found")),
            ("POST /metrics HTTP/1.1\r\n\r\n", Asked::Other("405 Method Not Allowed")),
            ("GET /metrics\r\n\r\n", Asked::Other("400 Bad Request")),
            ("GET /metrics HTTP/1.1\r\n", Asked::Other("400 Bad Request")),
            ("", Asked::Other("400 Bad Request")),
        ] {
            assert_eq!(request(head.as_bytes()), asked, "{head:?}");
        }
        assert_eq!(request(&[b'a'; REQUEST_BYTES_MAX]), Asked::Other("431 Request Header Fields Too Large"));
    }
}
