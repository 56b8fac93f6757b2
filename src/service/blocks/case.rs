//! One block in memory: its dossier, and the task beside the others that keeps it on disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::dossier::{Dossier, State, Step, What};
use super::shelf::{Shelf, write_file};
use super::tally::Tally;
use crate::clock::Clock;

/// Pause before a dossier that the disk refused is written again.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// A block that is not closed.
pub struct Case {
    dossier: Mutex<Dossier>,
    shelf: Arc<Shelf>,
    tally: Arc<Tally>,
    clock: Arc<dyn Clock>,
    /// There are steps that the file does not have, or the end has come.
    unsaved: Notify,
    ended: AtomicBool,
    /// Nodes are still to get it: its bytes are needed.
    on_its_way: AtomicBool,
    /// One verdict at a time: who submits the block and who watches it may have the same one in the same moment.
    pub(super) marking: tokio::sync::Mutex<()>,
    /// One writer of the file at a time, also when nobody waits for it any more.
    writer: Mutex<()>,
}

impl Case {
    /// A case with the steps so far.
    pub fn new(dossier: Dossier, shelf: Arc<Shelf>, tally: Arc<Tally>, clock: Arc<dyn Clock>) -> Self {
        Self {
            dossier: Mutex::new(dossier),
            shelf,
            tally,
            clock,
            unsaved: Notify::new(),
            ended: AtomicBool::new(false),
            on_its_way: AtomicBool::new(false),
            marking: tokio::sync::Mutex::new(()),
            writer: Mutex::new(()),
        }
    }

    /// The dossier, for a moment.
    pub fn dossier(&self) -> MutexGuard<'_, Dossier> {
        self.dossier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Height and hash, for log lines and paths.
    pub fn name(&self) -> (u32, String) {
        let dossier = self.dossier();
        (dossier.height, dossier.hash.clone())
    }

    /// Adds a step of this moment, and logs it.
    pub fn note(&self, what: What) {
        self.note_at(self.clock.unix_ms(), what);
    }

    /// Adds a step, and logs it. Never waits: the file follows.
    pub fn note_at(&self, at_ms: u64, what: What) {
        let mut dossier = self.dossier();
        log(&dossier, &what);
        let before = dossier.state;
        // The last state of all is not one of a verdict.
        let is_confirmed = before == State::Confirmed && matches!(what, What::Closed { .. });
        dossier.add(Step { at_ms, what });
        let state = dossier.state;
        drop(dossier);
        if is_confirmed || state != before {
            self.tally.count(state);
        }
        self.unsaved.notify_one();
    }

    /// Writes the dossier; true if the disk took it.
    pub async fn save(self: &Arc<Self>) -> bool {
        let case = Arc::clone(self);
        match tokio::task::spawn_blocking(move || case.write()).await {
            Ok(Ok(())) => true,
            failed => {
                let (height, hash) = self.name();
                warn!(height, hash, ?failed, "a block's dossier cannot be written now");
                false
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // What is written is never older than what an earlier writer wrote.
        let (text, path) = {
            let dossier = self.dossier();
            (dossier.text()?, self.shelf.dossier_path(dossier.height, &dossier.hash))
        };
        write_file(&path, &text)
    }

    /// Notes whether a round of submitting it is under way.
    pub fn set_on_its_way(&self, is_on_its_way: bool) {
        self.on_its_way.store(is_on_its_way, Ordering::SeqCst);
    }

    /// Whether one is.
    pub fn is_on_its_way(&self) -> bool {
        self.on_its_way.load(Ordering::SeqCst)
    }

    /// Lets [`Case::attend`] come to its end.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.unsaved.notify_one();
    }

    /// Follows the case with its file, and notes what the database has, until [`Case::end`].
    pub async fn attend(self: &Arc<Self>, mut drained: watch::Receiver<u64>) {
        while !self.ended.load(Ordering::SeqCst) {
            let stored = *drained.borrow_and_update();
            let waiting = self.dossier().not_stored();
            for seq in waiting.iter().filter(|seq| **seq <= stored) {
                self.note(What::Stored { seq: *seq });
            }
            let waits = waiting.iter().any(|seq| *seq > stored);
            tokio::select! {
                () = self.unsaved.notified() => {
                    let mut is_saved = self.save().await;
                    while !is_saved && !self.ended.load(Ordering::SeqCst) {
                        sleep(SAVE_PAUSE).await;
                        is_saved = self.save().await;
                    }
                }
                // An error is the end of the ledger, and so of the daemon.
                Ok(()) = drained.changed(), if waits => (),
            }
        }
        self.save().await;
    }
}

/// One event per step.
fn log(dossier: &Dossier, what: &What) {
    let Dossier { coin, height, hash, .. } = dossier;
    match what {
        What::Found => info!(coin, height, hash, step = "found", worker = ?dossier.share.worker, "block"),
        What::Recorded { seq } => info!(coin, height, hash, step = "recorded", seq, "block"),
        What::Synced => info!(coin, height, hash, step = "synced", "block"),
        What::BytesKept => info!(coin, height, hash, step = "bytes_kept", "block"),
        What::Submitted { node } => info!(coin, height, hash, step = "submitted", node, "block"),
        What::Pushed { node } => info!(coin, height, hash, step = "pushed", node, "block"),
        What::Answered { node, words } => info!(coin, height, hash, step = "answered", node, words, "block"),
        What::Decided { accepted: true, .. } => info!(coin, height, hash, step = "decided", "block accepted"),
        What::Decided { reason, .. } => {
            warn!(coin, height, hash, step = "decided", reason, "block refused by every node");
        }
        What::Undecided { words } => error!(coin, height, hash, step = "undecided", words, "block: still asking"),
        What::Marked { seq, accepted, reason, node_hash } => {
            info!(coin, height, hash, step = "marked", seq, accepted, reason, node_hash, "block");
        }
        What::Stored { seq } => info!(coin, height, hash, step = "stored", seq, "block"),
        What::Resumed => info!(coin, height, hash, step = "resumed", "block of the last run taken up"),
        What::InChain { node, confirmations } => {
            info!(coin, height, hash, step = "in_chain", node, confirmations, "block");
        }
        What::Replaced { node, by, confirmations } => {
            warn!(coin, height, hash, step = "replaced", node, by, confirmations, "block");
        }
        What::Unclear { words } => warn!(coin, height, hash, step = "unclear", words, "block"),
        What::Closed { because } => {
            info!(coin, height, hash, step = "closed", because, state = ?dossier.state, "block");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dossier::tests::dossier;
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn what_becomes_of_a_block_is_counted_once_for_each_change() {
        let dir = tempfile::tempdir().unwrap();
        let (shelf, tally) = (Arc::new(Shelf::new(dir.path().to_owned())), Arc::new(Tally::default()));
        let pending = Dossier { state: State::Pending, marked: None, closed: false, ..dossier() };
        let case = Case::new(pending, shelf, Arc::clone(&tally), Arc::new(ManualClock::at(0)));
        let marked = |accepted| What::Marked { seq: 9, accepted, reason: String::new(), node_hash: None };
        let counts = |tally: &Tally| tally.counts().map(|(_, count)| count).collect::<Vec<_>>();
        case.note(What::Synced);
        assert_eq!(counts(&tally), [0; 4], "pending is where all begin");
        case.note(marked(false));
        case.note(marked(false));
        assert_eq!(counts(&tally), [0, 1, 0, 0], "rejected");
        case.note(marked(true));
        case.note(What::InChain { node: "n".to_owned(), confirmations: 3 });
        case.note(marked(false));
        case.note(marked(true));
        assert_eq!(counts(&tally), [2, 1, 1, 0], "turned up, orphaned, and in the chain again");
        case.dossier().state = State::Confirmed;
        case.note(What::Closed { because: "120 confirmations".to_owned() });
        assert_eq!(counts(&tally), [2, 1, 1, 1]);
    }
}
