//! The calls this daemon makes, with their answers as types and their stand-ins on old nodes.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

use super::error::RpcError;
use super::rpc::{Call, Rpc, TEMPLATE_BYTES_MAX};
use crate::bytes::u256::U256;
use crate::bytes::{Hash, display_hash, hex, parse_display_hash};
use crate::chain::form::ChainForm;

/// The call for templates.
const TEMPLATE: &str = "getblocktemplate";

/// What a template request says about us: we make the coinbase from `coinbasevalue` ourselves.
const CAPABILITIES: [&str; 4] = ["coinbasevalue", "coinbase/append", "longpoll", "workid"];

/// Where a node has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In its best chain, with so many confirmations; the tip has one. Zero: the node does not say.
    BestChain(u32),
    /// Known, but not in the best chain.
    SideChain,
    /// The node does not know it.
    Unknown,
}

#[derive(Deserialize)]
struct BlockHeader {
    confirmations: i64,
    height: Option<u32>,
}

/// What a node says about a block of its chain, as far as it says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockFacts {
    pub(super) height: Option<u32>,
    /// The work of the chain up to it.
    pub(super) work: Option<U256>,
}

#[derive(Deserialize)]
struct RawFacts {
    height: Option<u32>,
    chainwork: Option<String>,
}

#[derive(Deserialize)]
struct ChainTip {
    height: u32,
    hash: String,
    status: String,
}

/// Most branches of a node that are looked at.
const BRANCHES_MAX: usize = 8;

#[derive(Deserialize)]
struct ChainProgress {
    blocks: u64,
    headers: u64,
    /// From 0 to 1, by the node's own estimate of the transactions to come.
    verificationprogress: Option<f64>,
}

/// A peer as the node sees it.
#[derive(Deserialize)]
struct Peer {
    /// How high it was when it connected.
    #[serde(default)]
    startingheight: i64,
}

#[derive(Deserialize)]
struct BlockRoot {
    merkleroot: String,
}

impl Rpc {
    /// The hash of the node's tip.
    pub(super) async fn best_block_hash(&self) -> Result<Hash, RpcError> {
        const METHOD: &str = "getbestblockhash";
        let text: String = self.call_as(Call::new(METHOD).prompt(), json!([])).await?;
        self.hash(METHOD, &text)
    }

    /// A block template, as the node wrote it.
    pub(super) async fn block_template(&self, form: &ChainForm) -> Result<Box<RawValue>, RpcError> {
        self.call(Call::new(TEMPLATE).bytes_max(TEMPLATE_BYTES_MAX), template_request(form, None)).await
    }

    /// The next template that differs from the one `longpoll_id` came with (BIP22), on a connection
    /// of its own.
    pub(super) async fn longpoll(
        &self,
        form: &ChainForm,
        longpoll_id: &str,
        timeout: Duration,
    ) -> Result<Box<RawValue>, RpcError> {
        let call = Call::new(TEMPLATE).bytes_max(TEMPLATE_BYTES_MAX).timeout(timeout);
        self.call(call.own_connection(), template_request(form, Some(longpoll_id))).await
    }

    /// How far a node that is catching up has come, in words; `None` if it does not say. Nodes without
    /// `getblockchaininfo` are measured by their highest peer.
    async fn sync_progress(&self) -> Option<String> {
        match self.call_as::<ChainProgress, _>(Call::new("getblockchaininfo"), json!([])).await {
            Ok(ChainProgress { blocks, headers, verificationprogress }) => {
                let part = |part: f64| format!(", {:.2} % verified", 100.0 * part.clamp(0.0, 1.0));
                Some(format!("at block {blocks} of {headers}{}", verificationprogress.map_or_else(String::new, part)))
            }
            Err(error) if error.is_method_missing() => {
                let blocks: u64 = self.call_as(Call::new("getblockcount"), json!([])).await.ok()?;
                let peers: Vec<Peer> = self.call_as(Call::new("getpeerinfo"), json!([])).await.ok()?;
                let highest = peers.iter().map(|peer| peer.startingheight).max()?;
                Some(format!("at block {blocks}, its peers at {highest}"))
            }
            Err(_) => None,
        }
    }

    /// The node's name for its network, such as `main`.
    pub(super) async fn network(&self) -> Result<String, RpcError> {
        #[derive(Deserialize)]
        struct Network {
            chain: String,
        }
        let network: Network = self.call_as(Call::new("getblockchaininfo"), json!([])).await?;
        Ok(network.chain)
    }

    /// How many blocks the node has and of how many it has heard; `None` if it does not say.
    pub(super) async fn blocks_and_headers(&self) -> Option<(u64, u64)> {
        let progress: ChainProgress = self.call_as(Call::new("getblockchaininfo"), json!([])).await.ok()?;
        Some((progress.blocks, progress.headers))
    }

    /// The words of a node that is catching up, with how far it has come.
    pub(super) async fn with_progress(&self, error: &RpcError) -> String {
        let progress = self.sync_progress().await;
        progress.map_or_else(|| error.to_string(), |at| format!("{error} ({at})"))
    }

    /// Where the node has a block. Nodes without `getblockheader` are asked by `getblock`.
    pub(super) async fn place_of(&self, hash: &Hash) -> Result<Place, RpcError> {
        let params = json!([display_hash(hash)]);
        let header: Result<BlockHeader, RpcError> =
            match self.call_as(Call::new("getblockheader").own_connection(), &params).await {
                Err(error) if error.is_method_missing() => {
                    self.call_as(Call::new("getblock").bytes_max(TEMPLATE_BYTES_MAX).own_connection(), &params).await
                }
                answer => answer,
            };
        match header {
            // Some nodes (bcoin) count confirmations by height alone, also beside their best chain: the
            // block at that height has the last word.
            Ok(BlockHeader { confirmations: confirmations @ 0.., height: Some(height) }) => {
                let there: String = self.call_as(Call::new("getblockhash").own_connection(), json!([height])).await?;
                let is_ours = self.hash("getblockhash", &there)? == *hash;
                Ok(if is_ours { Place::BestChain(counted(confirmations)) } else { Place::SideChain })
            }
            Ok(BlockHeader { confirmations: confirmations @ 0.., height: None }) => {
                Ok(Place::BestChain(counted(confirmations)))
            }
            Ok(_) => Ok(Place::SideChain),
            Err(error) if error.is_not_found() => Ok(Place::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The node's block at a height: its hash and its merkle root.
    pub(super) async fn block_at(&self, height: u32) -> Result<(Hash, Hash), RpcError> {
        let text: String = self.call_as(Call::new("getblockhash").own_connection(), json!([height])).await?;
        let hash = self.hash("getblockhash", &text)?;
        let call = Call::new("getblock").bytes_max(TEMPLATE_BYTES_MAX).own_connection();
        let block: BlockRoot = self.call_as(call, json!([text])).await?;
        Ok((hash, self.hash("getblock", &block.merkleroot)?))
    }

    /// The first so many bytes of a block's header; `None` if the node cannot show them.
    pub(super) async fn raw_header(&self, hash: &Hash, bytes: usize) -> Result<Option<Vec<u8>>, RpcError> {
        let params = json!([display_hash(hash), false]);
        let text: String = match self.call_as(Call::new("getblockheader").own_connection(), params).await {
            Err(error) if error.is_method_missing() => return Ok(None),
            answer => answer?,
        };
        Ok(text.get(..2 * bytes).and_then(|digits| hex::decode(digits.as_bytes())))
    }

    /// What the node says about a block it has.
    pub(super) async fn block_facts(&self, hash: &Hash) -> Result<BlockFacts, RpcError> {
        let call = Call::new("getblockheader").own_connection();
        let RawFacts { height, chainwork } = self.call_as(call, json!([display_hash(hash)])).await?;
        // A number in the notation of a hash: the most significant byte first.
        let work = chainwork.as_deref().and_then(parse_display_hash).map(|bytes| U256::from_le_bytes(&bytes));
        Ok(BlockFacts { height, work })
    }

    /// The hash of the block at a height of the node's best chain.
    pub async fn hash_at(&self, height: u32) -> Result<Hash, RpcError> {
        const METHOD: &str = "getblockhash";
        let text: String = self.call_as(Call::new(METHOD).own_connection(), json!([height])).await?;
        self.hash(METHOD, &text)
    }

    /// The ends of branches that the node calls invalid, from a height on.
    pub(super) async fn invalid_tips(&self, from: u32) -> Result<Vec<(u32, Hash)>, RpcError> {
        const METHOD: &str = "getchaintips";
        let tips: Vec<ChainTip> = self.call_as(Call::new(METHOD).own_connection(), json!([])).await?;
        let invalid = tips.into_iter().filter(|tip| tip.status == "invalid" && tip.height >= from);
        invalid.take(BRANCHES_MAX).map(|tip| Ok((tip.height, self.hash(METHOD, &tip.hash)?))).collect()
    }

    /// The hash in an answer.
    pub(super) fn hash(&self, method: &str, text: &str) -> Result<Hash, RpcError> {
        parse_display_hash(text)
            .ok_or_else(|| self.bad_answer(method, "the hash in it is not 64 hexadecimal digits".into()))
    }
}

/// The parameters of a template request.
fn template_request(form: &ChainForm, longpoll_id: Option<&str>) -> Value {
    if form.bare_requests {
        return json!([]);
    }
    let mut request = json!({ "rules": form.template_rules, "capabilities": CAPABILITIES });
    if let (Some(id), Some(request)) = (longpoll_id, request.as_object_mut()) {
        request.insert("longpollid".to_owned(), id.into());
    }
    match &form.template_algorithm {
        Some(algorithm) => json!([request, algorithm]),
        None => json!([request]),
    }
}

/// Confirmations as a number that is never too large for its type.
fn counted(confirmations: i64) -> u32 {
    u32::try_from(confirmations).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_asked_for_as_the_node_wants_it() {
        let form = ChainForm { template_rules: vec!["segwit".into()], ..ChainForm::default() };
        let usual = template_request(&form, None);
        assert_eq!((&usual[0]["rules"], usual[0].get("longpollid")), (&json!(["segwit"]), None));
        assert_eq!(template_request(&form, Some("id 7"))[0]["longpollid"], "id 7");
        let named = ChainForm { template_algorithm: Some("skein".into()), ..form.clone() };
        for id in [None, Some("id 7")] {
            let asked = template_request(&named, id);
            assert_eq!((asked.as_array().map(Vec::len), &asked[1]), (Some(2), &json!("skein")));
        }
        let bare = ChainForm { bare_requests: true, ..form };
        assert_eq!(template_request(&bare, Some("id 7")), json!([]));
    }
}
