//! A task per block that is not closed.
//!
//! The block goes to the nodes the moment it is found. Beside that its bytes and its dossier are put
//! into files, so that a daemon that is killed meanwhile goes on when it starts. When a verdict is in
//! the ledger, the block is looked at from time to time until it is buried: a block may lose its place
//! in the chain and get it back, and one that was refused may turn up in it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::case::Case;
use super::dossier::{Dossier, Step, What};
use super::found::Found;
use super::number::check_number;
use super::shelf::{Shelf, write_file};
use super::tally::Tally;
use crate::bytes::{Hash, display_hash};
use crate::clock::Clock;
use crate::ledger::handle::Ledger;
use crate::ledger::late::Late;
use crate::ledger::record::{Entry, Event, ShareRecord};
use crate::node::nodes::Nodes;
use crate::node::submitter::{SETTLE_MAX, Settling};
use crate::node::verdict::{News, SolvedBlock, Verdict};

/// Rounds of [`SETTLE_MAX`] for which a block without a clear answer is submitted without a break: an hour in all.
const ROUNDS_MAX: u32 = 6;
/// Then somebody is told, and after each such pause there is another round until the block has a verdict or is closed.
const ROUND_PAUSE: Duration = Duration::from_secs(1200);

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

/// Whose blocks of the last run a coin takes up, where several coins of one chain share a ledger and a folder.
#[derive(Debug, Clone)]
pub enum Estate {
    /// Its own: another coin is the heir.
    Own,
    /// Its own, those of coins that are gone, and those of which nobody knows whose they are; these coins see to theirs.
    Heir {
        /// By name.
        others: Vec<Arc<str>>,
    },
}

impl Estate {
    /// Whether `coin`, whose estate this is, takes up a block of the coin of this name.
    fn is_mine(&self, coin: &str, name: &str) -> bool {
        match self {
            Self::Own => name == coin,
            Self::Heir { others } => !others.iter().any(|other| **other == *name),
        }
    }

    fn is_heir(&self) -> bool {
        matches!(self, Self::Heir { .. })
    }
}

/// Pursues the candidates of one coin.
pub struct Pursuer {
    pub(super) settings: Settings,
    pub(super) shelf: Arc<Shelf>,
    tally: Arc<Tally>,
    /// The blocks that have a task.
    open: Mutex<HashSet<Hash>>,
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
        Self { settings, shelf, tally: Arc::default(), open: Mutex::default(), stopping, tasks }
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

    /// Takes up again what the last run of the daemon left open: dossiers that are not closed, and `candidates`, those of
    /// the ledger without a verdict. Not before `proven`: nodes of another chain would say that it has none of these
    /// blocks.
    pub fn resume(
        self: &Arc<Self>,
        candidates: &[Entry],
        estate: Estate,
        proven: impl Future<Output = ()> + Send + 'static,
    ) {
        let (pursuer, candidates) = (Arc::clone(self), candidates.to_vec());
        let mut stopping = self.stopping.subscribe();
        self.spawn(async move {
            tokio::select! {
                () = proven => (),
                // The sender is ours. The next life takes them up.
                _ = stopping.wait_for(|&stopping| stopping) => return,
            }
            let shelf = Arc::clone(&pursuer.shelf);
            let ledger = Arc::clone(&pursuer.settings.ledger);
            let now_ms = pursuer.unix_ms();
            let (coin, of_all) = (Arc::clone(&pursuer.settings.coin), estate.clone());
            let load = move || shelf.load(|name| of_all.is_mine(&coin, name)).map(|(mut open, others)| {
                open.iter_mut().for_each(|dossier| check_number(&ledger, dossier, now_ms));
                (open, others)
            });
            let (mut open, others) = match tokio::task::spawn_blocking(load).await {
                Ok(Ok(loaded)) => loaded,
                failed => {
                    error!(coin = %pursuer.settings.coin, dir = %pursuer.settings.dir.display(), failed = ?failed.map(drop), "the dossiers of blocks cannot be read: blocks of the last run may stay alone");
                    Default::default()
                }
            };
            for entry in &candidates {
                let Event::Share(share) = &entry.event else { continue };
                let hash = share.candidate.as_ref().map(|facts| display_hash(&facts.hash)).unwrap_or_default();
                if !others.contains(&hash) {
                    pursuer.add_recorded(&mut open, share, entry, &estate);
                }
            }
            for dossier in open {
                pursuer.resume_one(dossier);
            }
        });
    }

    /// Makes sure that a candidate of the ledger is among the open dossiers, with its number.
    fn add_recorded(&self, open: &mut Vec<Dossier>, share: &ShareRecord, entry: &Entry, estate: &Estate) {
        let Some(mut dossier) = self.dossier(share) else { return };
        let recorded = What::Recorded { seq: entry.seq };
        match open.iter_mut().find(|open| open.hash == dossier.hash) {
            Some(open) if open.seq.is_some() => (),
            Some(open) => open.add(Step { at_ms: self.unix_ms(), what: recorded }),
            // Nobody knows any more which coin of the chain found it.
            None if !estate.is_heir() => (),
            // Closed, so the ledger's verdict is older than what it keeps, or there never was one.
            None if self.shelf.is_closed(&dossier) => (),
            None => {
                let at_ms = entry.time.saturating_mul(1000);
                dossier.add(Step { at_ms, what: What::Found });
                dossier.add(Step { at_ms, what: recorded });
                open.push(dossier);
            }
        }
    }

    fn resume_one(self: &Arc<Self>, dossier: Dossier) {
        let (height, hash) = (dossier.height, dossier.hash.clone());
        let (Some(share), Some(own)) = (dossier.record(), dossier.own_hash()) else {
            error!(coin = %self.settings.coin, height, hash, "a dossier's hash or header cannot be read: nobody looks after that block");
            return;
        };
        // Its number means something else in this spool: a verdict under it would be another block's.
        let spool = self.settings.ledger.spool().to_string();
        if dossier.seq.is_some() && dossier.spool != spool {
            error!(coin = %self.settings.coin, height, hash, written = dossier.spool, spool, "a block is of another spool than the one in use: nobody looks after it");
            return;
        }
        let dossier = Dossier { spool, ..dossier };
        // Found by this life already: it has its task.
        if self.open().contains(&own) {
            return;
        }
        let case = self.new_case(dossier);
        case.note(What::Resumed);
        self.take_up(case, move |pursuer, case| async move {
            let is_pending = case.dossier().marked.is_none();
            let block = if is_pending { pursuer.kept(&case, own).await } else { None };
            pursuer.carry_on(&case, block, async {}, pursuer.record(&case, share, None)).await;
        });
    }

    /// Blocks about which the nodes have decided are not watched any more.
    pub fn end_watch(&self) {
        self.stopping.send_replace(true);
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

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// A task for a case, with its file attended to.
    fn take_up<W>(self: &Arc<Self>, case: Arc<Case>, work: impl FnOnce(Arc<Self>, Arc<Case>) -> W + Send + 'static)
    where
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

    fn dossier(&self, share: &ShareRecord) -> Option<Dossier> {
        Dossier::of(&self.settings.coin, self.settings.ledger.spool().to_string(), share)
    }

    fn case(&self, share: &ShareRecord) -> Option<Arc<Case>> {
        Some(self.new_case(self.dossier(share)?))
    }

    fn new_case(&self, dossier: Dossier) -> Arc<Case> {
        let (shelf, tally) = (Arc::clone(&self.shelf), Arc::clone(&self.tally));
        Arc::new(Case::new(dossier, shelf, tally, Arc::clone(&self.settings.clock)))
    }

    /// The way of a block from wherever it stands to its end.
    async fn carry_on(
        &self,
        case: &Arc<Case>,
        block: Option<SolvedBlock>,
        keep: impl Future<Output = ()>,
        record: impl Future<Output = Option<u64>>,
    ) {
        let is_pending = case.dossier().marked.is_none();
        let mut unsettled = None;
        // Takes the block along: its bytes are not held while it is watched, unless it has no verdict.
        let settle = async {
            let block = block.filter(|_| is_pending)?;
            let settled = self.settle(case, &block).await;
            unsettled = settled.is_none().then_some(block);
            settled
        };
        let (settled, (), seq) = tokio::join!(settle, keep, record);
        // Without a number nothing can be said about it in the ledger; the log has what it was.
        let Some(seq) = seq else { return };
        let mut late = None;
        if let Some((verdict, settling)) = settled {
            self.mark(case, seq, verdict).await;
            late = Some(settling);
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            ((), ()) = async { tokio::join!(self.watch(case, seq), hear_out(case, late)) } => (),
            never = self.submit_again(case, seq, unsettled) => match never {},
            // The sender is ours.
            _ = stopping.wait_for(|&stopping| stopping) => (),
        }
    }

    /// Asks the nodes until one of them settles it; what others still say can then be heard.
    async fn settle(&self, case: &Arc<Case>, block: &SolvedBlock) -> Option<(Verdict, Settling)> {
        for _ in 0..ROUNDS_MAX {
            let settled = self.round(case, block).await;
            if settled.is_some() {
                return settled;
            }
        }
        let (height, hash) = case.name();
        let file = self.shelf.bytes_path(&hash);
        error!(coin = %self.settings.coin, height, hash, file = %file.display(), "no node gave a clear answer on a block: it is submitted again from time to time; see why the nodes do not answer, or submit the file's contents by hand");
        None
    }

    /// Submits the block and hears what the nodes say, for [`SETTLE_MAX`] or until one of them settles it.
    async fn round(&self, case: &Arc<Case>, block: &SolvedBlock) -> Option<(Verdict, Settling)> {
        let mut settling = Settling::start(&self.settings.nodes, block.clone(), SETTLE_MAX);
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
        None
    }

    /// Goes on submitting a block that the nodes have not settled, beside the watch over it, which finds out if the
    /// chain has settled it meanwhile. Does not return.
    async fn submit_again(&self, case: &Arc<Case>, seq: u64, unsettled: Option<SolvedBlock>) -> Infallible {
        let Some(block) = unsettled else { return pending().await };
        while case.dossier().marked.is_none() {
            sleep(ROUND_PAUSE).await;
            if case.dossier().marked.is_none()
                && let Some((verdict, settling)) = self.round(case, &block).await
            {
                self.mark(case, seq, verdict).await;
                hear_out(case, Some(settling)).await;
            }
        }
        pending().await
    }

    /// Has the candidate in the ledger and on the disk; returns its number. `None`: that cannot be had,
    /// at least not by this life of the daemon.
    async fn record(&self, case: &Arc<Case>, share: ShareRecord, late: Option<Late>) -> Option<u64> {
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

    /// The block of a candidate of the last run.
    async fn kept(&self, case: &Arc<Case>, own: Hash) -> Option<SolvedBlock> {
        let (height, hash) = case.name();
        let path = self.shelf.bytes_path(&hash);
        let file = path.display().to_string();
        match tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await {
            Ok(Ok(hex)) => {
                Some(SolvedBlock { hash: own, height, hex: hex.into(), work_id: case.dossier().work_id.clone() })
            }
            failed => {
                warn!(coin = %self.settings.coin, height, hash, file, ?failed, "a candidate of the last run has no verdict and its bytes are gone: the nodes are asked for it by its hash");
                None
            }
        }
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

/// Notes what the nodes say that did not settle it.
async fn hear_out(case: &Arc<Case>, settling: Option<Settling>) {
    let Some(mut settling) = settling else { return };
    while let Some(news) = settling.next().await {
        note(case, news);
    }
}
