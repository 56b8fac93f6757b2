//! Templates with the quirks of coins that no node here has: facts put together by hand, and every byte of
//! the resulting block read back by code that shares nothing with the daemon.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::chain::form::{AddressForms, ChainForm};
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::work::extranonce::Extranonce2;
use mpos_stratum::work::job::{Choice, Job, JobRecipe};
use mpos_stratum::work::outputs::Recipient;
use mpos_stratum::work::template::Template;
use serde_json::{Value, json};

use crate::reader::{Block, Quirks};
use crate::support::miner::hash::{display, sha256d};
use crate::support::miner::hex;

/// The address of Bitcoin's first block, and the script it stands for.
const ADDRESS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const SCRIPT: &str = "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac";
/// The pool's script.
const POOL: [u8; 3] = [0x51, 0x52, 0x53];

fn form() -> ChainForm {
    let addresses = AddressForms { pubkey_hash: vec![0], script_hash: vec![5], ..AddressForms::default() };
    ChainForm { addresses, template_rules: vec!["segwit".into()], ..ChainForm::default() }
}

/// What every node says, with `more` beside it.
fn answer(more: Value) -> Value {
    let mut answer = json!({
        "version": 0x2000_0000, "previousblockhash": "11".repeat(32), "transactions": [], "coinbasevalue": 5_000_000_000_u64,
        "bits": "1d00ffff", "height": 300_000, "curtime": 1_700_000_000, "mintime": 1_699_999_000,
    });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

/// The block that a miner of this template would find, as somebody else reads it.
fn block(form: &ChainForm, more: Value, quirks: Quirks) -> Block {
    let template = Template::from_json(&answer(more).to_string(), form).unwrap();
    let value = template.coinbase_value;
    let recipe = JobRecipe {
        payout_script: POOL.to_vec(),
        fixed: Vec::new(),
        recipients: vec![Recipient { script: vec![0x54], share_ppm: 10_000 }],
        form: Arc::new(form.clone()),
        text: "/pool/".to_owned(),
        entropy: [1, 2, 3, 4, 5, 6],
        transaction_hash: TransactionHash::Sha256d,
    };
    let job = Job::new(7, 1, Arc::new(template), Arc::new(recipe), Duration::ZERO, 4).unwrap();
    let announcement = job.announcement(4, 0).unwrap();
    let extranonce2 = Extranonce2::from_hex(b"a5a6a7a8", 4).unwrap();
    let choice = Choice { version: 0x2000_0000, time: 1_700_000_001, nonce: 9, vote: 0 };
    let made = job.assemble(&announcement, [0xa1, 0xa2, 0xa3, 0xa4], &extranonce2, choice);
    let bytes = job.block(&made.header, &announcement.coinbase([0xa1, 0xa2, 0xa3, 0xa4], &extranonce2));

    let block = Block::read(&bytes, quirks);
    let coinbase = block.coinbase();
    assert_eq!(coinbase.txid, made.coinbase_txid, "the id is that of the bytes without witness");
    assert_eq!(block.header[36..68], block.merkle_root(), "the header commits to all transactions");
    assert_eq!(coinbase.outputs.iter().map(|output| output.0).sum::<u64>(), value, "all of the value is paid");
    let script = &coinbase.inputs[0].2;
    assert!(script.starts_with(&[3, 0xe0, 0x93, 4]), "the height comes first: {script:?}");
    assert!(script.ends_with(b"\x08\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\x06/pool/"), "{script:?}");
    assert_eq!(coinbase.outputs[0].1, POOL);
    block
}

/// The outputs between the pool's own and the recipient's.
fn payees(block: &Block) -> Vec<(u64, String)> {
    let outputs = &block.coinbase().outputs;
    assert_eq!(outputs.last().unwrap().1, [0x54]);
    outputs[1..outputs.len() - 1].iter().map(|(value, script)| (*value, hex::encode(script))).collect()
}

fn paid(value: u64, script: &str) -> (u64, String) {
    (value, script.to_owned())
}

#[test]
fn w17_dash_of_today() {
    let payload = "02".to_owned() + &"ab".repeat(69);
    let block = block(
        &form(),
        json!({
            "masternode": [
                { "payee": ADDRESS, "script": SCRIPT, "amount": 1_500_000_000_u64 },
                { "payee": "", "script": "6a", "amount": 900_000_000 },
            ],
            "masternode_payments_started": true, "masternode_payments_enforced": true,
            "superblock": [{ "payee": ADDRESS, "script": "a91422a3a9a2f2bb3a9d3ad0b1e6ed2d0c8f6b2a3a9187", "amount": 11 }],
            "superblocks_started": true, "superblocks_enabled": true, "coinbase_payload": payload,
        }),
        Quirks { end: true, ..Quirks::default() },
    );
    let superblock = paid(11, "a91422a3a9a2f2bb3a9d3ad0b1e6ed2d0c8f6b2a3a9187");
    assert_eq!(payees(&block), [paid(1_500_000_000, SCRIPT), paid(900_000_000, "6a"), superblock]);
    let coinbase = block.coinbase();
    assert_eq!((coinbase.version, coinbase.version >> 16, coinbase.version & 0xffff), (0x0005_0003, 5, 3));
    assert_eq!(hex::encode(coinbase.end.as_ref().unwrap()), payload);
    // A hundredth of what the others leave.
    assert_eq!(coinbase.outputs.last().unwrap().0, (5_000_000_000 - 2_400_000_011) / 100);
    assert!(block.rest.is_empty());
}

#[test]
fn dash_before_0_12_1_with_its_votes() {
    let more = json!({
        "payee": ADDRESS, "payee_amount": 1_000_000_000, "masternode_payments": true, "votes": ["aa01", "bb02"],
    });
    let found = block(&form(), more, Quirks::default());
    assert_eq!(payees(&found), [paid(1_000_000_000, SCRIPT)]);
    assert_eq!(hex::encode(&found.rest), "02aa01bb02");
    let unpaid = json!({ "payee": "", "masternode_payments": false, "votes": ["aa01"] });
    assert!(block(&form(), unpaid, Quirks::default()).rest.is_empty());
}

#[test]
fn founders_funds_and_what_is_left_out_of_the_value() {
    let fund = json!({ "founder": { "payee": ADDRESS, "amount": 250_000_000 }, "founder_payments_started": true });
    assert_eq!(payees(&block(&form(), fund.clone(), Quirks::default())), [paid(250_000_000, SCRIPT)]);
    let beside = ChainForm { payees_beside_value: Some(true), ..form() };
    let block = block(&beside, fund, Quirks::default());
    let coinbase = block.coinbase();
    assert_eq!(coinbase.outputs.iter().map(|output| output.0).sum::<u64>(), 5_250_000_000);
    assert_eq!(coinbase.outputs.last().unwrap().0, 50_000_000);
}

#[test]
fn peercoin_with_times_and_an_empty_signature() {
    let form = ChainForm { transaction_time: true, block_signature: true, ..form() };
    let block = block(&form, json!({}), Quirks { time: true, ..Quirks::default() });
    assert_eq!(block.coinbase().time, Some(1_700_000_000));
    assert_eq!(block.rest, [0], "a signature of no bytes");
    // A block must not be older than its transactions.
    let template = Template::from_json(&answer(json!({})).to_string(), &form).unwrap();
    assert_eq!(template.mintime, 1_700_000_000);
}

#[test]
fn florincoin_with_a_text() {
    let form = ChainForm { message: Some("mined at a pool".to_owned()), ..form() };
    let block = block(&form, json!({}), Quirks { end: true, ..Quirks::default() });
    let coinbase = block.coinbase();
    assert_eq!((coinbase.version, coinbase.end.as_deref()), (2, Some(&b"mined at a pool"[..])));
}

#[test]
fn flags_that_must_be_in_the_script() {
    let more = json!({ "coinbaseaux": { "flags": "062f503253482f", "other": "01ff" } });
    let block = block(&form(), more, Quirks::default());
    let script = hex::encode(&block.coinbase().inputs[0].2);
    assert!(script.starts_with("03e09304062f503253482f01ff"), "{script}");
}

#[test]
fn a_lock_time_of_the_height_before() {
    let locked = ChainForm { lock_to_height: true, ..form() };
    let found = block(&locked, json!({}), Quirks::default());
    assert_eq!((found.coinbase().lock_time, found.coinbase().inputs[0].3), (299_999, 0xffff_fffe));
    let found = block(&form(), json!({}), Quirks::default());
    assert_eq!((found.coinbase().lock_time, found.coinbase().inputs[0].3), (0, u32::MAX));
}

#[test]
fn signets_need_a_signature_that_miners_cannot_make() {
    let read = |more| Template::from_json(&answer(more).to_string(), &form());
    assert!(read(json!({ "signet_challenge": "51" })).is_ok(), "anything meets OP_TRUE");
    let error = read(json!({ "signet_challenge": "5121ad" })).unwrap_err().to_string();
    assert!(error.contains("`signet_challenge`") && error.contains("test network"), "{error}");
    let error = read(json!({ "rules": ["csv", "!signet"] })).unwrap_err().to_string();
    assert!(error.contains("\"signet\""), "{error}");
}

#[test]
fn nodes_from_before_bip22_was_final() {
    let mut old = answer(json!({ "time": 1_699_999_999, "target": null, "rules": null, "coinbaseaux": null }));
    for member in ["curtime", "mintime"] {
        old.as_object_mut().unwrap().remove(member);
    }
    let template = Template::from_json(&old.to_string(), &form()).unwrap();
    assert_eq!((template.curtime, template.mintime), (1_699_999_999, 1_699_999_999));
}

/// A payment with a witness: what nodes send of it, its id, and the hash with the witness.
fn payment(number: u32) -> (Value, [u8; 32], [u8; 32]) {
    let mut body = vec![1];
    body.extend(sha256d(&number.to_le_bytes()));
    body.extend([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51]);
    let data = [&[2, 0, 0, 0, 0, 1][..], &body, &[1, 1, 0x51], &[0; 4]].concat();
    let (txid, wtxid) = (sha256d(&[&[2, 0, 0, 0], &body[..], &[0; 4]].concat()), sha256d(&data));
    (json!({ "data": hex::encode(&data), "txid": display(&txid), "hash": display(&wtxid) }), txid, wtxid)
}

#[test]
fn four_thousand_payments_with_witnesses() {
    let payments: Vec<_> = (0..4000).map(payment).collect();
    let list: Vec<&Value> = payments.iter().map(|payment| &payment.0).collect();
    let mut level: Vec<[u8; 32]> = payments.iter().map(|payment| payment.2).collect();
    level.insert(0, [0; 32]);
    while level.len() > 1 {
        let odd = (level.len() % 2 == 1).then(|| *level.last().unwrap());
        level.extend(odd);
        level = level.chunks(2).map(|pair| sha256d(&pair.concat())).collect();
    }
    let commitment = sha256d(&[level[0], [0; 32]].concat());
    let commitment = format!("6a24aa21a9ed{}", hex::encode(&commitment));
    let more = json!({ "transactions": list, "rules": ["!segwit"], "default_witness_commitment": commitment });
    let template = Template::from_json(&answer(more).to_string(), &form()).unwrap();
    let recipe = to_the_pool();
    let job = Job::new(7, 1, Arc::new(template), Arc::new(recipe), Duration::ZERO, 4).unwrap();
    let block = Block::read(&job.proposal(4).unwrap(), Quirks::default());
    assert_eq!(block.transactions.len(), 4001);
    assert_eq!(block.header[36..68], block.merkle_root());
    assert!(block.transactions[1..].iter().zip(&payments).all(|(one, payment)| one.txid == payment.1));
    // The last output is the one that counts, and the coinbase has the witness that goes with it.
    assert_eq!(hex::encode(&block.coinbase().outputs.last().unwrap().1), commitment);
    assert_eq!(block.coinbase().witness, [vec![vec![0; 32]]]);
}

/// All to the pool, by the usual form.
fn to_the_pool() -> JobRecipe {
    JobRecipe {
        payout_script: POOL.to_vec(),
        fixed: Vec::new(),
        recipients: Vec::new(),
        form: Arc::new(form()),
        text: String::new(),
        entropy: [0; 6],
        transaction_hash: TransactionHash::Sha256d,
    }
}

#[test]
fn a_template_too_full_for_the_coinbase_goes_without_its_last_transactions() {
    let payments: Vec<_> = (0..3).map(payment).collect();
    // Each 127 bytes, 5 of them witness: 3 x 122 + 127.
    let list: Vec<Value> = payments
        .iter()
        .map(|payment| {
            let mut one = payment.0.clone();
            let bytes = one["data"].as_str().unwrap().len() / 2;
            (one["fee"], one["weight"]) = (json!(1000), json!(3 * (bytes - 5) + bytes));
            one
        })
        .collect();
    let node = sha256d(&[payments[1].2, payments[2].2].concat());
    let all = sha256d(&[sha256d(&[[0; 32], payments[0].2].concat()), node].concat());
    let commitment = |root: [u8; 32]| format!("6a24aa21a9ed{}", hex::encode(&sha256d(&[root, [0; 32]].concat())));
    let with = |limit: u64| {
        let more = json!({ "transactions": list, "rules": ["!segwit"], "coinbasevalue": 5_000_003_000_u64,
            "default_witness_commitment": commitment(all), "weightlimit": limit });
        Template::from_json(&answer(more).to_string(), &form()).unwrap()
    };
    let made = |limit: u64| {
        let recipe = to_the_pool();
        let job = Job::new(7, 1, Arc::new(with(limit)), Arc::new(recipe), Duration::ZERO, 4).unwrap();
        job.proposal(4).unwrap()
    };
    // What the whole block weighs, by its bytes: witnesses are 5 of each payment and 36 of the coinbase.
    let weight = |block: &[u8], payments: u64| 4 * block.len() as u64 - 3 * (36 + 5 * payments);
    let whole = made(4_000_000);
    let limit = weight(&whole, 3);
    assert_eq!(made(limit), whole, "to the unit");
    let bytes = made(limit - 1);
    assert!(weight(&bytes, 2) < limit);
    let block = Block::read(&bytes, Quirks::default());
    let coinbase = block.coinbase();
    assert_eq!(block.transactions.len(), 3);
    assert_eq!(block.header[36..68], block.merkle_root());
    let last_node = sha256d(&[payments[1].2, payments[1].2].concat());
    let root = sha256d(&[sha256d(&[[0; 32], payments[0].2].concat()), last_node].concat());
    assert_eq!(hex::encode(&coinbase.outputs.last().unwrap().1), commitment(root));
    assert_eq!(coinbase.outputs.iter().map(|output| output.0).sum::<u64>(), 5_000_002_000);
}
