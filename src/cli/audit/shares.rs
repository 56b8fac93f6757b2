//! The events of the spool beside the rows of the database.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::Conn;

use super::View;
use super::report::Report;
use crate::cli::quantity::utc;
use crate::exit::Exit;
use crate::ledger::inspect::{Step, Walk};
use crate::ledger::mended;
use crate::ledger::quarantine::QUARANTINE_FILE;
use crate::ledger::record::{Event, ShareRecord};
use crate::ledger::replay;
use crate::mpos::audit;
use crate::mpos::audit::block::{Remark, Weight, account_of};
use crate::mpos::audit::rows::{Difference, Row, Rows, compare as compare_second};

/// Most accounts that are looked up; beyond it the rest is left out, and the report says so.
const ACCOUNTS_MAX: usize = 50_000;

/// The events of one second.
#[derive(Default)]
struct Second {
    time: u64,
    seqs: Vec<u64>,
    shares: Vec<ShareRecord>,
}

/// What is known beside events and rows.
struct Context {
    stored: u64,
    /// Highest share id ever given.
    given_id: u64,
    paid_id: u64,
    quarantined: BTreeSet<u64>,
    replayed: BTreeMap<u64, u64>,
    /// Accounts with accepted shares, and how many.
    accounts: BTreeMap<String, u64>,
    events: u64,
    undrained: u64,
    holes: u64,
}

pub(super) async fn compare(view: &View, conn: &mut Conn, report: &mut Report) -> Result<(), Exit> {
    let database = view.database();
    let mark = audit::mark(conn).await.map_err(&database)?;
    let spool = view.files.spool().to_string();
    let kept = crate::mpos::cursor::standing(conn, &spool).await.map_err(&database)?.1;
    let stored = match &mark.cursor {
        Some((writer, seq)) if *writer == spool => *seq,
        Some((writer, _)) => {
            report.say(Remark::problem(
                "foreign_writer",
                format!("spool {writer} is the writer of shares, not this one: see `spool status`"),
            ));
            kept.unwrap_or(0)
        }
        None => 0,
    };
    let mut context = Context {
        stored,
        given_id: mark.given_id,
        paid_id: audit::paid_id(conn).await.map_err(&database)?,
        quarantined: quarantined(view)?,
        replayed: replay::replayed(view.files.dir()).map_err(view.unreadable())?,
        accounts: BTreeMap::new(),
        events: 0,
        undrained: 0,
        holes: 0,
    };
    let (mut walk, since) = begin(view)?;
    let mut rows = Rows::since(conn, since, mark.last_id).await.map_err(&database)?;
    let mut second = Second::default();
    while let Some(step) = walk.step().map_err(view.unreadable())? {
        match step {
            Step::Event(entry, _) if entry.time < since => {}
            Step::Event(entry, _) if entry.seq > context.stored => {
                context.undrained += u64::from(matches!(entry.event, Event::Share(_)));
            }
            Step::Event(entry, _) => {
                let Event::Share(share) = entry.event else { continue };
                if entry.time != second.time {
                    let whole = std::mem::replace(&mut second, Second { time: entry.time, ..Second::default() });
                    context.settle(whole, &mut rows, conn, report).await.map_err(&database)?;
                }
                context.note(&share);
                second.seqs.push(entry.seq);
                second.shares.push(share);
            }
            Step::Hole(loss) | Step::Gap(loss) if loss.last_seq >= loss.first_seq => {
                context.holes += loss.last_seq - loss.first_seq + 1;
            }
            _ => {}
        }
    }
    context.settle(second, &mut rows, conn, report).await.map_err(&database)?;
    // What is left lies behind the last event.
    let mut rest = Vec::new();
    let last = rows.of_second(conn, u64::MAX, &mut rest).await.map_err(&database)?;
    rest.into_iter().chain(last).for_each(|row| context.extra(&row, report));
    if rows.is_overfull() {
        let text = "so many rows are out of the order of time that not all were compared: another program with another clock \
                    writes into shares";
        report.say(Remark::problem("out_of_order", text));
    }
    context.finish(view, since, conn, report).await
}

/// The walk, and the first second of which every event is there.
fn begin(view: &View) -> Result<(Walk, u64), Exit> {
    let unreadable = view.unreadable();
    let segments = view.files.segments().map_err(&unreadable)?;
    // Segments that ended before the time in question need not be read.
    let wanted = segments.iter().take_while(|segment| segment.created.is_none_or(|created| created <= view.since));
    let from = wanted.last().or(segments.first()).map_or(1, |segment| segment.first_seq);
    let mut first = view.files.walk(from).map_err(&unreadable)?;
    let mut since = view.since;
    while let Some(step) = first.step().map_err(&unreadable)? {
        if let Step::Event(entry, _) = step {
            // Older events of the same second may have been removed.
            since = since.max(if entry.seq == 1 { entry.time } else { entry.time + 1 });
            break;
        }
    }
    Ok((view.files.walk(from).map_err(&unreadable)?, since))
}

fn quarantined(view: &View) -> Result<BTreeSet<u64>, Exit> {
    match mended::numbers(&view.files.dir().join(QUARANTINE_FILE)) {
        Ok(numbers) => Ok(numbers),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(view.unreadable()(error)),
    }
}

impl Context {
    fn note(&mut self, share: &ShareRecord) {
        self.events += 1;
        if share.accepted
            && (self.accounts.len() < ACCOUNTS_MAX || self.accounts.contains_key(account_of(&share.worker)))
        {
            *self.accounts.entry(account_of(&share.worker).to_owned()).or_default() += 1;
        }
    }

    /// Compares a second.
    async fn settle(
        &self,
        second: Second,
        rows: &mut Rows,
        conn: &mut Conn,
        report: &mut Report,
    ) -> Result<(), mysql_async::Error> {
        if second.seqs.is_empty() {
            return Ok(());
        }
        let mut before = Vec::new();
        let there = rows.of_second(conn, second.time, &mut before).await?;
        before.iter().for_each(|row| self.extra(row, report));
        let Difference { missing, mut extra, matched_id } = compare_second(&second.shares, there);
        let near = matched_id.or(rows.next_id()).unwrap_or(self.given_id);
        for at in missing {
            let (Some(&seq), Some(share)) = (second.seqs.get(at), second.shares.get(at)) else { continue };
            // A row of the same worker and second that has other values is this one, changed.
            let changed = extra.iter().position(|row| row.username == *share.worker);
            match changed.map(|place| extra.swap_remove(place)) {
                Some(row) if !self.quarantined.contains(&seq) => changed_row(seq, share, &row, report),
                row => {
                    extra.extend(row);
                    self.missing(seq, second.time, share, near, report);
                }
            }
        }
        extra.iter().for_each(|row| self.extra(row, report));
        Ok(())
    }

    fn missing(&self, seq: u64, time: u64, share: &ShareRecord, near: u64, report: &mut Report) {
        let example =
            || format!("event {seq} of {:?} at {}, difficulty {}", share.worker, utc(time), share.row_difficulty);
        if let Some(number) = self.replayed.get(&seq) {
            let text = "rows were in quarantine and are replayed under a new number";
            report.differ(Weight::Note, "replayed", text, || format!("{}, now event {number}", example()));
        } else if self.quarantined.contains(&seq) {
            let text =
                "rows are in quarantine: the database refused them; mend them and use `spool replay --quarantine`";
            report.differ(Weight::Problem, "quarantined", text, example);
        } else if near <= self.paid_id {
            let text = "rows were paid and deleted by MPOS (it archives only young ones)";
            report.differ(Weight::Note, "paid", text, example);
        } else {
            let text = "rows are missing that the database had confirmed: deleted by hand, or lost with a restored backup; \
                        `spool rewind` sends events again";
            report.differ(Weight::Problem, "missing", text, example);
        }
    }

    fn extra(&self, row: &Row, report: &mut Report) {
        let example =
            || format!("share {} of {:?} at {}, difficulty {}", row.id, row.username, utc(row.time), row.difficulty);
        let (weight, kind, text) = match self.holes {
            0 => (
                Weight::Problem,
                "extra",
                "rows that no event of this spool stands for: another program writes into shares, or rows were sent twice",
            ),
            _ => (
                Weight::Note,
                "extra_damaged",
                "rows whose events cannot be read in the spool any more (see `spool verify`), or of another writer",
            ),
        };
        report.differ(weight, kind, text, example);
    }

    async fn finish(self, view: &View, since: u64, conn: &mut Conn, report: &mut Report) -> Result<(), Exit> {
        report.count("shares", self.events);
        if self.undrained > 0 {
            let text = format!(
                "{} rows are not drained yet (events behind {}): see `spool status`",
                self.undrained, self.stored
            );
            report.say(Remark::note("undrained", text));
        }
        let former = audit::former_writers(conn, since).await.map_err(view.database())?;
        for (spool, alive) in former.into_iter().filter(|(spool, _)| *spool != view.files.spool().to_string()) {
            let text = format!("spool {spool} was the writer until {}: rows before that are its own", utc(alive));
            report.say(Remark::note("former_writer", text));
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            report.say(Remark::note("accounts", format!("only {ACCOUNTS_MAX} accounts were looked up")));
        }
        let names: Vec<String> = self.accounts.keys().cloned().collect();
        let known = audit::accounts(conn, &view.coin.mpos, &names).await.map_err(view.database())?;
        for (name, shares) in self.accounts {
            match known.get(&name.to_lowercase()) {
                None => {
                    let text = "accounts do not exist: MPOS leaves their shares out of every round";
                    report.differ(Weight::Problem, "account_unknown", text, || format!("{name:?}: {shares} shares"));
                }
                Some(account) if account.locked == 2 => {
                    let text = "accounts are locked by an administrator: their shares do not count";
                    report.differ(Weight::Problem, "account_locked", text, || format!("{name:?}: {shares} shares"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn changed_row(seq: u64, share: &ShareRecord, row: &Row, report: &mut Report) {
    let text = "rows have other values than the events they stand for: they were changed by hand, or swapped by MPOS";
    report.differ(Weight::Problem, "changed", text, || {
        format!(
            "event {seq} of {:?}: accepted {}, difficulty {}; share {}: accepted {}, difficulty {}",
            share.worker, share.accepted, share.row_difficulty, row.id, row.accepted, row.difficulty
        )
    });
}
