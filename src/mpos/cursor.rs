//! The cursor: one row that says which spool writes `shares` and how far it has come. It moves in
//! the same transaction that stores the shares.

use std::ops::RangeInclusive;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, params};

use super::connect::ask_first;
use super::trouble::Trouble;
use crate::ledger::decision::Position;
use crate::ledger::sink::{Settled, SpoolId};

/// Name of the cursor's row: the shares table it belongs to.
pub const CURSOR_NAME: &str = "shares";

/// How long after its last sign of life a writer keeps the table from other spools.
pub const LEASE_SECS: i64 = 60;

/// Random, new with every attachment: whoever holds another one can no longer write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one. Fails only if the operating system has no random numbers.
    pub fn random() -> Result<Self, Trouble> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Trouble::NotNow(format!("the operating system gives no random numbers: {error}")))?;
        Ok(Self(crate::bytes::hex::encode(&bytes)))
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

/// The cursor's row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    spool: String,
    seq: u64,
    host: String,
    version: String,
    /// Seconds since the writer's last sign of life, by the database's clock.
    age_secs: i64,
}

impl From<Standing> for Row {
    fn from(standing: Standing) -> Self {
        let Standing { position, host, version, age_secs } = standing;
        Self { spool: position.spool, seq: position.seq, host, version, age_secs }
    }
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

/// Decides from the row, from the position kept for us when another spool took over, and from the
/// last position that the spool itself knows to be stored.
///
/// A spool has one place: the same spool at work elsewhere is a copy of it (of its directory, or of the
/// whole machine), whose shares are others under the same numbers.
fn decide(row: Option<&Row>, spool: &str, host: &str, kept: Option<u64>, confirmed: u64) -> Result<Decision, String> {
    let remedy = "the shares stay in the spool; see `spool adopt` and `spool rewind`";
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
    let (position, decision) = if row.spool == spool && row.host != host && row.age_secs < LEASE_SECS {
        return Err(format!(
            "this spool gave a sign of life from another place {} s ago: from {:?}, this is {host:?}. Does a copy of this \
             machine or of the spool's directory run? Stop it: both have the same numbers for other shares. If the spool \
             was moved, or the machine was started again, it goes on by itself {LEASE_SECS} s after that sign",
            row.age_secs, row.host
        ));
    } else if row.spool == spool {
        (row.seq, Decision::Resume(row.seq))
    } else if row.age_secs < LEASE_SECS {
        return Err(format!(
            "another writer, spool {} on host {:?} (version {:?}), gave its last sign of life {} s ago: two daemons \
             must not write one shares table. Stop it; it can be replaced {LEASE_SECS} s after its last sign of life",
            row.spool, row.host, row.version, row.age_secs
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

/// What [`attach`] would do, without waiting for anybody and without changing anything. Only what is
/// committed counts, so that what cannot be gone on with now cannot be after a wait either. `None`: it
/// cannot be told.
pub async fn look(
    conn: &mut Conn,
    spool: SpoolId,
    confirmed: u64,
    explained: &[RangeInclusive<u64>],
    writer: &Writer,
) -> Result<Option<Attached>, Trouble> {
    let read = match standing(conn, &spool.to_string()).await {
        Ok(read) => read,
        // A missing table or right: the checks that follow say so better.
        Err(mysql_async::Error::Server(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (row, kept) = (read.0.map(Row::from), read.1);
    let decision = decide(row.as_ref(), &spool.to_string(), &writer.host_text(), kept, confirmed);
    Ok(Some(decision.map_err(Trouble::Stop)?.attached(explained)))
}

/// Makes `spool` the one writer, in a transaction of its own, if its position is among those that can be
/// explained. Waits for a predecessor that is still in a transaction, because that holds the row's lock.
pub async fn attach(
    conn: &mut Conn,
    spool: SpoolId,
    confirmed: u64,
    explained: &[RangeInclusive<u64>],
    token: &Token,
    writer: &Writer,
) -> Result<Attached, Trouble> {
    conn.query_drop("START TRANSACTION").await?;
    let row = read_for_update(conn).await?;
    let kept = kept_position(conn, spool).await?;
    let decision = decide(row.as_ref(), &spool.to_string(), &writer.host_text(), kept, confirmed);
    let position = match decision.as_ref().map(|decision| decision.attached(explained)) {
        Err(stop) => {
            conn.query_drop("ROLLBACK").await?;
            return Err(Trouble::Stop(stop.clone()));
        }
        Ok(Attached::Unexplained(position)) => {
            conn.query_drop("ROLLBACK").await?;
            return Ok(Attached::Unexplained(position));
        }
        Ok(Attached::Writer(position)) => position,
    };
    if matches!(decision, Ok(Decision::TakeOver(_))) {
        keep_position_of_other(conn).await?;
    }
    write(conn, spool, position, token, writer).await?;
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
    let row = read_for_update(conn).await?.map(|row| Position { spool: row.spool, seq: row.seq });
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

/// The cursor's row as anybody may see it.
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
}

/// Reads the cursor's row, and the position that is kept for `spool` if another one has taken over.
pub async fn standing(conn: &mut Conn, spool: &str) -> Result<(Option<Standing>, Option<u64>), mysql_async::Error> {
    let row: Option<(String, u64, String, String, i64)> = ask_first(
        conn,
        "SELECT spool_id, seq, host, version, TIMESTAMPDIFF(SECOND, lease_at, UTC_TIMESTAMP(3))              FROM mpos_stratum_cursor WHERE name = ?",
        (CURSOR_NAME,),
    )
    .await?;
    let sql = "SELECT seq FROM mpos_stratum_spool WHERE name = ? AND spool_id = ?";
    let kept = ask_first(conn, sql, (CURSOR_NAME, spool)).await?;
    let standing = row.map(|(spool, seq, host, version, age_secs)| Standing {
        position: Position { spool, seq },
        host,
        version,
        age_secs,
    });
    Ok((standing, kept))
}

async fn read_for_update(conn: &mut Conn) -> Result<Option<Row>, Trouble> {
    let row: Option<(String, u64, String, String, i64)> = ask_first(
        conn,
        "SELECT spool_id, seq, host, version, TIMESTAMPDIFF(SECOND, lease_at, UTC_TIMESTAMP(3)) \
             FROM mpos_stratum_cursor WHERE name = ? FOR UPDATE",
        (CURSOR_NAME,),
    )
    .await?;
    Ok(row.map(|(spool, seq, host, version, age_secs)| Row { spool, seq, host, version, age_secs }))
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

/// Ages the lease as if it had run out, so that another spool may take over at once.
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
mod tests {
    use super::*;

    fn row(spool: &str, seq: u64, age_secs: i64) -> Row {
        Row { spool: spool.into(), seq, host: "h".into(), version: "1".into(), age_secs }
    }

    #[test]
    fn first_use_and_a_lost_row() {
        assert_eq!(decide(None, "me", "h", None, 0), Ok(Decision::Create));
        assert!(decide(None, "me", "h", None, 7).unwrap_err().contains("up to 7"));
        assert!(decide(None, "me", "h", Some(9), 0).unwrap_err().contains("up to 9"));
    }

    #[test]
    fn the_own_row_is_resumed_at_once_unless_it_is_behind() {
        for age in [-5, 0, 3600] {
            assert_eq!(decide(Some(&row("me", 7, age)), "me", "h", None, 7), Ok(Decision::Resume(7)));
        }
        assert_eq!(decide(Some(&row("me", 9, 0)), "me", "h", None, 7), Ok(Decision::Resume(9)), "an ambiguous commit");
        assert!(decide(Some(&row("me", 6, 0)), "me", "h", None, 7).unwrap_err().contains("up to 6 only"));
    }

    #[test]
    fn a_copy_of_the_spool_is_a_stranger_until_its_lease_has_ended() {
        for age in [-5, 0, 59] {
            let stop = decide(Some(&row("me", 7, age)), "me", "copy", None, 7).unwrap_err();
            assert!(stop.contains("from \"h\", this is \"copy\""), "{stop}");
        }
        assert_eq!(decide(Some(&row("me", 7, 60)), "me", "copy", None, 7), Ok(Decision::Resume(7)));
    }

    #[test]
    fn only_a_position_that_can_be_explained_is_gone_on_from() {
        for (position, explained, attached) in [
            (7, vec![7..=7, 9..=9], Attached::Writer(7)),
            (9, vec![7..=7, 9..=9], Attached::Writer(9)),
            (8, vec![7..=7, 9..=9], Attached::Unexplained(8)),
            (8, vec![5..=8], Attached::Writer(8)),
            (9, vec![5..=8], Attached::Unexplained(9)),
        ] {
            assert_eq!(Decision::Resume(position).attached(&explained), attached);
            assert_eq!(Decision::TakeOver(position).attached(&explained), attached);
        }
    }

    #[test]
    fn a_stranger_is_replaced_only_after_its_lease() {
        for age in [-5, 0, 59] {
            let stop = decide(Some(&row("other", 7, age)), "me", "h", None, 0).unwrap_err();
            assert!(stop.contains("spool other on host \"h\""), "{stop}");
        }
        assert_eq!(decide(Some(&row("other", 7, 60)), "me", "h", None, 0), Ok(Decision::TakeOver(0)));
        assert_eq!(decide(Some(&row("other", 7, 60)), "me", "h", Some(5), 5), Ok(Decision::TakeOver(5)));
        assert!(decide(Some(&row("other", 7, 60)), "me", "h", Some(4), 5).is_err());
        assert!(decide(Some(&row("other", 7, 60)), "me", "h", None, 5).is_err());
    }

    #[test]
    fn tokens_differ() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(a.0.len(), 32);
        assert_ne!(a, b);
    }
}
