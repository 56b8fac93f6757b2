//! Being a peer of a node: it announces new blocks, often before its RPC knows them, and takes solved ones.
//!
//! Nothing is asked for but to be told of blocks; the announced hash only makes the pollers look, so an
//! announcement that turns out to be nothing costs a few questions. Work is never made of an announced header, also not
//! work without transactions: that needs the tip as a node describes it by RPC after it has taken it over. So the proof of
//! work of what is announced is the node's business, and nobody weighs it here. Connections that end are opened again,
//! ever more slowly.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until, timeout};

use self::wire::{FRAME_HEAD_BYTES, Introduction, Message, PAYLOAD_BYTES_MAX};
use super::backoff::Backoff;
use super::bell::Bell;
use super::chain::Chain;
use super::nodes::Node;
use super::tip::{Source, Work};
use crate::bytes::hex;
use crate::config::PeerWay;

/// How long connecting may take, and then how long the handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one write may take: a large block on a slow line.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// After so long without a message the node is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(60);
/// After so long without a message the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// Version of compact blocks with witness, and the one before (BIP152).
const COMPACT_VERSIONS: [u64; 2] = [2, 1];

/// Stays a peer until it is dropped.
pub(super) async fn run(
    node: Arc<Node>,
    way: PeerWay,
    chain: Arc<Chain>,
    bell: Arc<Bell>,
    work: watch::Receiver<Work>,
) {
    let mut backoff = Backoff::new();
    loop {
        backoff.opening();
        let problem = match Talk::open(&way, &bell, &work).await {
            Ok(mut talk) => {
                tracing::info!(node = node.name(), version = talk.their_version, "peer connection stands");
                backoff.stands();
                talk.listen(&node, &chain, &bell, &work).await
            }
            Err(problem) => problem,
        };
        if backoff.is_news(&problem) {
            tracing::warn!(node = node.name(), host = way.host, port = way.port, problem, "peer connection ended");
        }
        backoff.wait().await;
    }
}

struct Talk {
    way: PeerWay,
    stream: TcpStream,
    /// What came and is not a complete message yet; at most one message and one read.
    bytes: Vec<u8>,
    their_version: u32,
}

/// A message's command and payload.
type Owned = (Vec<u8>, Vec<u8>);

/// What a step of the talk brought.
enum Step {
    Came,
    Push(Result<Arc<str>, broadcast::error::RecvError>),
    Quiet,
}

impl Talk {
    /// Connects and shakes hands; the text says why not.
    async fn open(way: &PeerWay, bell: &Bell, work: &watch::Receiver<Work>) -> Result<Self, String> {
        let connect = TcpStream::connect((way.host.as_str(), way.port));
        let stream = timeout(CONNECT_MAX, connect).await.map_err(|_| "no connection in time")?;
        let stream = stream.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut talk = Self { way: way.clone(), stream, bytes: Vec::new(), their_version: 0 };
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let height = work.borrow().template.as_ref().map_or(0, |template| template.height.saturating_sub(1));
        let own = Introduction { version: way.version, unix_secs: bell.unix_secs(), nonce, height };
        talk.send("version", &wire::version(&own)).await?;
        timeout(CONNECT_MAX, talk.shake_hands()).await.map_err(|_| "no handshake in time")??;
        Ok(talk)
    }

    /// Until both sides have said `version` and `verack`.
    async fn shake_hands(&mut self) -> Result<(), String> {
        let (mut introduced, mut agreed) = (false, false);
        while !(introduced && agreed) {
            let Some((command, payload)) = self.next_message()? else {
                if self.receive().await? == 0 {
                    return Err(match introduced {
                        true => "closed during the handshake",
                        false => "closed without a word: p2p_magic or p2p_version does not suit it, or it bans us",
                    }
                    .into());
                }
                continue;
            };
            match command.as_slice() {
                b"version" => {
                    let version = payload.first_chunk().ok_or("its version is cut off")?;
                    self.their_version = u32::from_le_bytes(*version);
                    introduced = true;
                    self.send("verack", &[]).await?;
                }
                b"verack" => agreed = true,
                _ => (),
            }
        }
        Ok(())
    }

    /// Listens and pushes until the connection ends; returns why.
    async fn listen(&mut self, node: &Node, chain: &Chain, bell: &Bell, work: &watch::Receiver<Work>) -> String {
        // Who does not push must not be counted among those who do.
        let mut pushed = self.way.push_blocks.then(|| node.pushed_blocks());
        if let Err(problem) = self.ask_for_announcements(work).await {
            return problem;
        }
        let mut heard_at = Instant::now();
        let mut pinged = false;
        loop {
            let wake = heard_at + if pinged { SILENCE_MAX } else { PING_AFTER };
            let push = async {
                match &mut pushed {
                    Some(pushed) => pushed.recv().await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                read = self.receive() => match read {
                    Ok(0) => return "closed by the node".into(),
                    Ok(_) => Step::Came,
                    Err(problem) => return problem,
                },
                block = push => Step::Push(block),
                () = sleep_until(wake) => Step::Quiet,
            };
            let done = match step {
                Step::Came => {
                    (heard_at, pinged) = (Instant::now(), false);
                    self.handle_all(chain, bell).await
                }
                Step::Push(Ok(hex)) => self.push(node, &hex).await,
                Step::Push(Err(_)) => Ok(()),
                Step::Quiet if pinged => return "silent".into(),
                Step::Quiet => {
                    pinged = true;
                    self.send("ping", &[0; 8]).await
                }
            };
            if let Err(problem) = done {
                return problem;
            }
        }
    }

    /// New blocks are to be announced by their headers, or at once as compact blocks. A node does so to
    /// those of whom it knows that they know the block before: asking for what follows it shows that.
    async fn ask_for_announcements(&mut self, work: &watch::Receiver<Work>) -> Result<(), String> {
        self.send("sendheaders", &[]).await?;
        for version in COMPACT_VERSIONS {
            self.send("sendcmpct", &wire::send_compact(version)).await?;
        }
        let tip = work.borrow().template.as_ref().map(|template| template.previous);
        match tip {
            Some(tip) => self.send("getheaders", &wire::get_headers(self.way.version, &tip)).await,
            None => Ok(()),
        }
    }

    async fn push(&mut self, node: &Node, hex: &str) -> Result<(), String> {
        let Some(block) = hex::decode(hex.as_bytes()) else { return Ok(()) };
        tracing::info!(node = node.name(), bytes = block.len(), "block sent to the peer-to-peer port");
        self.send("block", &block).await
    }

    async fn handle_all(&mut self, chain: &Chain, bell: &Bell) -> Result<(), String> {
        while let Some((command, payload)) = self.next_message()? {
            let tip = match command.as_slice() {
                b"inv" => wire::announced(&payload),
                b"headers" => match wire::last_header(&payload, chain.header_bytes()) {
                    Some(header) => chain.name_of(header).await,
                    None => None,
                },
                b"cmpctblock" => chain.name_of_start(&payload).await,
                b"ping" => {
                    self.send("pong", &payload).await?;
                    None
                }
                // We have none; saying so is what keeps nodes from giving up on us.
                b"getheaders" => {
                    self.send("headers", &[0]).await?;
                    None
                }
                _ => None,
            };
            if tip.is_some() {
                bell.ring(Source::Peer, tip);
            }
        }
        Ok(())
    }

    /// Takes a complete message off what came.
    fn next_message(&mut self) -> Result<Option<Owned>, String> {
        let parsed = wire::parse(self.way.magic, &self.bytes).map_err(|error| error.to_string())?;
        let Some((Message { command, payload }, used)) = parsed else { return Ok(None) };
        let message = (command.to_vec(), payload.to_vec());
        self.bytes.drain(..used);
        Ok(Some(message))
    }

    /// Reads what there is; 0 is the end. Safe to drop and call again.
    async fn receive(&mut self) -> Result<usize, String> {
        // `next_message` leaves less than one message, so this is bounded.
        debug_assert!(self.bytes.len() <= FRAME_HEAD_BYTES + PAYLOAD_BYTES_MAX);
        self.bytes.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.bytes).await.map_err(|error| error.to_string())
    }

    async fn send(&mut self, command: &str, payload: &[u8]) -> Result<(), String> {
        let frame = wire::frame(self.way.magic, command, payload);
        match timeout(WRITE_MAX, self.stream.write_all(&frame)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err("it takes nothing any more".into()),
        }
    }
}
