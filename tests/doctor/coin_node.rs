//! A node of Bitcoin's first block, or MPOS's wallet, that says what a test wants it to say.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::scripted_node::{Asked, Reply, ScriptedNode};

const GENESIS: &str = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
const FIRST: &str = "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048";
const FIRST_HEADER: &str = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744\
                            bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299";

/// What the node says.
#[derive(Clone)]
pub struct Says {
    pub answers: bool,
    pub network: &'static str,
    pub headers: u64,
    pub catching_up: bool,
    pub warnings: &'static str,
    pub peers: u64,
    pub genesis: &'static str,
    pub first: &'static str,
    pub template_fails: bool,
    pub zmq: Option<&'static str>,
    pub owns: Vec<String>,
    pub locked: bool,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            answers: true,
            network: "main",
            headers: 1,
            catching_up: false,
            warnings: "",
            peers: 8,
            genesis: GENESIS,
            first: FIRST,
            template_fails: false,
            zmq: None,
            owns: Vec::new(),
            locked: false,
        }
    }
}

/// A running one.
pub struct CoinNode {
    node: ScriptedNode,
    pub says: Arc<Mutex<Says>>,
}

impl CoinNode {
    pub async fn start(says: Says) -> Self {
        let says = Arc::new(Mutex::new(says));
        let heard = Arc::clone(&says);
        let node = ScriptedNode::start(move |asked| reply(&heard.lock().unwrap(), asked)).await;
        Self { node, says }
    }

    pub fn port(&self) -> u16 {
        self.node.rpc_config().port
    }
}

fn reply(says: &Says, asked: &Asked) -> Reply {
    if !says.answers {
        return Reply::Cut;
    }
    let text = asked.params.get(0).and_then(Value::as_str).unwrap_or_default();
    Reply::Result(match asked.method.as_str() {
        "getblockcount" => json!(1),
        "getblockchaininfo" => json!({
            "chain": says.network, "blocks": 1, "headers": says.headers, "initialblockdownload": says.catching_up,
            "warnings": says.warnings,
        }),
        "getconnectioncount" => json!(says.peers),
        "getblockhash" if asked.params.get(0) == Some(&json!(0)) => json!(says.genesis),
        "getblockhash" => json!(says.first),
        "getblockheader" => json!(FIRST_HEADER),
        "getblocktemplate" if says.template_fails => return Reply::Error(-1, "out of memory"),
        "getblocktemplate" => json!({}),
        "getzmqnotifications" => {
            let one = |address: &&str| json!({ "type": "pubhashblock", "address": address, "hwm": 1000 });
            json!(says.zmq.iter().map(one).collect::<Vec<_>>())
        }
        "getwalletinfo" if says.locked => json!({ "unlocked_until": 0 }),
        "getwalletinfo" => json!({ "walletname": "" }),
        "validateaddress" => json!({ "isvalid": true, "scriptPubKey": script(text) }),
        "getaddressinfo" => {
            json!({ "ismine": says.owns.iter().any(|address| address == text), "scriptPubKey": script(text) })
        }
        _ => return Reply::Error(-32601, "Method not found"),
    })
}

/// Every address is taken for pay-to-public-key-hash.
fn script(address: &str) -> String {
    let decoded = bs58::decode(address).into_vec().unwrap();
    let hash: String = decoded[1..21].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("76a914{hash}88ac")
}
