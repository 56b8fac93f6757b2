//! One block and one node: submitted and asked about until the node's word is clear.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::error::RpcError;
use super::nodes::Node;
use super::queries::Place;
use super::rpc::Call;
use super::verdict::SolvedBlock;
use crate::bytes::{Hash, display_hash};

/// How long one submission may take: a node validates a full block within it.
const SUBMIT_MAX: Duration = Duration::from_secs(30);
/// A node that has not answered a submission for so long is asked whether it has the block, and again
/// after every such time: its answer may never come.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// What is told of a node that never answered but has the block.
const UNANSWERED: &str = "no answer, but it has the block in its best chain";
/// Waits between attempts; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// So many attempts to find a block the node said it took; then its word alone counts.
const CONFIRM_MAX: u32 = 3;
/// Where the merkle root lies in the hexadecimal block: behind version and previous hash.
const ROOT_DIGITS: std::ops::Range<usize> = 72..136;

/// What a pursuit tells, any number of answers and at the end one of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// The block is being submitted for the first time.
    Submitted,
    /// The node's words.
    Answer(String),
    /// It is in the node's best chain, under this hash.
    Accepted(Hash),
    /// The node took it, but does not show it, under no name; it is submitted again until it does.
    Unseen(Hash),
    /// The node refused it for good.
    Refused(String),
    /// Time is up without a clear word.
    Silent,
}

/// What a submission's answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// `null`: the node took it.
    Taken,
    /// The node knows it already; where it stands is to be asked.
    Known,
    /// Not decided. With `Some`, these words become a refusal when nothing better comes.
    Open(Option<String>),
    /// Refused for good.
    Refused(String),
}

/// Pursues until there is a clear word, `total` is over, or `decided` says that another node has
/// settled it; a submission that is under way then is carried through and its answer reported. `may_prefer`: no
/// other block of ours has its height.
pub(super) async fn pursue(
    index: usize,
    node: Arc<Node>,
    block: Arc<SolvedBlock>,
    total: Duration,
    reports: mpsc::Sender<(usize, Report)>,
    mut decided: watch::Receiver<bool>,
    may_prefer: bool,
) {
    let until = Instant::now() + total;
    // The sender outlives every pursuit; if not, nobody listens any more.
    let mut elsewhere = async move || drop(decided.wait_for(|&decided| decided).await);
    let mut pursuit = Pursuit { node, block, said: Said::Open(None), side_chain: false, may_prefer, confirms: 0 };
    let mut pauses = PAUSES.iter();
    let mut pause = Duration::ZERO;
    if reports.send((index, Report::Submitted)).await.is_err() {
        return;
    }
    let last = loop {
        if let Some(words) = pursuit.submit_if_open().await
            && reports.send((index, Report::Answer(words))).await.is_err()
        {
            return;
        }
        let found = tokio::select! {
            found = pursuit.look() => found,
            () = elsewhere() => return,
        };
        if let Some(report) = found {
            break report;
        }
        pause = pauses.next().copied().unwrap_or(pause);
        if Instant::now() + pause > until {
            break pursuit.at_the_end();
        }
        tokio::select! {
            () = sleep(pause) => (),
            () = elsewhere() => return,
        }
    };
    let is_unseen = matches!(last, Report::Unseen(_));
    // Nobody listening means that the block was given up.
    if reports.send((index, last)).await.is_ok() && is_unseen {
        pursuit.until_seen(until, index, &reports).await;
    }
}

struct Pursuit {
    node: Arc<Node>,
    block: Arc<SolvedBlock>,
    said: Said,
    /// The node has it beside its best chain.
    side_chain: bool,
    /// The node is yet to be asked to prefer it to a stranger's block of the same work.
    may_prefer: bool,
    /// Attempts to find a block that was taken.
    confirms: u32,
}

impl Pursuit {
    /// Submits while the case is open; returns the answer in words.
    async fn submit_if_open(&mut self) -> Option<String> {
        if !matches!(self.said, Said::Open(_)) {
            return None;
        }
        let answer = tokio::select! {
            answer = self.submit() => answer,
            () = self.appears() => {
                self.said = Said::Known;
                return Some(UNANSWERED.into());
            }
        };
        self.said = meaning(&answer);
        Some(in_words(&answer))
    }

    /// Returns when the block is in the node's best chain.
    async fn appears(&self) {
        loop {
            sleep(LOOK_INTERVAL).await;
            if let Ok(Place::BestChain(_)) = self.node.rpc.place_of(&self.block.hash).await {
                return;
            }
        }
    }

    /// Looks for the block.
    async fn look(&mut self) -> Option<Report> {
        let place = self.node.rpc.place_of(&self.block.hash).await;
        self.side_chain = matches!(place, Ok(Place::SideChain));
        match place {
            Ok(Place::BestChain(_)) => return Some(Report::Accepted(self.block.hash)),
            Ok(Place::SideChain) => {
                self.prefer().await;
                return None;
            }
            Ok(Place::Unknown) if self.said == Said::Taken => {
                if let Some(hash) = self.name_on_node().await {
                    return Some(Report::Accepted(hash));
                }
            }
            Ok(Place::Unknown) => (),
            Err(error) => tracing::warn!(%error, "cannot look for a submitted block"),
        }
        // Asked before that: old nodes call a block refused that reached them by another way.
        if let Said::Refused(reason) = &self.said {
            return Some(Report::Refused(reason.clone()));
        }
        if self.said == Said::Taken {
            self.confirms += 1;
            if self.confirms >= CONFIRM_MAX {
                tracing::warn!(node = self.node.name(), "block was taken, but the node does not show it");
                return Some(Report::Unseen(self.block.hash));
            }
        }
        None
    }

    /// A node that died right after it took the block may come back without it: it gets it again, until it shows it or
    /// knows it, or time is up.
    async fn until_seen(&self, until: Instant, index: usize, reports: &mpsc::Sender<(usize, Report)>) {
        let last = PAUSES.last().copied().unwrap_or_default();
        for pause in PAUSES.into_iter().chain(std::iter::repeat(last)) {
            if Instant::now() + pause > until {
                return;
            }
            sleep(pause).await;
            match self.node.rpc.place_of(&self.block.hash).await {
                Ok(Place::BestChain(_) | Place::SideChain) => return,
                Ok(Place::Unknown) if self.name_on_node().await.is_some() => return,
                Ok(Place::Unknown) => {
                    let answer = self.submit().await;
                    let is_known = meaning(&answer) == Said::Known;
                    if reports.send((index, Report::Answer(in_words(&answer)))).await.is_err() || is_known {
                        return;
                    }
                }
                // It is away.
                Err(_) => (),
            }
        }
    }

    /// Asks the node, once, to build on our block where a stranger's of as much work reached it first: in such a tie
    /// the network is divided, and whoever builds on our block makes it win. A chain with more work is never given up,
    /// nor is an earlier block of ours.
    async fn prefer(&mut self) {
        if !std::mem::take(&mut self.may_prefer) {
            return;
        }
        let params = (display_hash(&self.block.hash),);
        match self.node.rpc.call(Call::new("preciousblock").own_connection(), params).await {
            Ok(_) => tracing::info!(
                node = self.node.name(),
                "the block is beside the best chain: asked to prefer it in a tie"
            ),
            Err(error) => tracing::debug!(%error, "the node cannot be asked to prefer a block"),
        }
    }

    fn at_the_end(&self) -> Report {
        match &self.said {
            _ if self.side_chain => Report::Refused("not in the best chain".into()),
            Said::Taken => Report::Accepted(self.block.hash),
            Said::Open(Some(reason)) | Said::Refused(reason) => Report::Refused(reason.clone()),
            Said::Open(None) | Said::Known => Report::Silent,
        }
    }

    /// `submitblock`, or what came before it (BIP22): `getblocktemplate` with mode `submit`.
    async fn submit(&self) -> Result<Box<RawValue>, RpcError> {
        let (rpc, hex, work_id) = (&self.node.rpc, &*self.block.hex, &self.block.work_id);
        let call = Call::new("submitblock").timeout(SUBMIT_MAX).own_connection();
        let answer = match work_id {
            Some(id) => rpc.call(call, (hex, json!({ "workid": id }))).await,
            None => rpc.call(call, (hex,)).await,
        };
        match answer {
            Err(error) if error.is_method_missing() => {
                let mut request = json!({ "mode": "submit", "data": hex });
                if let (Some(id), Some(request)) = (work_id, request.as_object_mut()) {
                    request.insert("workid".into(), json!(id));
                }
                rpc.call(Call::new("getblocktemplate").timeout(SUBMIT_MAX).own_connection(), json!([request])).await
            }
            answer => answer,
        }
    }

    /// The hash under which the node has a block it took but does not know by our hash: the one at
    /// our height with our merkle root.
    async fn name_on_node(&self) -> Option<Hash> {
        let ours: Hash = crate::bytes::hex::decode_array(self.block.hex.get(ROOT_DIGITS)?.as_bytes())?;
        match self.node.rpc.block_at(self.block.height).await {
            Ok((hash, root)) if root == ours => Some(hash),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "cannot look for a submitted block by its height");
                None
            }
        }
    }
}

fn in_words(answer: &Result<Box<RawValue>, RpcError>) -> String {
    match answer {
        Ok(result) => match serde_json::from_str::<Option<String>>(result.get()) {
            Ok(None) => "accepted".into(),
            Ok(Some(words)) => super::error::words(&words),
            Err(_) => super::error::words(result.get()),
        },
        Err(error) => error.to_string(),
    }
}

/// What an answer to a submission means (BIP22 and what daemons make of it).
fn meaning(answer: &Result<Box<RawValue>, RpcError>) -> Said {
    let result = match answer {
        Ok(result) => result,
        // Could not be decoded (-22), failed verification (-25, -26, -27). Other errors say nothing about the
        // block: safe mode, a full disk.
        Err(RpcError::Node { code: -22 | -25 | -26 | -27, message, .. }) => return Said::Refused(message.clone()),
        // Peercoin and its descendants: either the block fails its check, or the wallet cannot sign it now.
        Err(RpcError::Node { code: -100, message, .. }) if message.to_ascii_lowercase().contains("checkblock") => {
            return Said::Refused(message.clone());
        }
        // The wallet may be unlocked later.
        Err(RpcError::Node { code: -100, .. }) => return Said::Open(None),
        Err(_) => return Said::Open(None),
    };
    let words = match serde_json::from_str::<Option<String>>(result.get()) {
        Ok(None) => return Said::Taken,
        Ok(Some(words)) => words,
        Err(_) => return Said::Open(None),
    };
    // bcoin writes "rejected: duplicate" where Bitcoin writes "duplicate".
    match words.strip_prefix("rejected: ").unwrap_or(&words) {
        "duplicate" => Said::Known,
        "inconclusive" | "duplicate-inconclusive" => Said::Open(None),
        // What may pass: the parent is on its way.
        "prev-blk-not-found" | "bad-prevblk" => Said::Open(Some(words)),
        // Time passes.
        "time-too-new" => Said::Open(None),
        _ => Said::Refused(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(json: &str) -> Said {
        meaning(&Ok(RawValue::from_string(json.into()).unwrap()))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        assert_eq!(answered("null"), Said::Taken);
        assert_eq!(answered("\"duplicate\""), Said::Known);
        assert_eq!(answered("\"rejected: duplicate\""), Said::Known);
        for open in ["\"time-too-new\"", "\"inconclusive\"", "\"duplicate-inconclusive\"", "true", "{}"] {
            assert_eq!(answered(open), Said::Open(None), "{open}");
        }
        assert_eq!(answered("\"prev-blk-not-found\""), Said::Open(Some("prev-blk-not-found".into())));
        assert_eq!(answered("\"rejected: bad-prevblk\""), Said::Open(Some("rejected: bad-prevblk".into())));
        for no in ["high-hash", "duplicate-invalid", "rejected", "bad-txnmrklroot", "stale-prevblk", ""] {
            assert_eq!(answered(&format!("{no:?}")), Said::Refused(no.into()));
        }
    }

    #[test]
    fn only_errors_about_the_block_refuse_it() {
        let said = |code, words: &str| {
            meaning(&Err(RpcError::Node { node: "n".into(), method: "m".into(), code, message: words.into() }))
        };
        let error = |code| said(code, "words");
        assert_eq!(said(-100, "CheckBlock failed"), Said::Refused("CheckBlock failed".into()));
        let locked = "Unable to sign block, wallet locked?";
        assert_eq!(said(-100, locked), Said::Open(None), "it may be unlocked");
        assert_eq!(error(-22), Said::Refused("words".into()));
        for code in [-1, -2, -10, -20, -28, -32603] {
            assert_eq!(error(code), Said::Open(None), "{code}");
        }
        let timeout = RpcError::Timeout { node: "n".into(), method: "m".into(), secs: 30 };
        assert_eq!(meaning(&Err(timeout)), Said::Open(None));
    }
}
