//! Large and odd blocks, found by a miner of the daemon and taken by a real node.

use serde_json::{Value, json};

use crate::spender;
use crate::stage::{self, Coin, PASSWORD};
use crate::support::daemon::Daemon;
use crate::support::litecoind::Litecoin;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// Somebody's address whose key is in no wallet here, and its script.
const STRANGER: &str = "mvbnrCX3bg1cDRUu8pkecrvP6vQkSLDSou";

#[tokio::test]
async fn three_hundred_payments_with_witnesses_and_three_to_be_paid() {
    let (litecoin, db) = (Litecoin::start().await, MariaDb::shared());
    let anybody = spender::address("rltc");
    let blocks = litecoin.rpc("generatetoaddress", json!([101, anybody])).await;
    let first = litecoin.rpc("getblock", json!([blocks[0], 2])).await;
    let reward = 5_000_000_000;
    let coin = spender::Coin::first_of(first["tx"][0]["txid"].as_str().unwrap(), reward);
    let (divide, coins) = coin.divide(300, 1_000_000);
    assert_eq!(litecoin.rpc("sendrawtransaction", json!([divide])).await, json!(coins[0].txid()));
    litecoin.generate(1).await;
    for coin in &coins {
        litecoin.rpc("sendrawtransaction", json!([coin.divide(1, 50_000).0])).await;
    }

    stage::create_database(&db, "coin_large").await;
    let mut site = Coin::litecoin(&litecoin, &db, "coin_large").await;
    let hash = "33".repeat(20);
    site.nodes += &format!(
        "[[coin.recipient]]\naddress = \"{STRANGER}\"\npercent = 1.5\n[[coin.recipient]]\naddress = \"{hash}\"\npercent = 0.25\n"
    );
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    assert_eq!(job.branch.len(), 9, "300 payments");
    daemon.wait_for_log("the node would take a block of ours").await.unwrap();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    miner.wait_for_new_tip(&job).await.unwrap();
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(share.block_hash()));

    let block = litecoin.rpc("getblock", json!([share.block_hash(), 2])).await;
    let transactions = block["tx"].as_array().unwrap();
    assert_eq!(transactions.len(), 301);
    assert!(transactions.iter().all(|one| one["txid"] != one["hash"]), "every one has a witness");
    let paid = |output: &Value| (output["value"].as_f64().unwrap() * 1e8).round() as u64;
    let outputs = transactions[0]["vout"].as_array().unwrap();
    let value = reward + 300 * 50_000;
    assert_eq!(outputs.iter().map(paid).sum::<u64>(), value, "exactly what the template said");
    assert_eq!((paid(&outputs[1]), paid(&outputs[2])), (value * 15 / 1000, value * 25 / 10_000));
    let script = |output: &Value| output["scriptPubKey"]["hex"].as_str().unwrap().to_owned();
    assert_eq!(script(&outputs[2]), format!("76a914{hash}88ac"));
    // MPOS's wallet sees one entry for the block.
    let seen = litecoin.rpc("listsinceblock", json!([block["previousblockhash"]])).await;
    let ours = |entry: &&Value| entry["blockhash"] == json!(share.block_hash()) && entry["category"] == "immature";
    assert_eq!(seen["transactions"].as_array().unwrap().iter().filter(ours).count(), 1);
}

#[tokio::test]
async fn fixed_outputs_take_turns_from_block_to_block() {
    let (litecoin, db) = (Litecoin::start_at(3).await, MariaDb::shared());
    stage::create_database(&db, "coin_fixed").await;
    let mut site = Coin::litecoin(&litecoin, &db, "coin_fixed").await;
    let other = "33".repeat(20);
    site.nodes += &format!(
        "[[coin.fixed_output]]\naddresses = [\"{STRANGER}\", \"{other}\"]\npercent = 2.5\n\
         [[coin.fixed_output]]\naddresses = [\"script:6a0148\"]\namount = 70000000\nfrom_height = 5\n"
    );
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let stranger = litecoin.rpc("validateaddress", json!([STRANGER])).await["scriptPubKey"].clone();
    let turns = [stranger.as_str().unwrap().to_owned(), format!("76a914{other}88ac")];
    for height in 4..=6 {
        let share = miner.mine(&job, Wanted::Block).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        job = miner.wait_for_new_tip(&job).await.unwrap();
        let block = litecoin.rpc("getblock", json!([share.block_hash(), 2])).await;
        assert_eq!(block["height"], json!(height));
        let outputs = block["tx"][0]["vout"].as_array().unwrap();
        let paid = |output: &Value| (output["value"].as_f64().unwrap() * 1e8).round() as u64;
        let outputs: Vec<(u64, &str)> =
            outputs.iter().map(|output| (paid(output), output["scriptPubKey"]["hex"].as_str().unwrap())).collect();
        // A fortieth of 50 coins, by the evenness of the height; 0.7 coins are burnt from block 5 on.
        let burnt = (height >= 5).then_some((70_000_000, "6a0148"));
        let expected: Vec<_> = [(125_000_000, turns[height % 2].as_str())].into_iter().chain(burnt).collect();
        assert_eq!(outputs[1..=expected.len()], expected, "{height}");
        assert_eq!(outputs[0].0, 5_000_000_000 - expected.iter().map(|output| output.0).sum::<u64>());
    }
}

#[tokio::test]
async fn a_recipient_in_the_pool_s_wallet_stops_the_coin() {
    let (litecoin, db) = (Litecoin::start_at(3).await, MariaDb::shared());
    stage::create_database(&db, "coin_two_outputs").await;
    let mut site = Coin::litecoin(&litecoin, &db, "coin_two_outputs").await;
    let own = litecoin.new_address().await;
    site.nodes += &format!("[[coin.recipient]]\naddress = \"{own}\"\npercent = 1\n");
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    let line = daemon.wait_for_log("belongs to the node's wallet").await.unwrap();
    assert!(line.contains("findblock") && line.contains(&own), "{line}");
    assert!(!daemon.log().iter().any(|line| line.contains("work is available")));
    drop(daemon);
    site.nodes = site
        .nodes
        .replace("recipient", "fixed_output")
        .replace("address = ", "addresses = [")
        .replace("\"\npercent", "\"]\npercent");
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    let line = daemon.wait_for_log("belongs to the node's wallet").await.unwrap();
    assert!(line.contains("fixed output") && line.contains(&own), "{line}");
}

/// Coins with stake take a block's signature only by a key that its coinbase shows: paid to the key itself, not its hash.
#[tokio::test]
async fn a_coin_that_pays_public_keys_pays_the_one_behind_the_address() {
    let (litecoin, db) = (Litecoin::start_at(3).await, MariaDb::shared());
    stage::create_database(&db, "coin_key").await;
    let mut site = Coin::litecoin(&litecoin, &db, "coin_key").await;
    site.keys.push_str("pays_public_key = true\n");
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    miner.wait_for_new_tip(&job).await.unwrap();
    let block = litecoin.rpc("getblock", json!([share.block_hash(), 2])).await;
    let known = litecoin.rpc("getaddressinfo", json!([site.address])).await;
    let key = known["pubkey"].as_str().unwrap();
    let script = &block["tx"][0]["vout"][0]["scriptPubKey"];
    assert_eq!((script["type"].as_str(), script["hex"].as_str()), (Some("pubkey"), Some(&*format!("21{key}ac"))));

    // An address whose key nobody tells cannot be paid so.
    stage::create_database(&db, "coin_no_key").await;
    let mut site = Coin::litecoin(&litecoin, &db, "coin_no_key").await;
    site.keys.push_str("pays_public_key = true\n");
    site.address = STRANGER.to_owned();
    let daemon = Daemon::start(&stage::configuration(&[&site])).unwrap();
    daemon.wait_for_log("nothing is mined until this is put right").await.unwrap();
    assert!(!daemon.log().iter().any(|line| line.contains("work is available")));
}
