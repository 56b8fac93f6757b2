//! Shares of all kinds, and the rows that they must become: told by the rules, not by the code that
//! is tested.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use mpos_stratum::ledger::error::AppendError;
use mpos_stratum::ledger::record::{CandidateFacts, Event, ShareRecord, VerdictRecord};
use mpos_stratum::ledger::{Ledger, Receipt};

use crate::rig::PATIENCE;
use crate::support::mariadb::ShareRow;

/// Everything acknowledged so far.
#[derive(Default)]
pub struct Book {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// How many shares were made.
    made: u64,
    /// Expected rows with their sequence number; ids are not known here.
    rows: Vec<(u64, ShareRow)>,
    /// Candidates without a verdict: sequence number and hash.
    open: BTreeMap<u64, [u8; 32]>,
}

/// A share to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Accepted,
    Refused,
    Candidate,
}

const ACCOUNTS: [&str; 4] = ["Alice", "Bob", "Carol", "Dave"];

/// Share number `made`: no two have the same name.
pub fn share(made: u64, kind: Kind) -> ShareRecord {
    let account = ACCOUNTS[(made % 4) as usize];
    let candidate = (kind == Kind::Candidate).then(|| CandidateFacts {
        hash: hash(made),
        header_time: 1_700_000_000,
        coinbase_txid: [3; 32],
    });
    let v6 = made.is_multiple_of(3);
    ShareRecord {
        worker: format!("{account}.r{made}").into(),
        remote: if v6 { format!("2001:db8::{:x}", made % 65536) } else { format!("192.0.2.{}", made % 256) }
            .parse()
            .unwrap(),
        accepted: kind != Kind::Refused,
        reason: if kind == Kind::Refused { format!("low difficulty share {made}") } else { String::new() },
        row_difficulty: difficulty(made),
        assigned_difficulty: 512.0,
        share_difficulty: 700.0,
        network_difficulty: 1e6,
        height: 100,
        reward: 50,
        job: "1".into(),
        header: vec![0; 80],
        solution: candidate.map(|facts| facts.hash),
        candidate,
    }
}

/// Not always exact in the 4-byte column.
fn difficulty(made: u64) -> f64 {
    [512.0, 0.1, 16.0, 1e-3, 16_777_217.0][(made % 5) as usize]
}

/// The block hash of candidate `made`, internal order.
fn hash(made: u64) -> [u8; 32] {
    let mut hash = [0xc0; 32];
    hash[..8].copy_from_slice(&made.to_le_bytes());
    hash
}

/// A hash as every node writes it.
fn display(hash: &[u8; 32]) -> String {
    hash.iter().rev().map(|byte| format!("{byte:02x}")).collect()
}

fn row(share: &ShareRecord, time: u64) -> ShareRow {
    ShareRow {
        id: 0,
        rem_host: share.remote.to_string(),
        username: share.worker.to_string(),
        our_result: if share.accepted { "Y" } else { "N" }.into(),
        upstream_result: Some("N".into()),
        reason: Some(share.reason.clone()),
        solution: share.candidate.as_ref().map(|facts| display(&facts.hash)).unwrap_or_default(),
        difficulty: f64::from(share.row_difficulty as f32),
        time,
    }
}

impl Book {
    /// Appends shares of these kinds in one call and notes what they must become.
    pub fn append(&self, ledger: &Ledger, kinds: &[Kind]) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        let shares: Vec<ShareRecord> = kinds
            .iter()
            .map(|kind| {
                inner.made += 1;
                share(inner.made, *kind)
            })
            .collect();
        inner.note(ledger, &shares)
    }

    /// Appends shares made by the caller.
    pub fn append_shares(&self, ledger: &Ledger, shares: &[ShareRecord]) -> u64 {
        self.inner.lock().unwrap().note(ledger, shares)
    }

    /// Appends, in one call, the acceptance of the oldest candidate that has no verdict, if there is one,
    /// and shares made by the caller.
    pub fn append_batch(&self, ledger: &Ledger, shares: &[ShareRecord]) {
        let mut inner = self.inner.lock().unwrap();
        let verdict = inner.open.pop_first().map(|(candidate, hash)| {
            if let Some((_, row)) = inner.rows.iter_mut().find(|(seq, _)| *seq == candidate) {
                row.upstream_result = Some("Y".into());
            }
            let (accepted, reason) = (true, String::new());
            Event::Verdict(VerdictRecord { candidate, written_hash: hash, accepted, node_hash: hash, reason })
        });
        inner.note_behind(ledger, verdict, shares);
    }

    /// Appends the node's verdict on the oldest candidate that has none.
    pub fn append_verdict(&self, ledger: &Ledger, accepted: bool) -> Option<u64> {
        let mut inner = self.inner.lock().unwrap();
        let (candidate, hash) = inner.open.pop_first()?;
        let reason = if accepted { String::new() } else { "high-hash".to_owned() };
        let verdict =
            VerdictRecord { candidate, written_hash: hash, accepted, node_hash: hash, reason: reason.clone() };
        let receipt = append(ledger, &[Event::Verdict(verdict)]);
        if let Some((_, row)) = inner.rows.iter_mut().find(|(seq, _)| *seq == candidate) {
            if accepted {
                row.upstream_result = Some("Y".into());
            } else {
                row.reason = Some(reason);
            }
        }
        Some(receipt.last_seq)
    }

    /// The rows that must be there, ids aside.
    pub fn expected(&self) -> Vec<ShareRow> {
        self.inner.lock().unwrap().rows.iter().map(|(_, row)| row.clone()).collect()
    }

    /// Takes the rows of these sequence numbers out: they are not expected any more.
    pub fn except(&self, gone: impl Fn(u64) -> bool) {
        self.inner.lock().unwrap().rows.retain(|(seq, _)| !gone(*seq));
    }
}

/// Appends; where the small segments of the tests fill faster than the next one is allocated, as soon as it is.
fn append(ledger: &Ledger, events: &[Event]) -> Receipt {
    let begin = Instant::now();
    loop {
        match ledger.append(events) {
            Err(AppendError::Full) if begin.elapsed() < PATIENCE => std::thread::yield_now(),
            appended => return appended.unwrap(),
        }
    }
}

impl Inner {
    fn note(&mut self, ledger: &Ledger, shares: &[ShareRecord]) -> u64 {
        self.note_behind(ledger, None, shares)
    }

    fn note_behind(&mut self, ledger: &Ledger, first: Option<Event>, shares: &[ShareRecord]) -> u64 {
        let before = u64::from(first.is_some());
        let events: Vec<Event> = first.into_iter().chain(shares.iter().cloned().map(Event::Share)).collect();
        let receipt = append(ledger, &events);
        for (seq, share) in (receipt.first_seq + before..).zip(shares) {
            if let Some(facts) = &share.candidate {
                self.open.insert(seq, facts.hash);
            }
            self.rows.push((seq, row(share, receipt.time)));
        }
        receipt.last_seq
    }
}
