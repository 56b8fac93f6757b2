//! Our own block, judged by the node once per tip, long before one is found.
//!
//! The block of the tip's first job, without proof of work, goes to the node whose template it is (BIP23
//! proposal mode). It is asked a moment after the miners have their work, on a connection of its own and
//! for one block at a time, so that a solved block never waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error, info};

use crate::bytes::hex;
use crate::config::Coin;
use crate::node::nodes::Nodes;
use crate::node::proposal::{Opinion, propose};
use crate::work::job::Job;

/// How long after a new tip its block is proposed: the first moments of a tip are for miners and, if
/// the tip is ours, for the block that made it. A tip that does not last so long is not asked about.
const PAUSE: Duration = Duration::from_secs(1);

/// The first job of a tip and the node its template is from.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The job.
    pub job: Arc<Job>,
    /// The node's name.
    pub node: String,
    /// Size of the miner's part of the extranonce.
    pub extranonce2_bytes: u8,
}

/// Proposes blocks until the sender of `tips` is gone. `alarm` holds what the node said against the last
/// block it judged.
pub async fn run(
    coin: Arc<Coin>,
    nodes: Nodes,
    mut tips: watch::Receiver<Option<Proposal>>,
    alarm: watch::Sender<Option<String>>,
) {
    let (mut was_good, mut was_unable) = (false, false);
    while tips.changed().await.is_ok() {
        let Some(proposal) = tips.borrow_and_update().clone() else { continue };
        let asked = async {
            sleep(PAUSE).await;
            ask(&coin, &nodes, &proposal).await
        };
        let opinion = tokio::select! {
            opinion = asked => opinion,
            // The next tip: nobody needs the answer any more.
            _ = superseded(&tips) => continue,
        };
        let (name, node, height) = (&coin.name, &proposal.node, proposal.job.template.height);
        match opinion {
            Opinion::Good => {
                if !std::mem::replace(&mut was_good, true) {
                    info!(coin = %name, node, height, "the node would take a block of ours");
                }
                alarm.send_replace(None);
            }
            Opinion::Bad(reason) => {
                was_good = false;
                error!(coin = %name, node, height, reason, "the node would refuse a block of ours: find out why before one is found");
                alarm.send_replace(Some(reason));
            }
            Opinion::Unsaid(why) => debug!(coin = %name, node, height, why, "a block of ours was not judged"),
            Opinion::Unable(_) if was_unable => {}
            Opinion::Unable(why) => {
                was_unable = true;
                info!(coin = %name, node, why, "the node does not judge blocks before they are mined");
            }
        }
    }
}

async fn superseded(tips: &watch::Receiver<Option<Proposal>>) {
    let mut tips = tips.clone();
    if tips.changed().await.is_err() {
        std::future::pending().await
    }
}

async fn ask(coin: &Coin, nodes: &Nodes, proposal: &Proposal) -> Opinion {
    let nodes = nodes.all();
    let Some(node) = nodes.iter().find(|node| node.name() == proposal.node) else {
        return Opinion::Unsaid("its node is not there any more".to_owned());
    };
    if coin.profile.pays_public_key {
        // It would name the missing signature, and an alarm would be wrong.
        return Opinion::Unable("it signs blocks when they are handed in, and refuses those without".to_owned());
    }
    if !proposal.job.template.particulars.takes_proposals {
        return Opinion::Unable("its templates do not say so".to_owned());
    }
    match proposal.job.proposal(proposal.extranonce2_bytes) {
        Ok(block) => propose(node, &coin.profile.form, &hex::encode(&block)).await,
        Err(error) => Opinion::Bad(error.to_string()),
    }
}
