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
    let mut heard = Heard::default();
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
        let is_news = heard.take(node, &opinion);
        alarm.send_if_modified(|alarm| {
            let now = heard.alarm();
            now != *alarm && {
                *alarm = now;
                true
            }
        });
        match opinion {
            Opinion::Good if is_news => info!(coin = %name, node, height, "the node would take a block of ours"),
            Opinion::Bad(reason) => {
                error!(coin = %name, node, height, reason, "the node would refuse a block of ours: find out why before one is found");
            }
            Opinion::Unsaid(why) => debug!(coin = %name, node, height, why, "a block of ours was not judged"),
            Opinion::Unable(why) if is_news => {
                info!(coin = %name, node, why, "the node does not judge blocks before they are mined");
            }
            Opinion::Good | Opinion::Unable(_) => {}
        }
    }
}

/// What nodes said of our blocks.
#[derive(Debug, Default)]
struct Heard {
    /// The last node that judged or cannot, and whether it would take our block; `None`: it cannot judge.
    last: Option<(String, Option<bool>)>,
    /// The node that would refuse our block, and its reason.
    refused: Option<(String, String)>,
}

impl Heard {
    /// Takes a node's opinion of the work that is mined on. True if it is another than the last.
    fn take(&mut self, node: &str, opinion: &Opinion) -> bool {
        let verdict = match opinion {
            Opinion::Unsaid(_) => return false,
            Opinion::Good => {
                self.refused = None;
                Some(true)
            }
            Opinion::Bad(reason) => {
                self.refused = Some((node.to_owned(), reason.clone()));
                Some(false)
            }
            Opinion::Unable(_) => {
                // Work of another node is no longer what was refused.
                self.refused = self.refused.take().filter(|(by, _)| by == node);
                None
            }
        };
        let last = Some((node.to_owned(), verdict));
        std::mem::replace(&mut self.last, last.clone()) != last
    }

    fn alarm(&self) -> Option<String> {
        self.refused.as_ref().map(|(node, reason)| format!("{reason} (node {node})"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_until_there_is_a_better_opinion_or_work_of_another_node() {
        let refused = || Opinion::Bad("bad-cb-amount".into());
        let (unable, unsaid) = (|| Opinion::Unable("no".into()), || Opinion::Unsaid("loading".into()));
        let mut heard = Heard::default();
        assert!(heard.take("one", &refused()) && !heard.take("one", &refused()));
        let alarm = Some("bad-cb-amount (node one)".to_owned());
        for (node, opinion) in [("one", unsaid()), ("one", unable()), ("two", unsaid())] {
            heard.take(node, &opinion);
            assert_eq!(heard.alarm(), alarm, "{node} {opinion:?}");
        }
        assert!(heard.take("two", &unable()));
        assert_eq!(heard.alarm(), None, "nobody mines on the work of the first");
        assert!(
            heard.take("one", &refused()) && heard.take("one", &Opinion::Good) && !heard.take("one", &Opinion::Good)
        );
        assert_eq!(heard.alarm(), None);
    }
}
