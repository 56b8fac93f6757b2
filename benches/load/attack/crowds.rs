//! Attacks by number: connections that cost room and are meant to cost nothing else.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{ACCOUNT, Attack, WORKERS};
use crate::connection::PASSWORD;

/// How often a dripping connection sends its byte.
const DRIP: Duration = Duration::from_secs(1);
/// What the system keeps for a connection that does not read.
const DEAF_BUFFER_BYTES: u32 = 4096;
/// So many connections are made at the same moment, the others a little later.
const AT_ONCE: usize = 100;

/// Spreads the beginning of many connections a little.
async fn stagger(nth: usize) {
    tokio::time::sleep(Duration::from_millis((nth / AT_ONCE * 10) as u64)).await;
}

/// Subscribes a byte at a time.
pub async fn drip(attack: &Attack, nth: usize) -> io::Result<()> {
    stagger(nth).await;
    let mut stream = attack.connect(nth).await?;
    for byte in b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n" {
        stream.write_all(&[*byte]).await?;
        attack.sent(0, 1);
        tokio::select! {
            () = tokio::time::sleep(DRIP) => {}
            ended = closed(&mut stream) => return ended,
        }
    }
    closed(&mut stream).await
}

/// Logs in and then only listens.
pub async fn idle(attack: &Attack, nth: usize) -> io::Result<()> {
    stagger(nth).await;
    let mut stream = attack.connect(nth).await?;
    let hello = hello(nth);
    stream.write_all(hello.as_bytes()).await?;
    attack.sent(2, hello.len());
    closed(&mut stream).await
}

/// Asks and never reads.
pub async fn deaf(attack: &Attack, nth: usize) -> io::Result<()> {
    stagger(nth).await;
    let socket = TcpSocket::new_v4()?;
    socket.bind((attack.address(nth), 0).into())?;
    socket.set_recv_buffer_size(DEAF_BUFFER_BYTES)?;
    socket.set_send_buffer_size(super::SEND_BUFFER_BYTES)?;
    let mut stream = socket.connect(attack.port).await?;
    attack.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    stream.write_all(hello(nth).as_bytes()).await?;
    let question = b"{\"id\":7,\"method\":\"mining.get_transactions\",\"params\":[]}\n".repeat(50);
    loop {
        stream.write_all(&question).await?;
        attack.sent(50, question.len());
    }
}

/// Subscribes and logs in.
pub fn hello(nth: usize) -> String {
    format!(
        "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}}\n\
         {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{}\",\"{PASSWORD}\"]}}\n",
        worker(nth)
    )
}

/// The worker of the nth attacker.
pub fn worker(nth: usize) -> String {
    format!("{ACCOUNT}.rig{}", nth % WORKERS)
}

/// Reads until the pool hangs up, which is an error to an attacker.
async fn closed(stream: &mut tokio::net::TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await? > 0 {}
    Err(io::ErrorKind::UnexpectedEof.into())
}
