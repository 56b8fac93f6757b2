//! What every connection was told about its shares, and what the rows must therefore be.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Instant;

use crate::support::mariadb::ShareRow;

/// What a miner is told whose share could not be written down.
pub const NOT_RECORDED: &str = "Share not recorded, the pool's disk is full or failing: try again";
/// The reason of a block that was written down after its miner had to be refused.
const LATE: &str = "written down late";
/// Answer to a share of work that the connection has dropped.
const FORGOTTEN: &str = "Job not found";

/// What the pool said about a share.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It counts.
    Accepted,
    /// It does not, with this text.
    Refused(String),
}

/// A share on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    pub worker: String,
    /// The block's hash, if it is one.
    pub block: Option<String>,
    pub at: Instant,
    pub at_secs: u64,
    /// Its answer, and when it was read; `None`: the connection ended before it came.
    pub answer: Option<(Answer, Instant, u64)>,
}

/// What rows a share may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// One.
    One,
    /// One or none.
    Perhaps,
    None,
}

impl Sent {
    /// The block that the pool can have seen in it: none where it did not know the job any more, because
    /// the work was two blocks old.
    pub fn block(&self) -> Option<&str> {
        let forgotten = matches!(&self.answer, Some((Answer::Refused(text), ..)) if text == FORGOTTEN);
        self.block.as_deref().filter(|_| !forgotten)
    }

    /// `whole`: the pool had room for everything, so refused shares have rows too.
    fn due(&self, whole: bool) -> Due {
        match &self.answer {
            Some((Answer::Accepted, ..)) => Due::One,
            Some((Answer::Refused(text), ..)) if text == NOT_RECORDED => {
                assert!(!whole, "nothing is wrong with the disk: {self:?}");
                // A block has its row whatever its miner had to be told.
                if self.block().is_some() { Due::One } else { Due::None }
            }
            Some((Answer::Refused(_), ..)) if whole || self.block().is_some() => Due::One,
            Some((Answer::Refused(_), ..)) | None => Due::Perhaps,
        }
    }

    /// Whether it may have become this row.
    fn is(&self, row: &ShareRow) -> bool {
        let result = (row.our_result.as_str(), row.reason.as_deref().unwrap_or("NULL"));
        let answered = match &self.answer {
            Some((Answer::Accepted, _, secs)) => result == ("Y", "") && row.time <= *secs,
            Some((Answer::Refused(text), ..)) if text == NOT_RECORDED => result == ("N", LATE),
            // A block was found meanwhile; nothing else may refuse these shares.
            Some((Answer::Refused(text), ..)) => {
                text.starts_with("Job not found") && result == ("N", &text.to_lowercase())
            }
            None => true,
        };
        let block = self.block().unwrap_or_default();
        answered && self.worker == row.username && block == row.solution && self.at_secs <= row.time
    }
}

/// A connection's shares, in the order they were sent. Each connection has an address of its own, by
/// which its rows are known.
#[derive(Debug)]
pub struct Account {
    pub from: Ipv4Addr,
    pub sent: Vec<Sent>,
}

/// What a check has counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub connections: usize,
    /// Shares answered `true`.
    pub accepted: usize,
    pub refused: usize,
    /// Shares refused because they could not be written down.
    pub unrecorded: usize,
    /// Shares whose answer a kill cut off, and how many of them became rows.
    pub unanswered: usize,
    pub unanswered_rows: usize,
    pub blocks: usize,
}

/// Every answered share is exactly one row with the right worker and result; what was not answered
/// is at most one, in its place. `whole`: nothing was ever wrong with the disk. Returns what there was.
pub fn check(accounts: &[Account], rows: &[ShareRow], whole: bool) -> Counts {
    let mut by_address: HashMap<&str, Vec<&ShareRow>> = HashMap::new();
    for row in rows {
        by_address.entry(&row.rem_host).or_default().push(row);
    }
    let mut counts = Counts { connections: accounts.len(), ..Counts::default() };
    let mut order = HashMap::new();
    for account in accounts {
        let own = by_address.remove(account.from.to_string().as_str()).unwrap_or_default();
        order.extend(check_connection(account, &own, whole, &mut counts));
    }
    assert!(by_address.is_empty(), "rows of nobody: {by_address:?}");
    let blocks: Vec<&str> = rows.iter().map(|row| row.solution.as_str()).filter(|hash| !hash.is_empty()).collect();
    assert_eq!(blocks.iter().collect::<HashSet<_>>().len(), blocks.len(), "a block is there twice");
    counts.blocks = blocks.len();
    check_order(rows, &order, whole);
    counts
}

/// Finds the share of each of a connection's rows.
fn check_connection<'a>(
    account: &'a Account,
    rows: &[&ShareRow],
    whole: bool,
    counts: &mut Counts,
) -> Vec<(u64, &'a Sent)> {
    let mut rows = rows.iter().peekable();
    let mut order = Vec::new();
    // Shares without an answer are the last ones, and those that became rows come first among them.
    let mut cut_off = false;
    for (number, sent) in account.sent.iter().enumerate() {
        let place = || format!("share {number} of {}: {sent:?}", account.from);
        let due = sent.due(whole);
        let row = rows.next_if(|row| due != Due::None && sent.is(row));
        assert!(row.is_some() || due != Due::One, "{} has no row; the next one is {:?}", place(), rows.peek());
        assert!(row.is_none() || !cut_off, "{} has a row, one before it has none", place());
        cut_off |= row.is_none() && sent.answer.is_none();
        order.extend(row.map(|row| (row.id, sent)));
        match &sent.answer {
            Some((Answer::Accepted, ..)) => counts.accepted += 1,
            Some((Answer::Refused(text), ..)) if text == NOT_RECORDED => counts.unrecorded += 1,
            Some((Answer::Refused(_), ..)) => counts.refused += 1,
            None => {
                counts.unanswered += 1;
                counts.unanswered_rows += usize::from(row.is_some());
            }
        }
    }
    assert!(rows.peek().is_none(), "a row of {} that is none of its shares: {:?}", account.from, rows.peek());
    order
}

/// Rows are in the order of acceptance: what was answered before something else was sent comes before it.
fn check_order(rows: &[ShareRow], shares: &HashMap<u64, &Sent>, whole: bool) {
    let mut earliest: Option<(Instant, &ShareRow)> = None;
    for row in rows.iter().rev() {
        let sent = shares[&row.id];
        assert!(
            earliest.is_none_or(|(answered, _)| sent.at <= answered),
            "{:?} was answered before the share of {row:?} was sent",
            earliest.map(|(_, later)| later)
        );
        // A refused share that needs no row may have been taken for another one of its worker that has.
        if let Some((_, answered, _)) = sent.answer
            && sent.due(whole) == Due::One
            && earliest.is_none_or(|(earliest, _)| answered < earliest)
        {
            earliest = Some((answered, row));
        }
    }
    assert!(rows.is_sorted_by_key(|row| row.time), "times are in the order of acceptance");
}
