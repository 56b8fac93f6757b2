//! Attacks by rate: connections and lines, as many as the pool takes.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::crowds::{hello, worker};
use super::{ADDRESSES, Attack, PROXY};
use crate::connection::PASSWORD;

/// Bytes of a line that never ends.
const ENDLESS_BYTES: usize = 10 << 20;
/// Lines that are sent in one go.
const BATCH: usize = 50;
const SUBSCRIBE: &[u8] = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n";

/// Sends the same bytes again and again, throwing away what comes back, until the pool hangs up.
async fn pour(attack: &Attack, stream: TcpStream, bytes: &[u8], lines: usize) -> io::Result<()> {
    pour_each(attack, stream, |_| (bytes.to_vec(), lines)).await
}

/// The same with other bytes each time.
async fn pour_each(
    attack: &Attack,
    stream: TcpStream,
    mut next: impl FnMut(u64) -> (Vec<u8>, usize),
) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let read = async {
        let mut buffer = [0; 4096];
        while reader.read(&mut buffer).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    let write = async {
        for nth in 0.. {
            let (bytes, lines) = next(nth);
            writer.write_all(&bytes).await?;
            attack.sent(lines, bytes.len());
        }
        Ok(())
    };
    tokio::select! { ended = read => ended, ended = write => ended }
}

/// Lines that are no JSON.
pub async fn garbage(attack: &Attack, nth: usize) -> io::Result<()> {
    let stream = attack.connect(nth).await?;
    pour(attack, stream, &b"%!garbage \x01\x02 nobody understands\n".repeat(BATCH), BATCH).await
}

/// A line that never ends.
pub async fn endless(attack: &Attack, nth: usize) -> io::Result<()> {
    let stream = attack.connect(nth).await?;
    let begin = b"{\"id\":1,\"method\":\"";
    let line = [&begin[..], &vec![b'm'; ENDLESS_BYTES / 160]].concat();
    pour(attack, stream, &line, 0).await
}

/// Comes, subscribes, goes.
pub async fn storm(attack: &Attack, nth: usize) -> io::Result<()> {
    let mut stream = attack.connect(nth).await?;
    stream.write_all(SUBSCRIBE).await?;
    attack.sent(1, SUBSCRIBE.len());
    let mut byte = [0];
    // It waits for the answer, so that the pool has done its work for nothing.
    if stream.read(&mut byte).await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Through the trusted proxy, from an address that can be banned.
async fn behind_proxy(attack: &Attack, nth: usize) -> io::Result<TcpStream> {
    let mut stream = attack.connect_from(PROXY).await?;
    let header = format!("PROXY TCP4 203.{}.113.{} 198.51.100.1 4000 3333\r\n", attack.round, nth % ADDRESSES);
    stream.write_all(header.as_bytes()).await?;
    Ok(stream)
}

/// What a share is made of.
struct Work {
    stream: TcpStream,
    worker: String,
    job: String,
    time: String,
    extranonce2_digits: usize,
}

/// Logs in with a password and waits for work.
async fn work(attack: &Attack, nth: usize, password: &str) -> io::Result<Work> {
    let mut stream = behind_proxy(attack, nth).await?;
    let hello = hello(nth).replace(&format!("\"{PASSWORD}\""), &format!("\"{password}\""));
    stream.write_all(hello.as_bytes()).await?;
    attack.sent(2, hello.len());
    let mut lines = BufReader::new(&mut stream).lines();
    let (mut digits, mut authorised, mut job) = (0, false, None);
    while let Some(line) = lines.next_line().await? {
        let line: serde_json::Value = serde_json::from_str(&line)?;
        let text = |at: usize| line["params"][at].as_str().unwrap_or_default().to_owned();
        match (line["id"].as_u64(), line["method"].as_str()) {
            (Some(1), _) => digits = 2 * usize::try_from(line["result"][2].as_u64().unwrap_or(0)).unwrap_or(0),
            // Work with the difficulty that the password asks for comes after this.
            (Some(2), _) => (authorised, job) = (true, job.filter(|_| password == PASSWORD)),
            (_, Some("mining.notify")) => job = Some((text(0), text(7))),
            _ => {}
        }
        if let (true, true, Some((id, time))) = (digits > 0, authorised, &job) {
            let (job, time) = (id.clone(), time.clone());
            return Ok(Work { stream, worker: worker(nth), job, time, extranonce2_digits: digits });
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn submit(worker: &str, fields: [&str; 4], version: &str) -> String {
    let [job, extranonce2, time, nonce] = fields;
    format!(
        "{{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"{worker}\",\"{job}\",\"{extranonce2}\",\"{time}\",\
         \"{nonce}\"{version}]}}\n"
    )
}

/// One share in every spelling.
pub async fn duplicates(attack: &Attack, nth: usize) -> io::Result<()> {
    let Work { stream, worker, job, time, extranonce2_digits: digits } = work(attack, nth, PASSWORD).await?;
    let extranonce2 = "a".repeat(digits);
    let (long, short) = (format!("{extranonce2}00"), "a".repeat(digits.saturating_sub(2)));
    let later = u32::from_str_radix(&time, 16).unwrap_or(0).wrapping_add(60_000);
    let (later, upper_time) = (format!("{later:08x}"), time.to_uppercase());
    let upper = extranonce2.to_uppercase();
    let all: String = [
        submit(&worker, [&job, &extranonce2, &time, "deadbeef"], ""),
        submit(&worker, [&job, &upper, &upper_time, "DEADBEEF"], ""),
        submit(&worker, [&job, &long, &time, "deadbeef"], ""),
        submit(&worker, [&job, &short, &time, "deadbeef"], ""),
        submit(&worker, [&job, &extranonce2, &later, "deadbeef"], ""),
        submit(&worker, [&job, &extranonce2, &time, "0deadbeef"], ""),
        submit(&worker, [&job, &extranonce2, &time, "deadbeef"], ",\"00000000\""),
        submit(&worker, [&job, &extranonce2, &time, "deadbeef"], ",\"00002000\""),
        submit(&worker, [&job, &extranonce2, &time, "deadbeef"], ",\"FFFFFFFF\""),
    ]
    .concat();
    pour(attack, stream, all.as_bytes(), 9).await
}

/// Shares far below the difficulty.
pub async fn weak(attack: &Attack, nth: usize) -> io::Result<()> {
    let password = format!("{PASSWORD},d=1000000");
    let Work { stream, worker, job, time, extranonce2_digits: digits } = work(attack, nth, &password).await?;
    pour_each(attack, stream, |batch| {
        let line = |share: u64| {
            let extranonce2 = format!("{:0digits$x}", batch * BATCH as u64 + share);
            submit(&worker, [&job, &extranonce2, &time, "00000001"], "")
        };
        ((0..BATCH as u64).map(line).collect::<String>().into_bytes(), BATCH)
    })
    .await
}

/// Invented workers of real accounts, invented accounts, wrong passwords.
pub async fn names(attack: &Attack, nth: usize) -> io::Result<()> {
    let mut stream = attack.connect(nth).await?;
    stream.write_all(SUBSCRIBE).await?;
    let run = attack.connections.load(std::sync::atomic::Ordering::Relaxed) * 100 + u64::from(attack.round);
    pour_each(attack, stream, |batch| {
        let line = |at: usize| {
            let name = match at % 3 {
                0 => format!("account0.guess{run}x{batch}x{at}"),
                1 => format!("nobody{run}x{batch}x{at}.rig"),
                _ => worker(at),
            };
            format!("{{\"id\":{at},\"method\":\"mining.authorize\",\"params\":[\"{name}\",\"guess{batch}\"]}}\n")
        };
        ((0..BATCH).map(line).collect::<String>().into_bytes(), BATCH)
    })
    .await
}

/// Lines that are hard to read, between good ones so that the connection is not closed for them.
pub async fn json(attack: &Attack, nth: usize) -> io::Result<()> {
    let mut stream = attack.connect(nth).await?;
    stream.write_all(hello(nth).as_bytes()).await?;
    let ping: &[u8] = b"{\"id\":1,\"method\":\"mining.ping\",\"params\":[]}\n";
    let deep = [b"{\"id\":1,\"method\":\"mining.ping\",\"params\":", &b"[".repeat(8000)[..], b"\n"].concat();
    let names: Vec<String> = (0..900).map(|at| format!("\"{at}\":1")).collect();
    let wide = format!("{{\"id\":1,\"method\":\"mining.ping\",\"params\":[{{{}}}]}}\n", names.join(","));
    let long = format!("{{\"id\":1,\"method\":\"mining.configure\",\"params\":[\"{}\"]}}\n", "x".repeat(8000));
    let broken = b"{\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"\xff\xfe\xc0\x00\"]}\n";
    let zeros = [&[0u8; 4000][..], b"\n"].concat();
    let all = [ping, &deep, ping, wide.as_bytes(), ping, long.as_bytes(), ping, broken, ping, &zeros].concat();
    pour(attack, stream, &all, 10).await
}

/// Says to be somebody else.
pub async fn spoof(attack: &Attack, nth: usize) -> io::Result<()> {
    let stream = attack.connect(nth).await?;
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x01\xc6\x33\x64\x01\x0f\xa0\x0d\x05";
    let v1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4000 3333\r\n";
    let header: &[u8] =
        if attack.connections.load(std::sync::atomic::Ordering::Relaxed).is_multiple_of(2) { v2 } else { v1 };
    pour(attack, stream, &[header, SUBSCRIBE].concat(), 2).await
}
