//! Rounds of submitting a block, until the nodes have settled it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::error;

use super::case::Case;
use super::dossier::What;
use super::pursuer::Pursuer;
use crate::node::submitter::{SETTLE_MAX, Settling};
use crate::node::verdict::{News, SolvedBlock, Verdict};

/// Rounds of [`SETTLE_MAX`] for which a block without a clear answer is submitted without a break: an hour in all.
const ROUNDS_MAX: u32 = 6;
/// Then somebody is told, and after each such pause there is another round until the block has a verdict or is closed.
const ROUND_PAUSE: Duration = Duration::from_secs(1200);

impl Pursuer {
    /// Asks the nodes until one of them settles it; what others still say can then be heard.
    pub(super) async fn settle(&self, case: &Arc<Case>, block: &SolvedBlock) -> Option<(Verdict, Settling)> {
        for _ in 0..ROUNDS_MAX {
            let settled = self.round(case, block).await;
            if settled.is_some() {
                return settled;
            }
            // The next life goes on.
            if self.is_stopping() && !self.settings.nodes.is_proven() {
                return None;
            }
        }
        let (height, hash) = case.name();
        let file = self.shelf.bytes_path(&hash);
        error!(coin = %self.settings.coin, height, hash, file = %file.display(), "no node gave a clear answer on a block: it is submitted again from time to time; see why the nodes do not answer, or submit the file's contents by hand");
        None
    }

    /// Submits the block and hears what the nodes say, for [`SETTLE_MAX`] or until one of them settles it.
    ///
    /// It goes to nodes whose chain was not proven yet as well: they may be the right ones, and nothing is worth as much
    /// as time. But they settle nothing: what they say is heard again after the proof.
    async fn round(&self, case: &Arc<Case>, block: &SolvedBlock) -> Option<(Verdict, Settling)> {
        let nodes = &self.settings.nodes;
        case.set_on_its_way(true);
        let mut settling = Settling::start(nodes, block.clone(), SETTLE_MAX);
        if !nodes.is_proven() {
            self.until_proven(case, settling).await;
            if !nodes.is_proven() {
                case.set_on_its_way(false);
                return None;
            }
            settling = Settling::again(nodes, block.clone(), SETTLE_MAX);
        }
        while let Some(news) = settling.next().await {
            match news {
                News::Decided(verdict) => {
                    if verdict.accepted {
                        (self.settings.on_accepted)();
                    }
                    let Verdict { accepted, reason, .. } = verdict.clone();
                    case.note(What::Decided { accepted, reason });
                    return Some((verdict, settling));
                }
                news => note(case, news),
            }
        }
        case.set_on_its_way(false);
        None
    }

    /// Hears what nodes say whose chain is not proven, until it is or there is nothing more to wait for: time is up with
    /// nodes that are silent, or the daemon stops.
    async fn until_proven(&self, case: &Arc<Case>, mut settling: Settling) {
        let heard = async {
            let mut is_open = false;
            while let Some(news) = settling.next().await {
                is_open |= matches!(news, News::Open(_));
                note(case, news);
            }
            if !is_open {
                self.stopped().await;
            }
        };
        tokio::select! {
            () = heard => (),
            () = self.settings.nodes.proven() => (),
        }
    }

    /// Goes on submitting a block that the nodes have not settled, beside the watch over it, which finds out if the
    /// chain has settled it meanwhile. Does not return.
    pub(super) async fn submit_again(&self, case: &Arc<Case>, seq: u64, unsettled: Option<SolvedBlock>) -> Infallible {
        let Some(block) = unsettled else { return pending().await };
        while case.dossier().marked.is_none() {
            let nodes = &self.settings.nodes;
            let is_proven = nodes.is_proven();
            tokio::select! {
                () = sleep(ROUND_PAUSE) => (),
                // What nodes have said so far did not count.
                () = nodes.proven(), if !is_proven => (),
            }
            if case.dossier().marked.is_none()
                && let Some((verdict, settling)) = self.round(case, &block).await
            {
                self.mark_first(case, seq, verdict).await;
                hear_out(case, Some(settling)).await;
            }
        }
        pending().await
    }

    /// Sends a block that was accepted to the nodes that may not have it.
    pub(super) fn spread(&self, case: &Arc<Case>, block: SolvedBlock) -> Settling {
        case.set_on_its_way(true);
        Settling::spread(&self.settings.nodes, block, SETTLE_MAX)
    }
}

/// Notes what happens while a block is submitted.
fn note(case: &Arc<Case>, news: News) {
    match news {
        News::Submitted { node } => case.note(What::Submitted { node }),
        News::Pushed { node } => case.note(What::Pushed { node }),
        News::Answered { node, words } => case.note(What::Answered { node, words }),
        News::Open(unsettled) => case.note(What::Undecided { words: unsettled.to_string() }),
        News::Decided(_) => (),
    }
}

/// Notes what the nodes say that did not settle it, until each has the block or time is up.
pub(super) async fn hear_out(case: &Arc<Case>, settling: Option<Settling>) {
    let Some(mut settling) = settling else { return };
    while let Some(news) = settling.next().await {
        note(case, news);
    }
    case.set_on_its_way(false);
}
