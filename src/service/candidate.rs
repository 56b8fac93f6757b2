//! A found block from its candidate to its verdict.
//!
//! The block goes to the nodes the moment it is found. Beside that its bytes are put into a file, so
//! that a daemon that is killed meanwhile submits it again when it starts; the file goes when the
//! verdict is on the disk.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::bytes::{Hash, display_hash, hex};
use crate::chain::{block, coinbase};
use crate::clock::Clock;
use crate::ledger::handle::Ledger;
use crate::ledger::late::Late;
use crate::ledger::record::{Entry, Event, VerdictRecord};
use crate::node::nodes::Nodes;
use crate::node::submitter::{SETTLE_MAX, settle};
use crate::node::verdict::{SolvedBlock, Verdict};
use crate::stratum::desk::{Candidate, HashedWork};
use crate::work::job::Job;

/// Rounds of [`SETTLE_MAX`] for which a block without a clear answer is pursued: an hour in all.
/// Then it is left to the operator; a restart pursues it again.
const ROUNDS_MAX: u32 = 6;

/// A block candidate.
pub struct Found {
    hash: Hash,
    job: Arc<Job>,
    header: [u8; 80],
    coinbase: Vec<u8>,
    /// Its number in the ledger, or what waits for it.
    written: Result<u64, Late>,
}

impl Found {
    /// The candidate that the ledger has as `written`.
    pub fn new(work: &HashedWork, block: &Candidate, written: Result<u64, Late>) -> Self {
        Self {
            hash: block.block_hash,
            job: Arc::clone(&work.job),
            header: work.header,
            coinbase: block.coinbase.clone(),
            written,
        }
    }

    /// The block's bytes in hexadecimal.
    fn block_hex(&self) -> String {
        let template = &self.job.template;
        // A block that commits to witnesses carries its coinbase's witness too.
        let coinbase = match template.witness_commitment {
            Some(_) => coinbase::with_witness(&self.coinbase),
            None => None,
        };
        let coinbase = coinbase.as_deref().unwrap_or(&self.coinbase);
        let transactions = template.transactions.iter().map(|transaction| transaction.data.as_slice());
        hex::encode(&block::serialise(&self.header, coinbase, transactions, template.mweb.as_deref()))
    }
}

/// Pursues the candidates of one coin.
pub struct Pursuer {
    coin: Arc<str>,
    nodes: Nodes,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// Where the bytes of blocks in flight are kept.
    dir: PathBuf,
    /// Told when a block of ours was accepted: the tip has moved.
    on_accepted: Box<dyn Fn() + Send + Sync>,
    tasks: Mutex<JoinSet<()>>,
}

impl Pursuer {
    /// A pursuer that keeps the bytes of blocks in flight in `dir`.
    pub fn new(
        coin: Arc<str>,
        nodes: Nodes,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        dir: PathBuf,
        on_accepted: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self { coin, nodes, ledger, clock, dir, on_accepted, tasks: Mutex::default() }
    }

    /// Takes a candidate up; returns at once.
    pub fn pursue(self: &Arc<Self>, found: Found) {
        let pursuer = Arc::clone(self);
        self.spawn(async move {
            let hex: Arc<str> = found.block_hex().into();
            let template = &found.job.template;
            let block = SolvedBlock {
                hash: found.hash,
                height: template.height,
                hex: Arc::clone(&hex),
                work_id: template.work_id.clone(),
            };
            let keep = pursuer.keep(found.hash, template.height, hex);
            let record = number(found.written);
            let (verdict, (), seq) = tokio::join!(pursuer.settle(block), keep, record);
            if let (Some(verdict), Some(seq)) = (verdict, seq) {
                pursuer.write_down(found.hash, seq, verdict).await;
            }
        });
    }

    /// Takes up again what the last run of the daemon left without a verdict.
    pub fn resume(self: &Arc<Self>, candidates: &[Entry]) {
        for entry in candidates {
            let Event::Share(share) = &entry.event else { continue };
            let Some(candidate) = share.candidate else { continue };
            let (pursuer, seq, height) = (Arc::clone(self), entry.seq, share.height);
            self.spawn(async move {
                let Some(block) = pursuer.kept(candidate.hash, height).await else { return };
                info!(coin = %pursuer.coin, height, hash = display_hash(&candidate.hash), "taking up a block candidate of the last run");
                if let Some(verdict) = pursuer.settle(block).await {
                    pursuer.write_down(candidate.hash, seq, verdict).await;
                }
            });
        }
    }

    /// Waits for the candidates in flight, but not longer than `grace`: the files remember them.
    pub async fn finish(&self, grace: Duration) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            info!(coin = %self.coin, "block candidates without a verdict are taken up at the next start");
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Asks the nodes until one of them settles it.
    async fn settle(&self, block: SolvedBlock) -> Option<Verdict> {
        let (height, hash) = (block.height, display_hash(&block.hash));
        for _ in 0..ROUNDS_MAX {
            match settle(&self.nodes, block.clone(), &*self.clock, SETTLE_MAX).await {
                Ok(verdict) => {
                    if verdict.accepted {
                        info!(coin = %self.coin, height, hash, "block accepted");
                        (self.on_accepted)();
                    } else {
                        warn!(coin = %self.coin, height, hash, reason = verdict.reason, "block refused by every node");
                    }
                    return Some(verdict);
                }
                Err(unsettled) => error!(coin = %self.coin, height, hash, %unsettled, "still asking"),
            }
        }
        error!(coin = %self.coin, height, hash, file = %self.path(block.hash).display(), "no node gave a clear answer on a block: submit the file's contents by hand, or restart the daemon once a node answers");
        None
    }

    async fn write_down(&self, written_hash: Hash, candidate: u64, verdict: Verdict) {
        let Verdict { accepted, node_hash, reason, .. } = verdict;
        let event = Event::Verdict(VerdictRecord { candidate, written_hash, accepted, node_hash, reason });
        let written = self.ledger.append_or_hold(&event).map(|receipt| receipt.last_seq);
        let Some(seq) = number(written).await else { return };
        self.ledger.sync_now();
        self.ledger.wait_synced(seq).await;
        if let Err(error) = std::fs::remove_file(self.path(written_hash)) {
            warn!(coin = %self.coin, %error, "cannot remove the file of a settled block");
        }
    }

    /// Puts the block's bytes into its file.
    async fn keep(&self, hash: Hash, height: u32, hex: Arc<str>) {
        let path = self.path(hash);
        let written = tokio::task::spawn_blocking(move || write_file(&path, &hex)).await;
        if !matches!(written, Ok(Ok(()))) {
            error!(coin = %self.coin, height, hash = display_hash(&hash), ?written, "cannot keep a block's bytes: it would not survive a crash before the nodes have it");
        }
    }

    /// The block of a candidate of the last run.
    async fn kept(&self, hash: Hash, height: u32) -> Option<SolvedBlock> {
        let path = self.path(hash);
        let shown = path.display().to_string();
        match tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await {
            Ok(Ok(hex)) => Some(SolvedBlock { hash, height, hex: hex.into(), work_id: None }),
            failed => {
                warn!(coin = %self.coin, height, hash = display_hash(&hash), file = shown, ?failed, "a candidate of the last run has no verdict and its bytes are gone: ask a node for the block by its hash");
                None
            }
        }
    }

    fn path(&self, hash: Hash) -> PathBuf {
        self.dir.join(format!("{}.block", display_hash(&hash)))
    }
}

/// An event's number, once the disk has taken it; `None`: it never will.
async fn number(written: Result<u64, Late>) -> Option<u64> {
    match written {
        Ok(seq) => Some(seq),
        Err(late) => late.written().await,
    }
}

/// Whole or not at all: half a block would be refused as a wrong one.
fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
