//! Blocks that the last run of the daemon left open.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, warn};

use super::case::Case;
use super::dossier::{Dossier, Step, What};
use super::number::check_number;
use super::pursuer::Pursuer;
use crate::bytes::{Hash, display_hash};
use crate::ledger::record::{Entry, Event, ShareRecord};
use crate::node::verdict::SolvedBlock;

/// So long after one block the next one is taken up, the newest first, of those that have a verdict: nodes that have
/// just come back themselves are not to be asked about a thousand blocks at once.
const STAGGER: Duration = Duration::from_millis(50);

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

impl Pursuer {
    /// Takes up again what the last run of the daemon left open: dossiers that are not closed, and `candidates`, those of
    /// the ledger without a verdict. What was in flight is submitted at once, all else waits until the chain of a node
    /// was proven: nodes of another chain would say that it has none of these blocks.
    pub fn resume(self: &Arc<Self>, candidates: &[Entry], estate: Estate) {
        let (pursuer, candidates) = (Arc::clone(self), candidates.to_vec());
        self.spawn(async move {
            let open = pursuer.left_open(&candidates, &estate).await;
            let (mut settled, in_flight): (Vec<_>, Vec<_>) = open.into_iter().partition(|it| it.marked.is_some());
            for dossier in in_flight {
                pursuer.resume_one(dossier);
            }
            let one_by_one = async {
                pursuer.settings.nodes.proven().await;
                settled.reverse();
                for dossier in settled {
                    pursuer.resume_one(dossier);
                    sleep(STAGGER).await;
                }
            };
            tokio::select! {
                () = one_by_one => (),
                // The next life takes them up.
                () = pursuer.stopped() => (),
            }
        });
    }

    /// The open dossiers of the last run, oldest first.
    async fn left_open(self: &Arc<Self>, candidates: &[Entry], estate: &Estate) -> Vec<Dossier> {
        let shelf = Arc::clone(&self.shelf);
        let ledger = Arc::clone(&self.settings.ledger);
        let now_ms = self.unix_ms();
        let (coin, of_all) = (Arc::clone(&self.settings.coin), estate.clone());
        let load = move || {
            let (mut open, others) = shelf.load(|name| of_all.is_mine(&coin, name))?;
            open.iter_mut().for_each(|dossier| check_number(&ledger, dossier, now_ms));
            Ok::<_, std::io::Error>((open, others))
        };
        let (mut open, others): (Vec<Dossier>, HashSet<String>) = match tokio::task::spawn_blocking(load).await {
            Ok(Ok(loaded)) => loaded,
            failed => {
                error!(coin = %self.settings.coin, dir = %self.settings.dir.display(), failed = ?failed.map(drop), "the dossiers of blocks cannot be read: blocks of the last run may stay alone");
                Default::default()
            }
        };
        for entry in candidates {
            let Event::Share(share) = &entry.event else { continue };
            let hash = share.candidate.as_ref().map(|facts| display_hash(&facts.hash)).unwrap_or_default();
            if !others.contains(&hash) {
                self.add_recorded(&mut open, share, entry, estate);
            }
        }
        open
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
            let block = pursuer.kept(&case, own).await;
            pursuer.carry_on(&case, block, async {}, pursuer.record(&case, share, None)).await;
        });
    }

    /// The block of a candidate of the last run, if it may still be of use to a node: one that was refused is not.
    async fn kept(&self, case: &Arc<Case>, own: Hash) -> Option<SolvedBlock> {
        let marked = case.dossier().marked;
        if marked == Some(false) {
            return None;
        }
        let (height, hash) = case.name();
        let path = self.shelf.bytes_path(&hash);
        let file = path.display().to_string();
        match tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await {
            Ok(Ok(hex)) => {
                Some(SolvedBlock { hash: own, height, hex: hex.into(), work_id: case.dossier().work_id.clone() })
            }
            // Gone when the nodes had it.
            _ if marked.is_some() => None,
            failed => {
                warn!(coin = %self.settings.coin, height, hash, file, ?failed, "a candidate of the last run has no verdict and its bytes are gone: the nodes are asked for it by its hash");
                None
            }
        }
    }
}
