//! What `mpos-stratum doctor` asks one node. Every answer stands by itself; a node that cannot be reached is
//! asked once and not for every thing anew.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::chain::Chain;
use super::error::RpcError;
use super::nodes::Node;
use super::rpc::Call;

/// Longest time of one call: a node that hangs must not hold up the other checks.
const CALL_MAX: Duration = Duration::from_secs(5);

/// What nodes call their publishing of new blocks, in the order in which it is best heard: a hash is less than a block.
pub(super) const OF_BLOCKS: [&str; 2] = ["pubhashblock", "pubrawblock"];

/// What a node says about itself; the text says why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// Its name.
    pub name: String,
    /// Whether it answers at all.
    pub reached: Result<(), String>,
    /// Its chain.
    pub chain: Result<ChainState, String>,
    /// Its peers; `None`: it does not count them.
    pub peers: Result<Option<u64>, String>,
    /// Whether it gives templates.
    pub template: Result<(), String>,
    /// What it publishes by ZMQ; `None`: it does not tell.
    pub zmq: Result<Option<Vec<Published>>, String>,
    /// Whether its wallet can sign.
    pub wallet: Result<WalletState, String>,
}

/// The chain of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainState {
    /// Its name for the network; `None`: it does not say.
    pub network: Option<String>,
    /// Blocks it has.
    pub blocks: u64,
    /// Headers it knows.
    pub headers: u64,
    /// It says itself that it is still catching up.
    pub is_catching_up: bool,
    /// What it warns of.
    pub warnings: String,
}

/// A subject that is published by ZMQ.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// Such as `pubhashblock`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as `tcp://127.0.0.1:28332`.
    pub address: String,
}

impl Published {
    /// Host and port of `tcp://host:port`; `None`: it is something else.
    pub fn place(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.strip_prefix("tcp://")?.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok()?))
    }

    /// Whether it is new blocks or their hashes.
    pub fn is_of_blocks(&self) -> bool {
        OF_BLOCKS.contains(&self.kind.as_str())
    }
}

/// Whether a wallet can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletState {
    /// The node has none, or does not tell.
    Unknown,
    /// It can.
    Open,
    /// It is encrypted and locked.
    Locked,
}

#[derive(Deserialize)]
struct ChainInfo {
    chain: Option<String>,
    blocks: u64,
    headers: Option<u64>,
    initialblockdownload: Option<bool>,
    #[serde(default)]
    warnings: Value,
}

#[derive(Deserialize)]
struct OldInfo {
    blocks: u64,
    testnet: Option<bool>,
    #[serde(default)]
    errors: String,
}

/// Asks one node everything.
pub async fn checkup(node: &Node, chain: &Chain) -> Checkup {
    let name = node.name().to_owned();
    let first: Result<Value, RpcError> = ask(node, "getblockcount").await;
    if let Err(error) = first {
        let why = error.to_string();
        // What it answers at all is an answer of a node that is starting, or has an odd notion of RPC.
        let reached = if error.code().is_some() { Ok(()) } else { Err(why.clone()) };
        let (chain, peers, template, zmq) = (Err(why.clone()), Err(why.clone()), Err(why.clone()), Err(why.clone()));
        return Checkup { name, reached, chain, peers, template, zmq, wallet: Err(why) };
    }
    let words = |error: RpcError| error.to_string();
    Checkup {
        name,
        reached: Ok(()),
        chain: chain_state(node).await.map_err(words),
        peers: peers(node).await.map_err(words),
        template: template(node, chain).await.map_err(words),
        zmq: published(node).await.map_err(words),
        wallet: wallet(node).await.map_err(words),
    }
}

async fn ask<T: for<'de> Deserialize<'de>>(node: &Node, method: &str) -> Result<T, RpcError> {
    node.rpc.call_as(Call::new(method).timeout(CALL_MAX).own_connection(), json!([])).await
}

async fn chain_state(node: &Node) -> Result<ChainState, RpcError> {
    match ask::<ChainInfo>(node, "getblockchaininfo").await {
        Ok(info) => Ok(ChainState {
            network: info.chain,
            blocks: info.blocks,
            headers: info.headers.unwrap_or(info.blocks),
            is_catching_up: info.initialblockdownload == Some(true),
            warnings: text_of(&info.warnings),
        }),
        Err(error) if error.is_method_missing() => {
            let info: OldInfo = ask(node, "getinfo").await?;
            let network = info.testnet.map(|test| if test { "test" } else { "main" }.to_owned());
            let (blocks, headers) = (info.blocks, info.blocks);
            Ok(ChainState { network, blocks, headers, is_catching_up: false, warnings: info.errors })
        }
        Err(error) => Err(error),
    }
}

/// Newer nodes list their warnings.
fn text_of(warnings: &Value) -> String {
    let all: Vec<&str> = match warnings {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    super::error::words(&all.join(" "))
}

/// `None` where a node that does not know the method has nothing to say.
fn known<T>(answer: Result<T, RpcError>) -> Result<Option<T>, RpcError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_method_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn peers(node: &Node) -> Result<Option<u64>, RpcError> {
    if let Some(count) = known(ask::<u64>(node, "getconnectioncount").await)? {
        return Ok(Some(count));
    }
    for method in ["getnetworkinfo", "getinfo"] {
        let info = known(ask::<Value>(node, method).await)?;
        if let Some(count) = info.and_then(|info| info.get("connections").and_then(Value::as_u64)) {
            return Ok(Some(count));
        }
    }
    Ok(None)
}

async fn template(node: &Node, chain: &Chain) -> Result<(), RpcError> {
    match tokio::time::timeout(CALL_MAX * 2, node.rpc.block_template(&chain.form)).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Err(RpcError::Timeout {
            node: node.name().to_owned(),
            method: "getblocktemplate".to_owned(),
            secs: CALL_MAX.as_secs() * 2,
        }),
    }
}

/// What it publishes by ZMQ; `None`: it does not tell.
pub(super) async fn published(node: &Node) -> Result<Option<Vec<Published>>, RpcError> {
    known(ask(node, "getzmqnotifications").await)
}

async fn wallet(node: &Node) -> Result<WalletState, RpcError> {
    match ask::<Value>(node, "getwalletinfo").await {
        Ok(info) => Ok(match info.get("unlocked_until").map(|until| until.as_i64().unwrap_or(1)) {
            Some(0) => WalletState::Locked,
            _ => WalletState::Open,
        }),
        // No such call, no wallet, or several of which none is named.
        Err(error) if error.code().is_some() => Ok(WalletState::Unknown),
        Err(error) => Err(error),
    }
}
