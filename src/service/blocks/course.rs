//! What a look at the nodes means for a block, and when to look again. Pure functions.

use std::time::Duration;

use super::dossier::{Dossier, State};
use crate::bytes::{display_hash, parse_display_hash};
use crate::node::standing::Standing;
use crate::node::verdict::Verdict;

/// Shortest pause between two looks: right after a verdict a block loses its place most easily.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// Longest pause between two looks, once nothing has changed for forty minutes.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Longest pause while there is no verdict at all.
const PAUSE_PENDING_MAX: Duration = Duration::from_secs(30);
/// The pause grows with the time since the last change, as this part of it.
const PAUSE_PART: u32 = 4;
/// A block is looked at no longer than this after it was found: nodes that never show its height
/// are not going to, or the coin has died. Its dossier is closed as it stands, with an error in the log.
pub const WATCH_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// From so many confirmations of the other block on a block has lost its place. With one the two are
/// level, and the next block decides.
const LOST_CONFIRMATIONS_MIN: u32 = 2;
/// Reason of a verdict on a block that lost its place.
const ORPHANED: &str = "orphaned";
/// Reason of a verdict on a block that never had one.
const NEVER_THERE: &str = "not in the best chain";

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// A verdict to be recorded: it differs from the last one.
    pub verdict: Option<Verdict>,
    /// The block is buried: its dossier is closed in this state, or in the one it has.
    pub closed: Option<Option<State>>,
}

/// What a clear word of a node means for a block that wants so many confirmations.
pub fn judge(dossier: &Dossier, standing: &Standing, confirmations_wanted: u32) -> Outcome {
    match standing {
        Standing::InChain { node_hash, confirmations } => {
            let known = dossier.node_hash.as_deref().unwrap_or(&dossier.hash);
            let is_known = dossier.marked == Some(true) && parse_display_hash(known).as_ref() == Some(node_hash);
            let verdict = Verdict { accepted: true, node_hash: *node_hash, reason: String::new() };
            Outcome {
                verdict: (!is_known).then_some(verdict),
                closed: (*confirmations >= confirmations_wanted).then_some(Some(State::Confirmed)),
            }
        }
        Standing::Replaced { confirmations, .. } => {
            let is_lost = *confirmations >= LOST_CONFIRMATIONS_MIN.min(confirmations_wanted);
            let reason = if dossier.marked.is_some() { ORPHANED } else { NEVER_THERE };
            let node_hash = dossier.sought().map_or([0; 32], |sought| sought.hash);
            let verdict = Verdict { accepted: false, node_hash, reason: reason.to_owned() };
            Outcome {
                verdict: (is_lost && dossier.marked != Some(false)).then_some(verdict),
                closed: (*confirmations >= confirmations_wanted).then_some(None),
            }
        }
    }
}

/// How long to wait before the next look, `since_change` after the block's fate last changed.
pub fn pause(dossier: &Dossier, since_change: Duration) -> Duration {
    let longest = if dossier.marked.is_none() { PAUSE_PENDING_MAX } else { PAUSE_MAX };
    (since_change / PAUSE_PART).clamp(PAUSE_MIN, longest)
}

/// A standing in words, for the step.
pub fn step(node: String, standing: &Standing) -> super::dossier::What {
    match *standing {
        Standing::InChain { confirmations, .. } => super::dossier::What::InChain { node, confirmations },
        Standing::Replaced { by, confirmations } => {
            super::dossier::What::Replaced { node, by: display_hash(&by), confirmations }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dossier::tests::dossier;
    use super::super::dossier::{Step, What};
    use super::*;

    /// The dossier of block 0x11 after these verdicts.
    fn after(verdicts: &[bool]) -> Dossier {
        let mut dossier = dossier();
        for &accepted in verdicts {
            let what = What::Marked { seq: 9, accepted, reason: String::new(), node_hash: None };
            dossier.add(Step { at_ms: 1, what });
        }
        dossier
    }

    fn in_chain(confirmations: u32) -> Standing {
        Standing::InChain { node_hash: [0x11; 32], confirmations }
    }

    fn replaced(confirmations: u32) -> Standing {
        Standing::Replaced { by: [0x22; 32], confirmations }
    }

    /// `accepted` and reason of the verdict that follows, and whether the dossier is closed.
    fn judged(dossier: &Dossier, standing: &Standing) -> (Option<(bool, String)>, bool) {
        let outcome = judge(dossier, standing, 5);
        let verdict = outcome.verdict.map(|verdict| (verdict.accepted, verdict.reason));
        (verdict, outcome.closed.is_some())
    }

    #[test]
    fn a_verdict_follows_only_when_it_differs_from_the_last() {
        let yes = || Some((true, String::new()));
        let no = |reason: &str| Some((false, reason.to_owned()));
        assert_eq!(judged(&after(&[]), &in_chain(1)), (yes(), false));
        assert_eq!(judged(&after(&[]), &replaced(2)), (no("not in the best chain"), false));
        assert_eq!(judged(&after(&[true]), &in_chain(1)), (None, false));
        assert_eq!(judged(&after(&[true]), &replaced(2)), (no("orphaned"), false));
        assert_eq!(judged(&after(&[false]), &replaced(4)), (None, false));
        assert_eq!(judged(&after(&[false]), &in_chain(1)), (yes(), false));
        assert_eq!(judged(&after(&[true, false]), &replaced(4)), (None, false));
        assert_eq!(judged(&after(&[true, false]), &in_chain(4)), (yes(), false));
    }

    #[test]
    fn two_blocks_that_are_level_decide_nothing() {
        assert_eq!(judged(&after(&[true]), &replaced(1)), (None, false));
        assert_eq!(judged(&after(&[]), &replaced(1)), (None, false));
        // Where one confirmation is enough, it is enough for both.
        assert!(judge(&after(&[true]), &replaced(1), 1).verdict.is_some());
    }

    #[test]
    fn a_block_is_closed_when_it_or_the_other_one_is_buried() {
        assert_eq!(judge(&after(&[true]), &in_chain(5), 5).closed, Some(Some(State::Confirmed)));
        assert_eq!(judge(&after(&[true]), &in_chain(4), 5).closed, None);
        assert_eq!(judge(&after(&[true, false]), &replaced(5), 5).closed, Some(None));
        // The verdict comes first, also when nobody looked for long.
        assert_eq!(judged(&after(&[true]), &replaced(9)), (Some((false, "orphaned".to_owned())), true));
    }

    #[test]
    fn a_better_name_is_a_verdict_too() {
        let theirs = Standing::InChain { node_hash: [0x33; 32], confirmations: 1 };
        let verdict = judge(&after(&[true]), &theirs, 5).verdict.unwrap();
        assert_eq!((verdict.accepted, verdict.node_hash), (true, [0x33; 32]));
        let mut named = after(&[]);
        let node_hash = Some(display_hash(&[0x33; 32]));
        named.add(Step { at_ms: 1, what: What::Marked { seq: 9, accepted: true, reason: String::new(), node_hash } });
        assert_eq!(judge(&named, &theirs, 5).verdict, None);
    }

    #[test]
    fn looks_become_rarer_while_nothing_changes() {
        let secs = |dossier: &Dossier, since: u64| pause(dossier, Duration::from_secs(since)).as_secs();
        let (pending, settled) = (after(&[]), after(&[true]));
        assert_eq!([0, 8, 40, 240, 100_000].map(|since| secs(&settled, since)), [2, 2, 10, 60, 600]);
        assert_eq!([0, 40, 240, 100_000].map(|since| secs(&pending, since)), [2, 10, 30, 30]);
    }
}
