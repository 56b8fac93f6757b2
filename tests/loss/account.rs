//! What every connection was told about its shares, and what the rows must therefore be.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Instant;

use crate::support::mariadb::ShareRow;

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
    /// Shares whose answer a kill cut off, and how many of them became rows.
    pub unanswered: usize,
    pub unanswered_rows: usize,
    pub blocks: usize,
}

/// Every answered share is exactly one row with the right worker and result; what was not answered
/// is at most one, in its place. Returns what there was.
pub fn check(accounts: &[Account], rows: &[ShareRow]) -> Counts {
    let mut by_address: HashMap<&str, Vec<&ShareRow>> = HashMap::new();
    for row in rows {
        by_address.entry(&row.rem_host).or_default().push(row);
    }
    let mut counts = Counts { connections: accounts.len(), ..Counts::default() };
    for account in accounts {
        let own = by_address.remove(account.from.to_string().as_str()).unwrap_or_default();
        check_connection(account, &own, &mut counts);
    }
    assert!(by_address.is_empty(), "rows of nobody: {by_address:?}");
    let blocks: Vec<&str> = rows.iter().map(|row| row.solution.as_str()).filter(|hash| !hash.is_empty()).collect();
    assert_eq!(blocks.iter().collect::<HashSet<_>>().len(), blocks.len(), "a block is there twice");
    counts.blocks = blocks.len();
    counts
}

fn check_connection(account: &Account, rows: &[&ShareRow], counts: &mut Counts) {
    let answered = account.sent.iter().take_while(|sent| sent.answer.is_some()).count();
    assert!(account.sent[answered..].iter().all(|sent| sent.answer.is_none()), "answers come in turn");
    assert!(
        (answered..=account.sent.len()).contains(&rows.len()),
        "{}: {answered} answered, {} sent, {} rows",
        account.from,
        account.sent.len(),
        rows.len()
    );
    for (number, (sent, row)) in account.sent.iter().zip(rows).enumerate() {
        let place = format!("share {number} of {}: {sent:?}, {row:?}", account.from);
        assert_eq!(sent.worker, row.username, "{place}");
        assert_eq!(sent.block.as_deref().unwrap_or_default(), row.solution, "{place}");
        assert!(row.time >= sent.at_secs, "{place}");
        match &sent.answer {
            Some((Answer::Accepted, _, secs)) => {
                assert_eq!((row.our_result.as_str(), row.reason.as_deref()), ("Y", Some("")), "{place}");
                assert!(row.time <= *secs, "{place}");
                counts.accepted += 1;
            }
            Some((Answer::Refused(text), ..)) => {
                // A block was found meanwhile; nothing else may refuse these shares.
                assert!(text.starts_with("Job not found"), "{place}");
                assert_eq!((row.our_result.as_str(), row.reason.clone()), ("N", Some(text.to_lowercase())), "{place}");
                counts.refused += 1;
            }
            None => counts.unanswered_rows += 1,
        }
    }
    counts.unanswered += account.sent.len() - answered;
}

/// Rows are in the order of acceptance: what was answered before something else was sent comes before it.
pub fn check_order(accounts: &[Account], rows: &[ShareRow]) {
    let mut own: HashMap<String, std::slice::Iter<'_, Sent>> =
        accounts.iter().map(|account| (account.from.to_string(), account.sent.iter())).collect();
    let in_order: Vec<&Sent> =
        rows.iter().map(|row| own.get_mut(&row.rem_host).and_then(Iterator::next).expect("checked before")).collect();
    let mut earliest: Option<Instant> = None;
    for (sent, row) in in_order.iter().zip(rows).rev() {
        assert!(
            earliest.is_none_or(|answered| sent.at <= answered),
            "a later row was answered before {row:?} was sent"
        );
        if let Some((_, answered, _)) = &sent.answer {
            earliest = Some(earliest.map_or(*answered, |earliest| earliest.min(*answered)));
        }
    }
    assert!(rows.is_sorted_by_key(|row| row.time), "times are in the order of acceptance");
}
