//! How MPOS itself is: its settings, its cron jobs, its blocks and ours.

use std::collections::BTreeMap;

use mysql_async::Params;

use super::{EXAMPLES_MAX, Line, Seen};
use crate::mpos::schema_check::UNMATCHED_WARN_SECS;

/// Most settings and states of cron jobs that are read.
const NAMES_MAX: u32 = 1000;
/// Most blocks of MPOS and candidates of ours that are looked at, the newest.
pub const BLOCKS_MAX: u32 = 200;
/// Age from which on a block that MPOS has matched should be paid.
pub const UNPAID_SECS: u64 = 3600;
/// Age beyond which candidates of ours are history.
const CANDIDATE_DAYS: u32 = 60;

/// Names and values of `settings` or `monitoring`.
pub type Values = BTreeMap<String, String>;

/// So many blocks, and the lowest height among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// 0 if there is none.
    pub first_height: u64,
}

/// A round that ended with a block which MPOS has matched to a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Height of the block.
    pub height: u64,
    /// The node's difficulty of it.
    pub difficulty: f64,
    /// Sum of the difficulties of the round's shares.
    pub shares: f64,
}

/// A candidate of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its height.
    pub height: u64,
    /// Its hash, as the node has it if that is known.
    pub hash: String,
    /// `pending` or `accepted`.
    pub verdict: String,
    /// Seconds since it was stored.
    pub age_secs: i64,
    /// Whether MPOS's `blocks` has it.
    pub booked: bool,
}

/// The settings.
pub async fn settings(line: &mut Line) -> Seen<Values> {
    // Only short ones matter; MPOS keeps whole texts there as well.
    let sql = "SELECT name, LEFT(COALESCE(value, ''), 100) FROM settings LIMIT ?";
    Ok(line.ask::<(String, String)>(sql, (NAMES_MAX,)).await?.into_iter().collect())
}

/// What the cron jobs say about themselves.
pub async fn monitoring(line: &mut Line) -> Seen<Values> {
    let sql = "SELECT name, LEFT(value, 200) FROM monitoring LIMIT ?";
    Ok(line.ask::<(String, String)>(sql, (NAMES_MAX,)).await?.into_iter().collect())
}

/// Old blocks without a share.
pub async fn unmatched(line: &mut Line) -> Seen<Counted> {
    counted(line, "share_id IS NULL AND confirmations > -1", UNMATCHED_WARN_SECS).await
}

/// Old blocks that have a share and are not paid.
pub async fn unpaid(line: &mut Line) -> Seen<Counted> {
    counted(line, "share_id IS NOT NULL AND accounted = 0 AND confirmations > -1", UNPAID_SECS).await
}

async fn counted(line: &mut Line, condition: &str, age_secs: u64) -> Seen<Counted> {
    let sql = format!(
        "SELECT CAST(COUNT(*) AS UNSIGNED), CAST(COALESCE(MIN(height), 0) AS UNSIGNED) FROM blocks \
         WHERE {condition} AND time < UNIX_TIMESTAMP() - ?"
    );
    let (count, first_height) = line.one(&sql, (age_secs,)).await?;
    Ok(Counted { count, first_height })
}

/// The greatest id of MPOS's blocks.
pub async fn last_block_id(line: &mut Line) -> Seen<u64> {
    line.one("SELECT CAST(COALESCE(MAX(id), 0) AS UNSIGNED) FROM blocks", Params::Empty).await
}

/// The newest rounds.
pub async fn rounds(line: &mut Line) -> Seen<Vec<Round>> {
    let sql = "SELECT CAST(height AS UNSIGNED), difficulty + 0e0, COALESCE(shares, 0) + 0e0 FROM blocks \
               WHERE share_id IS NOT NULL AND confirmations > -1 ORDER BY height DESC LIMIT ?";
    let rows: Vec<(u64, f64, f64)> = line.ask(sql, (BLOCKS_MAX,)).await?;
    Ok(rows.into_iter().map(|(height, difficulty, shares)| Round { height, difficulty, shares }).collect())
}

/// Candidates of ours that MPOS should have, and those whose end is open.
pub async fn candidates(line: &mut Line) -> Seen<Vec<Candidate>> {
    type Row = (u64, String, String, i64, i64);
    let sql = format!(
        "SELECT CAST(o.height AS UNSIGNED), o.name, o.verdict, o.age, CAST(EXISTS (SELECT 1 FROM blocks b \
         WHERE b.height = o.height AND b.blockhash = o.name) AS SIGNED) FROM (SELECT height, \
         IF(node_hash = '', hash, node_hash) AS name, CAST(verdict AS CHAR) AS verdict, \
         TIMESTAMPDIFF(SECOND, stored_at, UTC_TIMESTAMP()) AS age FROM mpos_stratum_block \
         WHERE verdict IN ('pending', 'accepted') AND stored_at > UTC_TIMESTAMP() - INTERVAL {CANDIDATE_DAYS} DAY \
         ORDER BY share_id DESC LIMIT ?) o"
    );
    let rows: Vec<Row> = line.ask(&sql, (BLOCKS_MAX,)).await?;
    let candidate = |(height, hash, verdict, age_secs, booked): Row| Candidate {
        height,
        hash,
        verdict,
        age_secs,
        booked: booked != 0,
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// A list of examples for people: the first ten, and whether there are more.
pub fn examples<T: std::fmt::Display>(all: &[T]) -> String {
    let max = EXAMPLES_MAX as usize;
    let shown: Vec<String> = all.iter().take(max).map(ToString::to_string).collect();
    let more = if all.len() > max { ", and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_examples_are_enough() {
        assert_eq!(examples(&["a", "b"]), "a, b");
        assert!(examples(&[0; 11]).ends_with("0, and more") && !examples(&[0; 10]).contains("more"));
    }
}
