//! Coinbases of every shape at the nodes of these tests.

use mpos_stratum::work::template::Template;
use serde_json::json;

use crate::fuzzing::{judge, too_much, wrong_target};
use crate::support::bcoin::{Bcoin, SEGWIT_HEIGHT};
use crate::support::litecoind::{Litecoin, MWEB_HEIGHT};

fn without_commitment(template: &mut Template) {
    template.witness_commitment = None;
}

fn without_extension_block(template: &mut Template) {
    template.mweb = None;
}

#[tokio::test]
async fn litecoin_takes_every_coinbase() {
    let litecoin = Litecoin::start_at(150).await;
    litecoin.rpc("sendtoaddress", json!([litecoin.new_address().await, 1])).await;
    judge(litecoin.rpc_config(), 1, &[too_much, wrong_target, without_commitment]).await;
}

#[tokio::test]
async fn litecoin_takes_every_coinbase_beside_its_extension_block() {
    let litecoin = Litecoin::start_at(MWEB_HEIGHT + 1).await;
    judge(litecoin.rpc_config(), 2, &[too_much, wrong_target, without_extension_block]).await;
}

#[tokio::test]
async fn bcoin_takes_every_coinbase_before_and_after_segwit() {
    let bcoin = Bcoin::start().await;
    judge(bcoin.rpc_config(), 3, &[too_much]).await;
    bcoin.generate(SEGWIT_HEIGHT).await;
    judge(bcoin.rpc_config(), 4, &[too_much, wrong_target]).await;
}
