//! Share ids, wherever somebody remembers one: MPOS pays by ranges of them, so none may come twice.

use mysql_async::Params;

use super::{Line, Seen};

/// A place that remembers share ids, and the greatest it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The column or setting.
    pub place: &'static str,
    /// 0: none.
    pub greatest: Seen<u64>,
}

/// Asks everybody; each by an index, or in a small table.
pub async fn known(line: &mut Line) -> Vec<Known> {
    let mut all = Vec::new();
    for (place, sql) in [
        ("shares.id", "SELECT CAST(COALESCE(MAX(id), 0) AS UNSIGNED) FROM shares"),
        ("blocks.share_id", "SELECT CAST(COALESCE(MAX(share_id), 0) AS UNSIGNED) FROM blocks"),
        ("shares_archive.share_id", "SELECT CAST(COALESCE(MAX(share_id), 0) AS UNSIGNED) FROM shares_archive"),
        ("mpos_stratum_block.share_id", "SELECT CAST(COALESCE(MAX(share_id), 0) AS UNSIGNED) FROM mpos_stratum_block"),
        (
            "setting pps_last_share_id",
            "SELECT CAST(COALESCE(MAX(CAST(value AS UNSIGNED)), 0) AS UNSIGNED) FROM settings WHERE name = 'pps_last_share_id'",
        ),
    ] {
        all.push(Known { place, greatest: line.one(sql, Params::Empty).await });
    }
    all
}
