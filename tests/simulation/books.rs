//! What every submit was and what became of it, and the promises that are checked by it.

use std::collections::{HashMap, HashSet};

use mpos_stratum::ledger::record::{Entry, Event, ShareRecord};

use crate::store;
use crate::support::miner::job::Share;

/// What the miner knows of a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet.
    Sent,
    /// `true`.
    Acknowledged,
    /// An error: its code and text.
    Refused(i64, String),
    /// The connection is gone before the answer.
    Lost,
}

/// A submit.
#[derive(Debug, Clone)]
pub struct Submit {
    pub worker: String,
    pub share: Share,
    /// In force when its job was sent.
    pub difficulty: f64,
    pub fate: Fate,
    /// Its pool was killed while the block was on its way to the node and not yet in a file.
    pub excused: bool,
}

impl Submit {
    /// Whether its block must be at the node: its hash was looked at, whatever the answer.
    fn is_candidate(&self) -> bool {
        let is_looked_at = match &self.fate {
            Fate::Acknowledged => true,
            Fate::Refused(22, _) | Fate::Sent | Fate::Lost => false,
            Fate::Refused(_, text) => text != "Job not found",
        };
        self.share.meets_network_target && is_looked_at
    }
}

/// All submits, and the rows seen so far.
#[derive(Default)]
pub struct Books {
    pub submits: Vec<Submit>,
    by_header: HashMap<Vec<u8>, Vec<usize>>,
    rows: Vec<Entry>,
    /// Headers whose shares the desk took as good, in this order.
    taken: Vec<Vec<u8>>,
    /// How many of them have their `Y` row.
    credited: usize,
    /// Rows of candidates: sequence number and block hash.
    candidates: HashMap<u64, [u8; 32]>,
}

impl Books {
    /// Notes a submit that is sent now; returns its number.
    pub fn note(&mut self, worker: &str, share: &Share, difficulty: f64) -> usize {
        let number = self.submits.len();
        self.by_header.entry(share.header.clone()).or_default().push(number);
        let (worker, share) = (worker.to_owned(), share.clone());
        self.submits.push(Submit { worker, share, difficulty, fate: Fate::Sent, excused: false });
        number
    }

    /// The desk has taken a good share with this work: from now on nothing may lose it.
    pub fn take(&mut self, header: Vec<u8>) {
        self.taken.push(header);
    }

    /// Checks the rows that are new since the last time.
    pub fn check_rows(&mut self, stored: &[Entry]) {
        assert!(stored.len() >= self.rows.len(), "rows have gone");
        assert_eq!(stored[..self.rows.len()], self.rows[..], "rows have changed");
        for row in &stored[self.rows.len()..] {
            if let Some(before) = self.rows.last() {
                // A clock that was ahead by more than a minute is followed back.
                let is_later = before.time <= row.time || before.time - row.time > 60;
                assert!(before.seq < row.seq && is_later, "out of order: {before:?} {row:?}");
            }
            match &row.event {
                Event::Share(share) => self.check_share(row.seq, share),
                Event::Verdict(verdict) => {
                    let hash = self.candidates.get(&verdict.candidate);
                    assert_eq!(hash, Some(&verdict.written_hash), "a verdict on nothing: {verdict:?}");
                    assert!(verdict.accepted, "{verdict:?}");
                }
            }
            self.rows.push(row.clone());
        }
    }

    fn check_share(&mut self, seq: u64, share: &ShareRecord) {
        if let Some(facts) = &share.candidate {
            assert!(!self.candidates.values().any(|hash| *hash == facts.hash), "a block with two rows: {share:?}");
            self.candidates.insert(seq, facts.hash);
            assert_eq!(share.solution, Some(facts.hash));
        }
        if !share.accepted {
            assert!(!share.reason.is_empty(), "{share:?}");
            return;
        }
        let header = &share.header;
        assert_eq!(header.len(), 80, "a Y row without work");
        assert_eq!(self.taken.get(self.credited), Some(header), "not the next in the order of acceptance: {share:?}");
        self.credited += 1;
        let submits = self.by_header.get(header).unwrap_or_else(|| panic!("nobody did this work: {share:?}"));
        // The first with this work; all others are repeats.
        let submits: Vec<&Submit> = submits.iter().map(|number| &self.submits[*number]).collect();
        let earned = submits.iter().find(|submit| !matches!(submit.fate, Fate::Refused(..)));
        let earned = earned.unwrap_or_else(|| panic!("refused, and yet a Y row: {submits:?}"));
        assert!(earned.share.meets_share_target || earned.share.meets_network_target);
        let (stored, _) = store::stored(&earned.worker).expect("an unknown worker earns");
        assert_eq!((&*share.worker, share.row_difficulty), (stored, share.assigned_difficulty));
        // The miner's JSON reader may be wrong by the last bit.
        let ratio = share.assigned_difficulty / earned.difficulty;
        assert!((ratio - 1.0).abs() < 1e-12, "not the difficulty it was told: {share:?} {earned:?}");
    }

    /// What must hold when everything has been drained and settled.
    pub fn check_end(&self, submissions: &HashMap<String, usize>) {
        assert_eq!(self.credited, self.taken.len(), "what was taken has not become a row");
        let credited: HashSet<&Vec<u8>> = self.taken.iter().collect();
        assert_eq!(credited.len(), self.credited, "work is credited twice");
        let mut acknowledged = HashSet::new();
        for submit in self.submits.iter().filter(|submit| submit.fate == Fate::Acknowledged) {
            assert!(acknowledged.insert(&submit.share.header), "the same work was acknowledged twice: {submit:?}");
            assert!(credited.contains(&submit.share.header), "acknowledged, but no row: {submit:?}");
        }
        let submitted: HashSet<String> = self.submits.iter().map(|submit| submit.share.block_hash()).collect();
        assert!(submissions.keys().all(|hash| submitted.contains(hash)), "the node got a block that nobody found");
        let by_hash: HashMap<String, &Submit> =
            self.submits.iter().map(|submit| (submit.share.block_hash(), submit)).collect();
        for hash in submissions.keys() {
            assert!(by_hash[hash].share.meets_network_target, "no block: {:?}", by_hash[hash]);
        }
        for hash in self.wanted() {
            assert!(submissions.contains_key(&hash), "the node never got {:?}", by_hash[&hash]);
        }
    }

    /// Blocks that must be at the node in the end.
    pub fn wanted(&self) -> HashSet<String> {
        let excused: HashSet<&Vec<u8>> =
            self.submits.iter().filter(|submit| submit.excused).map(|submit| &submit.share.header).collect();
        let candidates = self.submits.iter().filter(|submit| submit.is_candidate());
        candidates
            .filter(|submit| !excused.contains(&submit.share.header))
            .map(|submit| submit.share.block_hash())
            .collect()
    }
}
