//! `FakeNode`: not a coin daemon, but something that answers the daemon's RPC calls like one.
//!
//! For two things a real node is no good for: measuring without a storm of blocks (regtest's target
//! makes every second hash one, the fake's makes none), and failing on command. What a real node
//! accepts is only ever shown with a real node. It has threads of its own, so it goes on answering
//! while a test blocks.
#![allow(dead_code, reason = "every test crate uses its own part of the fake node")]

mod chain;
mod http;
mod staking;
mod wallet;

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::miner::hash::{Algorithm, sha256d};
use super::miner::layout::Layout;
use super::miner::{PATIENCE, hex};
use chain::Chain;
pub use staking::Staking;
pub use wallet::Wallet;

/// RPC user.
pub const USER: &str = "fake";
/// RPC password.
pub const PASSWORD: &str = "fake-node-secret";
/// A long poll is answered after so long even if nothing has happened, as real daemons do.
const LONGPOLL_MAX: Duration = Duration::from_secs(60);

/// How the node misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    None,
    /// Requests are read and never answered; open ones are cut off when the fault ends.
    Hang,
    /// Every connection is closed at once, open ones too.
    Refuse,
    /// Answers are not JSON.
    Garbage,
    /// Answers are HTTP 500 with this RPC error, e.g. -28 while a node loads its blocks.
    RpcError(i64, &'static str),
}

/// What happens to a submitted block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// It becomes the tip, and the answer is null.
    Accept,
    /// It becomes the tip, and the connection breaks before the answer.
    AcceptAndHangUp,
    /// It becomes the tip, and the answer does not come until this is changed; other calls are served.
    AcceptAndHang,
    /// It becomes the tip, and the whole node hangs ([`Fault::Hang`]) before the answer.
    AcceptAndFreeze,
    /// The answer is this text, e.g. "high-hash"; nothing else happens.
    Refuse(&'static str),
    /// The answer is this error, e.g. -25 while the disk is full; nothing else happens.
    Fail(i64, &'static str),
}

/// A block that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The serialised block.
    pub block: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

impl Submission {
    /// The block's hash as RPC writes it.
    pub fn hash(&self) -> String {
        super::miner::hash::display(&sha256d(self.block.get(..80).unwrap_or_default()))
    }
}

#[derive(Debug)]
struct State {
    chain: Chain,
    fault: Fault,
    submit_answer: SubmitAnswer,
    submissions: Vec<Submission>,
    proposal_answer: Option<&'static str>,
    proposals: Vec<Vec<u8>>,
    /// Where it says that it publishes new blocks; `None`: it knows nothing of that.
    publishes: Option<String>,
    calls: HashMap<String, usize>,
    open: HashMap<u64, TcpStream>,
    stopping: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Tells long polls and hanging requests that something has changed.
    changed: Condvar,
    /// Counts calls, for tests that wait for one.
    called: watch::Sender<usize>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node. Dropping it closes everything.
#[derive(Debug)]
pub struct FakeNode {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeNode {
    /// Starts one on a free port of the loopback address.
    pub fn start(algorithm: Algorithm) -> io::Result<FakeNode> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State {
            chain: Chain::new(algorithm),
            fault: Fault::None,
            submit_answer: SubmitAnswer::Accept,
            submissions: Vec::new(),
            proposal_answer: None,
            proposals: Vec::new(),
            publishes: None,
            calls: HashMap::new(),
            open: HashMap::new(),
            stopping: false,
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), called: watch::channel(0).0 });
        let acceptor = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &acceptor));
        Ok(FakeNode { address, shared })
    }

    /// What goes into `url` of the daemon's configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `[[coin.node]]` table of the daemon's configuration.
    pub fn config(&self) -> String {
        format!("[[coin.node]]\nurl = \"{}\"\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n", self.url())
    }

    /// Somebody else finds a block. Long polls are answered at once; the instant is just before.
    pub fn new_tip(&self) -> Instant {
        let mut state = self.shared.state();
        state.chain.extend_by_stranger();
        let at = Instant::now();
        self.shared.changed.notify_all();
        at
    }

    /// The newest `depth` blocks lose against a longer branch.
    pub fn reorganise(&self, depth: usize) -> Instant {
        let mut state = self.shared.state();
        state.chain.reorganise(depth);
        let at = Instant::now();
        self.shared.changed.notify_all();
        at
    }

    /// Hash of the tip as RPC writes it.
    pub fn tip(&self) -> String {
        self.shared.state().chain.tip()
    }

    /// Height of the tip.
    pub fn height(&self) -> usize {
        self.shared.state().chain.height()
    }

    /// Sets the network target of the next templates.
    pub fn set_bits(&self, bits: u32) {
        self.shared.state().chain.bits = bits;
    }

    /// Sets how many dummy transactions the next templates carry.
    pub fn set_transactions(&self, count: usize) {
        self.shared.state().chain.transactions = count;
    }

    /// Gives the next templates a further member, or another value to one that they have.
    pub fn set_template_member(&self, name: &str, value: Value) {
        self.shared.state().chain.more.insert(name.to_owned(), value);
    }

    /// Sets what it says of addresses from now on.
    pub fn set_wallet(&self, wallet: Wallet) {
        self.shared.state().chain.wallet = wallet;
    }

    /// Begins or ends catching up: at a block, of so many.
    pub fn set_catching_up(&self, at: Option<(usize, usize)>) {
        self.shared.state().chain.catching_up = at;
        self.shared.changed.notify_all();
    }

    /// Sets what happens to the next submitted blocks.
    pub fn set_submit_answer(&self, answer: SubmitAnswer) {
        self.shared.state().submit_answer = answer;
        self.shared.changed.notify_all();
    }

    /// The last submitted block becomes the tip although it was refused: another pool had it, too.
    pub fn adopt(&self) {
        let mut state = self.shared.state();
        let block = state.submissions.last().map(|submission| submission.block.clone()).unwrap_or_default();
        state.chain.extend(&block);
        self.shared.changed.notify_all();
    }

    /// From now on it is a chain anew, whose blocks are named by their proof of work instead of sha256d.
    pub fn name_by_proof_of_work(&self) {
        self.shared.state().chain.begin_by_proof_of_work();
    }

    /// From now on it is a chain anew, of another algorithm, named by its proof of work and as short as a chain can be that
    /// shows which.
    pub fn prove_briefly(&self, algorithm: Algorithm) {
        self.shared.state().chain.begin_short(algorithm);
    }

    /// From now on it is a chain anew, of Peercoin's kind.
    pub fn stake(&self, staking: Staking) {
        self.shared.state().chain.begin_staked(staking);
    }

    /// What it says from now on about blocks that are proposed without proof of work; `None`: they are good.
    pub fn set_proposal_answer(&self, reason: Option<&'static str>) {
        self.shared.state().proposal_answer = reason;
    }

    /// From now on it says that it publishes new blocks there, which it does not.
    pub fn claim_to_publish(&self, address: &str) {
        self.shared.state().publishes = Some(address.to_owned());
    }

    /// The blocks proposed so far.
    pub fn proposals(&self) -> Vec<Vec<u8>> {
        self.shared.state().proposals.clone()
    }

    /// Begins or ends misbehaving.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.shared.state();
        if fault == Fault::Refuse {
            close_all(&mut state);
        }
        state.fault = fault;
        self.shared.changed.notify_all();
    }

    /// The blocks handed in so far.
    pub fn submissions(&self) -> Vec<Submission> {
        self.shared.state().submissions.clone()
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.shared.state().calls.get(method).copied().unwrap_or(0)
    }

    /// Waits until `count` blocks have been handed in.
    pub async fn wait_for_submissions(&self, count: usize) -> io::Result<Vec<Submission>> {
        self.wait_until("blocks", || self.submissions().len() >= count).await?;
        Ok(self.submissions())
    }

    /// Waits until a method has been called `count` times in all.
    pub async fn wait_for_calls(&self, method: &str, count: usize) -> io::Result<()> {
        self.wait_until(method, || self.calls(method) >= count).await
    }

    async fn wait_until(&self, what: &str, reached: impl Fn() -> bool) -> io::Result<()> {
        let mut called = self.shared.called.subscribe();
        let wait = called.wait_for(|_| reached());
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::TimedOut, format!("the fake node was not asked enough for {what}"))),
        }
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stopping = true;
        close_all(&mut state);
        self.shared.changed.notify_all();
        drop(state);
        // Wakes the thread that accepts; if that fails it is gone already.
        drop(TcpStream::connect(self.address));
    }
}

fn close_all(state: &mut State) {
    for stream in state.open.values() {
        // A connection that is closed already needs no closing.
        let _closed = stream.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, stream) in (0u64..).zip(listener.incoming()) {
        let Ok(stream) = stream else { continue };
        let mut state = shared.state();
        if state.stopping {
            return;
        }
        if state.fault == Fault::Refuse {
            continue;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        state.open.insert(number, copy);
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // Whatever ends a connection, the client sees that it ended.
            let _end = serve(stream, &shared);
            shared.state().open.remove(&number);
        });
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let login = format!("Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}")));
    while let Some(request) = http::read_request(&mut reader)? {
        if request.authorization != login {
            http::write_response(&mut stream, "401 Unauthorized", b"")?;
            continue;
        }
        let fault = shared.state().fault.clone();
        let (status, body) = match fault {
            Fault::Hang => return hang(shared),
            Fault::Garbage => ("200 OK", "<html>it works</html>".to_owned()),
            Fault::RpcError(code, message) => {
                let body = json!({"result": null, "error": {"code": code, "message": message}, "id": null});
                ("500 Internal Server Error", body.to_string())
            }
            Fault::None | Fault::Refuse => {
                let call: Value = serde_json::from_slice(&request.body)?;
                let Some((status, body)) = answer(&call, shared) else { return Ok(()) };
                (status, body.to_string())
            }
        };
        // A long poll may have waited into the fault.
        if shared.state().fault == Fault::Hang {
            return hang(shared);
        }
        http::write_response(&mut stream, status, body.as_bytes())?;
    }
    Ok(())
}

/// Answers nothing until the fault is over, and then hangs up.
fn hang(shared: &Shared) -> io::Result<()> {
    let hanging = |state: &mut State| state.fault == Fault::Hang && !state.stopping;
    drop(shared.changed.wait_while(shared.state(), hanging));
    Ok(())
}

/// Status and body for one call; `None` hangs up.
fn answer(call: &Value, shared: &Shared) -> Option<(&'static str, Value)> {
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = call.get("params").cloned().unwrap_or_default();
    *shared.state().calls.entry(method.to_owned()).or_default() += 1;
    let outcome = match method {
        "getblocktemplate" => template(&params, shared),
        "submitblock" => submit(&params, shared)?,
        "getzmqnotifications" => match &shared.state().publishes {
            Some(address) => Ok(json!([{ "type": "pubhashblock", "address": address, "hwm": 1000 }])),
            None => Err((-32601, "Method not found".to_owned())),
        },
        _ => plain(method, &params, &shared.state().chain),
    };
    shared.called.send_modify(|calls| *calls += 1);
    let id = call.get("id").cloned().unwrap_or_default();
    Some(match outcome {
        Ok(result) => ("200 OK", json!({"result": result, "error": null, "id": id})),
        Err((code, message)) => {
            let status = if code == -32601 { "404 Not Found" } else { "500 Internal Server Error" };
            (status, json!({"result": null, "error": {"code": code, "message": message}, "id": id}))
        }
    })
}

/// A result, or an RPC error's code and message.
type Outcome = Result<Value, (i64, String)>;

/// Everything that only looks at the chain.
fn plain(method: &str, params: &Value, chain: &Chain) -> Outcome {
    let text = |at: usize| params.get(at).and_then(Value::as_str).unwrap_or_default();
    match method {
        "getblockchaininfo" => Ok(chain.info()),
        "getconnectioncount" => Ok(json!(8)),
        "getnetworkhashps" => Ok(json!(7_158_278.8)),
        "getbestblockhash" => Ok(json!(chain.tip())),
        "getblockcount" => Ok(json!(chain.height())),
        "getblockhash" => {
            let height = params.get(0).and_then(Value::as_u64).and_then(|height| usize::try_from(height).ok());
            let hash = height.and_then(|height| chain.hash_at(height));
            hash.map(Value::from).ok_or_else(|| (-8, "Block height out of range".to_owned()))
        }
        "getblockheader" if chain.layout() == Layout::Heavycoin || chain.staking() == Some(Staking::InFlags) => {
            Err((-32601, "Method not found".to_owned()))
        }
        "getblockheader" | "getblock" => {
            let raw = params.get(1) == Some(&Value::Bool(false));
            let found = if raw { chain.raw_header(text(0)) } else { chain.header(text(0)) };
            found.ok_or_else(|| (-5, "Block not found".to_owned()))
        }
        "getnetworkinfo" => Ok(json!({"version": 210_000, "subversion": "/FakeNode:0/", "connections": 8})),
        "getmininginfo" => Ok(json!({"blocks": chain.height(), "difficulty": 1.0, "chain": "main", "warnings": ""})),
        "validateaddress" => Ok(chain.wallet.says(text(0))),
        _ => Err((-32601, "Method not found".to_owned())),
    }
}

/// `getblocktemplate`, with BIP22 long polling.
fn template(params: &Value, shared: &Shared) -> Outcome {
    let request = params.get(0).cloned().unwrap_or_default();
    let mut state = shared.state();
    let named: Vec<&str> =
        request.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if request.get("mode").and_then(Value::as_str) == Some("proposal") {
        let data = request.get("data").and_then(Value::as_str).and_then(hex::decode);
        state.proposals.extend(data);
        return Ok(json!(state.proposal_answer));
    }
    if state.chain.catching_up.is_some() {
        return Err((-10, "The fake node is downloading blocks...".to_owned()));
    }
    if let Some(missing) = state.chain.rules_needed().iter().find(|rule| !named.contains(rule)) {
        return Err((-8, format!("getblocktemplate must be called with the {missing} rule set")));
    }
    if let Some(known) = request.get("longpollid") {
        let waited = shared.changed.wait_timeout_while(state, LONGPOLL_MAX, |state| {
            known.as_str() == Some(&state.chain.longpoll_id()) && !state.stopping
        });
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    Ok(state.chain.template())
}

/// `submitblock`; `None` hangs up.
fn submit(params: &Value, shared: &Shared) -> Option<Outcome> {
    let block = params.get(0).and_then(Value::as_str).and_then(hex::decode);
    let Some(block) = block.filter(|block| block.len() > shared.state().chain.layout().bytes()) else {
        return Some(Err((-22, "Block decode failed".to_owned())));
    };
    let mut state = shared.state();
    state.submissions.push(Submission { block: block.clone(), at: Instant::now() });
    match state.submit_answer {
        SubmitAnswer::Refuse(reason) => return Some(Ok(json!(reason))),
        SubmitAnswer::Fail(code, words) => return Some(Err((code, words.to_owned()))),
        _ => (),
    }
    if !state.chain.extend(&block) {
        return Some(Ok(json!("duplicate")));
    }
    let answer = state.submit_answer.clone();
    if answer == SubmitAnswer::AcceptAndFreeze {
        state.fault = Fault::Hang;
    }
    shared.changed.notify_all();
    // Waiting tests look at the state while they hold the counter, so never the other way round.
    drop(state);
    shared.called.send_modify(|calls| *calls += 1);
    match answer {
        SubmitAnswer::AcceptAndHangUp => None,
        SubmitAnswer::AcceptAndHang => {
            let hanging = |state: &mut State| state.submit_answer == SubmitAnswer::AcceptAndHang && !state.stopping;
            drop(shared.changed.wait_while(shared.state(), hanging));
            None
        }
        _ => Some(Ok(Value::Null)),
    }
}
