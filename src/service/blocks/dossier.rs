//! What is written about a found block, for people and for the audit.
//!
//! One JSON object per block in `STATE_DIR/spool/NAME/blocks/HEIGHT-HASH.json` (height with eight digits,
//! hash as nodes write it). It is replaced as a whole with every step, never changed in place. All hashes
//! are in display order, all times are Unix milliseconds by the daemon's clock:
//!
//! | key | what |
//! | --- | --- |
//! | `format` | [`FORMAT`]; a reader refuses what it does not know |
//! | `coin`, `height`, `hash` | the block as this daemon computed it; `hash` went into `shares.solution` |
//! | `node_hash` | the node's own name for it, if that differs; then `solution` was corrected to it |
//! | `state` | `pending`, `accepted`, `rejected`, `orphaned` or `confirmed` |
//! | `closed` | true: the state is final, nobody looks any more |
//! | `spool`, `seq` | the share's place in the ledger; `seq` is `null` while it could not be written down |
//! | `share_id_query` | SQL that tells `shares.id` and the verdict in the database; empty without `seq` |
//! | `marked` | the last verdict on the ledger's disk, so what `upstream_result` is or will be: `true` is `Y`; `null`: none yet |
//! | `confirmations` | as last seen: of the block while `accepted` or `confirmed`, else of the one that took its place |
//! | `work_id` | what the node wants back with the block (BIP22), where it asked for that |
//! | `share` | the share behind it: worker, remote, difficulties, header and so on ([`Share`]) |
//! | `steps` | what happened, in order: `at_ms`, `step` and what belongs to it ([`What`]) |
//!
//! Beside it `HASH.block` holds the block in hexadecimal, ready for `submitblock`, until a node has it in
//! its best chain and no other is to get it any more, or the dossier is closed.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bytes::{Hash, display_hash, hex, parse_display_hash};
use crate::chain::header;
use crate::ledger::record::{CandidateFacts, ShareRecord, VerdictRecord};
use crate::node::standing::Sought;

/// Version of the format.
pub const FORMAT: u32 = 1;
/// Most steps kept in a dossier; beyond it the oldest look at the nodes or answer of one goes.
pub const STEPS_MAX: usize = 256;

/// The dossier of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the coin.
    pub coin: String,
    /// Height of the block.
    pub height: u32,
    /// Its hash as this daemon computed it.
    pub hash: String,
    /// The node's own name for it, if that differs.
    pub node_hash: Option<String>,
    /// What became of it.
    pub state: State,
    /// The state is final.
    pub closed: bool,
    /// The spool its share is in.
    pub spool: String,
    /// The number of the share in that spool; `None` while it could not be written down.
    pub seq: Option<u64>,
    /// SQL that tells the id of its row.
    pub share_id_query: String,
    /// The last verdict that the ledger has on the disk.
    pub marked: Option<bool>,
    /// Confirmations as last seen.
    pub confirmations: u32,
    /// What the node wants back with the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_id: Option<String>,
    /// The share.
    pub share: Share,
    /// What happened.
    pub steps: Vec<Step>,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No node has given a clear word yet.
    Pending,
    /// A node has it in its best chain.
    Accepted,
    /// It never was in a best chain.
    Rejected,
    /// It was, and another block took its place.
    Orphaned,
    /// It has the configured number of confirmations.
    Confirmed,
}

impl State {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Accepted => "accepted",
            State::Rejected => "rejected",
            State::Orphaned => "orphaned",
            State::Confirmed => "confirmed",
        }
    }
}

/// The share that is the block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The credited worker.
    pub worker: String,
    /// The miner's address.
    pub remote: std::net::IpAddr,
    /// What the miner was told; `false` for a block found with a share that did not count.
    pub accepted: bool,
    /// Why it did not count; empty if it did.
    pub reason: String,
    /// The job's id.
    pub job: String,
    /// `shares.difficulty`.
    pub row_difficulty: f64,
    /// The difficulty assigned to the miner.
    pub assigned_difficulty: f64,
    /// What the hash really had.
    pub share_difficulty: f64,
    /// What the network wanted.
    pub network_difficulty: f64,
    /// The coinbase's value in the smallest unit.
    pub reward: u64,
    /// Transaction id of the coinbase.
    pub coinbase_txid: String,
    /// The header's 80 bytes in hexadecimal.
    pub header: String,
    /// The time in the header, Unix seconds.
    pub header_secs: u32,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen to a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum What {
    /// The share met the network's target.
    Found,
    /// The share is in the ledger, with this number; a crash does not lose it any more.
    Recorded {
        /// Its number.
        seq: u64,
    },
    /// The share is on the disk.
    Synced,
    /// The block's bytes are in their file.
    BytesKept,
    /// The block is on its way to a node.
    Submitted {
        /// Which node.
        node: String,
    },
    /// It was also sent to a node's peer-to-peer port.
    Pushed {
        /// Which node.
        node: String,
    },
    /// A node answered the submission, or why it did not.
    Answered {
        /// Which node.
        node: String,
        /// Its own words.
        words: String,
    },
    /// What the answers and a look at the chain came to.
    Decided {
        /// True: a node has it in its best chain.
        accepted: bool,
        /// Why not; empty if accepted.
        reason: String,
    },
    /// The nodes gave no clear word in the time for it.
    Undecided {
        /// Who said what.
        words: String,
    },
    /// A verdict is in the ledger and on the disk.
    Marked {
        /// Its number.
        seq: u64,
        /// `upstream_result` will be `Y`.
        accepted: bool,
        /// Why not; empty if accepted.
        reason: String,
        /// The node's own name for the block, if it is accepted and that differs.
        node_hash: Option<String>,
    },
    /// The database has this event of the ledger: the share's row, or a verdict in it.
    Stored {
        /// The event's number.
        seq: u64,
    },
    /// Another life of the daemon took it up.
    Resumed,
    /// A look at the nodes found it in the best chain.
    InChain {
        /// Which node.
        node: String,
        /// How deep.
        confirmations: u32,
    },
    /// A look at the nodes found another block at its height.
    Replaced {
        /// Which node.
        node: String,
        /// That block.
        by: String,
        /// How deep that one is.
        confirmations: u32,
    },
    /// A look at the nodes gave no clear word; noted when it follows a clear one.
    Unclear {
        /// Who said what.
        words: String,
    },
    /// The state is final.
    Closed {
        /// Why.
        because: String,
    },
}

/// Why a file is no dossier.
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is something else, or damaged.
    #[error("not a dossier: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by a version with another format.
    #[error("its format is {0}, known is {FORMAT}: use the version of mpos-stratum that wrote it, or a newer one")]
    Format(u32),
}

/// As much of a file as every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Dossier {
    /// The dossier of a block that was just found, or whose record is all that is left of it. `None`
    /// if the share is no candidate.
    pub fn of(coin: &str, spool: String, share: &ShareRecord) -> Option<Self> {
        let facts = share.candidate?;
        Some(Self {
            format: FORMAT,
            coin: coin.to_owned(),
            height: share.height,
            hash: display_hash(&facts.hash),
            node_hash: None,
            state: State::Pending,
            closed: false,
            spool,
            seq: None,
            share_id_query: String::new(),
            marked: None,
            confirmations: 0,
            work_id: None,
            share: Share {
                worker: share.worker.to_string(),
                remote: share.remote,
                accepted: share.accepted,
                reason: share.reason.clone(),
                job: share.job.clone(),
                row_difficulty: share.row_difficulty,
                assigned_difficulty: share.assigned_difficulty,
                share_difficulty: share.share_difficulty,
                network_difficulty: share.network_difficulty,
                reward: share.reward,
                coinbase_txid: display_hash(&facts.coinbase_txid),
                header: hex::encode(&share.header),
                header_secs: facts.header_time,
            },
            steps: Vec::new(),
        })
    }

    /// Reads a dossier.
    ///
    /// # Errors
    /// The file cannot be read, is no dossier, or has an unknown format.
    pub fn read(path: &Path) -> Result<Self, DossierError> {
        Self::parse(&std::fs::read(path)?)
    }

    /// The dossier that these bytes are.
    ///
    /// # Errors
    /// They are no dossier, or one of an unknown format.
    pub fn parse(json: &[u8]) -> Result<Self, DossierError> {
        match serde_json::from_slice(json)? {
            AnyFormat { format: FORMAT } => Ok(serde_json::from_slice(json)?),
            AnyFormat { format } => Err(DossierError::Format(format)),
        }
    }

    /// The text of the file.
    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }

    /// Adds a step and what follows from it.
    pub(super) fn add(&mut self, step: Step) {
        match &step.what {
            What::Recorded { seq } => {
                self.seq = Some(*seq);
                self.share_id_query = format!(
                    "SELECT share_id, verdict, share_row FROM mpos_stratum_block WHERE spool_id = '{}' AND seq = {seq}",
                    self.spool
                );
            }
            What::Marked { accepted, node_hash, .. } => {
                if *accepted {
                    self.node_hash.clone_from(node_hash);
                }
                self.state = match (accepted, self.marked) {
                    (true, _) => State::Accepted,
                    (false, Some(true)) => State::Orphaned,
                    (false, _) if self.state == State::Orphaned => State::Orphaned,
                    (false, _) => State::Rejected,
                };
                self.marked = Some(*accepted);
            }
            What::InChain { confirmations, .. } | What::Replaced { confirmations, .. } => {
                self.confirmations = *confirmations;
            }
            What::Closed { .. } => self.closed = true,
            _ => (),
        }
        if self.steps.len() >= STEPS_MAX {
            let repeated = self.steps.iter().position(|step| {
                matches!(
                    step.what,
                    What::InChain { .. } | What::Replaced { .. } | What::Unclear { .. } | What::Answered { .. }
                )
            });
            self.steps.remove(repeated.unwrap_or(1));
        }
        self.steps.push(step);
    }

    /// Whether its share was seen to be on the ledger's disk; a verdict is only noted when it is behind it.
    pub(super) fn is_synced(&self) -> bool {
        self.marked.is_some() || self.steps.iter().any(|step| step.what == What::Synced)
    }

    /// Its number is not its own any more: a power cut took the share before it was on the disk.
    pub(super) fn forget_number(&mut self) {
        let Some(lost) = self.seq.take() else { return };
        self.share_id_query.clear();
        self.steps.retain(|step| !matches!(step.what, What::Recorded { seq } | What::Stored { seq } if seq == lost));
    }

    /// Numbers in the ledger that the database was not seen to have.
    pub(super) fn not_stored(&self) -> Vec<u64> {
        let given = self.steps.iter().filter_map(|step| match step.what {
            What::Recorded { seq } | What::Marked { seq, .. } => Some(seq),
            _ => None,
        });
        given.filter(|seq| !self.steps.iter().any(|step| step.what == What::Stored { seq: *seq })).collect()
    }

    /// When it was found; of a dossier made from a record, when that was written.
    pub fn found_ms(&self) -> u64 {
        self.steps.first().map_or(0, |step| step.at_ms)
    }

    /// When its fate last changed.
    pub(super) fn changed_ms(&self) -> u64 {
        let change = |step: &&Step| matches!(step.what, What::Found | What::Decided { .. } | What::Marked { .. });
        self.steps.iter().rev().find(change).map_or_else(|| self.found_ms(), |step| step.at_ms)
    }

    /// Its hash; `None` if the file was changed by hand to something else.
    pub(super) fn own_hash(&self) -> Option<Hash> {
        parse_display_hash(&self.hash)
    }

    /// The last verdict that the ledger has, if the share is its event `candidate`.
    pub fn verdict(&self, candidate: u64) -> Option<VerdictRecord> {
        let accepted = self.marked?;
        let written_hash = self.own_hash()?;
        let named = self.node_hash.as_deref().filter(|_| accepted).and_then(parse_display_hash);
        let reason = self.steps.iter().rev().find_map(|step| match &step.what {
            What::Marked { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let (node_hash, reason) = (named.unwrap_or(written_hash), reason.unwrap_or_default());
        Some(VerdictRecord { candidate, written_hash, accepted, node_hash, reason })
    }

    /// What the nodes are to be asked for.
    pub(super) fn sought(&self) -> Option<Sought> {
        let header = hex::decode(self.share.header.as_bytes())?;
        let hash = parse_display_hash(self.node_hash.as_deref().unwrap_or(&self.hash))?;
        Some(Sought { hash, merkle_root: header::merkle_root(&header)?, height: self.height })
    }

    /// The share as it was to be written down; `None`: the file was changed by hand.
    pub fn record(&self) -> Option<ShareRecord> {
        let (share, hash) = (&self.share, self.own_hash()?);
        let coinbase_txid = parse_display_hash(&share.coinbase_txid)?;
        Some(ShareRecord {
            worker: Arc::from(share.worker.as_str()),
            remote: share.remote,
            accepted: share.accepted,
            reason: share.reason.clone(),
            row_difficulty: share.row_difficulty,
            assigned_difficulty: share.assigned_difficulty,
            share_difficulty: share.share_difficulty,
            network_difficulty: share.network_difficulty,
            height: self.height,
            reward: share.reward,
            job: share.job.clone(),
            header: hex::decode(share.header.as_bytes())?,
            solution: Some(hash),
            candidate: Some(CandidateFacts { hash, header_time: share.header_secs, coinbase_txid }),
        })
    }
}

#[cfg(test)]
pub mod tests;
