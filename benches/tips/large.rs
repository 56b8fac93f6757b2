//! From the answer of `getblocktemplate` to the line that miners get, for large templates: all that happens in this
//! process between the last byte of the one and the first byte of the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mpos_stratum::bytes::{display_hash, hex, sha256::sha256d};
use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::chain::merkle;
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::work::job::{Job, JobRecipe};
use mpos_stratum::work::template::Template;
use serde_json::json;

/// Transactions of a template, and bytes of each: nothing, a usual block, as many as Bitcoin's fullest have, in 1.6 MB.
const SIZES: [(usize, usize); 3] = [(0, 0), (1000, 400), (4000, 400)];
/// How often each is measured.
const ROUNDS: u32 = 101;

/// The text that a node would answer, with segwit and a commitment that fits.
fn answer(count: usize, bytes: usize) -> String {
    let transaction = |number: usize| {
        let mut data = vec![0x5a; bytes];
        data[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
        data
    };
    let transactions: Vec<Vec<u8>> = (0..count).map(transaction).collect();
    let wtxids: Vec<_> = transactions.iter().map(|data| sha256d(data)).collect();
    let entries: Vec<_> = transactions
        .iter()
        .zip(&wtxids)
        .map(|(data, id)| {
            let id = display_hash(id);
            json!({ "data": hex::encode(data), "txid": id, "hash": id, "depends": [], "fee": 1000, "sigops": 4, "weight": 4 * data.len() })
        })
        .collect();
    json!({
        "version": 0x2000_0000, "rules": ["csv", "!segwit", "taproot"], "previousblockhash": "11".repeat(32),
        "transactions": entries, "coinbaseaux": {}, "coinbasevalue": 312_500_000 + 1000 * count, "longpollid": "x",
        "target": format!("00000000ffff{}", "0".repeat(52)), "bits": "1d00ffff", "mintime": 1_700_000_000,
        "curtime": 1_700_000_600, "height": 840_001, "capabilities": ["proposal"],
        "default_witness_commitment": hex::encode(&merkle::witness_commitment(&wtxids)),
    })
    .to_string()
}

/// Prints the medians.
pub fn print() {
    let form = Arc::new(ChainForm { template_rules: vec!["segwit".into()], ..ChainForm::default() });
    let recipe = Arc::new(JobRecipe {
        payout_script: vec![0x51; 25],
        fixed: Vec::new(),
        recipients: Vec::new(),
        form: Arc::clone(&form),
        text: "/mpos-stratum/".into(),
        entropy: [0; 6],
        transaction_hash: TransactionHash::Sha256d,
    });
    println!("{:<13} {:>10} {:>10} {:>10} {:>13}", "transactions", "answer kB", "read ms", "job ms", "together ms");
    for (count, bytes) in SIZES {
        let text = answer(count, bytes);
        let (mut read, mut made) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let start = Instant::now();
            let template = Arc::new(Template::from_json(&text, &form).unwrap());
            let between = Instant::now();
            let job = Job::new(round, 1, template, Arc::clone(&recipe), Duration::ZERO, 8).unwrap();
            let line = Arc::clone(&job.announcement(8, 0).unwrap().notify_clean);
            made.push(between.elapsed());
            read.push(between.duration_since(start));
            assert!(line.ends_with(b"true]}\n"));
        }
        let [read, made] = [read, made].map(median_ms);
        println!("{count:<13} {:>10} {read:>10.2} {made:>10.2} {:>13.2}", text.len() / 1000, read + made);
    }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
