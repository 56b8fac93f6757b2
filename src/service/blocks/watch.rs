//! A block after its verdict: looked at from time to time, and its row corrected when its fate changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::error;

use super::case::Case;
use super::course::{self, WATCH_MAX};
use super::dossier::What;
use super::pursuer::Pursuer;
use super::shelf::DOSSIERS_MAX;
use crate::bytes::display_hash;
use crate::ledger::record::{Event, VerdictRecord};
use crate::node::standing::{Standing, standing};
use crate::node::verdict::Verdict;

/// Most blocks that are looked at again at once. Beyond it a block is closed with its verdict.
const WATCHED_MAX: usize = DOSSIERS_MAX;

impl Pursuer {
    /// Has a verdict on the ledger's disk.
    pub(super) async fn mark(&self, case: &Arc<Case>, candidate: u64, verdict: Verdict) {
        let Some(written_hash) = case.dossier().own_hash() else { return };
        let Verdict { accepted, node_hash, reason } = verdict;
        let event =
            Event::Verdict(VerdictRecord { candidate, written_hash, accepted, node_hash, reason: reason.clone() });
        // None: the ledger is closed. The next start looks at the block again.
        let Some(seq) = self.append(&event).await else { return };
        self.settings.ledger.sync_now();
        self.settings.ledger.wait_synced(seq).await;
        let shown = display_hash(&node_hash);
        let node_hash = (accepted && node_hash != written_hash).then_some(shown);
        case.note(What::Marked { seq, accepted, reason, node_hash });
    }

    /// Looks at the block until it is buried.
    pub(super) async fn watch(&self, case: &Arc<Case>, candidate: u64) {
        if self.open().len() > WATCHED_MAX {
            case.note(What::Closed { because: "too many blocks are being watched".to_owned() });
            return;
        }
        let Some(mut sought) = case.dossier().sought() else { return };
        // One that was taken up again has waited long enough.
        let mut is_kept = true;
        let mut is_first = case.dossier().steps.iter().any(|step| step.what == What::Resumed);
        loop {
            let since_change = Duration::from_millis(self.unix_ms().saturating_sub(case.dossier().changed_ms()));
            if !std::mem::take(&mut is_first) {
                let pause = course::pause(&case.dossier(), since_change);
                sleep(pause).await;
            }
            let finding = standing(&self.settings.nodes, &sought).await;
            let Some((node, place)) = finding.clear else {
                note_unclear(case, &finding.unclear);
                if self.unix_ms().saturating_sub(case.dossier().found_ms()) > millis(WATCH_MAX) {
                    let (height, hash) = case.name();
                    error!(coin = %self.settings.coin, height, hash, "no node knows the height of a block for {} days: its dossier is closed", WATCH_MAX.as_secs() / 86_400);
                    case.note(What::Closed { because: "no node has a clear word".to_owned() });
                    return;
                }
                continue;
            };
            // A node that has it in its best chain has its bytes; of a block that was only taken, or refused, they are
            // all there is.
            if is_kept && matches!(place, Standing::InChain { .. }) && case.save().await {
                self.shelf.remove_bytes(&case.name().1);
                is_kept = false;
            }
            case.note(course::step(node, &place));
            let outcome = course::judge(&case.dossier(), &place, self.settings.confirmations);
            if let Some(verdict) = outcome.verdict {
                self.mark(case, candidate, verdict).await;
                sought = case.dossier().sought().unwrap_or(sought);
            }
            if let Some(state) = outcome.closed {
                let mut dossier = case.dossier();
                dossier.state = state.unwrap_or(dossier.state);
                drop(dossier);
                case.note(What::Closed { because: format!("{} confirmations", self.settings.confirmations) });
                return;
            }
        }
    }
}

/// Notes that nobody has a clear word, once.
fn note_unclear(case: &Arc<Case>, unclear: &[(String, String)]) {
    let is_news = !matches!(case.dossier().steps.last().map(|step| &step.what), Some(What::Unclear { .. }));
    if is_news {
        let words: Vec<String> = unclear.iter().map(|(node, words)| format!("{node}: {words}")).collect();
        case.note(What::Unclear { words: words.join("; ") });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
