//! Which rows may become visible without which candidate.
//!
//! When MPOS does not find a block by its hash it takes any accepted share with a time at or after
//! the block's. So a row at or after the header time of a candidate that is further back in the
//! line must not be visible before that candidate is.

use super::reader::Pending;
use super::record::Entry;

/// What to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// So many entries from the front.
    Take(usize),
    /// The front must wait for the candidate with this number: everything through it at once.
    Through(u64),
}

/// Plans the commit of `batch`, the front of the line. `pending` are all candidates of the line,
/// ascending, those in `batch` too.
pub(super) fn plan(batch: &[Entry], pending: &[Pending]) -> Plan {
    // The latest time of the rows up to each one: that of the row itself, unless the clock went back.
    let latest_time: Vec<u64> = batch
        .iter()
        .scan(0, |latest, row| {
            *latest = row.time.max(*latest);
            Some(*latest)
        })
        .collect();
    let mut candidates = pending.iter().rev().peekable();
    let mut least_header_time = u64::MAX;
    for (before, (row, &latest)) in batch.iter().zip(&latest_time).enumerate().rev() {
        while let Some(candidate) = candidates.next_if(|candidate| candidate.seq > row.seq) {
            least_header_time = least_header_time.min(candidate.header_time);
        }
        if latest < least_header_time {
            return Plan::Take(before + 1);
        }
    }
    let needed = batch.last().zip(latest_time.last()).and_then(|(last, &latest)| {
        pending.iter().find(|candidate| candidate.seq > last.seq && candidate.header_time <= latest)
    });
    needed.map_or(Plan::Take(batch.len()), |candidate| Plan::Through(candidate.seq))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::{Event, VerdictRecord};
    use super::*;

    fn rows(times: &[u64]) -> Vec<Entry> {
        let verdict = VerdictRecord {
            candidate: 0,
            written_hash: [0; 32],
            accepted: true,
            node_hash: [0; 32],
            reason: String::new(),
        };
        let entry = |(seq, &time): (u64, &u64)| Entry { seq, time, event: Event::Verdict(verdict.clone()) };
        (1..).zip(times).map(entry).collect()
    }

    fn at(seq: u64, header_time: u64) -> Pending {
        Pending { seq, header_time, since: Duration::ZERO }
    }

    #[test]
    fn rows_at_or_after_a_later_candidates_time_wait_for_it() {
        let batch = rows(&[10, 11, 12, 13]);
        assert_eq!(plan(&batch, &[]), Plan::Take(4));
        assert_eq!(plan(&batch, &[at(9, 14)]), Plan::Take(4));
        // A row of the very second waits; those before it need not.
        assert_eq!(plan(&batch, &[at(9, 13)]), Plan::Take(3));
        assert_eq!(plan(&batch, &[at(9, 10)]), Plan::Through(9));
        assert_eq!(plan(&batch, &[at(3, 10)]), Plan::Take(4), "the candidate itself is in the batch");
        // The cut at 3 would part rows 1 and 2 from candidate 4.
        assert_eq!(plan(&batch, &[at(4, 10), at(9, 13)]), Plan::Through(9));
        assert_eq!(plan(&batch, &[at(2, 10), at(9, 12)]), Plan::Take(2));
        assert_eq!(plan(&batch, &[at(7, 100), at(8, 5), at(9, 5)]), Plan::Through(8));
        assert_eq!(plan(&[], &[at(1, 1)]), Plan::Take(0));
        // After the clock went back: the rows before that could be taken for either candidate.
        let batch = rows(&[10, 99, 11, 12]);
        assert_eq!(plan(&batch, &[at(9, 50)]), Plan::Take(1));
        assert_eq!(plan(&batch, &[at(3, 99), at(9, 100)]), Plan::Take(4));
        assert_eq!(plan(&rows(&[99, 11]), &[at(9, 50)]), Plan::Through(9));
    }
}
