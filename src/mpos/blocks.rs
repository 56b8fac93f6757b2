//! Block candidates: their rows, our own record of them, and the node's verdict.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, params};
use tracing::warn;

use super::connect::{ask, ask_first};
use super::rows;
use super::trouble::Trouble;
use crate::bytes::display_hash;
use crate::ledger::record::{CandidateFacts, ShareRecord, VerdictRecord};
use crate::ledger::sink::SpoolId;

/// How many of the newest candidates are looked at for a row that MPOS swapped with another.
const SWAP_CANDIDATES: u32 = 32;

/// Records the candidate whose row was just stored as `share_id`. A candidate that is stored again,
/// after an operator rewound the spool, gets a new row and starts over; after one adopted a spool from an
/// older backup, another candidate may have the number.
pub async fn record(
    conn: &mut Conn,
    (spool, seq, time): (SpoolId, u64, u64),
    share_id: u64,
    share: &ShareRecord,
    facts: &CandidateFacts,
) -> Result<(), Trouble> {
    let sql = "INSERT INTO mpos_stratum_block (spool_id, seq, share_id, height, hash, coinbase_txid, header_time, \
               worker, accepted_time, stored_at) VALUES (:spool, :seq, :share_id, :height, :hash, :txid, :header_time, \
               :worker, :time, UTC_TIMESTAMP(3)) \
               ON DUPLICATE KEY UPDATE share_id = :share_id, height = :height, hash = :hash, coinbase_txid = :txid, \
               header_time = :header_time, worker = :worker, accepted_time = :time, stored_at = UTC_TIMESTAMP(3), \
               node_hash = '', verdict = 'pending', verdict_at = NULL, reason = '', share_row = 'present'";
    let values = params! {
        "spool" => spool.to_string(),
        "seq" => seq,
        "share_id" => share_id,
        "height" => share.height,
        "hash" => rows::solution(share),
        "txid" => display_hash(&facts.coinbase_txid),
        "header_time" => facts.header_time,
        "worker" => rows::username(&share.worker),
        "time" => time,
    };
    conn.exec_drop(sql, values).await.map_err(Trouble::of_row)
}

/// Stores what the node said about a candidate: the first verdict, or a later one that corrects it
/// because the block lost its place in the chain or got one. Later ones touch `upstream_result` and
/// `solution` only. That the row is not there any more is no error: MPOS archives and deletes rows, and
/// swaps the contents of two when it found blocks out of order.
pub async fn judge(conn: &mut Conn, spool: SpoolId, verdict: &VerdictRecord) -> Result<(), Trouble> {
    let spool = spool.to_string();
    let hash = display_hash(&verdict.written_hash);
    // By its hash: a candidate that had to be recorded again has another number than its verdicts know.
    let block: Option<(u64, u64, String, String)> = ask_first(
        conn,
        "SELECT seq, share_id, node_hash, verdict FROM mpos_stratum_block WHERE spool_id = ? AND hash = ? \
         ORDER BY seq = ? DESC, seq DESC LIMIT 1",
        (&spool, &hash, verdict.candidate),
    )
    .await?;
    let Some((seq, share_id, node_hash, last)) = block else {
        warn!(seq = verdict.candidate, hash, "verdict on a candidate that the database does not know");
        return Ok(());
    };
    // After an earlier verdict the row may already have the node's name for the block.
    let names = if node_hash.is_empty() { [hash.clone(), hash.clone()] } else { [hash.clone(), node_hash] };
    let node_hash = if verdict.node_hash == [0; 32] { hash } else { display_hash(&verdict.node_hash) };
    let update = Update { verdict, names: &names, node_hash: &node_hash, is_first: last == "pending" };
    let found = update.find_row(conn, &spool, share_id).await?;
    let sql = "UPDATE mpos_stratum_block SET verdict = ?, verdict_at = UTC_TIMESTAMP(3), reason = ?, share_row = ?, \
               node_hash = IF(?, ?, node_hash) WHERE spool_id = ? AND seq = ?";
    let word = match (verdict.accepted, last.as_str()) {
        (true, _) => "accepted",
        (false, "accepted" | "orphaned") => "orphaned",
        (false, _) => "rejected",
    };
    let reason = rows::reason(&verdict.reason);
    let values = (word, reason, found, verdict.accepted, &node_hash, &spool, seq);
    conn.exec_drop(sql, values).await.map_err(Trouble::of_row)
}

/// A verdict on its way to a row.
struct Update<'a> {
    verdict: &'a VerdictRecord,
    /// What `solution` of the row may be now.
    names: &'a [String; 2],
    node_hash: &'a str,
    /// There was no verdict before.
    is_first: bool,
}

impl Update<'_> {
    /// Updates the row wherever it is, and says where that was.
    async fn find_row(&self, conn: &mut Conn, spool: &str, share_id: u64) -> Result<&'static str, Trouble> {
        if self.by_id(conn, share_id).await? {
            return Ok("present");
        }
        let others: Vec<u64> = ask(
            conn,
            "SELECT share_id FROM mpos_stratum_block WHERE spool_id = ? AND share_id <> ? ORDER BY seq DESC LIMIT ?",
            (spool, share_id, SWAP_CANDIDATES),
        )
        .await?;
        for other in others {
            if self.by_id(conn, other).await? {
                return Ok("swapped");
            }
        }
        let sql = "SELECT share_id FROM shares_archive WHERE share_id = ?";
        let archived: Option<u64> = ask_first(conn, sql, (share_id,)).await?;
        Ok(if archived.is_some() { "archived" } else { "gone" })
    }

    /// Updates the row by its primary key, if it still holds the candidate. The table has no index
    /// on `solution`: without the id the whole table would be read and locked.
    async fn by_id(&self, conn: &mut Conn, share_id: u64) -> Result<bool, Trouble> {
        let [written, renamed] = self.names;
        if self.verdict.accepted {
            let sql = "UPDATE shares SET upstream_result = 'Y', solution = ? WHERE id = ? AND solution IN (?, ?)";
            conn.exec_drop(sql, (self.node_hash, share_id, written, renamed)).await.map_err(Trouble::of_row)?;
        } else if !self.is_first {
            let sql = "UPDATE shares SET upstream_result = 'N' WHERE id = ? AND solution IN (?, ?)";
            conn.exec_drop(sql, (share_id, written, renamed)).await.map_err(Trouble::of_row)?;
        } else {
            let sql = "UPDATE shares SET reason = ? WHERE id = ? AND solution IN (?, ?)";
            let reason = rows::reason(&self.verdict.reason);
            conn.exec_drop(sql, (reason, share_id, written, renamed)).await.map_err(Trouble::of_row)?;
        }
        Ok(conn.affected_rows() > 0)
    }
}
