//! Where a judged share becomes an event of the ledger, and a candidate a block on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use super::blocks::{Found, Pursuer};
use crate::bytes::display_hash;
use crate::chain::header::{Header, HeaderForm};
use crate::coin::profile::Profile;
use crate::config::Coin;
use crate::difficulty::mpos_factor;
use crate::ledger::error::AppendError;
use crate::ledger::handle::Ledger;
use crate::ledger::record::{CandidateFacts, Event, ShareRecord};
use crate::stratum::desk::{Candidate, HashedWork, JudgedShare, NotRecorded, ShareDesk, Written};
use crate::work::job::job_id;
use crate::work::reject::Reject;

/// The desk of one coin.
pub struct Desk {
    coin: Arc<str>,
    profile: Profile,
    fallback_worker: Arc<str>,
    ledger: Arc<Ledger>,
    pursuer: Arc<Pursuer>,
    /// Appends that failed.
    failures: AtomicU64,
}

/// One of so many failed appends is logged: at the spool's bound every submit fails.
const FAILURES_PER_LOG: u64 = 1000;

impl Desk {
    /// A desk that writes to `ledger` and hands candidates to `pursuer`.
    pub fn new(coin: &Coin, ledger: Arc<Ledger>, pursuer: Arc<Pursuer>) -> Self {
        Self {
            coin: coin.name.as_str().into(),
            profile: coin.profile.clone(),
            fallback_worker: coin.fallback_worker.as_str().into(),
            ledger,
            pursuer,
            failures: AtomicU64::new(0),
        }
    }

    /// The row and audit record of a share.
    fn share(&self, share: &JudgedShare) -> ShareRecord {
        let work = share.work.as_ref();
        let template = work.map(|work| &work.job.template);
        let assigned = share.assigned.get();
        let (serial, variant) = share.job;
        let facts = |work: &HashedWork| {
            Some(CandidateFacts {
                hash: work.candidate.as_ref()?.block_hash,
                header_time: header_time(self.profile.form.header, &work.header),
                coinbase_txid: work.coinbase_txid,
            })
        };
        let candidate = work.and_then(facts);
        ShareRecord {
            worker: share.worker.clone().unwrap_or_else(|| Arc::clone(&self.fallback_worker)),
            remote: share.remote,
            accepted: share.verdict.is_ok(),
            reason: reason(share.verdict),
            row_difficulty: assigned * mpos_factor(self.profile.stratum_bits, self.profile.mpos_bits),
            assigned_difficulty: assigned,
            share_difficulty: work.map_or(0.0, |work| work.share_difficulty),
            network_difficulty: template.map_or(0.0, |template| template.target.difficulty(self.profile.stratum_bits)),
            height: template.map_or(0, |template| template.height),
            reward: template.map_or(0, |template| template.coinbase_value),
            job: job_id(serial, variant),
            header: work.map_or_else(Vec::new, |work| work.header.to_vec()),
            solution: candidate.map(|facts| facts.hash).or(work.and_then(|work| work.block_hash)),
            candidate,
        }
    }

    /// Writes a candidate down and sends its block to the nodes, written down or waiting for the disk. The second
    /// value ends when its block is in a file.
    fn candidate(
        &self,
        share: &JudgedShare,
        work: &HashedWork,
        block: &Candidate,
    ) -> (Result<u64, NotRecorded>, oneshot::Receiver<()>) {
        let found_ms = self.pursuer.unix_ms();
        let record = self.share(share);
        let written = self.ledger.append_or_hold(&Event::Share(record.clone())).map(|receipt| receipt.last_seq);
        let (hash, height) = (display_hash(&block.block_hash), work.job.template.height);
        let recorded = written.as_ref().ok();
        info!(coin = %self.coin, height, hash, worker = ?share.worker, seq = recorded, refused = ?share.verdict.err(), "block candidate");
        let answer = written.as_ref().map(|&seq| seq).map_err(|late| self.not_recorded(late.error()));
        (answer, self.pursuer.pursue(Found::new(work, block, written, record, found_ms)))
    }

    /// Writes down the events gathered so far, all or none.
    fn gathered(&self, events: &mut Vec<Event>, results: &mut Vec<Result<u64, NotRecorded>>) {
        if events.is_empty() {
            return;
        }
        let written = self.ledger.append(events);
        let result = written.map(|receipt| receipt.last_seq).map_err(|error| self.not_recorded(&error));
        results.extend(events.drain(..).map(|_| result));
    }

    fn not_recorded(&self, error: &AppendError) -> NotRecorded {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        if failures.is_multiple_of(FAILURES_PER_LOG) {
            warn!(coin = %self.coin, %error, failures = failures + 1, "shares are refused: they cannot be written down");
        }
        NotRecorded
    }
}

impl ShareDesk for Desk {
    fn record(&self, shares: Vec<JudgedShare>) -> Written {
        let mut events = Vec::with_capacity(shares.len());
        let (mut results, mut keeping) = (Vec::with_capacity(shares.len()), Vec::new());
        for share in &shares {
            let candidate = share.work.as_ref().and_then(|work| Some((work, work.candidate.as_ref()?)));
            match candidate {
                None => events.push(Event::Share(self.share(share))),
                // A candidate is an append of its own: its number names it for good.
                Some((work, block)) => {
                    self.gathered(&mut events, &mut results);
                    let (result, kept) = self.candidate(share, work, block);
                    results.push(result);
                    keeping.push(kept);
                }
            }
        }
        self.gathered(&mut events, &mut results);
        Written { shares: results, keeping }
    }

    fn synced(&self) -> watch::Receiver<u64> {
        self.ledger.synced()
    }
}

/// The row's reason. For refusals that become rows only with a candidate there is no predecessor's
/// text.
fn reason(verdict: Result<(), Reject>) -> String {
    match verdict {
        Ok(()) => String::new(),
        Err(Reject::Unauthorized) => "unauthorized worker".to_owned(),
        Err(reject) => reject.row_reason().unwrap_or("no node confirmed the work").to_owned(),
    }
}

/// The time in a header.
fn header_time(form: HeaderForm, header: &[u8]) -> u32 {
    // A header that was hashed is of the coin's form.
    Header::from_bytes(form, header).map_or(0, |header| header.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::reject::REASON_BYTES_MAX;

    #[test]
    fn a_refused_candidate_s_row_says_why() {
        assert_eq!(reason(Ok(())), "");
        assert_eq!(reason(Err(Reject::Stale)), "job not found (stale)");
        assert_eq!(reason(Err(Reject::Unauthorized)), "unauthorized worker");
        let paused = reason(Err(Reject::NoWork));
        assert!(paused.contains("no node") && paused.len() <= REASON_BYTES_MAX);
    }
}
