//! The newest rows of `shares`, by its primary key.

use mysql_async::Params;

use super::{Line, Seen};

/// So many are looked at.
pub const NEWEST_MAX: u32 = 500;

/// So many rows in ten minutes keep MPOS's statistics cron, which comes every minute, busy for a minute.
pub const BUSY_ROWS: i64 = 600_000;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: u64,
    /// The worker.
    pub username: String,
    /// Unix seconds.
    pub time: u64,
    /// NOMP leaves it NULL for good shares.
    pub reason: Option<String>,
    /// Our own ordinary rows have none.
    pub solution: String,
    /// In MPOS's units.
    pub difficulty: f64,
}

/// The newest rows, the newest first.
pub async fn newest(line: &mut Line) -> Seen<Vec<Row>> {
    type Columns = (u64, String, u64, Option<String>, String, f64);
    let sql = "SELECT CAST(id AS UNSIGNED), username, CAST(UNIX_TIMESTAMP(time) AS UNSIGNED), reason, solution, \
               difficulty + 0e0 FROM shares ORDER BY id DESC LIMIT ?";
    let rows: Vec<Columns> = line.ask(sql, (NEWEST_MAX,)).await?;
    let row =
        |(id, username, time, reason, solution, difficulty)| Row { id, username, time, reason, solution, difficulty };
    Ok(rows.into_iter().map(row).collect())
}

/// Seconds, by the database's clock, since the row that is [`BUSY_ROWS`] ids behind the newest; `None`: there is
/// no such row.
pub async fn busy_secs(line: &mut Line) -> Seen<Option<i64>> {
    let sql = "SELECT TIMESTAMPDIFF(SECOND, time, NOW()) FROM shares \
               WHERE id > 0 AND id <= (SELECT CAST(MAX(id) AS SIGNED) FROM shares) - ? ORDER BY id DESC LIMIT 1";
    Ok(line.ask::<i64>(sql, (BUSY_ROWS,)).await?.into_iter().next())
}

/// The present second of the database.
pub async fn now(line: &mut Line) -> Seen<u64> {
    line.one("SELECT CAST(UNIX_TIMESTAMP() AS UNSIGNED)", Params::Empty).await
}
