//! The writer of `shares`: the one connection that stores them, in order, each exactly once.
//!
//! Position and rows move in one transaction, so after any doubt (a broken connection, a commit
//! whose answer was lost) the cursor's row tells what is stored. Before it is asked, the connection
//! in doubt is ended: it may still be at work on the server, and MPOS cannot bear two writers.

use std::ops::RangeInclusive;
use std::sync::Arc;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::connect::{self, Host, ask_first};
use super::cursor::{self, Attached, Claim, Writer};
use super::hosts::{Hosts, InUse};
use super::limits::Limits;
use super::login::Login;
use super::others::Others;
use super::own_tokens::OwnTokens;
use super::schema_check;
use super::session::{Session, Undone, timed};
use super::skew::{Clocks, Skew};
use super::trouble::Trouble;
use crate::bytes::hex;
use crate::clock::Clock;
use crate::config::Mpos;
use crate::ledger::decision::Position;
use crate::ledger::record::Entry;
use crate::ledger::sink::{Settled, Sink, SinkError, SpoolId};
use crate::ledger::tokens::Tokens;

/// The writer of one `shares` table.
pub struct ShareSink {
    hosts: Hosts,
    limits: Limits,
    database: String,
    allow_myisam: bool,
    clock: Arc<dyn Clock>,
    clocks: Clocks,
    writer: Writer,
    others: Others,
    tokens: OwnTokens,
    /// The connection that is the writer; none while detached.
    session: Option<Session>,
    undone: Undone,
}

impl ShareSink {
    /// A sink that is not attached yet. `host` is this machine's name, shown to operators who find
    /// that another daemon writes.
    pub fn new(mpos: &Mpos, clock: Arc<dyn Clock>, host: impl Into<String>) -> Self {
        let limits = Limits::default();
        Self {
            hosts: Hosts::new(connect::hosts(mpos)),
            others: Others::new(Arc::clone(&clock), limits.takeover_after),
            tokens: OwnTokens::default(),
            limits,
            database: mpos.database.clone(),
            allow_myisam: mpos.allow_myisam,
            clocks: Clocks::new(Arc::clone(&clock)),
            clock,
            writer: Writer { host: host.into(), version: env!("CARGO_PKG_VERSION").into() },
            session: None,
            undone: Undone::new(),
        }
    }

    /// The same sink with other times.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.others = Others::new(Arc::clone(&self.clock), limits.takeover_after);
        self.limits = limits;
        self
    }

    /// The same sink, connecting as that says.
    #[must_use]
    pub fn logging_in_by(mut self, login: &Login) -> Self {
        self.hosts.log_in_by(login);
        self
    }

    /// The same sink with the spool's memory of its tokens, by which it is told from a copy.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = OwnTokens::of(tokens);
        self
    }

    /// The server that is written to, now and later.
    pub fn in_use(&self) -> InUse {
        self.hosts.in_use()
    }

    /// How far this machine's clock and that of the server in use are apart.
    pub fn skew(&self) -> watch::Receiver<Option<Skew>> {
        self.clocks.skew()
    }

    /// Ends the connection in order. If it is the writer, this spool may go on at once, also from another
    /// place; nothing is waiting for an answer of this connection any more.
    pub async fn close(mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.release().await
        {
            info!(%error, "the table is given free only when the lease ends");
        }
    }

    /// Attaches to the server in use or, when it has been away for long enough, to the next one that
    /// can be attached to.
    async fn attach_somewhere(&mut self, wish: &Demand<'_>) -> Result<Reached, Trouble> {
        let Some(host) = self.hosts.current() else {
            return Err(Trouble::NotNow("no database server is configured".into()));
        };
        let name = host.name.clone();
        let trouble = match self.attach_to(host, wish).await {
            Err(trouble) if trouble.is_of_the_server() => trouble.at(&name),
            answered => {
                self.hosts.reached();
                return answered.map_err(|trouble| trouble.at(&name));
            }
        };
        for place in self.hosts.away(self.clock.monotonic(), self.limits.failover_after) {
            let Some(host) = self.hosts.at(place) else { continue };
            match self.attach_to(host, wish).await {
                Ok(attached @ Reached::Writer(..)) => {
                    warn!(spool = %wish.spool, server = host.name, "the database server is away: going on with the next one, for good");
                    self.hosts.move_to(place);
                    return Ok(attached);
                }
                Ok(unexplained) => return Ok(unexplained),
                Err(stop @ Trouble::Stop(_)) => return Err(stop.at(&host.name)),
                Err(error) => debug!(server = host.name, %error, "not this server either"),
            }
        }
        Err(trouble)
    }

    async fn attach_to(&self, host: &Host, wish: &Demand<'_>) -> Result<Reached, Trouble> {
        let reached = timed(self.limits.attach, self.try_attach(host, wish)).await;
        if matches!(&reached, Err(trouble) if !matches!(trouble, Trouble::Stop(_))) {
            self.others.forget(&host.name);
        }
        reached
    }

    /// Connects, ends the predecessor, checks the database and takes the cursor. Where the position
    /// cannot be gone on from nobody is disturbed: the one at work may be in the right.
    async fn try_attach(&self, host: &Host, wish: &Demand<'_>) -> Result<Reached, Trouble> {
        let Demand { spool, confirmed, explained } = *wish;
        let (writer, others, tokens) = (&self.writer, &self.others, &self.tokens);
        let claim = Claim { spool, confirmed, explained, writer, others, server: &host.name, tokens };
        let mut conn = connect::open(&host.now(), &self.limits).await?;
        if let Some(Attached::Unexplained(position)) = cursor::look(&mut conn, &claim).await? {
            return Ok(Reached::Unexplained(position));
        }
        let name = lock_name(&self.database, spool);
        end_predecessor(&mut conn, &name, self.limits.predecessor_wait_secs).await?;
        let checked = schema_check::check(&mut conn, self.allow_myisam).await?;
        let token = tokens.for_next()?;
        match cursor::attach(&mut conn, &claim, &token).await? {
            Attached::Unexplained(position) => Ok(Reached::Unexplained(position)),
            Attached::Writer(position) => {
                tokens.used();
                info!(%spool, position, connection = conn.id(), server = host.name, "writing shares");
                let session = Session::new(conn, spool, token, self.limits.clone(), checked);
                Ok(Reached::Writer(Box::new(session), position))
            }
        }
    }

    /// Once a minute looks at what may change under a connected writer. The connection must be between
    /// transactions.
    async fn look_around(&mut self, session: &mut Session) -> Result<(), Trouble> {
        if self.clocks.look_if_due(&mut session.conn, self.limits.statement).await? {
            session.check_engines(self.allow_myisam).await?;
        }
        Ok(())
    }

    /// Moves the cursor on the server in use or, when that has been away for long enough, on the next
    /// one that stands where the decision was based on; then that one is in use, for good. A decision
    /// that fits none of those that answer is refused: as long as it waits nothing else is tried.
    async fn settle_somewhere(&mut self, wish: &Wish<'_>) -> Result<Settled, Trouble> {
        let Some(host) = self.hosts.current() else {
            return Err(Trouble::NotNow("no database server is configured".into()));
        };
        let name = host.name.clone();
        let mut result = match self.settle_at(host, wish).await {
            Err(trouble) if trouble.is_of_the_server() => Err(trouble.at(&name)),
            answered => {
                self.hosts.reached();
                return answered.map_err(|trouble| trouble.at(&name));
            }
        };
        for place in self.hosts.away(self.clock.monotonic(), self.limits.failover_after) {
            let Some(host) = self.hosts.at(place) else { continue };
            match self.settle_at(host, wish).await {
                Ok(Settled::Moved) => {
                    warn!(spool = %wish.spool, server = host.name, "the operator has decided: going on with this server, for good");
                    self.hosts.move_to(place);
                    return Ok(Settled::Moved);
                }
                Ok(Settled::Stale(found)) => {
                    result = Ok(Settled::Stale(format!("{name} is away, and on {} {found}", host.name)));
                }
                Err(error) => debug!(server = host.name, %error, "not this server either"),
            }
        }
        result
    }

    async fn settle_at(&self, host: &Host, wish: &Wish<'_>) -> Result<Settled, Trouble> {
        timed(self.limits.attach, self.try_settle(host, wish)).await
    }

    /// Connects, ends the predecessor and moves the cursor to where an operator wants it.
    async fn try_settle(&self, host: &Host, wish: &Wish<'_>) -> Result<Settled, Trouble> {
        let mut conn = connect::open(&host.now(), &self.limits).await?;
        schema_check::check_writable(&mut conn).await?;
        end_predecessor(&mut conn, &lock_name(&self.database, wish.spool), self.limits.predecessor_wait_secs).await?;
        let token = self.tokens.for_next()?;
        cursor::settle(&mut conn, wish.spool, wish.found, wish.seq, &token, &self.writer).await
    }
}

/// Who wants to write, and from where on that can be gone on with.
struct Demand<'a> {
    spool: SpoolId,
    confirmed: u64,
    explained: &'a [RangeInclusive<u64>],
}

/// What attaching to a server came to.
enum Reached {
    /// The writer and its position.
    Writer(Box<Session>, u64),
    /// A position that nobody can explain.
    Unexplained(u64),
}

/// What an operator has decided.
struct Wish<'a> {
    spool: SpoolId,
    found: Option<&'a Position>,
    seq: u64,
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
async fn end_predecessor(conn: &mut Conn, name: &str, wait_secs: u32) -> Result<(), Trouble> {
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
    match ask_first::<Option<i64>>(conn, "SELECT GET_LOCK(?, ?)", (name, wait_secs)).await {
        Ok(_) | Err(mysql_async::Error::Server(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Sink for ShareSink {
    async fn attach(
        &mut self,
        spool: SpoolId,
        confirmed: u64,
        explained: &[RangeInclusive<u64>],
    ) -> Result<u64, SinkError> {
        // Closing it ends its transaction, if the server hears of it; what it does not hear of is
        // ended by force.
        self.session = None;
        match self.attach_somewhere(&Demand { spool, confirmed, explained }).await {
            Ok(Reached::Writer(mut session, position)) => {
                self.clocks.look(&mut session.conn, self.limits.statement).await?;
                self.undone.retain(|seq, _| *seq > position);
                self.session = Some(*session);
                Ok(position)
            }
            Ok(Reached::Unexplained(position)) => Ok(position),
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
        // Before anything of the batch is sent, so that trouble with it leaves no doubt about the batch.
        self.look_around(&mut session).await?;
        match session.store(entries, old, new, &mut self.undone).await {
            Ok(()) => {
                self.session = Some(session);
                Ok(())
            }
            Err(Trouble::Row(text)) => {
                // The server has undone the statement; undo the rest and stay attached.
                session.undo().await?;
                self.session = Some(session);
                Err(SinkError::Refused(text))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn settle(&mut self, spool: SpoolId, found: Option<&Position>, seq: u64) -> Result<Settled, SinkError> {
        self.session = None;
        match self.settle_somewhere(&Wish { spool, found, seq }).await {
            Ok(settled) => {
                self.undone.clear();
                Ok(settled)
            }
            // No row was sent.
            Err(Trouble::Row(text)) => Err(SinkError::Unavailable(text)),
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn keep_alive(&mut self) -> Result<(), SinkError> {
        let Some(mut session) = self.session.take() else {
            return Err(SinkError::Unavailable("not attached to the database".into()));
        };
        self.look_around(&mut session).await?;
        session.renew().await?;
        self.session = Some(session);
        Ok(())
    }
}
