//! The events of the spool beside the rows of `shares` and `shares_archive`.
//!
//! Both sides ascend in time, and a row has the second of its event, so they are compared second by
//! second: in memory are the rows of some pages and the events of one second.

use std::collections::{BTreeMap, VecDeque};

use mysql_async::{Conn, Error};

use super::read;
use crate::ledger::record::ShareRecord;
use crate::mpos::rows::{difficulty, solution, username};

/// Rows that are read with one statement.
const PAGE_ROWS: u32 = 2000;
/// Most rows that are held for seconds to come; only clocks that differ by hours lead there.
pub const HELD_ROWS_MAX: usize = 500_000;

/// A row of either table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `shares.id`.
    pub id: u64,
    /// Unix seconds.
    pub time: u64,
    /// The worker.
    pub username: String,
    /// `our_result` is `Y`.
    pub accepted: bool,
    /// The column's value.
    pub difficulty: f32,
    /// `None`: the row is in the archive, which does not keep it.
    pub solution: Option<String>,
}

impl Row {
    /// Whether it is the row of this share, as the writer makes it.
    pub fn is_of(&self, share: &ShareRecord) -> bool {
        self.username == username(&share.worker)
            && self.accepted == share.accepted
            && self.difficulty.to_bits() == difficulty(share.row_difficulty).to_bits()
            && self.solution.as_ref().is_none_or(|text| share.candidate.is_some() || *text == solution(share))
    }
}

type ShareRow = (u64, i64, String, String, f32, String);
type ArchiveRow = (u64, i64, String, Option<String>, f32);

/// Reads rows of both tables in pages by id, and hands them out by second.
#[derive(Debug)]
pub struct Rows {
    since: u64,
    last_id: u64,
    shares: Source,
    archive: Source,
    held: BTreeMap<u64, Vec<Row>>,
    count: usize,
    done_to: u64,
    overfull: bool,
    /// Rows of a second that was already compared: their time goes back.
    late: VecDeque<Row>,
}

#[derive(Debug)]
struct Source {
    next_id: u64,
    at_end: bool,
    /// Earliest second on the last page: everything before it was read, clocks and strangers aside.
    passed: u64,
}

impl Rows {
    /// Rows with a time from `since` on and an id up to `last_id`.
    pub async fn since(conn: &mut Conn, since: u64, last_id: u64) -> Result<Self, Error> {
        let sql = "SELECT CAST(COALESCE(MIN(id), 0) AS UNSIGNED) FROM shares WHERE time >= FROM_UNIXTIME(?)";
        let first = read::<u64>(conn, sql, (since,)).await?;
        // The archive has wall-clock times of the server's own zone.
        let sql = "SELECT COALESCE(MIN(share_id), 0) FROM shares_archive \
                   WHERE time >= CONVERT_TZ(FROM_UNIXTIME(?), '+00:00', @@global.time_zone)";
        let archived = read::<u64>(conn, sql, (since,)).await?;
        let source = |first: Vec<u64>| {
            let first = first.first().copied().unwrap_or(0);
            Source { next_id: first, at_end: first == 0, passed: 0 }
        };
        Ok(Self {
            since,
            last_id,
            shares: source(first),
            archive: source(archived),
            held: BTreeMap::new(),
            count: 0,
            done_to: 0,
            overfull: false,
            late: VecDeque::new(),
        })
    }

    /// The rows of a second; seconds must ascend. Rows of seconds in between are added to `before`.
    pub async fn of_second(&mut self, conn: &mut Conn, second: u64, before: &mut Vec<Row>) -> Result<Vec<Row>, Error> {
        self.fill(conn, second).await?;
        before.extend(self.late.drain(..));
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() >= second {
                break;
            }
            before.extend(entry.remove());
        }
        let rows = self.held.remove(&second).unwrap_or_default();
        self.count = self.held.values().map(Vec::len).sum();
        self.done_to = second;
        Ok(rows)
    }

    /// Whether so many rows had to be held that some were not read: the comparison is not complete.
    pub fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// The smallest id of the rows that were read and not handed out.
    pub fn next_id(&self) -> Option<u64> {
        self.held.values().next()?.iter().map(|row| row.id).min()
    }

    async fn fill(&mut self, conn: &mut Conn, second: u64) -> Result<(), Error> {
        while !self.shares.at_end && self.shares.passed <= second && self.count < HELD_ROWS_MAX {
            let sql = "SELECT id, CAST(UNIX_TIMESTAMP(time) AS SIGNED), username, our_result, difficulty, solution \
                       FROM shares WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?";
            let page: Vec<ShareRow> = read(conn, sql, (self.shares.next_id, self.last_id, PAGE_ROWS)).await?;
            let rows = page.into_iter().map(|(id, time, username, result, difficulty, solution)| Row {
                id,
                time: u64::try_from(time).unwrap_or(0),
                username,
                accepted: result == "Y",
                difficulty,
                solution: Some(solution),
            });
            let rows: Vec<Row> = rows.collect();
            self.shares.turned(&rows);
            self.hold(rows);
        }
        while !self.archive.at_end && self.archive.passed <= second && self.count < HELD_ROWS_MAX {
            let sql = "SELECT share_id, CAST(UNIX_TIMESTAMP(CONVERT_TZ(time, @@global.time_zone, '+00:00')) AS SIGNED), \
                       username, our_result, difficulty FROM shares_archive \
                       WHERE share_id >= ? AND share_id <= ? ORDER BY share_id LIMIT ?";
            let page: Vec<ArchiveRow> = read(conn, sql, (self.archive.next_id, self.last_id, PAGE_ROWS)).await?;
            let rows = page.into_iter().map(|(id, time, username, result, difficulty)| Row {
                id,
                time: u64::try_from(time).unwrap_or(0),
                username,
                accepted: result.as_deref() == Some("Y"),
                difficulty,
                solution: None,
            });
            let rows: Vec<Row> = rows.collect();
            self.archive.turned(&rows);
            self.hold(rows);
        }
        self.overfull |= self.count >= HELD_ROWS_MAX;
        Ok(())
    }

    fn hold(&mut self, rows: Vec<Row>) {
        for row in rows.into_iter().filter(|row| row.time >= self.since) {
            self.count += 1;
            if row.time <= self.done_to && self.done_to > 0 {
                self.late.push_back(row);
                continue;
            }
            let second = self.held.entry(row.time).or_default();
            // MPOS copies a row before it deletes it: for a moment it is in both tables.
            match second.iter_mut().find(|known| known.id == row.id) {
                Some(known) if known.solution.is_none() => *known = row,
                Some(_) => {}
                None => second.push(row),
            }
        }
    }
}

impl Source {
    fn turned(&mut self, page: &[Row]) {
        self.at_end = page.len() < PAGE_ROWS as usize;
        self.next_id = page.last().map_or(self.next_id, |row| row.id + 1);
        self.passed = page.iter().map(|row| row.time).min().unwrap_or(u64::MAX);
    }
}

/// Events of one second without a row, and rows without an event.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Places in the list of events.
    pub missing: Vec<usize>,
    /// Rows that are no event's.
    pub extra: Vec<Row>,
    /// The smallest id of the rows that were matched.
    pub matched_id: Option<u64>,
}

/// Compares the events of a second with its rows. The order within a second is not looked at.
pub fn compare(events: &[ShareRecord], rows: Vec<Row>) -> Difference {
    let mut by_name: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        by_name.entry(row.username.clone()).or_default().push(row);
    }
    let mut difference = Difference::default();
    for (at, event) in events.iter().enumerate() {
        let candidates = by_name.get_mut(&username(&event.worker));
        let found = candidates.and_then(|rows| {
            let place = rows.iter().position(|row| row.is_of(event))?;
            Some(rows.swap_remove(place))
        });
        match found {
            Some(row) => difference.matched_id = Some(difference.matched_id.map_or(row.id, |id| id.min(row.id))),
            None => difference.missing.push(at),
        }
    }
    difference.extra = by_name.into_values().flatten().collect();
    difference.extra.sort_by_key(|row| row.id);
    difference
}
