//! Submits a solved block to all nodes at once and finds out what became of it.
//!
//! The first node that has it in its best chain settles it; a refusal counts only when every node
//! refused for good. A timeout, a broken connection or an undecided answer is no answer: the block is
//! submitted and looked for again. No call here waits for a template call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::nodes::Nodes;
use super::pursuit::{Report, pursue};
use super::verdict::{NodeAnswer, SolvedBlock, Unsettled, Verdict, reason};
use crate::bytes::display_hash;
use crate::clock::Clock;

/// How long the nodes are asked about a block. Then it stays unsettled: long enough for a daemon to
/// be restarted.
pub const SETTLE_MAX: Duration = Duration::from_secs(600);
/// Reports that may wait to be read; a pursuit waits when there are more.
const REPORTS_MAX: usize = 16;
/// Most answers kept in a verdict; later ones are only logged.
const ANSWERS_MAX: usize = 64;

/// Submits `block` and returns what the nodes made of it, within about `total` (normally
/// [`SETTLE_MAX`]). Submissions that are under way when it is settled are carried through. Dropping
/// the future gives the block up.
pub async fn settle(
    nodes: &Nodes,
    block: SolvedBlock,
    clock: &dyn Clock,
    total: Duration,
) -> Result<Verdict, Unsettled> {
    let block = Arc::new(block);
    let (sender, mut reports) = mpsc::channel(REPORTS_MAX);
    let mut pursuits = JoinSet::new();
    for (index, node) in nodes.all().iter().enumerate() {
        pursuits.spawn(pursue(index, Arc::clone(node), Arc::clone(&block), total, sender.clone()));
    }
    drop(sender);
    let name = |index: usize| nodes.all().get(index).map_or_else(String::new, |node| node.name().to_owned());
    let mut answers: Vec<NodeAnswer> = Vec::new();
    let mut refusals: Vec<Option<String>> = vec![None; nodes.all().len()];
    // Ends when every pursuit has: each drops its sender.
    while let Some((index, report)) = reports.recv().await {
        let node = name(index);
        match report {
            Report::Answer(answer) => {
                tracing::info!(
                    node,
                    answer,
                    block = display_hash(&block.hash),
                    height = block.height,
                    "block submitted"
                );
                let told = answers.iter().rev().find(|told| told.node == node);
                if answers.len() < ANSWERS_MAX && told.is_none_or(|told| told.answer != answer) {
                    answers.push(NodeAnswer { node, answer, at: clock.monotonic() });
                }
            }
            Report::Accepted(node_hash) => {
                pursuits.detach_all();
                tracing::info!(
                    node,
                    block = display_hash(&node_hash),
                    height = block.height,
                    "block is in the best chain"
                );
                return Ok(Verdict { accepted: true, node_hash, reason: String::new(), answers });
            }
            Report::Refused(words) => {
                tracing::error!(node, words, block = display_hash(&block.hash), height = block.height, "block refused");
                if let Some(slot) = refusals.get_mut(index) {
                    *slot = Some(words);
                }
            }
            Report::Silent => tracing::error!(node, block = display_hash(&block.hash), "no word about the block"),
        }
    }
    let refused = refusals.iter().flatten().next().map(|words| reason(words));
    let silent: Vec<String> =
        refusals.iter().enumerate().filter(|(_, words)| words.is_none()).map(|(index, _)| name(index)).collect();
    match refused {
        Some(reason) if silent.is_empty() => Ok(Verdict { accepted: false, node_hash: block.hash, reason, answers }),
        refused => Err(Unsettled { silent, refused, answers }),
    }
}
