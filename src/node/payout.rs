//! Asks the node what the payout address means to it. The node knows its own network's address forms,
//! so its script is the one to compare with; and its wallet is where MPOS looks for blocks.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::RpcError;
use super::nodes::{Node, Nodes};
use super::rpc::Call;
use crate::bytes::hash160::hash160;
use crate::bytes::hex;
use crate::chain::{address, script};

/// How long a wallet may take to say whether an address is its own.
const WALLET_MAX: Duration = Duration::from_secs(5);

/// What the nodes know about the payout address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutCheck {
    /// The output script that pays it.
    pub script: Vec<u8>,
    /// Whether a node's wallet holds its key; `None` if no node says (no wallet).
    pub owned: Option<bool>,
    /// The public key behind it, if the node's wallet tells.
    pub public_key: Option<Vec<u8>>,
}

/// What the nodes know about an output script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCheck {
    /// The node's name for its kind, such as `pubkeyhash` or `nonstandard`.
    pub kind: String,
    /// Whether a node's wallet holds its key; `None` if no node says.
    pub owned: Option<bool>,
}

/// Why a payout address cannot be used, or not be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayoutError {
    /// The coin has no nodes to ask; those that were found to be another coin's are not asked.
    #[error("the payout address cannot be checked: the coin has no node, or none that is on its chain")]
    NoNode,
    /// The node could not be asked.
    #[error("the payout address cannot be checked: {0}")]
    Rpc(#[from] RpcError),
    /// The node says it is none.
    #[error("payout address {0:?} is not an address of the node's network")]
    Invalid(String),
    /// An address inside Litecoin's extension block: a coinbase cannot pay it.
    #[error("payout address {0:?} is an MWEB address, which a coinbase cannot pay; take one without `mweb`")]
    Mweb(String),
    /// The node takes the address, but does not say what it stands for, and we cannot read it either.
    #[error(
        "the node takes address {0:?}, but says neither its script nor its public key, and the coin's `addresses` do not \
         tell; write the hash of its key instead, as 40 hexadecimal digits"
    )]
    NoScript(String),
}

/// The members of `validateaddress` and `getaddressinfo` that count.
#[derive(Debug, Default, Deserialize)]
struct AddressInfo {
    isvalid: Option<bool>,
    #[serde(rename = "scriptPubKey")]
    script: Option<String>,
    ismine: Option<bool>,
    ismweb: Option<bool>,
    isscript: Option<bool>,
    pubkey: Option<String>,
}

impl AddressInfo {
    fn public_key(&self) -> Option<Vec<u8>> {
        let key = hex::decode(self.pubkey.as_deref()?.as_bytes())?;
        matches!(key.len(), 33 | 65).then_some(key)
    }

    /// The script of a key that the node names instead of a script, if the address holds the key's hash: what is paid to
    /// another would be lost.
    fn script_of_key(&self, address: &str) -> Option<Vec<u8>> {
        let hash = hash160(&self.public_key()?);
        let is_its = self.isscript == Some(false) && address::holds(address, &hash);
        is_its.then(|| script::pay_to_pubkey_hash(&hash))
    }

    /// Whether the node says that the address is a script's where our reading has a key's, or the other way round.
    fn contradicts(&self, own: &[u8]) -> bool {
        self.isscript.zip(script::pays_to_script(own)).is_some_and(|(theirs, ours)| theirs != ours)
    }
}

/// The members of `decodescript` that count.
#[derive(Debug, Deserialize)]
struct ScriptInfo {
    #[serde(rename = "type")]
    kind: String,
    address: Option<String>,
    #[serde(default)]
    addresses: Vec<String>,
}

/// Asks for the script of `address` and whether a wallet owns it. `own` is the script by our own reading: nodes from before
/// 2014 name none, and then it, or the key that the node's wallet names, is enough.
///
/// # Errors
/// No node could be asked, or the address is none, or nobody can say what it stands for.
pub async fn check_payout(nodes: &Nodes, address: &str, own: Option<&[u8]>) -> Result<PayoutCheck, PayoutError> {
    let nodes = nodes.fitting();
    let valid = nodes
        .ask(|node| async move { query(&node, "validateaddress", address).await })
        .await
        .ok_or(PayoutError::NoNode)??;
    if valid.isvalid != Some(true) {
        return Err(PayoutError::Invalid(address.into()));
    }
    let infos = wallet_infos(&nodes, address).await;
    if valid.ismweb == Some(true) || infos.iter().any(|info| info.ismweb == Some(true)) {
        return Err(PayoutError::Mweb(address.into()));
    }
    let named = valid.script.as_deref().or_else(|| infos.iter().find_map(|info| info.script.as_deref()));
    let said = || infos.iter().chain([&valid]);
    let script = match named {
        Some(text) => hex::decode(text.as_bytes()).filter(|script| !script.is_empty()),
        // The node's word first: where we read something else, that is seen.
        None => {
            let of_key = said().find_map(|info| info.script_of_key(address));
            let agrees = |own: &&[u8]| !said().any(|info| info.contradicts(own));
            of_key.or_else(|| own.filter(agrees).map(<[u8]>::to_vec))
        }
    };
    let script = script.ok_or_else(|| PayoutError::NoScript(address.into()))?;
    // The wallet may be on any of the nodes; one that owns it is enough. Old nodes say it in
    // `validateaddress`.
    let owned = said().filter_map(|info| info.ismine).reduce(|one, other| one || other);
    Ok(PayoutCheck { script, owned, public_key: said().find_map(AddressInfo::public_key) })
}

/// Asks what an output script is, and whether a wallet owns it.
///
/// # Errors
/// No node could be asked.
pub async fn check_script(nodes: &Nodes, script: &[u8]) -> Result<ScriptCheck, PayoutError> {
    let (nodes, text) = (nodes.fitting(), hex::encode(script));
    let asked = nodes.ask(|node| {
        let params = json!([text]);
        async move { node.rpc.call_as::<ScriptInfo, _>(Call::new("decodescript"), params).await }
    });
    let info = asked.await.ok_or(PayoutError::NoNode)??;
    let Some(address) = info.address.or_else(|| info.addresses.into_iter().next()) else {
        // What nobody can spend is in no wallet.
        let owned = (info.kind == "nulldata").then_some(false);
        return Ok(ScriptCheck { kind: info.kind, owned });
    };
    let infos = wallet_infos(&nodes, &address).await;
    let owned = infos.iter().filter_map(|info| info.ismine).reduce(|one, other| one || other);
    Ok(ScriptCheck { kind: info.kind, owned })
}

/// What the wallets say, all asked at once; nodes without one, without the call or without an answer in
/// time say nothing: one that hangs must not keep the coin from being mined.
async fn wallet_infos(nodes: &Nodes, address: &str) -> Vec<AddressInfo> {
    let mut asked = JoinSet::new();
    for node in nodes.all().iter() {
        let (node, address) = (Arc::clone(node), address.to_owned());
        let said = async move {
            match query(&node, "getaddressinfo", &address).await {
                // Nodes from before it say so in `validateaddress`.
                Err(error) if error.is_method_missing() => query(&node, "validateaddress", &address).await,
                said => said,
            }
        };
        asked.spawn(timeout(WALLET_MAX, said));
    }
    let mut infos = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(Ok(info))) => infos.push(info),
            Ok(Ok(Err(error))) => tracing::debug!(%error, "no wallet says whether it owns the payout address"),
            Ok(Err(_)) | Err(_) => tracing::debug!("a node does not say in time whether it owns the payout address"),
        }
    }
    infos
}

async fn query(node: &Arc<Node>, method: &str, address: &str) -> Result<AddressInfo, RpcError> {
    node.rpc.call_as(Call::new(method), json!([address])).await
}
