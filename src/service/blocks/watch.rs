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
/// Most blocks of a coin about which the nodes are asked at the same time; others wait their turn. Nodes refuse calls when
/// many come at once, and a block that is being submitted must not be among these.
pub(super) const LOOKS_MAX: usize = 8;

impl Pursuer {
    /// Has the first verdict on the ledger's disk, unless the watch has found one meanwhile: that is newer.
    pub(super) async fn mark_first(&self, case: &Arc<Case>, candidate: u64, verdict: Verdict) {
        let _one = case.marking.lock().await;
        if case.dossier().marked.is_none() {
            self.write_verdict(case, candidate, verdict).await;
        }
    }

    /// Has a verdict on the ledger's disk that follows from a look at a block as `before` has it: nothing if somebody else
    /// has marked it meanwhile. The next look judges anew.
    async fn mark_again(&self, case: &Arc<Case>, candidate: u64, verdict: Verdict, before: Option<bool>) {
        let _one = case.marking.lock().await;
        if case.dossier().marked == before {
            self.write_verdict(case, candidate, verdict).await;
        }
    }

    async fn write_verdict(&self, case: &Arc<Case>, candidate: u64, verdict: Verdict) {
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

    /// Whether the file with its bytes is of no use any more. A node that has it in its best chain has its bytes; of a
    /// block that was only taken, or refused, they are all there is. But that node may be lost while others do not have
    /// the block yet.
    fn is_safe(&self, case: &Case, place: &Standing) -> bool {
        match place {
            Standing::InChain { confirmations, .. } => {
                !case.is_on_its_way() || *confirmations >= self.settings.confirmations
            }
            Standing::Replaced { .. } => false,
        }
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
            let finding = {
                // Never closed; if it were, looks would merely not be counted.
                let _turn = self.looks.acquire().await;
                standing(&self.settings.nodes, &sought).await
            };
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
            if is_kept && self.is_safe(case, &place) && case.save().await {
                self.shelf.remove_bytes(&case.name().1);
                is_kept = false;
            }
            case.note(course::step(node, &place));
            let (before, outcome) = {
                let dossier = case.dossier();
                (dossier.marked, course::judge(&dossier, &place, self.settings.confirmations))
            };
            if let Some(verdict) = outcome.verdict {
                self.mark_again(case, candidate, verdict, before).await;
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::dossier::tests::dossier;
    use super::super::dossier::{Dossier, State, Step};
    use super::super::{Estate, Settings};
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::config::secret::Secret;
    use crate::config::{self, NodeLogin, NodeWays};
    use crate::ledger::handle::Ledger;
    use crate::ledger::tests::config as ledger_config;
    use crate::node::nodes::Nodes;

    /// Puts open dossiers of accepted blocks into a folder.
    fn leave(dir: &std::path::Path, spool: &str, count: u32) {
        for height in 0..count {
            let (hash, spool) = (format!("{height:064x}"), spool.to_owned());
            let what = What::Found;
            let (steps, state) = (vec![Step { at_ms: u64::from(height), what }], State::Accepted);
            let (seq, marked, closed) = (Some(u64::from(height)), Some(true), false);
            let left = Dossier { height, hash, spool, steps, state, seq, marked, closed, ..dossier() };
            std::fs::write(dir.join(format!("{height}.json")), left.text().unwrap()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_start_with_many_open_blocks_asks_the_nodes_about_a_few_at_a_time() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(1_700_000_000)));
        let clock: Arc<dyn Clock> = clock;
        let ledger = Ledger::open(&dir.path().join("spool"), &ledger_config(), Arc::clone(&clock)).unwrap().ledger;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = config::Node {
            name: "n".into(),
            host: "127.0.0.1".into(),
            port: listener.local_addr().unwrap().port(),
            login: NodeLogin::Password { user: "u".into(), password: Secret::new("p") },
            timeout: Duration::from_secs(600),
            ways: NodeWays::default(),
        };
        let blocks = dir.path().join("blocks");
        std::fs::create_dir(&blocks).unwrap();
        let left = LOOKS_MAX + 4;
        leave(&blocks, &ledger.spool().to_string(), u32::try_from(left).unwrap());
        let nodes = Nodes::new(&[node]);
        nodes.note_proven();
        let pursuer = Arc::new(Pursuer::new(Settings {
            coin: dossier().coin.as_str().into(),
            nodes,
            ledger,
            clock,
            dir: blocks,
            confirmations: 5,
            on_accepted: Box::new(|| ()),
        }));
        pursuer.resume(&[], Estate::Own);
        // Nothing is answered until so many ask at once; then they have to be the only ones.
        let mut asking = Vec::new();
        for _ in 0..LOOKS_MAX {
            asking.push(listener.accept().await.unwrap());
        }
        assert_eq!(pursuer.looks.available_permits(), 0);
        // The others come when these have their answers.
        for _ in LOOKS_MAX..left {
            drop(asking.pop());
            listener.accept().await.unwrap();
        }
        pursuer.finish(Duration::ZERO).await;
    }
}
