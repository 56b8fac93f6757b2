//! A connection that is the writer, and the transaction that stores a batch.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};

use super::connect::within;
use super::cursor::{self, Token};
use super::limits::Limits;
use super::schema_check::{Checked, check_engines, check_shape};
use super::trouble::Trouble;
use super::{blocks, rows};
use crate::ledger::record::{Entry, Event, ShareRecord};
use crate::ledger::sink::SpoolId;

/// Ids of rows that were stored although their transaction was undone, by sequence number: what a
/// table without transactions keeps of a batch that failed.
pub(super) type Undone = BTreeMap<u64, u64>;

/// An attached connection.
pub(super) struct Session {
    pub(super) conn: Conn,
    spool: SpoolId,
    token: Token,
    limits: Limits,
    checked: Checked,
}

impl Session {
    /// A session on a connection that has been checked and has taken the cursor with `token`.
    pub(super) fn new(conn: Conn, spool: SpoolId, token: Token, limits: Limits, checked: Checked) -> Self {
        Self { conn, spool, token, limits, checked }
    }

    /// Stores a batch and moves the cursor, in one transaction.
    pub(super) async fn store(
        &mut self,
        entries: &[Entry],
        old: u64,
        new: u64,
        undone: &mut Undone,
    ) -> Result<(), Trouble> {
        self.step("START TRANSACTION").await?;
        let limit = self.limits.statement;
        timed(limit, cursor::advance(&mut self.conn, self.spool, &self.token, old, new)).await?;
        if self.checked.atomic {
            self.store_many(entries).await?;
        } else {
            self.store_one_by_one(entries, undone).await?;
        }
        self.step("COMMIT").await?;
        undone.retain(|seq, _| *seq > new);
        Ok(())
    }

    /// With as few statements as possible.
    async fn store_many(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        let mut waiting: Vec<Value> = Vec::new();
        for entry in entries {
            match &entry.event {
                Event::Share(share) if share.candidate.is_none() => rows::push_row(entry.time, share, &mut waiting),
                Event::Share(share) => {
                    self.insert(std::mem::take(&mut waiting)).await?;
                    let share_id = self.insert_row(entry.time, share).await?;
                    self.record(entry, share, share_id).await?;
                }
                Event::Verdict(verdict) => {
                    timed(self.limits.statement, blocks::judge(&mut self.conn, self.spool, verdict)).await?;
                }
            }
        }
        self.insert(waiting).await
    }

    /// Into a table without transactions: row by row, so that after a failure it is known which rows
    /// are there. Those are not stored again as long as this process lives; what is doubled is at most
    /// the row whose answer was lost, and what a crash interrupts.
    async fn store_one_by_one(&mut self, entries: &[Entry], undone: &mut Undone) -> Result<(), Trouble> {
        for entry in entries {
            match &entry.event {
                Event::Share(share) => {
                    let share_id = match undone.get(&entry.seq) {
                        Some(share_id) => *share_id,
                        None => self.insert_row(entry.time, share).await?,
                    };
                    undone.insert(entry.seq, share_id);
                    self.record(entry, share, share_id).await?;
                }
                Event::Verdict(verdict) => {
                    timed(self.limits.statement, blocks::judge(&mut self.conn, self.spool, verdict)).await?;
                }
            }
        }
        Ok(())
    }

    /// One row in a statement of its own: the id that the database gave it is asked for, never
    /// computed.
    async fn insert_row(&mut self, time: u64, share: &ShareRecord) -> Result<u64, Trouble> {
        let mut values = Vec::new();
        rows::push_row(time, share, &mut values);
        self.insert(values).await?;
        match self.conn.last_insert_id().filter(|id| *id > 0) {
            Some(share_id) => Ok(share_id),
            None => Err(Trouble::NotNow("the database did not tell the id of a row".into())),
        }
    }

    /// Records a candidate beside its row; nothing for any other share.
    async fn record(&mut self, entry: &Entry, share: &ShareRecord, share_id: u64) -> Result<(), Trouble> {
        let Some(facts) = &share.candidate else { return Ok(()) };
        let place = (self.spool, entry.seq, entry.time);
        timed(self.limits.statement, blocks::record(&mut self.conn, place, share_id, share, facts)).await
    }

    /// Stores rows with as few statements as their number allows.
    async fn insert(&mut self, values: Vec<Value>) -> Result<(), Trouble> {
        for (sql, params) in rows::statements(values) {
            within(self.limits.statement, self.conn.exec_drop(sql, params)).await.map_err(Trouble::of_row)?;
            let first_id = self.conn.last_insert_id().unwrap_or(0);
            if first_id <= self.checked.last_id {
                return Err(Trouble::NotNow(format!(
                    "a row got id {first_id} though {} was used before: was shares emptied or restored?",
                    self.checked.last_id
                )));
            }
            self.checked.last_id = first_id;
        }
        Ok(())
    }

    /// Undoes the transaction after a row was refused, and looks whether the table has been changed
    /// so that it is not the row's fault.
    pub(super) async fn undo(&mut self) -> Result<(), Trouble> {
        self.step("ROLLBACK").await?;
        timed(self.limits.statement, check_shape(&mut self.conn)).await
    }

    /// Looks whether the tables still are in the engines that this connection was told of: one that was
    /// altered meanwhile takes part in a running connection's transactions no more, without any error.
    pub(super) async fn check_engines(&mut self, allow_myisam: bool) -> Result<(), Trouble> {
        let atomic = timed(self.limits.statement, check_engines(&mut self.conn, allow_myisam)).await?;
        match atomic == self.checked.atomic {
            true => Ok(()),
            false => Err(Trouble::NotNow("the engine of table shares was changed: attaching again".into())),
        }
    }

    /// Shows that the writer is alive.
    pub(super) async fn renew(&mut self) -> Result<(), Trouble> {
        timed(self.limits.statement, cursor::renew(&mut self.conn, self.spool, &self.token)).await
    }

    /// Gives the table free for another spool and ends the connection.
    pub(super) async fn release(mut self) -> Result<(), Trouble> {
        let limit = self.limits.release;
        timed(limit, cursor::release(&mut self.conn, self.spool, &self.token)).await?;
        Ok(within(limit, self.conn.disconnect()).await?)
    }

    async fn step(&mut self, sql: &str) -> Result<(), Trouble> {
        Ok(within(self.limits.statement, self.conn.query_drop(sql)).await?)
    }
}

/// A step of one or a few statements by primary key, with an end.
pub(super) async fn timed<T>(limit: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    within(limit, async { Ok(work.await) }).await?
}
