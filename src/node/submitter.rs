//! Submits a solved block to all nodes at once and finds out what became of it.
//!
//! The first node that has it in its best chain settles it; a refusal counts only when every node
//! refused for good. A timeout, a broken connection or an undecided answer is no answer: the block is
//! submitted and looked for again, also after a node has settled it, until every node has the block or time is up: the
//! one that took it may be lost, or cut off from the network. A node that comes by a reload meanwhile, be it an old one
//! with another login, gets it as well. No call here waits for a template call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::nodes::{Node, Nodes};
use super::pursuit::{Errand, Report, pursue};
use super::verdict::{News, SolvedBlock, Unsettled, Verdict, reason};
use crate::bytes::display_hash;

/// How long the nodes are asked about a block. Then it stays unsettled: long enough for a daemon to
/// be restarted.
pub const SETTLE_MAX: Duration = Duration::from_secs(600);
/// Reports that may wait to be read; a pursuit waits when there are more.
const REPORTS_MAX: usize = 16;

/// A block on its way to all nodes.
pub struct Settling {
    block: Arc<SolvedBlock>,
    nodes: Nodes,
    changes: watch::Receiver<()>,
    until: Instant,
    looks_first: bool,
    /// All nodes it was pursued on, also those that are gone by now, in the order in which they came.
    told: Vec<Told>,
    /// Nodes that got it as their peer, and were not told of yet.
    pushed: Vec<String>,
    reports: mpsc::Receiver<(usize, Report)>,
    /// For further pursuits while one is under way.
    sender: mpsc::WeakSender<(usize, Report)>,
    /// True: a node has it in its best chain.
    decided: watch::Sender<bool>,
    /// All was told.
    over: bool,
    pursuits: JoinSet<()>,
}

/// What a node has told so far.
struct Told {
    node: Arc<Node>,
    answer: Option<String>,
    refusal: Option<String>,
    /// There is nothing more to be heard of it.
    is_done: bool,
}

impl Told {
    /// Why the node refuses the block, if its word counts.
    fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref().filter(|_| self.node.held_back().is_none())
    }
}

impl Settling {
    /// Starts to submit `block`. News end within about `total` (normally [`SETTLE_MAX`]). Dropping it
    /// gives the block up.
    pub fn start(nodes: &Nodes, block: SolvedBlock, total: Duration) -> Self {
        Self::begin(nodes, block, total, false, false)
    }

    /// The same with a block that nodes may have: each is asked for it before it gets it.
    pub fn again(nodes: &Nodes, block: SolvedBlock, total: Duration) -> Self {
        Self::begin(nodes, block, total, true, false)
    }

    /// The same with a block that was settled: only what the nodes answer is told, nothing is decided.
    pub fn spread(nodes: &Nodes, block: SolvedBlock, total: Duration) -> Self {
        Self::begin(nodes, block, total, true, true)
    }

    fn begin(nodes: &Nodes, block: SolvedBlock, total: Duration, looks_first: bool, is_decided: bool) -> Self {
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let mut settling = Self {
            block: Arc::new(block),
            changes: nodes.changes(),
            nodes: nodes.clone(),
            until: Instant::now() + total,
            looks_first,
            told: Vec::new(),
            pushed: Vec::new(),
            reports,
            sender: sender.downgrade(),
            decided: watch::Sender::new(is_decided),
            over: false,
            pursuits: JoinSet::new(),
        };
        // First what never waits: it is in the sockets' hands before the first call is written.
        let all = nodes.all();
        let pushed = all.iter().filter(|node| node.push_block(&settling.block.hex));
        settling.pushed = pushed.map(|node| node.name().to_owned()).collect();
        settling.pursue_on_new(&sender);
        settling
    }

    /// Begins a pursuit on every node that has none yet.
    fn pursue_on_new(&mut self, reports: &mpsc::Sender<(usize, Report)>) {
        let may_prefer = self.nodes.is_first_of_ours(self.block.height, &self.block.hash);
        for node in self.nodes.all().iter() {
            if self.told.iter().any(|told| Arc::ptr_eq(&told.node, node)) {
                continue;
            }
            let errand = Errand {
                index: self.told.len(),
                node: Arc::clone(node),
                block: Arc::clone(&self.block),
                until: self.until,
                may_prefer,
                looks_first: self.looks_first,
            };
            self.told.push(Told { node: Arc::clone(node), answer: None, refusal: None, is_done: false });
            self.pursuits.spawn(pursue(errand, reports.clone(), self.decided.subscribe()));
        }
    }

    /// The next news; `None` when nothing can follow any more. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<News> {
        if let Some(node) = self.pushed.pop() {
            return Some(News::Pushed { node });
        }
        while self.present().any(|told| !told.is_done) || self.present().next().is_none() {
            tokio::select! {
                report = self.reports.recv() => {
                    // Ends when every pursuit has: each drops its sender.
                    let Some((index, report)) = report else { break };
                    if let Some(news) = self.news(index, report) {
                        return Some(news);
                    }
                }
                // Those of old nodes go on while there is one of the new: a submission may be under way.
                Ok(()) = self.changes.changed() => {
                    if let Some(sender) = self.sender.upgrade() {
                        self.pursue_on_new(&sender);
                    }
                }
            }
        }
        if std::mem::replace(&mut self.over, true) || *self.decided.borrow() {
            return None;
        }
        Some(self.conclusion())
    }

    fn news(&mut self, index: usize, report: Report) -> Option<News> {
        let is_decided = *self.decided.borrow();
        let told = self.told.get_mut(index)?;
        let node = told.node.name().to_owned();
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
            Report::Accepted(_) | Report::Unseen(_) if told.node.is_elsewhere() => {
                tracing::warn!(
                    node,
                    block = hash,
                    height,
                    "a node that is set aside has the block: that decides nothing"
                );
                // Whether its chain is the right one will be known when it is believed again: till then this says nothing.
                told.is_done = true;
                None
            }
            Report::Accepted(node_hash) | Report::Unseen(node_hash) => {
                let is_first = !self.decided.send_replace(true);
                is_first.then(|| News::Decided(Verdict { accepted: true, node_hash, reason: String::new() }))
            }
            Report::Refused(words) if is_decided => {
                tracing::warn!(
                    node,
                    words,
                    block = hash,
                    height,
                    "another node has the block, but this one refuses it"
                );
                None
            }
            Report::Refused(words) => {
                tracing::error!(node, words, block = hash, height, "block refused");
                (told.refusal, told.is_done) = (Some(words), true);
                None
            }
            Report::Silent if is_decided => {
                tracing::warn!(
                    node,
                    block = hash,
                    height,
                    "another node has the block, this one gave no word about it"
                );
                None
            }
            Report::Silent => {
                told.is_done = true;
                tracing::error!(node, block = hash, height, "no word about the block");
                None
            }
        }
    }

    /// What was told by the nodes that there are now: those that a reload has taken away do not count.
    fn present(&self) -> impl Iterator<Item = &Told> {
        let all = self.nodes.all();
        self.told.iter().filter(move |told| all.iter().any(|node| Arc::ptr_eq(node, &told.node)))
    }

    /// What follows from no node having it in its best chain. A node whose chain is not proven to be the coin's, as one that
    /// came by a reload, cannot refuse it.
    fn conclusion(&self) -> News {
        let told: Vec<&Told> = self.present().collect();
        let refused = told.iter().find_map(|told| told.refusal()).map(reason);
        let silent: Vec<String> =
            told.iter().filter(|told| told.refusal().is_none()).map(|told| told.node.name().to_owned()).collect();
        match refused {
            Some(reason) if silent.is_empty() => {
                News::Decided(Verdict { accepted: false, node_hash: self.block.hash, reason })
            }
            refused => News::Open(Unsettled { silent, refused }),
        }
    }
}
