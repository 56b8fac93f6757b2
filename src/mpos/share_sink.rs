//! The writer of `shares`: the one connection that stores them, in order, each exactly once.
//!
//! Position and rows move in one transaction, so after any doubt (a broken connection, a commit
//! whose answer was lost) the cursor's row tells what is stored. Before it is asked, the connection
//! in doubt is ended: it may still be at work on the server, and MPOS cannot bear two writers.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Value};
use sha2::{Digest, Sha256};
use tracing::{debug, info};

use super::connect::{self, STATEMENT_TIMEOUT, ask_first, within};
use super::cursor::{self, Token, Writer};
use super::trouble::Trouble;
use super::{blocks, rows, schema_check};
use crate::bytes::hex;
use crate::clock::Clock;
use crate::config::Mpos;
use crate::ledger::decision::Position;
use crate::ledger::record::{Entry, Event, ShareRecord};
use crate::ledger::sink::{Settled, Sink, SinkError, SpoolId};

/// How long a new connection waits for the end of the one it replaces, beyond that it relies on the
/// lock of the cursor's row.
const PREDECESSOR_WAIT_SECS: u32 = 2;

/// Longest time the checks of a new connection may take; they read small tables and indexes.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(30);

/// The writer of one `shares` table.
pub struct ShareSink {
    opts: Opts,
    database: String,
    clock: Arc<dyn Clock>,
    writer: Writer,
    /// The connection that is the writer; none while detached.
    session: Option<Session>,
}

/// An attached connection.
struct Session {
    conn: Conn,
    spool: SpoolId,
    token: Token,
}

impl ShareSink {
    /// A sink that is not attached yet. `host` is this machine's name, shown to operators who find
    /// that another daemon writes.
    pub fn new(mpos: &Mpos, clock: Arc<dyn Clock>, host: impl Into<String>) -> Self {
        let writer = Writer { host: host.into(), version: env!("CARGO_PKG_VERSION").into() };
        Self { opts: connect::opts(mpos), database: mpos.database.clone(), clock, writer, session: None }
    }

    /// Connects, ends the predecessor, checks the database and takes the cursor.
    async fn try_attach(&self, spool: SpoolId, confirmed: u64) -> Result<(Session, u64), Trouble> {
        let mut conn = connect::open(&self.opts).await?;
        end_predecessor(&mut conn, &lock_name(&self.database, spool)).await?;
        schema_check::check(&mut conn, &self.clock).await?;
        let token = Token::random()?;
        let position = cursor::attach(&mut conn, spool, confirmed, &token, &self.writer).await?;
        info!(%spool, position, connection = conn.id(), "writing shares");
        Ok((Session { conn, spool, token }, position))
    }
}

impl ShareSink {
    /// Connects, ends the predecessor and moves the cursor to where an operator wants it.
    async fn try_settle(&self, spool: SpoolId, found: Option<&Position>, seq: u64) -> Result<Settled, Trouble> {
        let mut conn = connect::open(&self.opts).await?;
        end_predecessor(&mut conn, &lock_name(&self.database, spool)).await?;
        cursor::settle(&mut conn, spool, found, seq, &Token::random()?, &self.writer).await
    }
}

/// Name of the lock that the writer of this spool and schema holds. Locks belong to the whole server
/// and their names may have 64 characters, hence the digest.
fn lock_name(database: &str, spool: SpoolId) -> String {
    let digest = Sha256::digest(format!("{spool}.{database}"));
    format!("mpos_stratum.{}", hex::encode(digest.get(..20).unwrap_or_default()))
}

/// Ends the connection that wrote for this spool before, if the server still has it. It is known by
/// a named lock that every writer holds for the life of its connection: unlike a remembered
/// connection id it can never mean somebody else's connection. A server that refuses such locks
/// leaves the safety to the cursor's row.
async fn end_predecessor(conn: &mut Conn, name: &str) -> Result<(), Trouble> {
    let holder: Option<Option<u64>> = match ask_first(conn, "SELECT IS_USED_LOCK(?)", (name,)).await {
        Ok(holder) => holder,
        Err(mysql_async::Error::Server(error)) => {
            debug!(%error, "no named locks on this server");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(id) = holder.flatten() {
        info!(connection = id, "ending the previous connection of the writer");
        match conn.query_drop(format!("KILL {id}")).await {
            Err(error @ (mysql_async::Error::Io(_) | mysql_async::Error::Driver(_))) => return Err(error.into()),
            // Unknown by now, or owned by another database user: the cursor's row decides.
            Err(error) => debug!(%error, connection = id, "not ended"),
            Ok(()) => {}
        }
    }
    match ask_first::<Option<i64>>(conn, "SELECT GET_LOCK(?, ?)", (name, PREDECESSOR_WAIT_SECS)).await {
        Ok(_) | Err(mysql_async::Error::Server(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Session {
    /// Stores a batch and moves the cursor, in one transaction.
    async fn store(&mut self, entries: &[Entry], old: u64, new: u64) -> Result<(), Trouble> {
        self.step("START TRANSACTION").await?;
        let Self { conn, spool, token } = self;
        timed(cursor::advance(conn, *spool, token, old, new)).await?;
        let mut waiting: Vec<Value> = Vec::new();
        for entry in entries {
            match &entry.event {
                Event::Share(share) if share.candidate.is_none() => rows::push_row(entry.time, share, &mut waiting),
                Event::Share(share) => {
                    insert(&mut self.conn, std::mem::take(&mut waiting)).await?;
                    self.insert_candidate(entry, share).await?;
                }
                Event::Verdict(verdict) => timed(blocks::judge(&mut self.conn, self.spool, verdict)).await?,
            }
        }
        insert(&mut self.conn, waiting).await?;
        self.step("COMMIT").await
    }

    /// A candidate is a statement of its own: the id that the database gave it is asked for, never
    /// computed.
    async fn insert_candidate(&mut self, entry: &Entry, share: &ShareRecord) -> Result<(), Trouble> {
        let Some(facts) = &share.candidate else { return Ok(()) };
        let mut values = Vec::new();
        rows::push_row(entry.time, share, &mut values);
        insert(&mut self.conn, values).await?;
        let Some(share_id) = self.conn.last_insert_id().filter(|id| *id > 0) else {
            return Err(Trouble::NotNow("the database did not tell the id of a candidate's row".into()));
        };
        let place = (self.spool, entry.seq, entry.time);
        timed(blocks::record(&mut self.conn, place, share_id, share, facts)).await
    }

    async fn step(&mut self, sql: &str) -> Result<(), Trouble> {
        Ok(within(STATEMENT_TIMEOUT, self.conn.query_drop(sql)).await?)
    }
}

/// Stores rows with as few statements as their number allows.
async fn insert(conn: &mut Conn, values: Vec<Value>) -> Result<(), Trouble> {
    for (sql, params) in rows::statements(values) {
        within(STATEMENT_TIMEOUT, conn.exec_drop(sql, params)).await.map_err(Trouble::of_row)?;
    }
    Ok(())
}

/// A step of one or a few statements by primary key, with an end.
async fn timed<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    limited(STATEMENT_TIMEOUT, work).await
}

async fn limited<T>(limit: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    within(limit, async { Ok(work.await) }).await?
}

impl Sink for ShareSink {
    async fn attach(&mut self, spool: SpoolId, confirmed: u64) -> Result<u64, SinkError> {
        // Closing it ends its transaction, if the server hears of it; what it does not hear of is
        // ended by force.
        self.session = None;
        match limited(ATTACH_TIMEOUT, self.try_attach(spool, confirmed)).await {
            Ok((session, position)) => {
                self.session = Some(session);
                Ok(position)
            }
            // Nothing was to be stored, so no row can have been refused.
            Err(Trouble::Row(text)) => Err(SinkError::Unavailable(text)),
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn commit(&mut self, entries: &[Entry], old: u64, new: u64) -> Result<(), SinkError> {
        // Taken out, so that a commit that is dropped half-way leaves no connection to go on with.
        let Some(mut session) = self.session.take() else {
            return Err(SinkError::Unavailable("not attached to the database".into()));
        };
        match session.store(entries, old, new).await {
            Ok(()) => {
                self.session = Some(session);
                Ok(())
            }
            Err(Trouble::Row(text)) => {
                // The server has undone the statement; undo the rest and stay attached.
                session.step("ROLLBACK").await?;
                self.session = Some(session);
                Err(SinkError::Refused(text))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn settle(&mut self, spool: SpoolId, found: Option<&Position>, seq: u64) -> Result<Settled, SinkError> {
        self.session = None;
        match limited(ATTACH_TIMEOUT, self.try_settle(spool, found, seq)).await {
            Ok(settled) => Ok(settled),
            // No row was sent.
            Err(Trouble::Row(text)) => Err(SinkError::Unavailable(text)),
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn keep_alive(&mut self) -> Result<(), SinkError> {
        let Some(mut session) = self.session.take() else {
            return Err(SinkError::Unavailable("not attached to the database".into()));
        };
        timed(cursor::renew(&mut session.conn, session.spool, &session.token)).await?;
        self.session = Some(session);
        Ok(())
    }
}
