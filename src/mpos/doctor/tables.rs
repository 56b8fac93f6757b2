//! The tables as `information_schema` describes them, as far as our user sees them.

use mysql_async::Params;

use super::{Line, Seen};
use crate::config::Mpos;

/// Tables of ours and those of MPOS that are read or written, by the part of MPOS that has them.
pub const OWN: [&str; 3] = ["mpos_stratum_cursor", "mpos_stratum_spool", "mpos_stratum_block"];
/// Beside `shares`.
pub const POOL: [&str; 5] = ["shares", "shares_archive", "blocks", "settings", "monitoring"];
/// In the schema of accounts.
pub const ACCOUNTS: &str = "accounts";
/// In the schema of workers.
pub const WORKERS: &str = "pool_worker";

/// The definition of our own tables, as it is loaded.
const OWN_SCHEMA: &str = include_str!("../../../schema/mpos-stratum.sql");

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its engine; `None`: a view.
    pub engine: Option<String>,
    /// Whether that has transactions.
    pub transactional: bool,
    /// Rows, as the engine estimates them.
    pub rows: u64,
    /// Bytes of data and indexes.
    pub bytes: u64,
    /// The next number of its AUTO_INCREMENT column.
    pub next_id: Option<u64>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Kind of type, lower case.
    pub kind: String,
    /// The whole type, lower case.
    pub full_type: String,
    /// Width of text in characters.
    pub width: Option<u64>,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A column of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// Its table.
    pub table: String,
    /// The index.
    pub index: String,
    /// Place in the index, from 1.
    pub place: u64,
    /// The column.
    pub column: String,
    /// Whether the index allows each value once only.
    pub unique: bool,
}

/// Everything about the tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The tables that were found.
    pub tables: Vec<Table>,
    /// Their columns.
    pub columns: Vec<Column>,
    /// Their indexes.
    pub indexes: Vec<IndexPart>,
}

impl Schema {
    /// A table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A column of a table.
    pub fn column(&self, table: &str, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.table == table && column.name == name)
    }

    /// Whether a table has an index that begins with a column; `unique`: and consists of it alone, each value once.
    pub fn has_index(&self, table: &str, column: &str, unique: bool) -> bool {
        let of_table = |part: &&IndexPart| part.table == table;
        let begins = |part: &&IndexPart| part.place == 1 && part.column == column;
        let alone =
            |index: &str| !self.indexes.iter().any(|part| part.table == table && part.index == index && part.place > 1);
        self.indexes.iter().filter(of_table).filter(begins).any(|part| !unique || (part.unique && alone(&part.index)))
    }
}

/// The columns that our own tables have in this version.
pub fn own_columns() -> Vec<(&'static str, &'static str)> {
    let mut table = "";
    let mut columns = Vec::new();
    for line in OWN_SCHEMA.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            table = rest.split_whitespace().next().unwrap_or_default();
        } else if let Some(rest) = line.strip_prefix("  ")
            && let Some(name) = rest.split_whitespace().next()
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        {
            columns.push((table, name));
        }
    }
    columns
}

/// Reads the list of tables, columns and indexes in the three schemas of `mpos`.
pub async fn schema(line: &mut Line, mpos: &Mpos) -> Seen<Schema> {
    Ok(Schema {
        tables: tables(line, mpos).await?,
        columns: columns(line, mpos).await?,
        indexes: indexes(line, mpos).await?,
    })
}

/// `accounts` counts in its own schema only, and `pool_worker` likewise.
fn is_meant(mpos: &Mpos, schema: &str, table: &str) -> bool {
    let place = match table {
        ACCOUNTS => &mpos.accounts_database,
        WORKERS => &mpos.workers_database,
        _ => &mpos.database,
    };
    // Some servers keep names of schemas in lower case.
    place.eq_ignore_ascii_case(schema)
}

/// The condition that picks our tables, and its values.
fn picked(mpos: &Mpos, prefix: &str) -> (String, Params) {
    let names: Vec<&str> = OWN.into_iter().chain(POOL).chain([ACCOUNTS, WORKERS]).collect();
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let values = [&mpos.database, &mpos.accounts_database, &mpos.workers_database].map(|name| name.as_str().into());
    (
        format!("{prefix}table_schema IN (?, ?, ?) AND {prefix}table_name IN ({list})"),
        Params::Positional(values.to_vec()),
    )
}

async fn tables(line: &mut Line, mpos: &Mpos) -> Seen<Vec<Table>> {
    type Row = (String, String, Option<String>, Option<String>, Option<u64>, Option<u64>, Option<u64>, Option<u64>);
    let (condition, values) = picked(mpos, "t.");
    let sql = format!(
        "SELECT t.table_schema, t.table_name, t.engine, e.transactions, t.table_rows, t.data_length, t.index_length, \
         t.auto_increment FROM information_schema.tables t \
         LEFT JOIN information_schema.engines e ON e.engine = t.engine WHERE {condition}"
    );
    let rows: Vec<Row> = line.ask(&sql, values).await?;
    let meant = rows.into_iter().filter(|row| is_meant(mpos, &row.0, &row.1));
    let table = |(_, name, engine, transactions, rows, data, index, next_id): Row| Table {
        name,
        engine,
        transactional: transactions.is_some_and(|word| word.eq_ignore_ascii_case("yes")),
        rows: rows.unwrap_or(0),
        bytes: data.unwrap_or(0).saturating_add(index.unwrap_or(0)),
        next_id,
    };
    Ok(meant.map(table).collect())
}

async fn columns(line: &mut Line, mpos: &Mpos) -> Seen<Vec<Column>> {
    type Row = (String, String, String, String, String, Option<u64>, String);
    let (condition, values) = picked(mpos, "");
    let sql = format!(
        "SELECT table_schema, table_name, column_name, data_type, column_type, character_maximum_length, is_nullable \
         FROM information_schema.columns WHERE {condition}"
    );
    let rows: Vec<Row> = line.ask(&sql, values).await?;
    let meant = rows.into_iter().filter(|row| is_meant(mpos, &row.0, &row.1));
    let column = |(_, table, name, kind, full_type, width, nullable): Row| Column {
        table,
        name,
        kind: kind.to_ascii_lowercase(),
        full_type: full_type.to_ascii_lowercase(),
        width,
        nullable: nullable.eq_ignore_ascii_case("yes"),
    };
    Ok(meant.map(column).collect())
}

async fn indexes(line: &mut Line, mpos: &Mpos) -> Seen<Vec<IndexPart>> {
    type Row = (String, String, String, u64, String, i64);
    let (condition, values) = picked(mpos, "");
    let sql = format!(
        "SELECT table_schema, table_name, index_name, CAST(seq_in_index AS UNSIGNED), COALESCE(column_name, ''), \
         CAST(non_unique AS SIGNED) FROM information_schema.statistics WHERE {condition}"
    );
    let rows: Vec<Row> = line.ask(&sql, values).await?;
    let meant = rows.into_iter().filter(|row| is_meant(mpos, &row.0, &row.1));
    let part = |(_, table, index, place, column, non_unique): Row| IndexPart {
        table,
        index,
        place,
        column,
        unique: non_unique == 0,
    };
    Ok(meant.map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_our_tables_are_those_of_the_file_that_is_loaded() {
        let columns = own_columns();
        for table in OWN {
            assert!(columns.iter().filter(|(of, _)| *of == table).count() >= 7, "{table}");
        }
        assert!(
            columns.contains(&("mpos_stratum_block", "share_row"))
                && columns.contains(&("mpos_stratum_cursor", "name"))
        );
        assert!(!columns.iter().any(|(_, name)| name.is_empty()));
    }

    #[test]
    fn an_index_serves_a_column_that_it_begins_with() {
        let part = |index: &str, place, column: &str, unique| IndexPart {
            table: "blocks".into(),
            index: index.into(),
            place,
            column: column.into(),
            unique,
        };
        let indexes = vec![part("h", 1, "height", true), part("h", 2, "blockhash", true), part("i", 1, "id", true)];
        let schema = Schema { indexes, ..Schema::default() };
        assert!(schema.has_index("blocks", "height", false) && !schema.has_index("blocks", "height", true));
        assert!(schema.has_index("blocks", "id", true) && !schema.has_index("blocks", "blockhash", false));
        assert!(!schema.has_index("shares", "id", false));
    }
}
