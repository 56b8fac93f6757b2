//! The coin's node: takes every block and counts how often each came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::miner::hash::{display, sha256d};
use crate::support::miner::hex;
use crate::support::scripted_node::{Asked, Reply, ScriptedNode};

/// Submissions, by the block's hash in display form.
type Submissions = Arc<Mutex<HashMap<String, usize>>>;

/// The node, and what it was handed.
pub struct Node {
    /// Where it listens.
    pub scripted: ScriptedNode,
    submissions: Submissions,
    away: Arc<AtomicBool>,
}

impl Node {
    /// Starts one.
    pub async fn start() -> Self {
        let submissions = Submissions::default();
        let away = Arc::new(AtomicBool::new(false));
        let (seen, is_away) = (Arc::clone(&submissions), Arc::clone(&away));
        let scripted = ScriptedNode::start(move |asked| match is_away.load(Ordering::SeqCst) {
            true => Reply::Error(-28, "Loading block index..."),
            false => answer(asked, &seen),
        })
        .await;
        Self { scripted, submissions, away }
    }

    /// Lets it know nothing and take nothing for a while.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it was handed so far.
    pub fn submissions(&self) -> HashMap<String, usize> {
        self.submissions.lock().unwrap().clone()
    }
}

fn answer(asked: &Asked, submissions: &Submissions) -> Reply {
    let hash = asked.params.get(0).and_then(Value::as_str).unwrap_or_default();
    match asked.method.as_str() {
        "submitblock" => {
            let block = hex::decode(hash).expect("a block is hexadecimal");
            let hash = display(&sha256d(&block[..80]));
            let mut submissions = submissions.lock().unwrap();
            let count = submissions.entry(hash).or_insert(0);
            *count += 1;
            Reply::Result(if *count > 1 { json!("duplicate") } else { Value::Null })
        }
        "getblockheader" if submissions.lock().unwrap().contains_key(hash) => {
            Reply::Result(json!({ "confirmations": 1 }))
        }
        "getblockheader" => Reply::Error(-5, "Block not found"),
        _ => Reply::Error(-32601, "Method not found"),
    }
}
