//! What must be true of the database before anything is written to it. Checked on every new
//! connection of the writer: tables can be altered, emptied or restored at any time.

use mysql_async::{Conn, Params};
use tracing::warn;

use super::connect::{ask, ask_first};
use super::schema_files;
use super::trouble::Trouble;

/// Age from which on a block without a share is warned about. MPOS looks for shares every minute.
pub const UNMATCHED_WARN_SECS: u64 = 600;

/// Tables of ours, beside `shares`.
const OWN_TABLES: [&str; 3] = ["mpos_stratum_cursor", "mpos_stratum_spool", "mpos_stratum_block"];

/// Columns of `shares` that are written, with the kinds of type that hold them and the least width
/// in characters (0: no text).
const SHARES_COLUMNS: [(&str, &[&str], u64); 9] = [
    ("id", &["bigint", "int"], 0),
    ("rem_host", &["varchar", "char"], 45),
    ("username", &["varchar", "char"], 50),
    ("our_result", &["enum"], 1),
    ("upstream_result", &["enum"], 1),
    ("reason", &["varchar", "char"], 50),
    ("solution", &["varchar", "char"], 64),
    ("difficulty", &["float", "double"], 0),
    ("time", &["timestamp"], 0),
];

/// A column, as `information_schema` describes it.
#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: String,
    full_type: String,
    width: Option<u64>,
    nullable: bool,
    has_default: bool,
    extra: String,
}

/// What the writer has to know about the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether `shares` takes part in transactions.
    pub atomic: bool,
    /// The greatest share id that is known to have been used: every new row must get a greater one.
    pub last_id: u64,
}

/// Checks everything. A [`Trouble::Stop`] names what is wrong and the remedy. `allow_myisam`: a table
/// `shares` without transactions is warned about and written to all the same.
pub async fn check(conn: &mut Conn, allow_myisam: bool) -> Result<Checked, Trouble> {
    check_writable(conn).await?;
    let Tables { next_id, atomic } = check_tables(conn, allow_myisam).await?;
    if !atomic {
        warn!(
            "table shares has no transactions: rows may be stored, and so paid, twice after a crash or a broken connection"
        );
    }
    check_shape(conn).await?;
    let last_id = check_ids(conn, next_id).await?;
    warn_of_mode(conn).await?;
    warn_of_unmatched_blocks(conn).await?;
    Ok(Checked { atomic, last_id })
}

/// Checks that `shares` has the columns that are written, wide enough.
pub async fn check_shape(conn: &mut Conn) -> Result<(), Trouble> {
    check_columns(&columns(conn).await?).map_err(Trouble::Stop)
}

/// Checks the engines of the tables; true if `shares` takes part in transactions.
pub async fn check_engines(conn: &mut Conn, allow_myisam: bool) -> Result<bool, Trouble> {
    Ok(check_tables(conn, allow_myisam).await?.atomic)
}

/// Checks that the server takes writes.
pub async fn check_writable(conn: &mut Conn) -> Result<(), Trouble> {
    // As text: newer servers know more values than on and off.
    let sql = "SELECT CAST(@@global.read_only AS CHAR), CAST(@@global.innodb_read_only AS CHAR)";
    let read_only: Option<(String, String)> = ask_first(conn, sql, Params::Empty).await?;
    let off = |word: &str| word == "0" || word.eq_ignore_ascii_case("off");
    match read_only {
        Some((server, engine)) if off(&server) && off(&engine) => Ok(()),
        _ => {
            Err(Trouble::ReadOnly("the database server is read-only: is it a replica? Shares wait in the spool".into()))
        }
    }
}

/// A row of `information_schema.tables`: name, engine, whether that has transactions, next id.
type TableRow = (String, Option<String>, Option<String>, Option<u64>);

/// What the list of tables says about `shares`.
struct Tables {
    next_id: u64,
    atomic: bool,
}

/// Checks that the tables exist in an engine with transactions.
async fn check_tables(conn: &mut Conn, allow_myisam: bool) -> Result<Tables, Trouble> {
    let tables: Vec<TableRow> = ask(
        conn,
        "SELECT t.table_name, t.engine, e.transactions, t.auto_increment \
             FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
             WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'",
        Params::Empty,
    )
    .await?;
    let find = |name: &str| tables.iter().find(|table| table.0 == name);
    for name in OWN_TABLES {
        let Some((_, engine, transactions, _)) = find(name) else {
            return Err(Trouble::NotNow(format!(
                "table {name} is missing or not readable: load {} into the schema that holds shares",
                schema_files::own_tables()
            )));
        };
        require_transactions(name, engine.as_deref(), transactions.as_deref())?;
    }
    let Some((_, engine, transactions, next_id)) = find("shares") else {
        return Err(Trouble::Stop(
            "there is no table shares in the configured schema: is this MPOS's database?".into(),
        ));
    };
    let Some(next_id) = *next_id else {
        return Err(Trouble::Stop("column id of table shares is not AUTO_INCREMENT".into()));
    };
    match require_transactions("shares", engine.as_deref(), transactions.as_deref()) {
        Ok(()) => Ok(Tables { next_id, atomic: true }),
        Err(Trouble::Stop(_)) if allow_myisam => Ok(Tables { next_id, atomic: false }),
        Err(trouble) => Err(trouble),
    }
}

fn require_transactions(table: &str, engine: Option<&str>, transactions: Option<&str>) -> Result<(), Trouble> {
    if transactions.is_some_and(|word| word.eq_ignore_ascii_case("yes")) {
        return Ok(());
    }
    let engine = engine.unwrap_or("no engine");
    Err(Trouble::Stop(format!(
        "table {table} is stored by {engine}, which has no transactions, so rows could be doubled or lost: \
         ALTER TABLE {table} ENGINE=InnoDB"
    )))
}

/// A row of `information_schema.columns`: name, kind, full type, width, nullable, default, extra.
type ColumnRow = (String, String, String, Option<u64>, String, Option<String>, String);

async fn columns(conn: &mut Conn) -> Result<Vec<Column>, Trouble> {
    let rows: Vec<ColumnRow> = ask(
        conn,
        "SELECT column_name, data_type, column_type, character_maximum_length, is_nullable, column_default, extra \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'shares'",
        Params::Empty,
    )
    .await?;
    let column = |(name, kind, full_type, width, nullable, default, extra): ColumnRow| Column {
        name,
        kind: kind.to_ascii_lowercase(),
        full_type,
        width,
        nullable: nullable.eq_ignore_ascii_case("yes"),
        has_default: default.is_some(),
        extra: extra.to_ascii_lowercase(),
    };
    Ok(rows.into_iter().map(column).collect())
}

/// Checks that our INSERT fits the columns of `shares`.
fn check_columns(columns: &[Column]) -> Result<(), String> {
    for (name, kinds, width) in SHARES_COLUMNS {
        let Some(column) = columns.iter().find(|column| column.name == name) else {
            return Err(format!("table shares has no column {name}, or the database user may not see it"));
        };
        if !kinds.contains(&column.kind.as_str()) {
            let wanted = kinds.join(" or ");
            return Err(format!("column shares.{name} is {}, but must be {wanted}", column.full_type));
        }
        if column.width.unwrap_or(0) < width {
            let is = column.width.unwrap_or(0);
            return Err(format!("column shares.{name} holds {is} characters, but needs {width}"));
        }
        if column.kind == "enum" && !(column.full_type.contains("'Y'") && column.full_type.contains("'N'")) {
            return Err(format!("column shares.{name} is {}, but must know 'Y' and 'N'", column.full_type));
        }
    }
    // A column that we do not name must fill itself, or every INSERT fails.
    let named = |name: &str| SHARES_COLUMNS.iter().any(|(known, ..)| *known == name);
    let fills_itself = |column: &Column| {
        column.nullable || column.has_default || column.kind == "enum" || column.extra.contains("generated")
    };
    match columns.iter().find(|column| !named(&column.name) && !fills_itself(column)) {
        Some(column) => Err(format!(
            "table shares has a column {} that MPOS does not have and that has no default value: give it one",
            column.name
        )),
        None => Ok(()),
    }
}

/// MPOS pays by ranges of share ids: ids that were used before would be paid wrongly or never.
/// Returns the greatest one that was used.
async fn check_ids(conn: &mut Conn, next_id: u64) -> Result<u64, Trouble> {
    let in_blocks: Option<u64> =
        ask_first(conn, "SELECT COALESCE(MAX(share_id), 0) FROM blocks", Params::Empty).await?;
    let in_archive: Option<u64> =
        ask_first(conn, "SELECT COALESCE(MAX(share_id), 0) FROM shares_archive", Params::Empty).await?;
    let paid: Option<Option<String>> =
        ask_first(conn, "SELECT value FROM settings WHERE name = 'pps_last_share_id'", Params::Empty).await?;
    let paid = paid.flatten().and_then(|text| text.trim().parse::<u64>().ok());
    let ours: Option<u64> =
        ask_first(conn, "SELECT COALESCE(MAX(share_id), 0) FROM mpos_stratum_block", Params::Empty).await?;
    let used = [
        // Of our own last block: known before MPOS has used it.
        ("mpos_stratum_block.share_id", ours.unwrap_or(0)),
        ("blocks.share_id", in_blocks.unwrap_or(0)),
        ("shares_archive.share_id", in_archive.unwrap_or(0)),
        ("setting pps_last_share_id", paid.unwrap_or(0)),
    ];
    match used.into_iter().max_by_key(|(_, id)| *id) {
        Some((_, id)) if id < next_id => Ok(id),
        None => Ok(0),
        Some((place, id)) => Err(Trouble::Stop(format!(
            "ids of shares have gone back: the next would be {next_id}, but {id} was already used ({place}). \
             Was shares truncated or restored? Remedy: ALTER TABLE shares AUTO_INCREMENT = {}",
            id.saturating_add(1)
        ))),
    }
}

/// MPOS's payout queries select columns that they do not group by.
async fn warn_of_mode(conn: &mut Conn) -> Result<(), Trouble> {
    let sql = "SELECT CAST(@@global.sql_mode AS CHAR)";
    let mode: Option<String> = ask_first(conn, sql, Params::Empty).await?;
    if mode.is_some_and(|mode| mode.contains("ONLY_FULL_GROUP_BY")) {
        warn!("the server's sql_mode has ONLY_FULL_GROUP_BY, with which MPOS's payouts fail: take it out of sql_mode");
    }
    Ok(())
}

/// A block that is old and has no share was not found by one of our miners, or its row is missing:
/// MPOS's findblock goes on taking other shares for it.
async fn warn_of_unmatched_blocks(conn: &mut Conn) -> Result<(), Trouble> {
    let sql = "SELECT COUNT(*), COALESCE(MIN(height), 0) FROM blocks \
               WHERE share_id IS NULL AND confirmations > -1 AND time < UNIX_TIMESTAMP() - ?";
    let unmatched: Option<(u64, u64)> = ask_first(conn, sql, (UNMATCHED_WARN_SECS,)).await?;
    let (blocks, first_height) = unmatched.unwrap_or((0, 0));
    if blocks > 0 {
        warn!(
            blocks,
            first_height,
            "MPOS has old blocks without a share: does somebody else mine or stake into its wallet, or is findblock off?"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, full_type: &str, width: Option<u64>) -> Column {
        let kind = full_type.split('(').next().unwrap().to_string();
        let (name, full_type, extra) = (name.into(), full_type.into(), String::new());
        Column { name, kind, full_type, width, nullable: false, has_default: false, extra }
    }

    fn mpos() -> Vec<Column> {
        vec![
            column("id", "bigint(30)", None),
            column("rem_host", "varchar(255)", Some(255)),
            column("username", "varchar(120)", Some(120)),
            column("our_result", "enum('Y','N')", Some(1)),
            column("upstream_result", "enum('Y','N')", Some(1)),
            column("reason", "varchar(50)", Some(50)),
            column("solution", "varchar(257)", Some(257)),
            column("difficulty", "float", None),
            column("time", "timestamp", None),
        ]
    }

    fn replaced(with: Column) -> Result<(), String> {
        let mut columns: Vec<Column> = mpos().into_iter().filter(|column| column.name != with.name).collect();
        columns.push(with);
        check_columns(&columns)
    }

    #[test]
    fn the_shipped_table_fits_in_any_order() {
        assert_eq!(check_columns(&mpos()), Ok(()));
        let mut reversed = mpos();
        reversed.reverse();
        assert_eq!(check_columns(&reversed), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (column, word) in [
            (column("solution", "varchar(32)", Some(32)), "solution holds 32"),
            (column("reason", "varchar(20)", Some(20)), "reason holds 20"),
            (column("our_result", "enum('y','n')", Some(1)), "our_result"),
            (column("difficulty", "int(11)", None), "difficulty is int(11)"),
            (column("time", "datetime", None), "time is datetime"),
            (column("worker_id", "int(11)", None), "worker_id"),
        ] {
            let refused = replaced(column).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
        let missing: Vec<Column> = mpos().into_iter().filter(|column| column.name != "reason").collect();
        assert!(check_columns(&missing).unwrap_err().contains("no column reason"));
    }

    #[test]
    fn further_columns_that_fill_themselves_are_welcome() {
        let plain = column("note", "int(11)", None);
        assert_eq!(replaced(Column { nullable: true, ..plain.clone() }), Ok(()));
        assert_eq!(replaced(Column { has_default: true, ..plain.clone() }), Ok(()));
        assert_eq!(replaced(Column { extra: "virtual generated".into(), ..plain }), Ok(()));
    }
}
