//! A Stratum v1 miner for tests.
//!
//! It shares no code with the daemon: what goes over the wire is taken apart, rebuilt, hashed and
//! judged here a second time, so that a mistake in the daemon's arithmetic cannot confirm itself. It
//! behaves as real miners do (a difficulty counts from the next job on) and is strict about what the
//! pool sends. Reading happens inside the calls that wait for something; a miner nobody waits on
//! reads nothing, which is how a slow reader is played.
#![allow(dead_code, reason = "every test crate uses its own part of the miner")]

pub mod hash;
pub mod hex;
pub mod job;
pub mod layout;
pub mod target;
pub mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::tcp::OwnedWriteHalf;

pub use hash::Algorithm;
pub use job::{Choice, InForce, Job, Share};
pub use wire::{Message, Reply};

/// How long any wait goes on before the test is given up. Only a safety net.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Hashes tried before a search is given up, by what a hash costs: about a second.
const SHA256D_TRIES_MAX: u32 = 1 << 20;
const SCRYPT_TRIES_MAX: u32 = 1 << 12;

/// Why the miner cannot go on.
#[derive(Debug)]
pub enum Problem {
    /// The pool closed the connection.
    Closed,
    /// What was waited for did not come.
    Late(String),
    /// The pool broke the protocol.
    Protocol(String),
    /// No hash of the wanted kind was found.
    Exhausted,
    /// The socket failed.
    Io(io::Error),
}

impl Problem {
    fn protocol(what: impl Into<String>) -> Self {
        Problem::Protocol(what.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Closed => write!(f, "the pool closed the connection"),
            Problem::Late(what) => write!(f, "no {what} within {} s", PATIENCE.as_secs()),
            Problem::Protocol(what) => write!(f, "the pool broke the protocol: {what}"),
            Problem::Exhausted => write!(f, "no hash of the wanted kind found"),
            Problem::Io(error) => write!(f, "socket: {error}"),
        }
    }
}

impl std::error::Error for Problem {}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Problem::Closed,
            _ => Problem::Io(error),
        }
    }
}

/// Something the pool said without being asked, and when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When the miner read it.
    pub at: Instant,
    /// What it was.
    pub kind: EventKind,
}

/// Kinds of [`Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// `mining.set_difficulty`
    Difficulty(f64),
    /// `mining.notify`
    Job(Box<Job>),
    /// `mining.set_version_mask`
    VersionMask(u32),
    /// `mining.set_extranonce`
    Extranonce,
    /// Any other method, with its parameters.
    Other(String, Value),
}

/// Which hash a search is to end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Meets the share target, is no block.
    Share,
    /// Meets the network target, whatever the share target says.
    Block,
    /// Meets neither, also not by a pool's tolerance.
    BelowShare,
    /// Meets the network target but not the share target.
    BlockBelowShare,
}

impl Wanted {
    fn likes(self, share: &Share) -> bool {
        let (share_target, network_target) = (share.meets_share_target, share.meets_network_target);
        match self {
            Wanted::Share => share_target && !network_target,
            Wanted::Block => network_target,
            Wanted::BelowShare => share.misses_share_target && !network_target,
            Wanted::BlockBelowShare => network_target && !share_target,
        }
    }
}

/// A connection to a pool.
#[derive(Debug)]
pub struct Miner {
    lines: wire::Lines,
    writer: OwnedWriteHalf,
    next_id: u64,
    /// Replies read while something else was waited for, in the order they came.
    replies: VecDeque<Reply>,
    /// What the next job will be read with.
    pub in_force: InForce,
    /// Everything the pool said unasked, in order.
    pub events: Vec<Event>,
    /// The subscription id, once subscribed.
    pub subscription: Option<String>,
    next_extranonce2: u64,
}

impl Miner {
    /// Connects to a port that speaks `algorithm`.
    pub async fn connect(address: SocketAddr, algorithm: Algorithm) -> Result<Miner, Problem> {
        Self::connect_from(Ipv4Addr::UNSPECIFIED, address, algorithm).await
    }

    /// Connects from an address of this machine, such as any of 127.0.0.0/8: rows show it.
    pub async fn connect_from(from: Ipv4Addr, address: SocketAddr, algorithm: Algorithm) -> Result<Miner, Problem> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !from.is_unspecified() {
            socket.bind((from, 0).into())?;
        }
        let socket = within("connection", async { Ok(socket.connect(address).await?) }).await?;
        socket.set_nodelay(true)?;
        let (reader, writer) = socket.into_split();
        Ok(Miner {
            lines: wire::Lines::new(reader),
            writer,
            next_id: 1,
            replies: VecDeque::new(),
            in_force: InForce {
                extranonce1: Vec::new(),
                extranonce2_bytes: 0,
                difficulty: None,
                version_mask: 0,
                algorithm,
            },
            events: Vec::new(),
            subscription: None,
            next_extranonce2: 0,
        })
    }

    /// Connects, subscribes, authorises and waits for the first job: the usual start of a test.
    pub async fn log_in(
        address: SocketAddr,
        algorithm: Algorithm,
        worker: &str,
        password: &str,
    ) -> Result<(Miner, Job), Problem> {
        let mut miner = Miner::connect(address, algorithm).await?;
        miner.subscribe().await?;
        let reply = miner.authorize(worker, password).await?;
        if !reply.is_true() {
            return Err(Problem::protocol(format!("{worker} was not authorised: {}", reply.line)));
        }
        let job = miner.wait_for_job().await?;
        Ok((miner, job))
    }

    /// Writes bytes as they are: for broken lines, several at once, halves of one.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        within("room to write", async { Ok(self.writer.write_all(bytes).await?) }).await
    }

    /// Sends a request without waiting and says which id it has.
    pub async fn send(&mut self, method: &str, params: &Value) -> Result<u64, Problem> {
        let id = self.next_id;
        self.next_id += 1;
        let line = format!("{}\n", json!({"id": id, "method": method, "params": params}));
        self.send_raw(line.as_bytes()).await?;
        Ok(id)
    }

    /// Waits for the reply to a request that [`Miner::send`] has sent.
    pub async fn reply(&mut self, id: u64) -> Result<Reply, Problem> {
        let reply = self.next_reply().await?;
        if reply.id != json!(id) {
            return Err(Problem::protocol(format!("reply to {id} expected in turn, came: {}", reply.line)));
        }
        Ok(reply)
    }

    /// The next reply, whichever request it answers.
    pub async fn next_reply(&mut self) -> Result<Reply, Problem> {
        within("reply", async {
            loop {
                if let Some(reply) = self.replies.pop_front() {
                    return Ok(reply);
                }
                self.read_message().await?;
            }
        })
        .await
    }

    /// Sends a request and waits for its reply.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Reply, Problem> {
        let id = self.send(method, &params).await?;
        self.reply(id).await
    }

    /// `mining.subscribe` as a plain miner sends it.
    pub async fn subscribe(&mut self) -> Result<Reply, Problem> {
        self.subscribe_with(json!(["mpos-stratum-test/1.0"])).await
    }

    /// `mining.subscribe` with any parameters. What the answer says is in force from then on.
    pub async fn subscribe_with(&mut self, params: Value) -> Result<Reply, Problem> {
        let reply = self.request("mining.subscribe", params).await?;
        if reply.error.is_some() {
            return Ok(reply);
        }
        let wrong = || Problem::protocol(format!("answer to mining.subscribe: {}", reply.line));
        let Some([pairs, extranonce1, size]) = reply.result.as_array().map(Vec::as_slice) else { return Err(wrong()) };
        self.subscription = pairs.pointer("/0/1").and_then(Value::as_str).map(str::to_owned);
        self.set_extranonce(extranonce1, size).ok_or_else(wrong)?;
        Ok(reply)
    }

    /// `mining.authorize`
    pub async fn authorize(&mut self, worker: &str, password: &str) -> Result<Reply, Problem> {
        self.request("mining.authorize", json!([worker, password])).await
    }

    /// `mining.configure` for version rolling; the mask it grants is in force from then on.
    pub async fn configure(&mut self, mask: u32) -> Result<Reply, Problem> {
        let options = json!({"version-rolling.mask": format!("{mask:08x}"), "version-rolling.min-bit-count": 2});
        let reply = self.request("mining.configure", json!([["version-rolling"], options])).await?;
        if reply.result.get("version-rolling") == Some(&Value::Bool(true)) {
            let granted = reply.result.get("version-rolling.mask").and_then(read_mask);
            self.in_force.version_mask =
                granted.ok_or_else(|| Problem::protocol(format!("version mask missing: {}", reply.line)))?;
        }
        Ok(reply)
    }

    /// `mining.suggest_difficulty`
    pub async fn suggest_difficulty(&mut self, difficulty: f64) -> Result<Reply, Problem> {
        self.request("mining.suggest_difficulty", json!([difficulty])).await
    }

    /// `mining.submit` of a share, waiting for the verdict.
    pub async fn submit(&mut self, worker: &str, share: &Share) -> Result<Reply, Problem> {
        self.request("mining.submit", share.submit_params(worker)).await
    }

    /// The newest job; waits for one if there is none yet.
    pub async fn wait_for_job(&mut self) -> Result<Job, Problem> {
        self.wait_for_job_where("job", |_| true).await
    }

    /// The newest job that builds on another block than `old`; waits for it.
    pub async fn wait_for_new_tip(&mut self, old: &Job) -> Result<Job, Problem> {
        self.wait_for_job_where("job on a new tip", |job| job.previous != old.previous).await
    }

    /// The newest job if `wanted` likes it, otherwise the next one that it likes.
    pub async fn wait_for_job_where(&mut self, what: &str, wanted: impl Fn(&Job) -> bool) -> Result<Job, Problem> {
        within(what, async {
            loop {
                if let Some(job) = self.job().filter(|job| wanted(job)) {
                    return Ok(job.clone());
                }
                self.read_message().await?;
            }
        })
        .await
    }

    /// Waits until an event that `wanted` likes is among those read after the first `skip`.
    pub async fn wait_for_event(
        &mut self,
        what: &str,
        skip: usize,
        wanted: impl Fn(&EventKind) -> bool,
    ) -> Result<Event, Problem> {
        within(what, async {
            loop {
                if let Some(event) = self.events.iter().skip(skip).find(|event| wanted(&event.kind)) {
                    return Ok(event.clone());
                }
                self.read_message().await?;
            }
        })
        .await
    }

    /// Reads until the pool has closed the connection.
    pub async fn wait_for_close(&mut self) -> Result<(), Problem> {
        within("close", async {
            loop {
                match self.read_message().await {
                    Err(Problem::Closed) => return Ok(()),
                    other => other?,
                }
            }
        })
        .await
    }

    /// The newest job read so far.
    pub fn job(&self) -> Option<&Job> {
        self.jobs().last()
    }

    /// All jobs read so far, oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Job(job) => Some(&**job),
            _ => None,
        })
    }

    /// Searches a hash of the wanted kind, in an extranonce2 of its own so that no two searches
    /// of a connection find the same share.
    pub fn mine(&mut self, job: &Job, wanted: Wanted) -> Result<Share, Problem> {
        let choice = self.fresh_choice(job);
        self.mine_from(job, choice, wanted)
    }

    /// Searches upwards from a choice's nonce, leaving the rest of it as it is.
    pub fn mine_from(&self, job: &Job, choice: Choice, wanted: Wanted) -> Result<Share, Problem> {
        let tries_max = match job.algorithm {
            Algorithm::Sha256d => SHA256D_TRIES_MAX,
            Algorithm::Scrypt | Algorithm::Other(_) => SCRYPT_TRIES_MAX,
        };
        job.search(choice, |share| wanted.likes(share), tries_max).ok_or(Problem::Exhausted)
    }

    /// Nonce 0 in an extranonce2 this connection has not used yet.
    pub fn fresh_choice(&mut self, job: &Job) -> Choice {
        let counter = self.next_extranonce2.to_be_bytes();
        self.next_extranonce2 += 1;
        let mut extranonce2 = vec![0; job.extranonce2_bytes.saturating_sub(counter.len())];
        extranonce2.extend(&counter[counter.len().saturating_sub(job.extranonce2_bytes)..]);
        Choice { extranonce2, time: job.time, nonce: 0, version_bits: None, vote: None }
    }

    /// Reads one message and takes note of it. Dropping the future loses nothing.
    pub async fn read_message(&mut self) -> Result<(), Problem> {
        let line = self.lines.next().await?;
        let at = Instant::now();
        match Message::read(&line)? {
            Message::Reply(reply) => self.replies.push_back(reply),
            Message::Call { method, params, .. } => {
                let kind = self.take_note(method, params)?;
                self.events.push(Event { at, kind });
            }
        }
        Ok(())
    }

    /// A reply that was read while waiting for something else, if there is one.
    pub fn reply_at_hand(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    fn take_note(&mut self, method: String, params: Value) -> Result<EventKind, Problem> {
        let wrong = || Problem::protocol(format!("{method} {params}"));
        Ok(match method.as_str() {
            "mining.notify" => EventKind::Job(Box::new(Job::read(&params, &self.in_force)?)),
            "mining.set_difficulty" => {
                let difficulty = params.get(0).and_then(Value::as_f64).ok_or_else(wrong)?;
                if target::of_difficulty(difficulty, self.in_force.algorithm.difficulty_one_bits()).is_none() {
                    return Err(wrong());
                }
                self.in_force.difficulty = Some(difficulty);
                EventKind::Difficulty(difficulty)
            }
            "mining.set_version_mask" => {
                self.in_force.version_mask = params.get(0).and_then(read_mask).ok_or_else(wrong)?;
                EventKind::VersionMask(self.in_force.version_mask)
            }
            "mining.set_extranonce" => {
                let (extranonce1, size) = params.get(0).zip(params.get(1)).ok_or_else(wrong)?;
                self.set_extranonce(extranonce1, size).ok_or_else(wrong)?;
                EventKind::Extranonce
            }
            _ => EventKind::Other(method, params),
        })
    }

    fn set_extranonce(&mut self, extranonce1: &Value, size: &Value) -> Option<()> {
        self.in_force.extranonce1 = hex::decode(extranonce1.as_str()?)?;
        self.in_force.extranonce2_bytes = usize::try_from(size.as_u64()?).ok()?;
        Some(())
    }
}

/// Eight hexadecimal digits, as version masks are written.
fn read_mask(value: &Value) -> Option<u32> {
    let bytes: [u8; 4] = hex::decode(value.as_str()?)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes))
}

/// Waits for something, but not for ever.
async fn within<T>(what: &str, wait: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| Err(Problem::Late(what.to_owned())))
}
