//! What an audit asks the database: read only, by ranges of ids and by keys, never by `solution`,
//! which has no index.

pub mod block;
pub mod rows;

use std::collections::BTreeMap;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Error, Params, Value};

use super::connect::{ask, quoted, within};
use super::limits::STATEMENT_TIMEOUT;
use crate::config::Mpos;

/// Most candidates and blocks that one audit looks at, the newest.
pub const BLOCKS_MAX: u32 = 1000;
/// Names that are looked up with one statement.
const NAMES_PER_STATEMENT: usize = 200;

/// Where both sides stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The writer's spool and its last stored event; `None`: there never was a writer.
    pub cursor: Option<(String, u64)>,
    /// Highest share id in `shares` and in the archive at that moment; 0 if both are empty.
    pub last_id: u64,
    /// Highest share id that was ever given, also if its row is gone.
    pub given_id: u64,
}

/// One of our block candidates, as our own table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurBlock {
    /// Its spool.
    pub spool: String,
    /// Its event there.
    pub seq: u64,
    /// Its row.
    pub share_id: u64,
    /// Height.
    pub height: u32,
    /// What was written as `solution`.
    pub hash: String,
    /// The node's name for it, if known.
    pub node_hash: String,
    /// `pending`, `accepted`, `rejected` or `orphaned`.
    pub verdict: String,
    /// The node's words.
    pub reason: String,
    /// The credited worker.
    pub worker: String,
    /// Second of acceptance.
    pub time: u64,
}

impl OurBlock {
    /// The name that MPOS must know it by.
    pub fn name(&self) -> &str {
        if self.node_hash.is_empty() { &self.hash } else { &self.node_hash }
    }
}

/// A row of `blocks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MposBlock {
    /// Height.
    pub height: u32,
    /// Hash.
    pub hash: String,
    /// -1: orphaned.
    pub confirmations: i64,
    /// Whether it was paid.
    pub accounted: bool,
    /// The finder's account.
    pub account_id: Option<u64>,
    /// The share that it was matched to.
    pub share_id: Option<u64>,
    /// Its time, Unix seconds.
    pub time: u64,
}

/// A row of `shares` or `shares_archive`, found by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareAt {
    /// The worker.
    pub username: String,
    /// `None` in the archive, which does not keep it.
    pub solution: Option<String>,
}

/// An account that shares are credited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: u64,
    /// 2: shares do not count.
    pub locked: i64,
}

/// What MPOS's cron jobs say about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crons {
    /// Names of disabled ones with their last message.
    pub disabled: Vec<(String, String)>,
    /// The setting that stops everything.
    pub maintenance: bool,
}

async fn read<T: FromRow>(conn: &mut Conn, sql: &str, params: impl Into<Params> + Send) -> Result<Vec<T>, Error> {
    within(STATEMENT_TIMEOUT, ask(conn, sql, params)).await
}

/// Where both sides stand, seen at one moment.
pub async fn mark(conn: &mut Conn) -> Result<Mark, Error> {
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let cursor =
        read(conn, "SELECT spool_id, seq FROM mpos_stratum_cursor WHERE name = 'shares'", Params::Empty).await?;
    let sql = "SELECT CAST(GREATEST((SELECT COALESCE(MAX(id), 0) FROM shares), \
               (SELECT COALESCE(MAX(share_id), 0) FROM shares_archive)) AS UNSIGNED)";
    let last: Vec<u64> = read(conn, sql, Params::Empty).await?;
    conn.query_drop("COMMIT").await?;
    let sql = "SELECT COALESCE(auto_increment, 1) FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_name = 'shares'";
    let next: Vec<u64> = read(conn, sql, Params::Empty).await?;
    let last_id = last.first().copied().unwrap_or(0);
    let given_id = next.first().map_or(0, |next| next.saturating_sub(1)).max(last_id);
    Ok(Mark { cursor: cursor.into_iter().next(), last_id, given_id })
}

/// The highest share id of a block that was paid: MPOS has archived or deleted everything up to it.
pub async fn paid_id(conn: &mut Conn) -> Result<u64, Error> {
    let sql = "SELECT CAST(COALESCE(MAX(share_id), 0) AS UNSIGNED) FROM blocks WHERE accounted = 1";
    Ok(read(conn, sql, Params::Empty).await?.first().copied().unwrap_or(0))
}

/// Spools that other spools replaced since `since`, with when they last were alive.
pub async fn former_writers(conn: &mut Conn, since: u64) -> Result<Vec<(String, u64)>, Error> {
    let sql = "SELECT spool_id, CAST(UNIX_TIMESTAMP(lease_at) AS UNSIGNED) FROM mpos_stratum_spool WHERE replaced_at >= FROM_UNIXTIME(?)";
    read(conn, sql, (since,)).await
}

/// Our candidates accepted since `since`, the newest first.
pub async fn our_blocks(conn: &mut Conn, since: u64) -> Result<Vec<OurBlock>, Error> {
    type Row = (String, u64, u64, u32, String, String, String, String, String, u64);
    let sql = "SELECT spool_id, seq, share_id, height, hash, node_hash, verdict, reason, worker, accepted_time \
               FROM mpos_stratum_block WHERE accepted_time >= ? ORDER BY share_id DESC LIMIT ?";
    let rows: Vec<Row> = read(conn, sql, (since, BLOCKS_MAX)).await?;
    let block = |(spool, seq, share_id, height, hash, node_hash, verdict, reason, worker, time): Row| OurBlock {
        spool,
        seq,
        share_id,
        height,
        hash,
        node_hash,
        verdict,
        reason,
        worker,
        time,
    };
    Ok(rows.into_iter().map(block).collect())
}

/// MPOS's blocks since `since`, the newest first.
pub async fn mpos_blocks(conn: &mut Conn, since: u64) -> Result<Vec<MposBlock>, Error> {
    type Row = (u32, String, i64, i64, Option<u64>, Option<u64>, i64);
    let sql = "SELECT height, blockhash, confirmations, accounted, account_id, share_id, time FROM blocks \
               WHERE time >= ? ORDER BY height DESC LIMIT ?";
    let rows: Vec<Row> = read(conn, sql, (since, BLOCKS_MAX)).await?;
    let block = |(height, hash, confirmations, accounted, account_id, share_id, time): Row| MposBlock {
        height,
        hash,
        confirmations,
        accounted: accounted != 0,
        account_id,
        share_id,
        time: u64::try_from(time).unwrap_or(0),
    };
    Ok(rows.into_iter().map(block).collect())
}

/// The row with this id; true: it is in the archive.
pub async fn share_at(conn: &mut Conn, id: u64) -> Result<Option<(ShareAt, bool)>, Error> {
    let here: Vec<(String, String)> = read(conn, "SELECT username, solution FROM shares WHERE id = ?", (id,)).await?;
    if let Some((username, solution)) = here.into_iter().next() {
        return Ok(Some((ShareAt { username, solution: Some(solution) }, false)));
    }
    let archived: Vec<String> = read(conn, "SELECT username FROM shares_archive WHERE share_id = ?", (id,)).await?;
    Ok(archived.into_iter().next().map(|username| (ShareAt { username, solution: None }, true)))
}

/// The account behind each of the names, by the lower-case name: MPOS compares without case.
pub async fn accounts(conn: &mut Conn, mpos: &Mpos, names: &[String]) -> Result<BTreeMap<String, Account>, Error> {
    let mut found = BTreeMap::new();
    let table = quoted(&mpos.accounts_database);
    for names in names.chunks(NAMES_PER_STATEMENT) {
        let marks = vec!["?"; names.len()].join(",");
        let sql = format!("SELECT username, id, is_locked FROM {table}.accounts WHERE username IN ({marks})");
        let values: Vec<Value> = names.iter().map(|name| Value::from(name.as_str())).collect();
        let rows: Vec<(String, u64, i64)> = read(conn, &sql, Params::Positional(values)).await?;
        found.extend(rows.into_iter().map(|(name, id, locked)| (name.to_lowercase(), Account { id, locked })));
    }
    Ok(found)
}

/// What MPOS's cron jobs say.
pub async fn crons(conn: &mut Conn) -> Result<Crons, Error> {
    let sql = "SELECT name, value FROM monitoring WHERE name LIKE '%\\_disabled' OR name LIKE '%\\_message'";
    let rows: Vec<(String, String)> = read(conn, sql, Params::Empty).await?;
    let message = |cron: &str| {
        let name = format!("{cron}_message");
        rows.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let disabled = rows.iter().filter(|(_, value)| value.trim() == "1");
    let disabled = disabled.filter_map(|(name, _)| name.strip_suffix("_disabled"));
    let disabled = disabled.map(|cron| (cron.to_owned(), message(cron))).collect();
    let sql = "SELECT value FROM settings WHERE name = 'maintenance'";
    let maintenance: Vec<Option<String>> = read(conn, sql, Params::Empty).await?;
    let maintenance = maintenance.into_iter().flatten().any(|value| value.trim() == "1");
    Ok(Crons { disabled, maintenance })
}
