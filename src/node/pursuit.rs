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
use super::said::{Said, in_words, meaning};
use super::verdict::SolvedBlock;
use crate::bytes::{Hash, display_hash};

/// How long one submission may take, or longer where the node's timeout is: a node validates a full block within it.
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
/// Longest wait for a node that does not answer, or answers with an error: it may be back any moment, and every second
/// counts then.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// So many attempts to find a block the node said it took; then its word alone counts.
const CONFIRM_MAX: u32 = 3;
/// Where the merkle root lies in the hexadecimal block: behind version and previous hash.
const ROOT_DIGITS: std::ops::Range<usize> = 72..136;

/// What a pursuit tells: any number of answers and at the end one of the others, or nothing where another node has settled
/// it and this one has it somewhere.
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

/// What a pursuit is about.
pub(super) struct Errand {
    /// The node's place among those that are pursued.
    pub(super) index: usize,
    pub(super) node: Arc<Node>,
    pub(super) block: Arc<SolvedBlock>,
    /// When it ends at the latest.
    pub(super) until: Instant,
    /// No other block of ours has its height.
    pub(super) may_prefer: bool,
    /// The node may have it already: it is looked for before it is submitted.
    pub(super) looks_first: bool,
}

/// Pursues until there is a clear word or time is up. Once `decided` says that a node has settled it, it is enough that
/// this one has the block, in whichever chain: until then it gets it all the same, since the other may be lost or alone.
pub(super) async fn pursue(errand: Errand, reports: mpsc::Sender<(usize, Report)>, mut decided: watch::Receiver<bool>) {
    let Errand { index, node, block, until, may_prefer, mut looks_first } = errand;
    // The sender outlives every pursuit; if not, nobody listens any more.
    let mut elsewhere = async move || drop(decided.wait_for(|&decided| decided).await);
    let mut pursuit = Pursuit::new(node, block, may_prefer);
    let mut pauses = Pauses::default();
    let mut is_new = true;
    let last = loop {
        if !std::mem::take(&mut looks_first) {
            if std::mem::take(&mut is_new) && reports.send((index, Report::Submitted)).await.is_err() {
                return;
            }
            if let Some(words) = pursuit.submit_if_open().await
                && reports.send((index, Report::Answer(words))).await.is_err()
            {
                return;
            }
        }
        if let Some(report) = pursuit.look().await {
            break report;
        }
        let pause = pauses.next(pursuit.is_away);
        if Instant::now() + pause > until {
            break pursuit.at_the_end();
        }
        tokio::select! {
            () = sleep(pause) => (),
            () = elsewhere(), if pursuit.has_it() => return,
        }
    };
    let is_unseen = matches!(last, Report::Unseen(_));
    // Nobody listening means that the block was given up.
    if reports.send((index, last)).await.is_ok() && is_unseen {
        pursuit.until_seen(until, index, &reports).await;
    }
}

/// The waits between attempts.
#[derive(Default)]
struct Pauses {
    at: usize,
}

impl Pauses {
    fn next(&mut self, is_away: bool) -> Duration {
        let longest = if is_away { AWAY_PAUSE_MAX } else { Duration::MAX };
        let pause = PAUSES.get(self.at).or(PAUSES.last()).copied().unwrap_or_default();
        if pause < longest {
            self.at += 1;
        }
        pause.min(longest)
    }
}

struct Pursuit {
    node: Arc<Node>,
    block: Arc<SolvedBlock>,
    said: Said,
    /// The node has it beside its best chain.
    side_chain: bool,
    /// The node did not answer last, or with an error.
    is_away: bool,
    /// The node is yet to be asked to prefer it to a stranger's block of the same work.
    may_prefer: bool,
    /// Attempts to find a block that was taken.
    confirms: u32,
    /// Why it could not be looked for, as last logged.
    problem: Option<RpcError>,
}

impl Pursuit {
    fn new(node: Arc<Node>, block: Arc<SolvedBlock>, may_prefer: bool) -> Self {
        let (said, side_chain, is_away, confirms, problem) = (Said::Open(None), false, false, 0, None);
        Self { node, block, said, side_chain, is_away, may_prefer, confirms, problem }
    }

    /// Whether the node has the block by its own word; where is another question.
    fn has_it(&self) -> bool {
        self.side_chain || self.said == Said::Known
    }

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
        self.is_away = answer.is_err() && matches!(self.said, Said::Open(_));
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
        self.is_away = place.is_err() || self.is_away && matches!(self.said, Said::Open(_));
        match place {
            Ok(Place::BestChain(_)) => return Some(Report::Accepted(self.block.hash)),
            Ok(Place::SideChain) => {
                self.prefer().await;
                return None;
            }
            Ok(Place::Unknown) if matches!(self.said, Said::Taken | Said::Known) => {
                if let Some(hash) = self.name_on_node().await {
                    return Some(Report::Accepted(hash));
                }
                if self.said == Said::Known {
                    // It was there and is not any more: the node has lost it.
                    self.said = Said::Open(None);
                }
            }
            Ok(Place::Unknown) => (),
            Err(error) => self.note_problem(error),
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
    async fn until_seen(&mut self, until: Instant, index: usize, reports: &mpsc::Sender<(usize, Report)>) {
        let mut pauses = Pauses::default();
        loop {
            let pause = pauses.next(self.is_away);
            if Instant::now() + pause > until {
                return;
            }
            sleep(pause).await;
            let place = self.node.rpc.place_of(&self.block.hash).await;
            self.is_away = place.is_err();
            match place {
                Ok(Place::BestChain(_) | Place::SideChain) => return,
                Ok(Place::Unknown) if self.name_on_node().await.is_some() => return,
                Ok(Place::Unknown) => {
                    let answer = self.submit().await;
                    self.is_away = answer.is_err();
                    let is_known = meaning(&answer) == Said::Known;
                    if reports.send((index, Report::Answer(in_words(&answer)))).await.is_err() || is_known {
                        return;
                    }
                }
                Err(_) => (),
            }
        }
    }

    /// Logs why the block cannot be looked for; a node that stays away would fill every log.
    fn note_problem(&mut self, error: RpcError) {
        if self.problem.as_ref() != Some(&error) {
            tracing::warn!(%error, "cannot look for a submitted block");
            self.problem = Some(error);
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
        let timeout = submission_max(self.node.timeout());
        let call = Call::new("submitblock").timeout(timeout).own_connection();
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
                rpc.call(Call::new("getblocktemplate").timeout(timeout).own_connection(), json!([request])).await
            }
            answer => answer,
        }
    }

    /// The hash under which the node has a block it took but does not know by our hash: the one at
    /// our height with our merkle root.
    async fn name_on_node(&mut self) -> Option<Hash> {
        let ours: Hash = crate::bytes::hex::decode_array(self.block.hex.get(ROOT_DIGITS)?.as_bytes())?;
        match self.node.rpc.block_at(self.block.height).await {
            Ok((hash, root)) if root == ours => Some(hash),
            Ok(_) => None,
            Err(error) => {
                self.note_problem(error);
                None
            }
        }
    }
}

/// How long a submission to a node may take that has so long for other calls.
fn submission_max(others: Duration) -> Duration {
    SUBMIT_MAX.max(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_away_is_asked_every_other_second_and_one_that_thinks_ever_more_rarely() {
        let waits = |is_away: &[bool]| {
            let mut pauses = Pauses::default();
            is_away.iter().map(|&is_away| pauses.next(is_away).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(&[false; 7]), [100, 500, 2000, 10_000, 30_000, 30_000, 30_000]);
        assert_eq!(waits(&[true; 7]), [100, 500, 2000, 2000, 2000, 2000, 2000]);
        assert_eq!(waits(&[false, false, false, false, true, true]), [100, 500, 2000, 10_000, 2000, 2000]);
    }

    #[test]
    fn a_slow_node_has_as_long_for_a_block_as_for_other_calls() {
        assert_eq!(submission_max(Duration::from_secs(5)), SUBMIT_MAX);
        assert_eq!(submission_max(Duration::from_secs(120)), Duration::from_secs(120));
    }
}
