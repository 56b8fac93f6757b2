//! The cursor: one row that says which spool writes `shares` and how far it has come. It moves in
//! the same transaction that stores the shares.

use std::ops::RangeInclusive;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, params};

use super::connect::ask_first;
use super::others::Others;
use super::own_tokens::OwnTokens;
use super::trouble::Trouble;
use crate::ledger::decision::Position;
use crate::ledger::sink::{Settled, SpoolId};

/// Name of the cursor's row: the shares table it belongs to.
pub const CURSOR_NAME: &str = "shares";

/// How long after its last sign of life a writer keeps the table from copies of its spool, and others
/// who must have watched it for so long.
pub const LEASE_SECS: i64 = 60;

/// Random, new with every attachment: whoever holds another one can no longer write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// One of these random bytes.
    pub(super) fn of(bytes: [u8; 16]) -> Self {
        Self(crate::bytes::hex::encode(&bytes))
    }
}

/// Who writes: for operators who find another writer's name in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The place of the spool: the name of the machine, and what tells it from a copy.
    pub host: String,
    /// Version of the daemon.
    pub version: String,
}

impl Writer {
    /// The host as the row has it.
    fn host_text(&self) -> String {
        ascii(&self.host, 64)
    }
}

/// Who wants to write: what it knows of itself, and of the row that it finds.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The spool.
    pub spool: SpoolId,
    /// The last position that the spool itself knows to be stored.
    pub confirmed: u64,
    /// The positions that can be gone on from.
    pub explained: &'a [RangeInclusive<u64>],
    /// Where it is at work.
    pub writer: &'a Writer,
    /// Rows of others, as they were seen on this server.
    pub others: &'a Others,
    /// This server.
    pub server: &'a str,
    /// The tokens of this spool.
    pub tokens: &'a OwnTokens,
}

/// What attaching does to the row.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// There is none yet: make it, at 0.
    Create,
    /// It is ours: go on from there.
    Resume(u64),
    /// Another spool's, long silent: keep its position and go on from ours.
    TakeOver(u64),
}

impl Decision {
    fn attached(&self, explained: &[RangeInclusive<u64>]) -> Attached {
        let position = match self {
            Decision::Create => 0,
            Decision::Resume(position) | Decision::TakeOver(position) => *position,
        };
        match explained.iter().any(|range| range.contains(&position)) {
            true => Attached::Writer(position),
            false => Attached::Unexplained(position),
        }
    }
}

/// What became of an attempt to become the writer.
#[derive(Debug, PartialEq, Eq)]
pub enum Attached {
    /// The position to go on from.
    Writer(u64),
    /// The position, which nobody can explain; nothing was changed.
    Unexplained(u64),
}

/// What a decision about a row rests on, beside the row.
#[derive(Debug, Clone, Copy)]
struct Facts<'a> {
    spool: &'a str,
    /// Where this spool is at work.
    host: &'a str,
    /// The position kept for it when another spool took over.
    kept: Option<u64>,
    /// The last position that the spool itself knows to be stored.
    confirmed: u64,
    /// For how long the row of another spool has been watched without a sign of life.
    watched: Duration,
    /// For how long it must be.
    takeover_after: Duration,
}

/// Decides what is to be done with the row.
///
/// A spool has one place: the same spool at work elsewhere is a copy of it (of its directory, or of the
/// whole machine), whose shares are others under the same numbers. Another spool is replaced only when
/// this process itself has seen no sign of life for so long on a server that was there all the while:
/// the age of the last sign says nothing after the server was away, when its own writer is about to
/// come back, or while that is being started again.
fn decide(row: Option<&Standing>, facts: &Facts<'_>) -> Result<Decision, String> {
    let remedy = "the shares stay in the spool; see `spool adopt` and `spool rewind`";
    let Facts { spool, host, kept, confirmed, watched, takeover_after } = *facts;
    let at = kept.unwrap_or(0);
    let Some(row) = row else {
        return match confirmed.max(at) {
            0 => Ok(Decision::Create),
            known => Err(format!(
                "the row of mpos_stratum_cursor is gone, though spool {spool} had stored up to {known}: \
                 was the database restored or the table emptied? {remedy}"
            )),
        };
    };
    let Position { spool: writer, seq } = &row.position;
    let (position, decision) = if writer == spool && row.host != host && row.age_secs < LEASE_SECS {
        return Err(format!(
            "this spool gave a sign of life from another place {} s ago: from {:?}, this is {host:?}. Does a copy of this \
             machine or of the spool's directory run? Stop it: both have the same numbers for other shares. If the spool \
             was moved, or the machine was started again, it goes on by itself {LEASE_SECS} s after that sign",
            row.age_secs, row.host
        ));
    } else if writer == spool {
        (*seq, Decision::Resume(*seq))
    } else if watched < takeover_after {
        return Err(format!(
            "another writer, spool {writer} on host {:?} (version {:?}), has this shares table, last sign of life {} s \
             ago: two daemons must not write one. Stop this one, or that one for good: it is replaced after {} s without \
             a sign of life while this daemon watches ({} s so far), at once by `spool adopt`",
            row.host,
            row.version,
            row.age_secs,
            takeover_after.as_secs(),
            watched.as_secs()
        ));
    } else {
        (at, Decision::TakeOver(at))
    };
    if position < confirmed {
        return Err(format!(
            "the database knows spool {spool} up to {position} only, though {confirmed} were stored: \
             was an older backup restored, or is this another server? {remedy}"
        ));
    }
    Ok(decision)
}

/// What `claim` comes to, with the row as it is.
fn judge(row: Option<&Standing>, kept: Option<u64>, claim: &Claim<'_>) -> Result<(Decision, Attached), Trouble> {
    let (spool, host) = (claim.spool.to_string(), claim.writer.host_text());
    let other = row.filter(|row| row.position.spool != spool);
    let watched = claim.others.watched(claim.server, other);
    let takeover_after = claim.others.takeover_after();
    let facts = Facts { spool: &spool, host: &host, kept, confirmed: claim.confirmed, watched, takeover_after };
    let decision = decide(row, &facts).map_err(Trouble::Stop)?;
    let attached = decision.attached(claim.explained);
    if let (Decision::Resume(position), Attached::Writer(_), Some(row)) = (&decision, &attached, row)
        && !claim.tokens.knows(&row.token)
    {
        return Err(Trouble::Stop(format!(
            "the database was last written to, up to {position}, from a copy of this spool (on {:?}), or this spool was \
             put back from an older backup: both have the same numbers for other shares. Drain one and move it away; \
             this one goes on with `spool adopt --from`",
            row.host
        )));
    }
    Ok((decision, attached))
}

/// What [`attach`] would do, without waiting for anybody and without changing anything. Only what is
/// committed counts, so that what cannot be gone on with now cannot be after a wait either. `None`: it
/// cannot be told.
pub async fn look(conn: &mut Conn, claim: &Claim<'_>) -> Result<Option<Attached>, Trouble> {
    let (row, kept) = match standing(conn, &claim.spool.to_string()).await {
        Ok(read) => read,
        // A missing table or right: the checks that follow say so better.
        Err(mysql_async::Error::Server(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(judge(row.as_ref(), kept, claim)?.1))
}

/// Makes the spool the one writer, in a transaction of its own, if its position is among those that can be
/// explained. Waits for a predecessor that is still in a transaction, because that holds the row's lock.
pub async fn attach(conn: &mut Conn, claim: &Claim<'_>, token: &Token) -> Result<Attached, Trouble> {
    conn.query_drop("START TRANSACTION").await?;
    let row = read_for_update(conn).await?;
    let kept = kept_position(conn, claim.spool).await?;
    let (decision, position) = match judge(row.as_ref(), kept, claim) {
        Ok((decision, Attached::Writer(position))) => (decision, position),
        no => {
            conn.query_drop("ROLLBACK").await?;
            return no.map(|(_, attached)| attached);
        }
    };
    if matches!(decision, Decision::TakeOver(_)) {
        keep_position_of_other(conn).await?;
    }
    write(conn, claim.spool, position, token, claim.writer).await?;
    conn.query_drop("COMMIT").await?;
    Ok(Attached::Writer(position))
}

/// Moves the cursor to `seq` of `spool` because an operator decided so, if the row still is as he saw
/// it (`found`), or as he wanted it: then an earlier attempt had got through and only its answer was
/// lost. Whoever was the writer can no longer write; the position of another spool is kept.
pub async fn settle(
    conn: &mut Conn,
    spool: SpoolId,
    found: Option<&Position>,
    seq: u64,
    token: &Token,
    writer: &Writer,
) -> Result<Settled, Trouble> {
    conn.query_drop("START TRANSACTION").await?;
    let row = read_for_update(conn).await?.map(|row| row.position);
    let wanted = Position { spool: spool.to_string(), seq };
    if row.as_ref() != found && row.as_ref() != Some(&wanted) {
        conn.query_drop("ROLLBACK").await?;
        return Ok(Settled::Stale(match row {
            Some(row) => format!("the database's row is at {} of spool {}", row.seq, row.spool),
            None => "the database has no row any more".to_owned(),
        }));
    }
    if row.is_some_and(|row| row.spool != wanted.spool) {
        keep_position_of_other(conn).await?;
    }
    write(conn, spool, seq, token, writer).await?;
    conn.query_drop("COMMIT").await?;
    Ok(Settled::Moved)
}

/// The cursor's row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// The writer and its position.
    #[serde(flatten)]
    pub position: Position,
    /// Machine of the writer.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Seconds since its last sign of life, by the database's clock.
    pub age_secs: i64,
    /// Its token.
    #[serde(skip)]
    pub token: String,
    /// When that sign came, as the database writes it.
    #[serde(skip)]
    pub lease_at: String,
}

const READ: &str = "SELECT spool_id, seq, host, version, TIMESTAMPDIFF(SECOND, lease_at, UTC_TIMESTAMP(3)), token, \
                    CAST(lease_at AS CHAR) FROM mpos_stratum_cursor WHERE name = ?";

async fn read(conn: &mut Conn, sql: &str) -> Result<Option<Standing>, mysql_async::Error> {
    type Row = (String, u64, String, String, i64, String, String);
    let row: Option<Row> = ask_first(conn, sql, (CURSOR_NAME,)).await?;
    Ok(row.map(|(spool, seq, host, version, age_secs, token, lease_at)| Standing {
        position: Position { spool, seq },
        host,
        version,
        age_secs,
        token,
        lease_at,
    }))
}

/// Reads the cursor's row, and the position that is kept for `spool` if another one has taken over.
pub async fn standing(conn: &mut Conn, spool: &str) -> Result<(Option<Standing>, Option<u64>), mysql_async::Error> {
    let row = read(conn, READ).await?;
    let sql = "SELECT seq FROM mpos_stratum_spool WHERE name = ? AND spool_id = ?";
    let kept = ask_first(conn, sql, (CURSOR_NAME, spool)).await?;
    Ok((row, kept))
}

async fn read_for_update(conn: &mut Conn) -> Result<Option<Standing>, Trouble> {
    Ok(read(conn, &format!("{READ} FOR UPDATE")).await?)
}

async fn kept_position(conn: &mut Conn, spool: SpoolId) -> Result<Option<u64>, Trouble> {
    let sql = "SELECT seq FROM mpos_stratum_spool WHERE name = ? AND spool_id = ?";
    Ok(ask_first(conn, sql, (CURSOR_NAME, spool.to_string())).await?)
}

async fn keep_position_of_other(conn: &mut Conn) -> Result<(), Trouble> {
    let sql = "INSERT INTO mpos_stratum_spool (name, spool_id, seq, host, version, lease_at, replaced_at) \
               SELECT name, spool_id, seq, host, version, lease_at, UTC_TIMESTAMP(3) \
               FROM mpos_stratum_cursor c WHERE name = ? \
               ON DUPLICATE KEY UPDATE seq = c.seq, host = c.host, version = c.version, lease_at = c.lease_at, \
               replaced_at = UTC_TIMESTAMP(3)";
    Ok(conn.exec_drop(sql, (CURSOR_NAME,)).await?)
}

async fn write(conn: &mut Conn, spool: SpoolId, seq: u64, token: &Token, writer: &Writer) -> Result<(), Trouble> {
    let sql = "INSERT INTO mpos_stratum_cursor (name, spool_id, seq, token, lease_at, connection_id, host, version) \
               VALUES (:name, :spool, :seq, :token, UTC_TIMESTAMP(3), CONNECTION_ID(), :host, :version) \
               ON DUPLICATE KEY UPDATE spool_id = :spool, seq = :seq, token = :token, lease_at = UTC_TIMESTAMP(3), \
               connection_id = CONNECTION_ID(), host = :host, version = :version";
    let values = params! {
        "name" => CURSOR_NAME,
        "spool" => spool.to_string(),
        "seq" => seq,
        "token" => &token.0,
        "host" => writer.host_text(),
        "version" => ascii(&writer.version, 32),
    };
    Ok(conn.exec_drop(sql, values).await?)
}

/// Text that an ASCII column of this width takes.
fn ascii(text: &str, width: usize) -> String {
    text.chars().take(width).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// Moves the position within the caller's transaction. Fails if this connection is not the writer
/// any more, or the position is not `old`.
pub async fn advance(conn: &mut Conn, spool: SpoolId, token: &Token, old: u64, new: u64) -> Result<(), Trouble> {
    let sql = "UPDATE mpos_stratum_cursor SET seq = ?, lease_at = UTC_TIMESTAMP(3) \
               WHERE name = ? AND spool_id = ? AND seq = ? AND token = ?";
    conn.exec_drop(sql, (new, CURSOR_NAME, spool.to_string(), old, &token.0)).await?;
    one_row(conn, "moved on")
}

/// Renews the lease.
pub async fn renew(conn: &mut Conn, spool: SpoolId, token: &Token) -> Result<(), Trouble> {
    let sql = "UPDATE mpos_stratum_cursor SET lease_at = UTC_TIMESTAMP(3) \
               WHERE name = ? AND spool_id = ? AND token = ?";
    conn.exec_drop(sql, (CURSOR_NAME, spool.to_string(), &token.0)).await?;
    one_row(conn, "renewed")
}

/// Ages the lease as if it had run out, so that this spool may go on at once, also from another place: one
/// that was moved, or whose machine was started again. Another spool watches it first all the same.
pub async fn release(conn: &mut Conn, spool: SpoolId, token: &Token) -> Result<(), Trouble> {
    let sql = "UPDATE mpos_stratum_cursor SET lease_at = UTC_TIMESTAMP(3) - INTERVAL ? SECOND \
               WHERE name = ? AND spool_id = ? AND token = ?";
    conn.exec_drop(sql, (LEASE_SECS, CURSOR_NAME, spool.to_string(), &token.0)).await?;
    one_row(conn, "given free")
}

fn one_row(conn: &Conn, what: &str) -> Result<(), Trouble> {
    match conn.affected_rows() {
        1 => Ok(()),
        _ => Err(Trouble::NotNow(format!(
            "the cursor could not be {what}: another connection has become the writer, or the row was changed"
        ))),
    }
}

#[cfg(test)]
mod tests;
