//! Submits a solved block to all nodes at once and finds out what became of it.
//!
//! The first node that has it in its best chain settles it; a refusal counts only when every node
//! refused for good. A timeout, a broken connection or an undecided answer is no answer: the block is
//! submitted and looked for again. No call here waits for a template call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::nodes::Nodes;
use super::pursuit::{Report, pursue};
use super::verdict::{News, SolvedBlock, Unsettled, Verdict, reason};
use crate::bytes::display_hash;

/// How long the nodes are asked about a block. Then it stays unsettled: long enough for a daemon to
/// be restarted.
pub const SETTLE_MAX: Duration = Duration::from_secs(600);
/// What is told of a block that only nodes on another chain have.
const ELSEWHERE: &str = "not in the best chain";
/// Reports that may wait to be read; a pursuit waits when there are more.
const REPORTS_MAX: usize = 16;

/// A block on its way to all nodes.
pub struct Settling {
    block: Arc<SolvedBlock>,
    nodes: Nodes,
    told: Vec<Told>,
    /// Nodes that got it as their peer, and were not told of yet.
    pushed: Vec<String>,
    reports: mpsc::Receiver<(usize, Report)>,
    /// True: a node has it in its best chain.
    decided: watch::Sender<bool>,
    /// All was told.
    over: bool,
    _pursuits: JoinSet<()>,
}

/// What a node has told so far.
struct Told {
    node: String,
    answer: Option<String>,
    refusal: Option<String>,
}

impl Settling {
    /// Starts to submit `block`. News end within about `total` (normally [`SETTLE_MAX`]). Dropping it
    /// gives the block up.
    pub fn start(nodes: &Nodes, block: SolvedBlock, total: Duration) -> Self {
        let (block, nodes) = (Arc::new(block), nodes.as_now());
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let decided = watch::Sender::new(false);
        // First what never waits: it is in the sockets' hands before the first call is written.
        let all = nodes.all();
        let pushed = all.iter().filter(|node| node.push_block(&block.hex));
        let pushed = pushed.map(|node| node.name().to_owned()).collect();
        let may_be_preferred = nodes.is_first_of_ours(block.height, &block.hash);
        let mut pursuits = JoinSet::new();
        for (index, node) in all.iter().enumerate() {
            let (node, block) = (Arc::clone(node), Arc::clone(&block));
            let decided = decided.subscribe();
            pursuits.spawn(pursue(index, node, block, total, sender.clone(), decided, may_be_preferred));
        }
        let told = |name: &str| Told { node: name.to_owned(), answer: None, refusal: None };
        let told = all.iter().map(|node| told(node.name())).collect();
        Self { block, nodes, told, pushed, reports, decided, over: false, _pursuits: pursuits }
    }

    /// The next news; `None` when nothing can follow any more. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<News> {
        if let Some(node) = self.pushed.pop() {
            return Some(News::Pushed { node });
        }
        // Ends when every pursuit has: each drops its sender.
        while let Some((index, report)) = self.reports.recv().await {
            if let Some(news) = self.news(index, report) {
                return Some(news);
            }
        }
        if std::mem::replace(&mut self.over, true) || *self.decided.borrow() {
            return None;
        }
        Some(self.conclusion())
    }

    fn news(&mut self, index: usize, report: Report) -> Option<News> {
        let told = self.told.get_mut(index)?;
        let node = told.node.clone();
        let (hash, height) = (display_hash(&self.block.hash), self.block.height);
        match report {
            Report::Submitted => Some(News::Submitted { node }),
            Report::Answer(words) => {
                // A node that stays away would fill every log and file.
                if told.answer.as_ref() == Some(&words) {
                    return None;
                }
                told.answer = Some(words.clone());
                Some(News::Answered { node, words })
            }
            Report::Accepted(_) | Report::Unseen(_)
                if self.nodes.all().get(index).is_some_and(|node| node.is_elsewhere()) =>
            {
                tracing::warn!(
                    node,
                    block = hash,
                    height,
                    "a node that is set aside has the block: that decides nothing"
                );
                told.refusal = Some(ELSEWHERE.into());
                None
            }
            Report::Accepted(node_hash) | Report::Unseen(node_hash) => {
                let is_first = !self.decided.send_replace(true);
                is_first.then(|| News::Decided(Verdict { accepted: true, node_hash, reason: String::new() }))
            }
            Report::Refused(words) => {
                tracing::error!(node, words, block = hash, height, "block refused");
                told.refusal = Some(words);
                None
            }
            Report::Silent => {
                tracing::error!(node, block = hash, height, "no word about the block");
                None
            }
        }
    }

    /// What follows from no node having it in its best chain.
    fn conclusion(&self) -> News {
        let refused = self.told.iter().find_map(|told| told.refusal.as_deref()).map(reason);
        let silent: Vec<String> =
            self.told.iter().filter(|told| told.refusal.is_none()).map(|told| told.node.clone()).collect();
        match refused {
            Some(reason) if silent.is_empty() => {
                News::Decided(Verdict { accepted: false, node_hash: self.block.hash, reason })
            }
            refused => News::Open(Unsettled { silent, refused }),
        }
    }
}
