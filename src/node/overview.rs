//! What the nodes say about the coin's network, for the summary at the start.

use serde::Deserialize;
use serde_json::{Value, json};

use super::nodes::Nodes;
use super::rpc::Call;

/// A coin's network; what no node says is missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// The node's name for the network: `main`, `test`, `regtest`.
    pub network: Option<String>,
    /// How many peers the node has.
    pub peers: Option<u64>,
    /// Hashes per second of the whole network.
    pub hashes_per_sec: Option<f64>,
    /// Whether there are blocks by proof of stake beside those by work.
    pub has_stake: bool,
}

#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
}

#[derive(Deserialize)]
struct OldInfo {
    testnet: Option<bool>,
    connections: Option<u64>,
}

/// Asks the nodes; calls they do not know leave their part out.
pub async fn overview(nodes: &Nodes) -> Overview {
    let (chain, old, peers, rate, difficulty) = tokio::join!(
        ask::<ChainInfo>(nodes, "getblockchaininfo"),
        ask::<OldInfo>(nodes, "getinfo"),
        ask::<u64>(nodes, "getconnectioncount"),
        ask::<f64>(nodes, "getnetworkhashps"),
        ask::<Value>(nodes, "getdifficulty"),
    );
    let old_network = old.as_ref().and_then(|old| old.testnet).map(|test| if test { "test" } else { "main" });
    Overview {
        network: chain.map(|chain| chain.chain).or_else(|| old_network.map(str::to_owned)),
        peers: peers.or_else(|| old.and_then(|old| old.connections)),
        hashes_per_sec: rate,
        // Coins with both answer an object with one number for each.
        has_stake: difficulty.is_some_and(|difficulty| difficulty.get("proof-of-stake").is_some()),
    }
}

async fn ask<T: for<'de> Deserialize<'de>>(nodes: &Nodes, method: &'static str) -> Option<T> {
    let asked = nodes.ask(|node| async move { node.rpc.call_as(Call::new(method), json!([])).await });
    match asked.await? {
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::debug!(%error, "left out of the summary");
            None
        }
    }
}
