//! The payout address, as real daemons see it.

use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::payout::{PayoutError, check_payout};
use mpos_stratum::node::rpc::{Call, Rpc};
use serde_json::json;

use crate::support::bcoin::Bcoin;
use crate::support::litecoind::Litecoin;

#[tokio::test]
async fn litecoin_says_whose_address_it_is() {
    let litecoin = Litecoin::start().await;
    let nodes = Nodes::new(&[litecoin.peer.rpc_config(), litecoin.rpc_config()]);
    for form in ["legacy", "p2sh-segwit", "bech32"] {
        let address = litecoin.rpc("getnewaddress", json!(["", form])).await;
        let check = check_payout(&nodes, address.as_str().unwrap()).await.unwrap();
        let info = litecoin.rpc("getaddressinfo", json!([address])).await;
        assert_eq!(Some(mpos_stratum::bytes::hex::encode(&check.script).as_str()), info["scriptPubKey"].as_str());
        assert_eq!(check.owned, Some(true), "{form}");
    }
    // Somebody else's; and without a wallet nobody knows.
    let stranger = "mvbnrCX3bg1cDRUu8pkecrvP6vQkSLDSou";
    assert_eq!(check_payout(&nodes, stranger).await.unwrap().owned, Some(false));
    let without = Nodes::new(&[litecoin.peer.rpc_config()]);
    assert_eq!(check_payout(&without, stranger).await.unwrap().owned, None);

    let inside = litecoin.rpc("getnewaddress", json!(["", "mweb"])).await;
    let error = check_payout(&nodes, inside.as_str().unwrap()).await.unwrap_err();
    assert!(matches!(error, PayoutError::Mweb(_)), "{error}");
    for wrong in ["", "x", "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"] {
        let error = check_payout(&nodes, wrong).await.unwrap_err();
        assert!(matches!(error, PayoutError::Invalid(_)), "{wrong}: {error}");
    }
    assert!(matches!(check_payout(&Nodes::new(&[]), "x").await, Err(PayoutError::NoNode)));
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
        assert_eq!(check_payout(&Nodes::new(&[node]), &address).await.unwrap().owned, owned);
    }
}

#[tokio::test]
async fn bcoin_gives_a_script_without_a_wallet() {
    let bcoin = Bcoin::start().await;
    let check = check_payout(&Nodes::new(&[bcoin.rpc_config()]), &bcoin.new_address()).await.unwrap();
    assert_eq!(mpos_stratum::bytes::hex::encode(&check.script), "0014".to_owned() + &"11".repeat(20));
}
