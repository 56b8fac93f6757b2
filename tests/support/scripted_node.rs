//! A node that misbehaves as told. Only for faults that a real daemon cannot be made to show.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Node, NodeLogin, NodeWays, Zmq};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What to do with a call.
pub enum Reply {
    /// A result.
    Result(Value),
    /// An error of the node.
    Error(i64, &'static str),
    /// A body that may be anything, with a status.
    Body(u16, String),
    /// A result, once told to give it.
    Late(Arc<tokio::sync::Semaphore>, Value),
    /// No answer, the connection stays.
    Hang,
    /// The connection is closed without an answer.
    Cut,
}

/// A call as the node sees it.
pub struct Asked {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Value,
    /// How many calls came before it, over all connections.
    pub before: usize,
    /// How many calls came before it on its connection.
    pub before_here: usize,
}

/// A listening node; dropping it closes everything.
pub struct ScriptedNode {
    port: u16,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScriptedNode {
    /// Listens on a free port.
    pub async fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (calls, reply) = (Arc::new(AtomicUsize::new(0)), Arc::new(reply));
        let counted = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&counted), Arc::clone(&reply)));
            }
        });
        Self { port, calls, task }
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How it is reached.
    pub fn rpc_config(&self) -> Node {
        let login = NodeLogin::Password { user: "pool".into(), password: Secret::new("pool-secret") };
        Node {
            name: format!("fake-{}", self.port),
            host: "127.0.0.1".into(),
            port: self.port,
            login,
            timeout: Duration::from_secs(10),
            ways: NodeWays { zmq: Zmq::Off, ..NodeWays::default() },
        }
    }
}

async fn serve(stream: TcpStream, calls: Arc<AtomicUsize>, reply: Arc<impl Fn(&Asked) -> Reply>) {
    let mut stream = BufReader::new(stream);
    for before_here in 0.. {
        let Some(request) = read_request(&mut stream).await else { return };
        let asked = Asked {
            method: request["method"].as_str().unwrap().to_owned(),
            params: request["params"].clone(),
            before: calls.fetch_add(1, Ordering::SeqCst),
            before_here,
        };
        let id = &request["id"];
        let (status, body) = match reply(&asked) {
            Reply::Result(result) => (200, json!({ "result": result, "error": null, "id": id }).to_string()),
            Reply::Error(code, message) => {
                let error = json!({ "code": code, "message": message });
                (500, json!({ "result": null, "error": error, "id": id }).to_string())
            }
            Reply::Body(status, body) => (status, body),
            Reply::Late(told, result) => {
                told.acquire().await.unwrap().forget();
                (200, json!({ "result": result, "error": null, "id": id }).to_string())
            }
            Reply::Hang => std::future::pending().await,
            Reply::Cut => return,
        };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(body.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}
