//! The tables and the rights on them.

use super::report::{Check, Words, fault, note, warning};
use crate::mpos::doctor::grants::{Grant, Need, missing, superfluous};
use crate::mpos::doctor::ids::Known;
use crate::mpos::doctor::tables::{ACCOUNTS, OWN, POOL, Schema, WORKERS, own_columns};
use crate::mpos::schema_files;

pub(super) static GRANTS: Check = Check {
    id: "db.grants",
    means: "The daemon's database user lacks a right it needs: shares wait in the spool, or workers cannot log in.",
};
pub(super) static GRANTS_EXCESS: Check = Check {
    id: "db.grants_excess",
    means: "The daemon's database user may do more than it needs; whoever gets its password could do harm with it.",
};
pub(super) static OWN_TABLES: Check = Check {
    id: "db.own_tables",
    means: "Our own tables say how far the shares have come: without them nothing is written.",
};
pub(super) static MPOS_TABLES: Check =
    Check { id: "db.mpos_tables", means: "A table of MPOS is missing, or our user may not see it." };
pub(super) static COLUMNS: Check = Check {
    id: "db.columns",
    means: "A column is not as MPOS makes it: rows are refused, cut off, or not found by MPOS.",
};
pub(super) static ENGINE: Check = Check {
    id: "db.engine",
    means: "A table without transactions: rows can be doubled or lost when something breaks, and MPOS's payouts block \
            the writing of shares.",
};
pub(super) static INDEXES: Check =
    Check { id: "db.indexes", means: "MPOS's queries read whole tables, and names or ids can be there twice." };
pub(super) static SHARE_IDS: Check = Check {
    id: "db.share_ids",
    means: "Ids of shares have gone back (a TRUNCATE, a restored backup): MPOS pays by ranges of ids and would pay \
            the new shares never, or end with E0001, E0002 and error 1062. We refuse to write.",
};
pub(super) static ID_ROOM: Check =
    Check { id: "db.id_room", means: "When the ids of shares no longer fit a column, rows are refused." };
pub(super) static SIZE: Check = Check {
    id: "db.size",
    means: "MPOS's cron jobs read every share of the open round and of the last ten minutes: with tens of millions of \
            rows they take minutes.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 10] =
    [&GRANTS, &GRANTS_EXCESS, &OWN_TABLES, &MPOS_TABLES, &COLUMNS, &ENGINE, &INDEXES, &SHARE_IDS, &ID_ROOM, &SIZE];

/// Rows of `shares` from which on MPOS's queries take tens of seconds.
const SHARES_MANY: u64 = 10_000_000;
/// The same for the archive, which is read less.
const ARCHIVE_MANY: u64 = 100_000_000;

/// What a column must be.
#[derive(Clone, Copy)]
struct Shape {
    table: &'static str,
    column: &'static str,
    kinds: &'static [&'static str],
    /// Least width of text.
    width: u64,
    /// We or MPOS write NULL there.
    nullable: bool,
}

const fn shape(table: &'static str, column: &'static str, kinds: &'static [&'static str], width: u64) -> Shape {
    Shape { table, column, kinds, width, nullable: false }
}

const fn null(shape: Shape) -> Shape {
    Shape { nullable: true, ..shape }
}

const TEXT: &[&str] = &["char", "varchar"];
const LONG_TEXT: &[&str] = &["char", "varchar", "text", "mediumtext", "longtext"];
const WHOLE: &[&str] = &["int", "bigint"];
const SMALL: &[&str] = &["tinyint", "smallint", "int"];
const REAL: &[&str] = &["float", "double"];

/// What is read or written, with the widths that MPOS makes.
const SHAPES: [Shape; 36] = [
    shape("shares", "id", WHOLE, 0),
    shape("shares", "rem_host", TEXT, 255),
    shape("shares", "username", TEXT, 120),
    shape("shares", "our_result", &["enum"], 1),
    shape("shares", "upstream_result", &["enum"], 1),
    shape("shares", "reason", TEXT, 50),
    shape("shares", "solution", TEXT, 64),
    shape("shares", "difficulty", REAL, 0),
    shape("shares", "time", &["timestamp"], 0),
    shape("shares_archive", "share_id", WHOLE, 0),
    shape("shares_archive", "username", TEXT, 120),
    shape("shares_archive", "our_result", &["enum"], 1),
    shape("shares_archive", "upstream_result", &["enum"], 1),
    shape("shares_archive", "block_id", WHOLE, 0),
    shape("shares_archive", "difficulty", REAL, 0),
    shape("shares_archive", "time", &["datetime", "timestamp"], 0),
    shape("blocks", "height", WHOLE, 0),
    shape("blocks", "blockhash", TEXT, 64),
    shape("blocks", "confirmations", WHOLE, 0),
    shape("blocks", "difficulty", &["double", "float", "decimal"], 0),
    shape("blocks", "time", WHOLE, 0),
    shape("blocks", "accounted", SMALL, 0),
    null(shape("blocks", "account_id", WHOLE, 0)),
    shape("blocks", "worker_name", TEXT, 50),
    null(shape("blocks", "shares", &["double", "float", "bigint", "int"], 0)),
    null(shape("blocks", "share_id", WHOLE, 0)),
    shape("settings", "name", TEXT, 100),
    shape("settings", "value", LONG_TEXT, 100),
    shape("monitoring", "name", TEXT, 30),
    shape("monitoring", "value", LONG_TEXT, 100),
    shape(ACCOUNTS, "id", WHOLE, 0),
    shape(ACCOUNTS, "username", TEXT, 40),
    shape(ACCOUNTS, "is_locked", SMALL, 0),
    shape(WORKERS, "account_id", WHOLE, 0),
    shape(WORKERS, "username", TEXT, 50),
    shape(WORKERS, "password", TEXT, 1),
];

/// Indexes that MPOS makes: table, column, and whether each value is there once.
const INDEXED: [(&str, &str, bool); 8] = [
    ("shares", "id", true),
    ("shares", "time", false),
    ("shares", "username", false),
    ("shares_archive", "share_id", true),
    ("shares_archive", "time", false),
    ("blocks", "height", false),
    (ACCOUNTS, "username", true),
    (WORKERS, "username", true),
];

pub(super) fn grants(needs: &[Need], user: &str, grants: &[Grant]) -> Words {
    let unmet = missing(needs, grants);
    let told = |need: &&Need| {
        fault(format!("{user} may not {} {}.{}", need.privilege, need.schema, need.table), need.statement(user))
    };
    unmet.iter().map(told).collect()
}

pub(super) fn grants_excess(needs: &[Need], user: &str, grants: &[Grant]) -> Words {
    let told = |grant: &&Grant| {
        note(
            format!("more than needed: {}", grant.written),
            format!("REVOKE what {} does not name FROM {user};", schema_files::grants()),
        )
    };
    superfluous(needs, grants).iter().map(told).collect()
}

pub(super) fn own_tables(schema: &Schema, database: &str) -> Words {
    let load = format!("mariadb {database} < {}", schema_files::own_tables());
    let absent: Vec<&str> = OWN.into_iter().filter(|name| schema.table(name).is_none()).collect();
    let mut words = Words::new();
    if !absent.is_empty() {
        words.push(fault(format!("missing, or our user may not see them: {}", absent.join(", ")), load));
    }
    for table in OWN.into_iter().filter(|name| !absent.contains(name)) {
        let lacks = |(of, name): &(&str, &str)| *of == table && schema.column(table, name).is_none();
        let lacking: Vec<&str> = own_columns().into_iter().filter(lacks).map(|(_, name)| name).collect();
        if !lacking.is_empty() {
            words.push(fault(
                format!("{table} is of another version: it has no column {}", lacking.join(", ")),
                format!(
                    "stop the daemon once its spool is drained, and make the columns as {} has them",
                    schema_files::own_tables()
                ),
            ));
        }
    }
    words
}

pub(super) fn mpos_tables(schema: &Schema) -> Words {
    let absent = |name: &&str| schema.table(name).is_none();
    let told = |name: &str| {
        let mend = format!(
            "name MPOS's databases in [coin.mpos] (database, accounts_database, workers_database), or give the rights of {}",
            schema_files::grants()
        );
        fault(format!("there is no table {name}"), mend)
    };
    POOL.into_iter().chain([ACCOUNTS, WORKERS]).filter(absent).map(told).collect()
}

pub(super) fn columns(schema: &Schema) -> Words {
    let mut words = Words::new();
    for Shape { table, column, kinds, width, nullable } in SHAPES {
        if schema.table(table).is_none() {
            continue;
        }
        let place = format!("{table}.{column}");
        let Some(found) = schema.column(table, column) else {
            let mend =
                format!("mend the table as MPOS's sql/000_base_structure.sql has it, or GRANT SELECT on {place}");
            words.push(fault(format!("there is no column {place}"), mend));
            continue;
        };
        if !kinds.contains(&found.kind.as_str()) {
            let mend = format!("ALTER TABLE {table} MODIFY {column} ...; it must be {}", kinds.join(" or "));
            words.push(fault(format!("{place} is {}", found.full_type), mend));
        } else if found.kind == "enum" && !(found.full_type.contains("'y'") && found.full_type.contains("'n'")) {
            words.push(fault(
                format!("{place} is {}", found.full_type),
                format!("ALTER TABLE {table} MODIFY {column} ENUM('Y','N');"),
            ));
        } else if found.width.is_some_and(|is| is < width) {
            let saw = format!("{place} holds {} characters, MPOS makes {width}", found.width.unwrap_or(0));
            words.push(fault(saw, format!("ALTER TABLE {table} MODIFY {column} {}({width});", found.kind)));
        } else if nullable && !found.nullable {
            words.push(fault(
                format!("{place} may not be NULL"),
                format!("ALTER TABLE {table} MODIFY {column} {} NULL;", found.full_type),
            ));
        }
    }
    words
}

pub(super) fn engine(schema: &Schema, allow_myisam: bool) -> Words {
    let stored = schema.tables.iter().filter(|table| !table.transactional);
    stored
        .map(|table| {
            let engine = table.engine.as_deref().unwrap_or("no engine (a view?)");
            let saw = format!("{} is stored by {engine}", table.name);
            let mend = format!("ALTER TABLE {} ENGINE=InnoDB;", table.name);
            let is_ours = OWN.contains(&table.name.as_str());
            match is_ours || (table.name == "shares" && !allow_myisam) {
                true => fault(saw, mend),
                false => warning(saw, mend),
            }
        })
        .collect()
}

pub(super) fn indexes(schema: &Schema) -> Words {
    let lacks = |(table, column, unique): &(&str, &str, bool)| {
        schema.table(table).is_some() && !schema.has_index(table, column, *unique)
    };
    let told = |(table, column, unique): (&str, &str, bool)| {
        let kind = if unique { "unique index" } else { "index" };
        let add = if unique { "ADD UNIQUE KEY" } else { "ADD KEY" };
        warning(format!("{table}.{column} has no {kind}"), format!("ALTER TABLE {table} {add} ({column});"))
    };
    INDEXED.into_iter().filter(lacks).map(told).collect()
}

pub(super) fn share_ids(next: Option<u64>, known: &[Known]) -> Words {
    let Some(next) = next else {
        return vec![fault(
            "shares.id is not AUTO_INCREMENT",
            "ALTER TABLE shares MODIFY id BIGINT(30) NOT NULL AUTO_INCREMENT;",
        )];
    };
    let greatest = known.iter().filter_map(|known| known.greatest.as_ref().ok()).max().copied().unwrap_or(0);
    if greatest < next {
        return Words::new();
    }
    let told = known.iter().filter(|known| known.greatest.as_ref().is_ok_and(|id| *id >= next));
    let told: Vec<String> =
        told.map(|known| format!("{} {}", known.place, known.greatest.as_ref().copied().unwrap_or(0))).collect();
    vec![fault(
        format!("the next share would get id {next}, but {} are known", told.join(", ")),
        format!("ALTER TABLE shares AUTO_INCREMENT = {};", greatest.saturating_add(1)),
    )]
}

/// The greatest number of a whole-number type.
fn room(full_type: &str) -> Option<u64> {
    let unsigned = full_type.contains("unsigned");
    Some(match (full_type.split(['(', ' ']).next()?, unsigned) {
        ("int", false) => 2_147_483_647,
        ("int", true) => 4_294_967_295,
        ("bigint", false) => 9_223_372_036_854_775_807,
        ("bigint", true) => u64::MAX,
        _ => return None,
    })
}

pub(super) fn id_room(schema: &Schema, next: Option<u64>) -> Words {
    let next = next.unwrap_or(0);
    let columns = [("shares", "id"), ("shares_archive", "share_id"), ("blocks", "share_id")];
    let told = |(table, column): (&str, &str)| {
        let found = schema.column(table, column)?;
        let room = room(&found.full_type)?;
        let saw = format!("the next share id is {next}; {table}.{column} ({}) ends at {room}", found.full_type);
        let mend = format!("ALTER TABLE {table} MODIFY {column} BIGINT ...;  as MPOS's upgrades 0.0.7 and 0.0.11 do");
        (next > room / 5 * 4).then(|| if next >= room { fault(saw, mend) } else { warning(saw, mend) })
    };
    columns.into_iter().filter_map(told).collect()
}

/// `busy_secs`: since the row that is half a million behind the newest.
pub(super) fn size(schema: &Schema, busy_secs: Option<i64>) -> Words {
    let mut words = Words::new();
    for (name, many) in [("shares", SHARES_MANY), ("shares_archive", ARCHIVE_MANY)] {
        if let Some(table) = schema.table(name).filter(|table| table.rows > many) {
            let saw = format!("{name} has about {} million rows, {} MiB", table.rows / 1_000_000, table.bytes >> 20);
            words.push(warning(
                saw,
                "do MPOS's payout and tables_cleanup crons run? Shorten archive.maxage in MPOS, or raise difficulties",
            ));
        }
    }
    if busy_secs.is_some_and(|secs| secs < 600) {
        let saw = format!("the last 600,000 shares came within {} s", busy_secs.unwrap_or(0));
        words.push(warning(saw, "raise target_secs of [coin.port.vardiff] to 20 or 30, and the least difficulties"));
    }
    words
}

#[cfg(test)]
#[path = "tables/tests.rs"]
mod tests;
