//! Work without transactions on a new tip while the node is still making its template.
//!
//! The tip is taken from the node itself, after it has taken it over: its height, its target and the times that the next
//! block must keep come from one answer, everything else from the template before. The node's own template, when it
//! comes, replaces this work and judges it: if the two disagree in anything, it is not done with this node again.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::RpcError;
use super::rpc::{Call, Rpc};
use super::watched::Watch;
use crate::bytes::{Hash, display_hash, hex, parse_display_hash};
use crate::work::template::{Template, Tip};

/// Networks whose rules are those of the coin's schedule: on test networks a block may be easier after a while.
const NETWORKS: [&str; 2] = ["main", "regtest"];

/// What is known about doing so with one node.
pub(super) struct Early {
    /// How long a template may take before; `None`: it is not done.
    after: Option<Duration>,
    /// Whether the node's network is one of [`NETWORKS`]; `None`: not asked yet.
    is_suited: Option<bool>,
}

#[derive(Deserialize)]
struct Header {
    confirmations: i64,
    height: u32,
    mediantime: u32,
    previousblockhash: String,
    bits: Value,
}

impl Early {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self { after, is_suited: None }
    }

    /// After how long there is to be such work; `None`: never with this node. Asks for the node's network once.
    pub(super) async fn after(&mut self, rpc: &Rpc) -> Option<Duration> {
        let after = self.after?;
        if self.is_suited.is_none() {
            let network = match rpc.network().await {
                Ok(network) => network,
                Err(error) if error.code().is_some() => "an unknown network".to_owned(),
                Err(_) => return None,
            };
            let is_suited = NETWORKS.contains(&network.as_str());
            if !is_suited {
                tracing::warn!(
                    node = rpc.name(),
                    network,
                    "no work without transactions: its rules are not the schedule's"
                );
            }
            self.is_suited = Some(is_suited);
        }
        self.is_suited.filter(|suited| *suited).map(|_| after)
    }

    /// Holds the node's template against what was computed for the same tip.
    pub(super) fn judge(&mut self, node: &str, provisional: &Template, full: &Template) {
        if full.previous == provisional.previous && !full.confirms(provisional) {
            self.after = None;
            tracing::error!(
                node,
                height = provisional.height,
                "the node's template is not what the coin's schedule made of its tip: no more work without transactions here"
            );
        }
    }
}

/// Such work on the tip of this name, from the template before it; `None`, with a line in the log: not now.
pub(super) async fn template(watch: &Watch, tip: Hash) -> Option<Arc<Template>> {
    let last = watch.latest.borrow().clone()?;
    let told = match header(&watch.node.rpc, tip).await {
        Ok(told) => told.ok_or("it is not the node's tip any more"),
        Err(error) => {
            tracing::debug!(node = watch.name(), %error, "no work without transactions");
            return None;
        }
    };
    match told.and_then(|told| last.empty_on(&told, &watch.form)) {
        Ok(template) => {
            let tip = display_hash(&tip);
            tracing::info!(
                node = watch.name(),
                tip,
                height = template.height,
                "the node's template is slow: work without transactions first"
            );
            Some(Arc::new(template))
        }
        Err(why) => {
            tracing::info!(
                node = watch.name(),
                why,
                "the node's template is slow, but there is no work without transactions"
            );
            None
        }
    }
}

/// The tip as the node describes it; `None`: it has another.
async fn header(rpc: &Rpc, hash: Hash) -> Result<Option<Tip>, RpcError> {
    const METHOD: &str = "getblockheader";
    let params = json!([display_hash(&hash), true]);
    let header: Header = rpc.call_as(Call::new(METHOD).own_connection(), params).await?;
    let wrong = |what: &str| rpc.bad_answer(METHOD, format!("its `{what}` cannot be read"));
    let previous = parse_display_hash(&header.previousblockhash).ok_or_else(|| wrong("previousblockhash"))?;
    let bits = match &header.bits {
        Value::String(text) => hex::decode_u32(text.as_bytes()),
        number => number.as_u64().and_then(|bits| u32::try_from(bits).ok()),
    };
    let bits = bits.ok_or_else(|| wrong("bits"))?;
    let tip = Tip { hash, previous, height: header.height, bits, median_time: header.mediantime };
    Ok((header.confirmations == 1).then_some(tip))
}
