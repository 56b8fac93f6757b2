//! New blocks as a node publishes them by ZMQ: a subscriber that speaks just enough ZMTP 3.0 (rfc.zeromq.org/spec/23).
//!
//! Publishers drop what a slow subscriber does not take and send nothing again, so this is one source
//! among others. What counts is the hash; of a raw block only the header is read.

mod discovery;

use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::bell::Bell;
use super::chain::Chain;
use super::nodes::Node;
use super::tip::Source;
use crate::bytes::Hash;
use crate::chain::header::HEADER_BYTES_MAX;
use crate::config::Zmq;

/// How long connecting may take, and then how long the handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Largest frame; a larger one ends the connection.
const FRAME_BYTES_MAX: u64 = 64 << 20;
/// Most parts of a message; more end the connection.
const PARTS_MAX: usize = 8;
/// So much of each part is kept: a block's header.
const PART_BYTES_KEPT: usize = HEADER_BYTES_MAX;
/// Bytes of a greeting.
const GREETING_BYTES: usize = 64;
/// A connection without traffic is probed after so long, so often and in this rhythm: ZMQ has no heartbeat.
const KEEPALIVE: (Duration, u32, Duration) = (Duration::from_secs(60), 3, Duration::from_secs(20));

/// More parts of the message follow.
const MORE: u8 = 1;
/// The length has eight bytes.
const LONG: u8 = 2;
/// It is a command and no part of a message.
const COMMAND: u8 = 4;

/// Topics with the hash of a new block, and with the whole block.
const HASH_TOPIC: &[u8] = b"hashblock";
const RAW_TOPIC: &[u8] = b"rawblock";

/// How long after a node said that it publishes nothing it is asked again: it may have been restarted.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// Stays a subscriber until it is dropped.
pub(super) async fn run(node: Arc<Node>, chain: Arc<Chain>, bell: Arc<Bell>) {
    match &node.ways.zmq {
        Zmq::Off => {}
        Zmq::At(host, port) => {
            bell.tally().in_use(Source::Zmq, Duration::ZERO);
            node.set_zmq_place(Some((host.clone(), *port)));
            tokio::join!(discovery::compare(&node, *port), subscribe(&node, host.clone(), *port, &chain, &bell));
        }
        Zmq::Asked => loop {
            let found = discovery::place(&node).await;
            node.set_zmq_place(found.clone());
            let Some((host, port)) = found else {
                sleep(ASK_AGAIN).await;
                continue;
            };
            bell.tally().in_use(Source::Zmq, Duration::ZERO);
            tracing::info!(node = node.name(), host, port, "the node says that it publishes new blocks by ZMQ there");
            tokio::select! {
                () = subscribe(&node, host.clone(), port, &chain, &bell) => {}
                () = discovery::moved(&node, (&host, port)) => {}
            }
        },
    }
}

async fn subscribe(node: &Node, host: String, port: u16, chain: &Chain, bell: &Bell) {
    let mut backoff = Backoff::new();
    loop {
        backoff.opening();
        let problem = match timeout(CONNECT_MAX, open(&host, port)).await {
            Ok(Ok(stream)) => {
                tracing::info!(node = node.name(), host, port, "subscribed to new blocks by ZMQ");
                backoff.stands();
                listen(stream, node, chain, bell).await
            }
            Ok(Err(problem)) => problem,
            Err(_) => "no connection in time".into(),
        };
        if backoff.is_news(&problem) {
            tracing::warn!(node = node.name(), host, port, problem, "ZMQ connection ended");
        }
        backoff.wait().await;
    }
}

type Stream = BufReader<TcpStream>;

/// Connects, shakes hands and subscribes; the text says why not.
async fn open(host: &str, port: u16) -> Result<Stream, String> {
    let words = |error: std::io::Error| error.to_string();
    let stream = TcpStream::connect((host, port)).await.map_err(words)?;
    keep_alive(&stream).map_err(|error| error.to_string())?;
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(&greeting()).await.map_err(words)?;
    let mut theirs = [0; GREETING_BYTES];
    stream.read_exact(&mut theirs).await.map_err(words)?;
    check_greeting(&theirs)?;
    stream.get_mut().write_all(&ready()).await.map_err(words)?;
    let (flags, body) = read_frame(&mut stream).await?;
    if flags & COMMAND == 0 || !body.starts_with(b"\x05READY") {
        return Err("it does not say READY".into());
    }
    for topic in [HASH_TOPIC, RAW_TOPIC] {
        let length = u8::try_from(topic.len() + 1).unwrap_or(u8::MAX);
        let subscription = [&[0, length, 1][..], topic].concat();
        stream.get_mut().write_all(&subscription).await.map_err(words)?;
    }
    Ok(stream)
}

fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    let (idle, count, pause) = KEEPALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    sockopt::set_tcp_keepintvl(stream, pause)
}

/// Version 3.0 without security, as a client.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut greeting = [0; GREETING_BYTES];
    let begin = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], b"NULL"].concat();
    greeting.iter_mut().zip(begin).for_each(|(to, from)| *to = from);
    greeting
}

fn check_greeting(theirs: &[u8; GREETING_BYTES]) -> Result<(), String> {
    if theirs[0] != 0xff || theirs[9] & 1 == 0 {
        return Err("it does not speak ZMTP: is this the port of zmqpubhashblock?".into());
    }
    if theirs[10] < 3 {
        return Err("it speaks a ZMTP before 3.0".into());
    }
    let mechanism: &[u8] = &theirs[12..32];
    if !mechanism.starts_with(b"NULL\0") {
        return Err("it wants a login, which coin daemons do not".into());
    }
    Ok(())
}

/// The command that ends the handshake: we are a subscriber.
fn ready() -> Vec<u8> {
    let body = [&b"\x05READY\x0bSocket-Type"[..], &3u32.to_be_bytes(), b"SUB"].concat();
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[COMMAND, length][..], &body].concat()
}

/// Reads messages until the connection ends; returns why.
async fn listen(mut stream: Stream, node: &Node, chain: &Chain, bell: &Bell) -> String {
    // By topic: the number of its last message.
    let mut last: [Option<u32>; 2] = [None; 2];
    loop {
        let parts = match read_message(&mut stream).await {
            Ok(parts) => parts,
            Err(problem) => return problem,
        };
        let [topic, body, rest @ ..] = parts.as_slice() else { continue };
        let which = usize::from(topic == RAW_TOPIC);
        let Some(tip) = tip_of(topic, body, chain).await else { continue };
        bell.ring(Source::Zmq, Some(tip));
        let number = rest.first().and_then(|number| Some(u32::from_le_bytes(number.as_slice().try_into().ok()?)));
        if let Some(last) = last.get_mut(which) {
            if let (Some(last), Some(number)) = (*last, number)
                && number != last.wrapping_add(1)
            {
                tracing::warn!(node = node.name(), last, number, "the node's ZMQ messages have a gap");
            }
            *last = number;
        }
    }
}

/// The block a message is about.
async fn tip_of(topic: &[u8], body: &[u8], chain: &Chain) -> Option<Hash> {
    match topic {
        HASH_TOPIC => {
            // Published in the order in which people read it.
            let mut hash: Hash = body.try_into().ok()?;
            hash.reverse();
            Some(hash)
        }
        RAW_TOPIC => chain.name_of_start(body).await,
        _ => None,
    }
}

/// The beginnings of the parts of a message.
async fn read_message(stream: &mut Stream) -> Result<Vec<Vec<u8>>, String> {
    let mut parts = Vec::new();
    loop {
        let (flags, body) = read_frame(stream).await?;
        if flags & COMMAND != 0 {
            continue;
        }
        parts.push(body);
        if flags & MORE == 0 {
            return Ok(parts);
        }
        if parts.len() == PARTS_MAX {
            return Err(format!("a message has more than {PARTS_MAX} parts"));
        }
    }
}

/// Flags and the beginning of a frame; the rest is read and forgotten.
async fn read_frame(stream: &mut Stream) -> Result<(u8, Vec<u8>), String> {
    let words = |error: std::io::Error| error.to_string();
    let flags = stream.read_u8().await.map_err(words)?;
    let length = match flags & LONG {
        0 => u64::from(stream.read_u8().await.map_err(words)?),
        _ => stream.read_u64().await.map_err(words)?,
    };
    if length > FRAME_BYTES_MAX {
        return Err(format!("a frame is larger than {FRAME_BYTES_MAX} bytes"));
    }
    let kept = length.min(PART_BYTES_KEPT as u64);
    let mut body = Vec::new();
    (&mut *stream).take(kept).read_to_end(&mut body).await.map_err(words)?;
    let skipped = tokio::io::copy(&mut (&mut *stream).take(length - kept), &mut tokio::io::sink()).await;
    if body.len() as u64 + skipped.map_err(words)? != length {
        return Err("closed by the node".into());
    }
    Ok((flags, body))
}
