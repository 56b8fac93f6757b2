//! The room `node/` against real coin daemons, and against a node that misbehaves.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "node/early.rs"]
mod early;
#[path = "node/faults.rs"]
mod faults;
#[path = "node/following.rs"]
mod following;
#[path = "node/opinion.rs"]
mod opinion;
#[path = "node/payout.rs"]
mod payout;
#[path = "node/real.rs"]
mod real;
#[path = "node/settling.rs"]
mod settling;
#[path = "node/sides.rs"]
mod sides;
#[path = "node/standing.rs"]
mod standing;
mod support;
#[path = "node/tips.rs"]
mod tips;

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::clock::SystemClock;
use mpos_stratum::coin::profile::BlockHash;
use mpos_stratum::config::{Node, Templates};
use mpos_stratum::node::chain::Chain;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::submitter::Settling;
use mpos_stratum::node::tip::Work;
use mpos_stratum::node::verdict::{News, SolvedBlock, Unsettled, Verdict};
use mpos_stratum::pow::Algorithm;
use mpos_stratum::work::template::Template;
use tokio::sync::watch;

/// No test waits longer than this for anything.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Rules of Litecoin; for Bitcoin-like nodes the second is one too many, which they ignore.
fn rules() -> Arc<ChainForm> {
    Arc::new(ChainForm { template_rules: vec!["segwit".into(), "mweb".into()], ..ChainForm::default() })
}

/// A chain of sha256d headers; scrypt coins name their blocks by it too.
fn chain() -> Arc<Chain> {
    let (algorithm, block_hash) = (Algorithm::Sha256d, BlockHash::Sha256d);
    Arc::new(Chain { form: rules(), algorithm, block_hash, several_algorithms: false })
}

/// Polling that is quick, or so slow that only long polling or kicks can bring news.
fn templates(poll: Duration, longpoll: bool) -> Templates {
    Templates {
        poll,
        refresh: Duration::from_secs(3600),
        longpoll,
        empty_after: None,
        stale_after: Duration::from_secs(3600),
    }
}

/// Follows nodes by polling alone.
fn follow(nodes: &[Node]) -> Poller {
    let settings = templates(Duration::from_millis(50), false);
    Poller::start(&Nodes::new(nodes), &settings, &chain(), Arc::new(SystemClock::new()))
}

/// Waits for work that is as wanted.
async fn wait_for(work: &mut watch::Receiver<Work>, wanted: impl FnMut(&Work) -> bool) -> Work {
    tokio::time::timeout(WAIT_MAX, work.wait_for(wanted)).await.expect("the work does not come").unwrap().clone()
}

/// Waits for ready work on the block after `height`.
async fn wait_for_tip(work: &mut watch::Receiver<Work>, height: u64) -> (Work, Arc<Template>) {
    let on = |work: &Work| work.template.as_ref().filter(|template| u64::from(template.height) == height + 1).cloned();
    let work = wait_for(work, |work| work.state.is_ready() && on(work).is_some()).await;
    let template = on(&work).unwrap();
    (work, template)
}

/// A block as a solver would hand it in.
fn solved(hash: &str, height: u64, hex: &str) -> SolvedBlock {
    SolvedBlock {
        hash: mpos_stratum::bytes::parse_display_hash(hash).unwrap(),
        height: u32::try_from(height).unwrap(),
        hex: hex.into(),
        work_id: None,
    }
}

/// What became of a submission, and every answer before that with its node.
struct Settled {
    outcome: Result<Verdict, Unsettled>,
    answers: Vec<(String, String)>,
}

/// Submits a block and waits for the decision; what is under way then goes on beside the test.
async fn settle(nodes: &Nodes, block: SolvedBlock, total: Duration) -> Settled {
    let mut settling = Settling::start(nodes, block, total);
    let mut answers = Vec::new();
    let outcome = loop {
        match settling.next().await.expect("no news is a decision") {
            News::Submitted { .. } | News::Pushed { .. } => (),
            News::Answered { node, words } => answers.push((node, words)),
            News::Decided(verdict) => break Ok(verdict),
            News::Open(unsettled) => break Err(unsettled),
        }
    };
    tokio::spawn(async move { while settling.next().await.is_some() {} });
    Settled { outcome, answers }
}
