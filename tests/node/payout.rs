//! The payout address, as real daemons see it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpos_stratum::bytes::hex;
use mpos_stratum::chain::destination::Destination;
use mpos_stratum::config::{self, Coin};
use mpos_stratum::node::nodes::Fit;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::payout::{PayoutError, check_payout};
use mpos_stratum::node::rpc::{Call, Rpc};
use mpos_stratum::service::payout::{confirm, wallets_own};
use serde_json::{Value, json};

use crate::support::bcoin::Bcoin;
use crate::support::litecoind::Litecoin;
use crate::support::scripted_node::{Reply, ScriptedNode};

#[tokio::test]
async fn litecoin_says_whose_address_it_is() {
    let litecoin = Litecoin::start().await;
    let nodes = Nodes::new(&[litecoin.peer.rpc_config(), litecoin.rpc_config()]);
    for form in ["legacy", "p2sh-segwit", "bech32"] {
        let address = litecoin.rpc("getnewaddress", json!(["", form])).await;
        let check = check_payout(&nodes, address.as_str().unwrap(), None).await.unwrap();
        let info = litecoin.rpc("getaddressinfo", json!([address])).await;
        assert_eq!(Some(mpos_stratum::bytes::hex::encode(&check.script).as_str()), info["scriptPubKey"].as_str());
        assert_eq!(check.owned, Some(true), "{form}");
    }
    // Somebody else's; and without a wallet nobody knows.
    let stranger = "mvbnrCX3bg1cDRUu8pkecrvP6vQkSLDSou";
    assert_eq!(check_payout(&nodes, stranger, None).await.unwrap().owned, Some(false));
    let without = Nodes::new(&[litecoin.peer.rpc_config()]);
    assert_eq!(check_payout(&without, stranger, None).await.unwrap().owned, None);

    let inside = litecoin.rpc("getnewaddress", json!(["", "mweb"])).await;
    let error = check_payout(&nodes, inside.as_str().unwrap(), None).await.unwrap_err();
    assert!(matches!(error, PayoutError::Mweb(_)), "{error}");
    for wrong in ["", "x", "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"] {
        let error = check_payout(&nodes, wrong, None).await.unwrap_err();
        assert!(matches!(error, PayoutError::Invalid(_)), "{wrong}: {error}");
    }
    assert!(matches!(check_payout(&Nodes::new(&[]), "x", None).await, Err(PayoutError::NoNode)));
}

#[tokio::test]
async fn of_several_wallets_the_one_that_is_named_is_asked() {
    let litecoin = Litecoin::start().await;
    litecoin.rpc("createwallet", json!(["the pool's"])).await;
    let mut named = litecoin.rpc_config();
    named.ways.wallet = Some("the pool's".to_owned());
    let new_address = Rpc::new(named.clone()).call_as(Call::new("getnewaddress"), json!([])).await;
    let address: String = new_address.unwrap();
    for (node, owned) in [(litecoin.rpc_config(), None), (named, Some(true))] {
        assert_eq!(check_payout(&Nodes::new(&[node]), &address, None).await.unwrap().owned, owned);
    }
}

#[tokio::test]
async fn bcoin_gives_a_script_without_a_wallet() {
    let bcoin = Bcoin::start().await;
    let check = check_payout(&Nodes::new(&[bcoin.rpc_config()]), &bcoin.new_address(), None).await.unwrap();
    assert_eq!(mpos_stratum::bytes::hex::encode(&check.script), "0014".to_owned() + &"11".repeat(20));
}

/// The key of BIP173's examples, its address on Bitcoin's main network, and the script that pays it.
const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ADDRESS: &str = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
const SCRIPT: &str = "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac";

/// A node that answers `validateaddress` so, and knows no `getaddressinfo`.
async fn node_saying(about: Value) -> ScriptedNode {
    let reply = move |method: &str| match method {
        "validateaddress" => Reply::Result(about.clone()),
        _ => Reply::Error(-32601, "Method not found"),
    };
    ScriptedNode::start(move |asked| reply(&asked.method)).await
}

#[tokio::test]
async fn a_node_that_names_no_script_is_read_by_the_key_or_by_ourselves() {
    // NovaCoin and coins of 2014 answer so.
    let with_key = json!({ "isvalid": true, "ismine": true, "isscript": false, "pubkey": KEY });
    let without = json!({ "isvalid": true, "ismine": true });
    let script_hash = json!({ "isvalid": true, "ismine": true, "isscript": true, "pubkey": KEY });
    let own = hex::decode(SCRIPT.as_bytes()).unwrap();
    for (about, address, own, script) in [
        (&with_key, ADDRESS, None, Some(SCRIPT)),
        (&with_key, ADDRESS, Some(&own), Some(SCRIPT)),
        (&without, ADDRESS, Some(&own), Some(SCRIPT)),
        (&without, ADDRESS, None, None),
        (&script_hash, ADDRESS, None, None),
        // Our own reading is wrong then: the coin's `addresses` are.
        (&script_hash, ADDRESS, Some(&own), None),
        // The key is another address's: nobody may be paid by it.
        (&with_key, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", None, None),
    ] {
        let node = node_saying(about.clone()).await;
        let checked = check_payout(&Nodes::new(&[node.rpc_config()]), address, own.map(Vec::as_slice)).await;
        match (checked, script) {
            (Ok(checked), Some(script)) => {
                assert_eq!((hex::encode(&checked.script).as_str(), checked.owned), (script, Some(true)), "{about}");
                let key = about.get("pubkey").and_then(Value::as_str);
                assert_eq!(checked.public_key.as_deref().map(hex::encode).as_deref(), key);
            }
            (Err(error @ PayoutError::NoScript(_)), None) => {
                assert!(error.to_string().contains("40 hexadecimal digits"), "{error}");
            }
            (checked, _) => panic!("{about}: {checked:?}"),
        }
    }
}

#[tokio::test]
async fn a_node_that_is_another_coins_is_not_asked() {
    let other = node_saying(json!({ "isvalid": true, "scriptPubKey": "51", "ismine": true })).await;
    let right = node_saying(json!({ "isvalid": true, "scriptPubKey": SCRIPT, "ismine": false })).await;
    let nodes = Nodes::new(&[other.rpc_config(), right.rpc_config()]);
    nodes.all()[0].set_fit(Fit::Misfit { reason: "another coin's".into() });
    let check = check_payout(&nodes, ADDRESS, None).await.unwrap();
    assert_eq!((hex::encode(&check.script).as_str(), check.owned), (SCRIPT, Some(false)));
    assert_eq!(other.calls(), 0);
    nodes.all()[1].set_fit(Fit::Misfit { reason: "another coin's too".into() });
    assert!(matches!(check_payout(&nodes, ADDRESS, None).await, Err(PayoutError::NoNode)));
}

/// A coin of Bitcoin's that pays a recipient beside the pool.
fn coin_with_recipient() -> Arc<Coin> {
    let text = format!(
        "[[coin]]\nname = \"bitcoin\"\npreset = \"bitcoin\"\npayout_address = \"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\"\n\
         fallback_worker = \"pool.fallback\"\n[[coin.recipient]]\naddress = \"{ADDRESS}\"\npercent = 1\n\
         [[coin.node]]\nurl = \"http://127.0.0.1:8332\"\nuser = \"rpc\"\npassword = \"secret\"\n\
         [[coin.port]]\nlisten = \"127.0.0.1:0\"\ndifficulty = 1\n\
         [coin.mpos]\nuser = \"mpos\"\npassword = \"secret\"\ndatabase = \"mpos\"\n"
    );
    Arc::clone(&config::parse(Path::new("pool.toml"), text).unwrap().coins[0])
}

#[tokio::test]
async fn a_recipient_whom_no_wallet_knows_is_told_of_and_asked_about_again() {
    let knows = Arc::new(AtomicBool::new(false));
    let known = Arc::clone(&knows);
    let node = ScriptedNode::start(move |asked| match asked.method.as_str() {
        "validateaddress" => {
            let is_recipient = asked.params[0] == ADDRESS;
            let script = if is_recipient { SCRIPT } else { "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac" };
            let mut about = json!({ "isvalid": true, "scriptPubKey": script });
            if known.load(Ordering::SeqCst) {
                about["ismine"] = json!(true);
            }
            Reply::Result(about)
        }
        _ => Reply::Error(-32601, "Method not found"),
    })
    .await;
    let (coin, nodes) = (coin_with_recipient(), Nodes::new(&[node.rpc_config()]));
    let warnings = confirm(&coin, &nodes).await.unwrap().warnings;
    let of_recipient = format!("recipient {ADDRESS}");
    assert!(
        warnings.iter().any(|warning| warning.contains(&of_recipient) && warning.contains("findblock")),
        "{warnings:?}"
    );
    assert_eq!(wallets_own(&coin, &nodes).await, Vec::<String>::new());
    // The wallet is loaded later, and it is the pool's.
    knows.store(true, Ordering::SeqCst);
    let problems = wallets_own(&coin, &nodes).await;
    assert!(matches!(problems.as_slice(), [problem] if problem.contains(&of_recipient)), "{problems:?}");
    assert!(confirm(&coin, &nodes).await.is_err());
}

#[tokio::test]
async fn an_address_that_anybody_could_spend_is_refused_also_by_the_nodes_word() {
    let node = node_saying(json!({ "isvalid": true, "scriptPubKey": "5202751e", "ismine": true })).await;
    // Of a form that our profile does not know.
    let coin = Coin {
        payout_address: "tb9unknown".to_owned(),
        payout: Destination::Address("tb9unknown".to_owned()),
        ..Coin::clone(&coin_with_recipient())
    };
    let problem = confirm(&Arc::new(coin), &Nodes::new(&[node.rpc_config()])).await.unwrap_err();
    assert!(problem.contains("witness version 2") && problem.contains("anybody could spend"), "{problem}");
}
