//! Coinbases of every shape, judged by real nodes before there is any work in them (BIP23).

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::bytes::hex;
use mpos_stratum::chain::due::Due;
use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::config::Node;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::proposal::{Opinion, propose};
use mpos_stratum::node::rpc::{Call, Rpc};
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::work::job::{Job, JobRecipe};
use mpos_stratum::work::outputs::{FixedOutput, Recipient};
use mpos_stratum::work::template::Template;
use serde_json::{Value, json};

/// Coinbases tried on each template.
const TRIES: u64 = 60;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.roll(256) as u8).collect()
    }
}

/// A form that all nodes here speak.
fn form() -> ChainForm {
    ChainForm { template_rules: vec!["mweb".into(), "segwit".into()], ..ChainForm::default() }
}

async fn template(node: &Node) -> Template {
    let rpc = Rpc::new(node.clone());
    let request = json!([{ "rules": ["mweb", "segwit"] }]);
    let call = Call::new("getblocktemplate").bytes_max(64 << 20);
    let json: Value = rpc.call_as(call, request).await.unwrap();
    let template = Template::from_json(&json.to_string(), &form()).unwrap();
    assert!(template.particulars.takes_proposals);
    template
}

/// A block of this template by a recipe that the dice choose.
fn block(template: &Template, dice: &mut Dice) -> Vec<u8> {
    let shares = dice.roll(6);
    let recipient = |dice: &mut Dice| {
        let length = 1 + dice.roll(60);
        // OP_RETURN in front: whatever follows is a script.
        let script = [&[0x6a][..], &dice.bytes(length)].concat();
        Recipient { script, share_ppm: dice.roll(160_000) as u32 }
    };
    let fixed = |dice: &mut Dice| {
        let due =
            if dice.roll(2) == 0 { Due::Amount(dice.roll(1000)) } else { Due::SharePpm(dice.roll(50_000) as u32) };
        let scripts = (0..=dice.roll(3)).map(|_| recipient(dice).script).collect();
        FixedOutput { scripts, due, heights: 0..=dice.roll(300) as u32, members: Vec::new() }
    };
    let text: String = (0..dice.roll(33)).map(|_| char::from(b' ' + dice.roll(95) as u8)).collect();
    let recipe = JobRecipe {
        payout_script: [&[0x00, 0x14][..], &dice.bytes(20)].concat(),
        fixed: (0..dice.roll(4)).map(|_| fixed(dice)).collect(),
        recipients: (0..shares).map(|_| recipient(dice)).collect(),
        form: Arc::new(ChainForm { lock_to_height: dice.roll(2) == 1, ..form() }),
        text,
        entropy: dice.bytes(6).try_into().unwrap(),
        transaction_hash: TransactionHash::Sha256d,
    };
    let (serial, size) = (dice.roll(1 << 32) as u32, 2 + dice.roll(7) as u8);
    let job = Job::new(serial, 1, Arc::new(template.clone()), Arc::new(recipe), Duration::ZERO, size).unwrap();
    job.proposal(size).unwrap()
}

/// Every coinbase is good; and the node does look, for it refuses each of `wrong`.
pub async fn judge(node: Node, seed: u64, wrong: &[fn(&mut Template)]) {
    let nodes = Nodes::new(std::slice::from_ref(&node));
    let good = template(&node).await;
    let mut dice = Dice(seed);
    let ask = async |block: &[u8]| propose(&nodes.all()[0], &form(), &hex::encode(block)).await;
    for number in 0..TRIES {
        let block = block(&good, &mut dice);
        assert_eq!(ask(&block).await, Opinion::Good, "{} {seed}/{number}: {}", node.name, hex::encode(&block));
    }
    for (number, spoil) in wrong.iter().enumerate() {
        let mut bad = good.clone();
        spoil(&mut bad);
        let opinion = ask(&block(&bad, &mut dice)).await;
        assert!(matches!(opinion, Opinion::Bad(_)), "{} spoilt by {number}: {opinion:?}", node.name);
    }
    let mut moved = good.clone();
    moved.previous = [7; 32];
    let opinion = ask(&block(&moved, &mut dice)).await;
    assert!(matches!(opinion, Opinion::Unsaid(_)), "{}: {opinion:?}", node.name);
}

pub fn too_much(template: &mut Template) {
    template.coinbase_value += 1;
}

pub fn wrong_target(template: &mut Template) {
    template.bits -= 1;
}

pub fn wrong_height(template: &mut Template) {
    template.height += 1;
}
