//! `[coin.mpos]`, `[coin.workers]` and `[coin.ledger]`: the database, who may mine by it, and the
//! spool in front of it.

use std::path::Path;

use toml::de::DeValue;

use super::warn_if_public;
use crate::config::problem::{Place, Report};
use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::config::value::{Wrong, boolean, hours, mebibytes, millis, nonempty, one_of, secs, sized, text, wrong};
use crate::config::{Durability, Endpoint, Ledger, Mpos, Workers};

/// Longest name of a database in MySQL, in characters.
const DATABASE_CHARS_MAX: usize = 64;

const DURABILITIES: &[(&str, Durability)] = &[("process", Durability::Process), ("power", Durability::Power)];

pub(super) fn mpos(section: Section<'_>) -> Option<Mpos> {
    let way = section.choose(&[&["socket"], &["host", "port"]]);
    let endpoint = if way == Some(0) {
        section
            .optional("socket", |value| nonempty(value).map(|path| section.home().source.resolve(&path)))
            .map(Endpoint::Socket)
    } else {
        let host = section.or("host", "\"127.0.0.1\"", nonempty);
        let port = section.or("port", "3306", sized(1..=u64::from(u16::MAX)));
        host.zip(port).map(|(host, port)| Endpoint::Tcp(host, port))
    };
    let user = section.required("user", "user = \"mpos\"", nonempty);
    let password = password(&section);
    let database = section.required("database", "database = \"mpos\"", database);
    let accounts_database = section.optional("accounts_database", self::database);
    let workers_database = section.optional("workers_database", self::database);
    section.finish();
    let database = database?;
    Some(Mpos {
        endpoint: endpoint?,
        user: user?,
        password: password?,
        accounts_database: accounts_database.unwrap_or_else(|| database.clone()),
        workers_database: workers_database.unwrap_or_else(|| database.clone()),
        database,
    })
}

pub(super) fn workers(section: Section<'_>) -> Option<Workers> {
    let check_password = section.or("check_password", "true", boolean);
    let auto_create = section.or("auto_create", "false", boolean);
    let refuse_locked = section.or("refuse_locked", "true", boolean);
    let cache = section.or("cache_secs", "60", secs(1..=86_400));
    let negative_cache = section.or("negative_cache_secs", "10", secs(1..=3600));
    let remember = section.or("remember_hours", "168", hours(1..=8760));
    let recheck = section.or("recheck_secs", "600", secs(10..=86_400));
    section.finish();
    Some(Workers {
        check_password: check_password?,
        auto_create: auto_create?,
        refuse_locked: refuse_locked?,
        cache: cache?,
        negative_cache: negative_cache?,
        remember: remember?,
        recheck: recheck?,
    })
}

pub(super) fn ledger(report: &Report, section: Section<'_>) -> Option<Ledger> {
    let durability = section.or("durability", "\"process\"", one_of(DURABILITIES));
    let sync_interval = section.or("sync_interval_ms", "50", millis(1..=1000));
    let segment_bytes = section.or("segment_mib", "16", mebibytes(1..=1024));
    let spool_bytes_max = section.or("spool_mib_max", "2048", mebibytes(1..=1 << 24));
    let keep_drained = section.or("keep_drained_hours", "168", hours(1..=87_600));
    let drained_bytes_max = section.or("drained_mib_max", "1024", mebibytes(1..=1 << 24));
    let batch_rows_max = section.or("batch_rows_max", "500", sized(1..=10_000));
    if let (Some(segment), Some(spool)) = (segment_bytes, spool_bytes_max)
        && spool / 4 < segment
    {
        let remedy = "make it at least four times segment_mib";
        report.problem(&section.place("spool_mib_max"), "leaves no room for segments to come and go", remedy);
    }
    section.finish();
    Some(Ledger {
        durability: durability?,
        sync_interval: sync_interval?,
        segment_bytes: segment_bytes?,
        spool_bytes_max: spool_bytes_max?,
        keep_drained: keep_drained?,
        drained_bytes_max: drained_bytes_max?,
        batch_rows_max: batch_rows_max?,
    })
}

/// `password`, or the content of `password_file` without the newline at its end.
pub(super) fn password(section: &Section<'_>) -> Option<Secret> {
    match section.choose(&[&["password"], &["password_file"]]) {
        Some(0) => {
            section.report().note_secret();
            section.secret("password", text).map(Secret::new)
        }
        Some(_) => {
            let source = section.home().source;
            let path = section.optional("password_file", |value| nonempty(value).map(|path| source.resolve(&path)))?;
            password_from(section.report(), &section.place("password_file"), &path)
        }
        None => {
            section.missing("password", "password = \"...\"` or `password_file = \"/etc/mpos-stratum/password\"");
            None
        }
    }
}

fn password_from(report: &Report, place: &Place<'_>, path: &Path) -> Option<Secret> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            warn_if_public(report, path, place);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Some(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
        }
        Err(error) => {
            let what = format!("the password cannot be read from {}: {error}", path.display());
            report.problem(place, what, "put the password into that file and let the daemon's user read it");
            None
        }
    }
}

/// The name of a database. Other characters would have to be quoted wherever the name is used.
fn database(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
    if name.is_empty() || name.len() > DATABASE_CHARS_MAX || !name.bytes().all(letter) {
        let remedy = format!("use up to {DATABASE_CHARS_MAX} letters, digits, _, - and $");
        return wrong("is no name of a database", remedy);
    }
    Ok(name)
}
