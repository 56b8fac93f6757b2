//! A task per block that is not closed.
//!
//! The block goes to the nodes the moment it is found. Beside that its bytes and its dossier are put
//! into files, so that a daemon that is killed meanwhile goes on when it starts. When a verdict is in
//! the ledger, the block is looked at from time to time until it is buried: a block may lose its place
//! in the chain and get it back, and one that was refused may turn up in it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info};

use super::case::Case;
use super::dossier::{Dossier, What};
use super::found::Found;
use super::rounds::hear_out;
use super::shelf::{Shelf, write_file};
use super::tally::Tally;
use super::watch::LOOKS_MAX;
use crate::bytes::Hash;
use crate::clock::Clock;
use crate::ledger::handle::Ledger;
use crate::ledger::late::Late;
use crate::ledger::record::{Event, ShareRecord};
use crate::node::nodes::Nodes;
use crate::node::verdict::SolvedBlock;

/// What a pursuer works with.
pub struct Settings {
    /// Name of the coin.
    pub coin: Arc<str>,
    /// Its nodes.
    pub nodes: Nodes,
    /// Where its shares and verdicts go.
    pub ledger: Arc<Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Folder of the dossiers and of the bytes of blocks in flight.
    pub dir: std::path::PathBuf,
    /// So many confirmations end the watch over a block.
    pub confirmations: u32,
    /// Told when a block of ours was accepted: the tip has moved.
    pub on_accepted: Box<dyn Fn() + Send + Sync>,
}

/// Pursues the candidates of one coin.
pub struct Pursuer {
    pub(super) settings: Settings,
    pub(super) shelf: Arc<Shelf>,
    tally: Arc<Tally>,
    /// The blocks that have a task.
    open: Mutex<HashSet<Hash>>,
    /// Turns of those who look at the nodes.
    pub(super) looks: Semaphore,
    /// True: the daemon stops, watching ends.
    stopping: watch::Sender<bool>,
    /// None: finished, nothing begins any more.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Pursuer {
    /// A pursuer without blocks.
    pub fn new(settings: Settings) -> Self {
        let shelf = Arc::new(Shelf::new(settings.dir.clone()));
        let (stopping, tasks) = (watch::Sender::new(false), Mutex::new(Some(JoinSet::new())));
        let looks = Semaphore::new(LOOKS_MAX);
        Self { settings, shelf, tally: Arc::default(), open: Mutex::default(), looks, stopping, tasks }
    }

    /// The folder of the dossiers.
    pub fn dir(&self) -> &std::path::Path {
        &self.settings.dir
    }

    /// What became of its blocks.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The present millisecond, Unix time.
    pub fn unix_ms(&self) -> u64 {
        self.settings.clock.unix_ms()
    }

    /// Takes a candidate up; returns at once. What it returns ends when the block is in a file, or cannot be.
    pub fn pursue(self: &Arc<Self>, found: Found) -> oneshot::Receiver<()> {
        let (kept, keeping) = oneshot::channel();
        let Some(case) = self.case(&found.share) else { return keeping };
        case.dossier().work_id = found.work_id();
        case.note_at(found.found_ms, What::Found);
        // A late one is not fought for: the network has another block of its height already.
        if found.share.accepted && found.is_live {
            let (height, hash) = found.name();
            self.settings.nodes.note_own(height, hash);
        }
        if let Some(seq) = found.seq() {
            case.note(What::Recorded { seq });
        }
        self.take_up(case, move |pursuer, case| async move {
            let (block, share, late) = found.into_parts();
            let hex = Arc::clone(&block.hex);
            let keep = async {
                pursuer.keep(&case, hex).await;
                // Nobody waits any more if the disk was slow.
                let _ = kept.send(());
            };
            pursuer.carry_on(&case, Some(block), keep, pursuer.record(&case, share, late)).await;
        });
        keeping
    }

    /// Blocks about which the nodes have decided are not watched any more.
    pub fn end_watch(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether the daemon stops, or the coin is taken down.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ready when it does.
    pub(super) async fn stopped(&self) {
        // The sender is ours.
        let _ = self.stopping.subscribe().wait_for(|&stopping| stopping).await;
    }

    /// Whether no block has a task.
    pub fn is_idle(&self) -> bool {
        self.open().is_empty()
    }

    /// Waits for the candidates in flight, but not longer than `grace`: the files remember them.
    pub async fn finish(&self, grace: Duration) {
        self.stopping.send_replace(true);
        // Tasks begin others: those of the last run are taken up by one.
        let all = async {
            while let Some(mut tasks) = self.take_tasks() {
                while tasks.join_next().await.is_some() {}
            }
        };
        if timeout(grace, all).await.is_err() {
            info!(coin = %self.settings.coin, "block candidates without a verdict are taken up at the next start");
        }
        *self.tasks() = None;
    }

    /// The tasks so far, if there are any.
    fn take_tasks(&self) -> Option<JoinSet<()>> {
        self.tasks().as_mut().map(std::mem::take).filter(|tasks| !tasks.is_empty())
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// A task for a case, with its file attended to.
    pub(super) fn take_up<W>(
        self: &Arc<Self>,
        case: Arc<Case>,
        work: impl FnOnce(Arc<Self>, Arc<Case>) -> W + Send + 'static,
    ) where
        W: Future<Output = ()> + Send,
    {
        let pursuer = Arc::clone(self);
        let own = case.dossier().own_hash();
        self.open().extend(own);
        self.spawn(async move {
            let work = async {
                work(Arc::clone(&pursuer), Arc::clone(&case)).await;
                case.end();
            };
            tokio::join!(work, case.attend(pursuer.settings.ledger.drained()));
            let (height, hash) = case.name();
            let open = {
                let mut open = pursuer.open();
                own.map(|own| open.remove(&own));
                open.len()
            };
            if case.dossier().closed {
                pursuer.shelf.remove_bytes(&hash);
                pursuer.shelf.close(pursuer.shelf.dossier_path(height, &hash), open);
            }
        });
    }

    pub(super) fn open(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dossier(&self, share: &ShareRecord) -> Option<Dossier> {
        Dossier::of(&self.settings.coin, self.settings.ledger.spool().to_string(), share)
    }

    fn case(&self, share: &ShareRecord) -> Option<Arc<Case>> {
        Some(self.new_case(self.dossier(share)?))
    }

    pub(super) fn new_case(&self, dossier: Dossier) -> Arc<Case> {
        let (shelf, tally) = (Arc::clone(&self.shelf), Arc::clone(&self.tally));
        Arc::new(Case::new(dossier, shelf, tally, Arc::clone(&self.settings.clock)))
    }

    /// The way of a block from wherever it stands to its end.
    pub(super) async fn carry_on(
        &self,
        case: &Arc<Case>,
        block: Option<SolvedBlock>,
        keep: impl Future<Output = ()>,
        record: impl Future<Output = Option<u64>>,
    ) {
        let (pending, accepted) = match case.dossier().marked {
            None => (block, None),
            Some(_) => (None, block),
        };
        let mut unsettled = None;
        // Takes the block along: its bytes are not held while it is watched, unless a node is still to get it.
        let settle = async {
            let block = pending?;
            let settled = self.settle(case, &block).await;
            unsettled = settled.is_none().then_some(block);
            settled
        };
        let (settled, (), seq) = tokio::join!(settle, keep, record);
        // Without a number nothing can be said about it in the ledger; the log has what it was.
        let Some(seq) = seq else { return };
        let late = match settled {
            Some((verdict, settling)) => {
                self.mark_first(case, seq, verdict).await;
                Some(settling)
            }
            None => accepted.map(|block| self.spread(case, block)),
        };
        let watch = async {
            self.settings.nodes.proven().await;
            self.watch(case, seq).await;
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(watch, hear_out(case, late)) } => (),
            never = self.submit_again(case, seq, unsettled) => match never {},
            () = self.stopped() => (),
        }
    }

    /// Has the candidate in the ledger and on the disk; returns its number. `None`: that cannot be had,
    /// at least not by this life of the daemon.
    pub(super) async fn record(&self, case: &Arc<Case>, share: ShareRecord, late: Option<Late>) -> Option<u64> {
        let (recorded, is_synced) = {
            let dossier = case.dossier();
            (dossier.seq, dossier.is_synced())
        };
        let seq = match (recorded, late) {
            (Some(seq), _) => seq,
            (None, late) => {
                let share = share.late();
                let seq = match late {
                    Some(late) => late.written().await?,
                    None => self.append(&Event::Share(share.clone())).await?,
                };
                let mut dossier = case.dossier();
                dossier.share.accepted = share.accepted;
                dossier.share.reason = share.reason;
                drop(dossier);
                case.note(What::Recorded { seq });
                seq
            }
        };
        if !is_synced {
            self.settings.ledger.wait_synced(seq).await;
            case.note(What::Synced);
        }
        Some(seq)
    }

    /// Appends an event, however long the disk refuses it; `None`: the ledger is closed.
    pub(super) async fn append(&self, event: &Event) -> Option<u64> {
        match self.settings.ledger.append_or_hold(event) {
            Ok(receipt) => Some(receipt.last_seq),
            Err(late) => late.written().await,
        }
    }

    /// Puts the block's bytes into its file.
    async fn keep(&self, case: &Arc<Case>, hex: Arc<str>) {
        let (height, hash) = case.name();
        let path = self.shelf.bytes_path(&hash);
        match tokio::task::spawn_blocking(move || write_file(&path, hex.as_bytes())).await {
            Ok(Ok(())) => case.note(What::BytesKept),
            failed => {
                error!(coin = %self.settings.coin, height, hash, ?failed, "cannot keep a block's bytes: it would not survive a crash before the nodes have it");
            }
        }
    }
}
