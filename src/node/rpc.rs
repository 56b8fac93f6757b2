//! JSON-RPC 1.0 over HTTP/1.1 to one node.
//!
//! Connections are kept and used again. Calls run side by side, each on a connection of its own, up
//! to [`CALLS_MAX`]; a call that must not wait for others ([`Call::own_connection`]) is outside that
//! count and leaves nothing behind. Batches are never sent: old daemons refuse them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Fault};
use super::error::{RpcError, words};
use crate::config::{Node, NodeLogin};
use crate::histogram::{Counted, Histogram};

/// Calls to one node at once, besides those with their own connection; more wait their turn, within
/// their own timeout. Daemons serve four at once unless told otherwise.
pub const CALLS_MAX: usize = 4;
/// How long a kept connection may be silent about what every node answers at once ([`Call::prompt`]): it may have died
/// without a word, as where a firewall forgets it.
const PROMPT_MAX: Duration = Duration::from_secs(2);
/// Largest answer with a block template: a 4 MB block in hexadecimal has 8 MB, larger chains up to
/// 32 MB. A larger answer fails the call.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 20;
/// Largest answer to any other call. A larger answer fails the call.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    method: &'a str,
    timeout: Option<Duration>,
    bytes_max: usize,
    own_connection: bool,
    prompt: bool,
}

impl<'a> Call<'a> {
    /// A call with the node's configured timeout.
    pub fn new(method: &'a str) -> Self {
        Self { method, timeout: None, bytes_max: ANSWER_BYTES_MAX, own_connection: false, prompt: false }
    }

    /// How long it may take, connecting included.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Largest answer.
    pub fn bytes_max(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Opens a connection for this call alone and waits for no other call. The call is sent at most
    /// once: for what must not be repeated unseen, and for what takes long.
    pub fn own_connection(self) -> Self {
        Self { own_connection: true, ..self }
    }

    /// What a node answers at once: asked again on a new connection where a kept one is silent.
    pub fn prompt(self) -> Self {
        Self { prompt: true, ..self }
    }
}

/// A node's RPC.
pub struct Rpc {
    node: Node,
    idle: Mutex<Vec<Connection>>,
    /// The address that a connection last led to.
    address: Mutex<Option<SocketAddr>>,
    calls: Semaphore,
    next_id: AtomicU64,
    answers: Histogram,
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").field("node", &self.node.name).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: P,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<NodeFault>,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct NodeFault {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Rpc {
    /// A node that is not connected to yet.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            idle: Mutex::default(),
            address: Mutex::default(),
            calls: Semaphore::new(CALLS_MAX),
            next_id: AtomicU64::new(1),
            answers: Histogram::default(),
        }
    }

    /// How long the node has taken for calls that it should answer at once: not for long polls and blocks.
    pub fn answers(&self) -> Counted {
        self.answers.counted()
    }

    /// The node's name, for logs.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Calls a method; `params` is an array. The result is `null` in JSON where the node said so.
    pub async fn call<P: Serialize>(&self, call: Call<'_>, params: P) -> Result<Box<RawValue>, RpcError> {
        let allowed = call.timeout.unwrap_or(self.node.timeout);
        let begun = Instant::now();
        let answered = timeout(allowed, self.exchange(&call, params)).await;
        if !call.own_connection {
            self.answers.observe(begun.elapsed());
        }
        match answered {
            Ok(answer) => answer,
            Err(_) => Err(RpcError::Timeout {
                node: self.node.name.clone(),
                method: call.method.into(),
                secs: allowed.as_secs(),
            }),
        }
    }

    /// Calls a method and reads its result into a type.
    pub async fn call_as<T: for<'de> Deserialize<'de>, P: Serialize>(
        &self,
        call: Call<'_>,
        params: P,
    ) -> Result<T, RpcError> {
        let method = call.method;
        let result = self.call(call, params).await?;
        serde_json::from_str(result.get()).map_err(|error| self.bad_answer(method, error.to_string()))
    }

    /// An answer that came, but does not make sense.
    pub(super) fn bad_answer(&self, method: &str, problem: String) -> RpcError {
        RpcError::BadAnswer { node: self.node.name.clone(), method: method.into(), problem }
    }

    async fn exchange<P: Serialize>(&self, call: &Call<'_>, params: P) -> Result<Box<RawValue>, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request { jsonrpc: "1.0", id, method: call.method, params };
        let body = serde_json::to_vec(&request)
            .map_err(|error| self.bad_answer(call.method, format!("the call cannot be written: {error}")))?;
        let body = Bytes::from(body);
        let sent = if call.own_connection {
            match self.open().await {
                Ok(mut connection) => connection.post(body, call.bytes_max).await,
                Err(fault) => Err(fault),
            }
        } else {
            self.post_on_shared(body, call).await
        };
        let (status, answer) = sent.map_err(|fault| self.name_fault(call, fault))?;
        self.read(call.method, id, status, &answer)
    }

    async fn open(&self) -> Result<Connection, Fault> {
        let known = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Connection::open(&self.node, known).await;
        // One that leads nowhere may be that of yesterday.
        let address = opened.as_ref().ok().map(Connection::address);
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
        opened
    }

    /// On a kept connection if there is one. A node closes connections that were idle for a while;
    /// if that crosses with our call, it is repeated once on a new connection.
    async fn post_on_shared(&self, body: Bytes, call: &Call<'_>) -> Result<super::connection::Answer, Fault> {
        // The semaphore is never closed; if it were, calls would merely not be counted.
        let _turn = self.calls.acquire().await;
        if let Some(mut connection) = self.take_idle() {
            let posted = connection.post(body.clone(), call.bytes_max);
            let answered = match call.prompt {
                true => timeout(PROMPT_MAX, posted).await.ok(),
                false => Some(posted.await),
            };
            match answered {
                Some(Ok(answer)) => {
                    self.keep(connection, answer.0);
                    return Ok(answer);
                }
                Some(Err(Fault::Broken(problem))) => {
                    tracing::debug!(node = self.name(), problem, "kept connection was stale");
                }
                Some(Err(fault)) => return Err(fault),
                None => {
                    tracing::debug!(node = self.name(), "kept connection is silent; asking on a new one");
                    // The others are as old.
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.post(body, call.bytes_max).await?;
        self.keep(connection, answer.0);
        Ok(answer)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    /// At most [`CALLS_MAX`] are ever kept: no more calls run at once. A node that is being stopped
    /// answers 503 and then waits for its connections to end: it gets rid of all of ours at once. One that
    /// refuses a login may have a new cookie, which only new connections read.
    fn keep(&self, connection: Connection, status: StatusCode) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let all_end =
            [StatusCode::SERVICE_UNAVAILABLE, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        if all_end {
            idle.clear();
        } else if !connection.is_closed() {
            idle.push(connection);
        }
    }

    fn name_fault(&self, call: &Call<'_>, fault: Fault) -> RpcError {
        let node = self.node.name.clone();
        match fault {
            Fault::Broken(problem) => RpcError::Unreachable { node, problem },
            Fault::Login(problem) => RpcError::Unauthorized { node, problem },
            Fault::TooLarge => RpcError::TooLarge { node, method: call.method.into(), bytes_max: call.bytes_max },
        }
    }

    fn read(&self, method: &str, id: u64, status: StatusCode, body: &[u8]) -> Result<Box<RawValue>, RpcError> {
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let problem = self.login_advice(method, status);
            return Err(RpcError::Unauthorized { node: self.node.name.clone(), problem });
        }
        // Daemons answer errors with status 404 or 500 and a JSON body; only what is no JSON is judged
        // by its status, such as "Work queue depth exceeded" with 503.
        let response: Response<'_> = serde_json::from_slice(body).map_err(|error| {
            if status.is_success() {
                return self.bad_answer(method, format!("not a JSON-RPC answer: {error}"));
            }
            let problem = format!("HTTP {}: {}", status.as_u16(), words(&String::from_utf8_lossy(body)));
            RpcError::Unreachable { node: self.node.name.clone(), problem }
        })?;
        if let Some(NodeFault { code, message }) = response.error {
            return Err(RpcError::Node {
                node: self.node.name.clone(),
                method: method.into(),
                code,
                message: words(&message),
            });
        }
        if response.id != Some(id) {
            return Err(self.bad_answer(method, "the answer belongs to another call".into()));
        }
        Ok(response.result.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned))
    }

    fn login_advice(&self, method: &str, status: StatusCode) -> String {
        if status == StatusCode::FORBIDDEN {
            return format!(
                "HTTP 403: allow this machine's address with `rpcallowip` on the node, and {method} where its \
                 `rpcwhitelist` is set"
            );
        }
        match &self.node.login {
            NodeLogin::Password { user, .. } => {
                format!("HTTP 401: check user {user:?} and its password against the node's `rpcuser` and `rpcpassword`")
            }
            NodeLogin::Cookie(path) => format!("HTTP 401: {} is not this node's cookie file", path.display()),
        }
    }
}
