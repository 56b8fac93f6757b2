//! What our database user may do, held against what it needs: `schema/grants.sql` in a form that is computed
//! with. A test keeps the two the same.

use mysql_async::Params;

use super::tables::{ACCOUNTS, OWN, WORKERS};
use super::{Line, Seen};
use crate::config::{ColumnUse, Mpos, Workers};

/// A right that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Where.
    pub schema: String,
    /// On which table.
    pub table: String,
    /// `SELECT`, `INSERT` or `UPDATE`.
    pub privilege: &'static str,
    /// These columns are enough; empty: the whole table.
    pub columns: &'static [&'static str],
}

/// A right that the user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The schema or a pattern of schemas; `*`: all.
    pub schema: String,
    /// The table; `*`: all.
    pub table: String,
    /// Privileges in capitals, each with its columns; none: the whole table.
    pub privileges: Vec<(String, Vec<String>)>,
    /// The statement up to the name of the user.
    pub written: String,
}

impl Need {
    /// The statement that gives it; the user has to be put in.
    pub fn statement(&self, user: &str) -> String {
        let columns = if self.columns.is_empty() { String::new() } else { format!(" ({})", self.columns.join(", ")) };
        format!("GRANT {}{columns} ON {}.{} TO {user};", self.privilege, self.schema, self.table)
    }

    fn is_met_by(&self, grant: &Grant) -> bool {
        grant.covers(&self.schema, &self.table)
            && grant.privileges.iter().any(|(privilege, columns)| {
                let has = |column: &&str| columns.iter().any(|known| known.eq_ignore_ascii_case(column));
                let wide = columns.is_empty() || (!self.columns.is_empty() && self.columns.iter().all(has));
                (privilege == self.privilege || privilege.starts_with("ALL")) && wide
            })
    }
}

impl Grant {
    fn covers(&self, schema: &str, table: &str) -> bool {
        let schema_fits = match (self.schema.as_str(), self.table.as_str()) {
            ("*", _) => true,
            (pattern, "*") => is_like(schema, pattern),
            (name, _) => name.eq_ignore_ascii_case(schema),
        };
        schema_fits && (self.table == "*" || self.table.eq_ignore_ascii_case(table))
    }
}

/// Everything the daemon needs with this configuration.
pub fn needs(mpos: &Mpos, workers: &Workers) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |schema: &str, table: &str, privilege, columns| {
        needs.push(Need { schema: schema.to_owned(), table: table.to_owned(), privilege, columns });
    };
    for table in ["shares"].into_iter().chain(OWN) {
        for privilege in ["SELECT", "INSERT", "UPDATE"] {
            need(&mpos.database, table, privilege, &[]);
        }
    }
    for table in ["shares_archive", "blocks", "settings", "monitoring"] {
        need(&mpos.database, table, "SELECT", &[]);
    }
    need(&mpos.accounts_database, ACCOUNTS, "SELECT", &["id", "username", "is_locked"]);
    need(&mpos.workers_database, WORKERS, "SELECT", &[]);
    if workers.auto_create {
        need(&mpos.workers_database, WORKERS, "INSERT", &["account_id", "username", "password"]);
    }
    if workers.pool_worker_difficulty == ColumnUse::Write {
        need(&mpos.workers_database, WORKERS, "UPDATE", &["difficulty"]);
    }
    needs
}

/// What of `needs` is not granted.
pub fn missing<'a>(needs: &'a [Need], grants: &[Grant]) -> Vec<&'a Need> {
    needs.iter().filter(|need| !grants.iter().any(|grant| need.is_met_by(grant))).collect()
}

/// Grants that give more than `needs`, which should hold whatever any setting may need.
pub fn superfluous<'a>(needs: &[Need], grants: &'a [Grant]) -> Vec<&'a Grant> {
    let is_needed = |grant: &Grant, privilege: &str, columns: &[String]| {
        needs.iter().any(|need| {
            let narrow = need.columns.is_empty()
                || (!columns.is_empty() && columns.iter().all(|column| need.columns.contains(&column.as_str())));
            need.schema.eq_ignore_ascii_case(&grant.schema)
                && need.table.eq_ignore_ascii_case(&grant.table)
                && need.privilege == privilege
                && narrow
        })
    };
    let is_much = |grant: &&Grant| {
        grant
            .privileges
            .iter()
            .any(|(privilege, columns)| privilege != "USAGE" && !is_needed(grant, privilege, columns))
    };
    grants.iter().filter(is_much).collect()
}

/// The user as the server knows it, quoted, and its grants.
pub async fn granted(line: &mut Line) -> Seen<(String, Vec<Grant>)> {
    let user: String = line.one("SELECT CURRENT_USER()", Params::Empty).await?;
    let rows: Vec<String> = line.ask("SHOW GRANTS", Params::Empty).await?;
    let (name, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
    Ok((format!("'{name}'@'{host}'"), rows.iter().filter_map(|row| parse(row)).collect()))
}

/// Reads a line of `SHOW GRANTS`; `None`: it grants a role or something else that is no right on tables.
fn parse(text: &str) -> Option<Grant> {
    let written = split_outside(text, " TO ")?.0;
    let (privileges, object) = split_outside(written.strip_prefix("GRANT ")?, " ON ")?;
    let object = object.trim().trim_start_matches("TABLE ");
    let (schema, table) = split_outside(object, ".")?;
    let mut found = Vec::new();
    let mut rest = privileges;
    loop {
        let (one, behind) = split_outside(rest, ",").unwrap_or((rest, ""));
        let (name, columns) = one.split_once('(').unwrap_or((one, ""));
        let columns = columns.trim_end().trim_end_matches(')').split(',').map(unquoted);
        let columns = columns.filter(|column| !column.is_empty()).collect();
        found.push((name.trim().to_ascii_uppercase(), columns));
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    Some(Grant { schema: unquoted(schema), table: unquoted(table), privileges: found, written: written.to_owned() })
}

fn unquoted(name: &str) -> String {
    name.trim().trim_matches('`').replace("``", "`")
}

/// Splits at the first `at` that stands outside quotes and brackets.
fn split_outside<'a>(text: &'a str, at: &str) -> Option<(&'a str, &'a str)> {
    let mut quote = None;
    let mut depth = 0usize;
    for (place, letter) in text.char_indices() {
        if quote.is_none() && depth == 0 && text.get(place..)?.starts_with(at) {
            return Some((text.get(..place)?, text.get(place + at.len()..)?));
        }
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '`' | '\'' | '"') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// SQL's LIKE, as it holds for schemas in grants: `%`, `_`, and a backslash before what is meant literally.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    like(&name, &pattern)
}

fn like(name: &[char], pattern: &[char]) -> bool {
    match (pattern, name) {
        ([], rest) => rest.is_empty(),
        (['%', behind @ ..], _) => (0..=name.len()).any(|from| name.get(from..).is_some_and(|rest| like(rest, behind))),
        (['\\', letter, behind @ ..], [first, rest @ ..]) if letter.eq_ignore_ascii_case(first) => like(rest, behind),
        (['_', behind @ ..], [_, rest @ ..]) => like(rest, behind),
        ([letter, behind @ ..], [first, rest @ ..]) if letter.eq_ignore_ascii_case(first) => like(rest, behind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Endpoint;
    use crate::config::secret::Secret;

    fn mpos() -> Mpos {
        Mpos {
            endpoint: Endpoint::Tcp("h".into(), 1),
            user: "u".into(),
            password: Secret::new(""),
            database: "pool".into(),
            accounts_database: "pool".into(),
            workers_database: "pool".into(),
            failover: Vec::new(),
            ca_file: None,
            allow_myisam: false,
        }
    }

    fn workers(auto_create: bool, pool_worker_difficulty: ColumnUse) -> Workers {
        let time = Duration::from_secs(1);
        Workers {
            check_password: true,
            auto_create,
            refuse_locked: true,
            cache: time,
            negative_cache: time,
            remember: time,
            recheck: time,
            pool_worker_difficulty,
        }
    }

    fn all() -> Vec<Need> {
        needs(&mpos(), &workers(true, ColumnUse::Write))
    }

    /// The statements of the file for the schema `pool`, with the one that only `auto_create` needs.
    fn file() -> Vec<Grant> {
        statements(&include_str!("../../../schema/grants.sql").replace("\n-- GRANT", "\nGRANT"))
    }

    fn statements(text: &str) -> Vec<Grant> {
        text.replace(" mpos.", " pool.").lines().filter_map(parse).collect()
    }

    #[test]
    fn the_file_of_grants_gives_what_is_needed_and_no_more() {
        assert_eq!(missing(&all(), &file()), Vec::<&Need>::new());
        assert_eq!(superfluous(&all(), &file()), Vec::<&Grant>::new());
        let least = needs(&mpos(), &workers(false, ColumnUse::Off));
        assert_eq!(all().len(), least.len() + 2);
        // As it is, it gives what the default settings need.
        let (shipped, usual) =
            (statements(include_str!("../../../schema/grants.sql")), needs(&mpos(), &workers(false, ColumnUse::Write)));
        assert_eq!(missing(&usual, &shipped), Vec::<&Need>::new());
        assert_eq!(superfluous(&usual, &shipped), Vec::<&Grant>::new());
        for left_out in 0..file().len() {
            let mut grants = file();
            grants.remove(left_out);
            assert!(!missing(&all(), &grants).is_empty(), "statement {left_out} is not needed");
        }
    }

    #[test]
    fn wider_grants_do_as_well_and_are_noted() {
        for text in [
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON `pool`.* TO `u`@`%`",
            "GRANT SELECT, INSERT, UPDATE ON `po%`.* TO `u`@`%` IDENTIFIED BY PASSWORD '*01'",
        ] {
            let grants = vec![parse(text).unwrap()];
            assert_eq!(missing(&all(), &grants), Vec::<&Need>::new(), "{text}");
            assert_eq!(superfluous(&all(), &grants).len(), 1, "{text}");
            assert!(!grants[0].written.contains("01"));
        }
        let narrow = vec![parse("GRANT SELECT (`id`, `username`) ON `pool`.`accounts` TO `u`@`%`").unwrap()];
        let needs = all();
        let unmet = missing(&needs, &narrow);
        assert!(unmet.iter().any(|need| need.table == "accounts") && superfluous(&all(), &narrow).is_empty());
        let statement = unmet.iter().find(|need| need.table == "accounts").unwrap().statement("'u'@'%'");
        assert_eq!(statement, "GRANT SELECT (id, username, is_locked) ON pool.accounts TO 'u'@'%';");
        let usage = parse("GRANT USAGE ON *.* TO `u`@`%`").unwrap();
        assert!(
            superfluous(&all(), std::slice::from_ref(&usage)).is_empty()
                && missing(&all(), &[usage]).len() == all().len()
        );
        assert_eq!(parse("GRANT `writers` TO `u`@`%`"), None);
        assert_eq!(parse("GRANT PROXY ON ''@'%' TO 'root'@'localhost'"), None);
    }

    #[test]
    fn patterns_of_schemas_are_followed() {
        for (name, pattern, fits) in [
            ("pool", "pool", true),
            ("pool_ltc", "pool\\_ltc", true),
            ("poolxltc", "pool\\_ltc", false),
            ("poolxltc", "pool_ltc", true),
            ("pool_ltc", "pool%", true),
            ("pool", "pool_", false),
        ] {
            assert_eq!(is_like(name, pattern), fits, "{name} {pattern}");
        }
    }
}
