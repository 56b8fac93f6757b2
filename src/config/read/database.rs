//! `[coin.mpos]`, `[coin.workers]` and `[coin.ledger]`: the database, who may mine by it, and the
//! spool in front of it.

use std::path::Path;

use toml::de::DeValue;

use super::warn_if_public;
use crate::config::is_host;
use crate::config::problem::{CREDENTIALS, Place, Report};
use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::config::value::{
    Wrong, boolean, hours, list, mebibytes, millis, nonempty, one_of, secs, sized, text, wrong,
};
use crate::config::{ColumnUse, Durability, Endpoint, Ledger, Mpos, Workers};

/// What to do where a credential of the service manager is not to be had.
pub(super) const CREDENTIAL_REMEDY: &str = "only the daemon itself gets it from the service manager (LoadCredential=): to have it here as well, set \
                                            CREDENTIALS_DIRECTORY to the folder it is loaded from";

/// Longest name of a database in MySQL, in characters.
const DATABASE_CHARS_MAX: usize = 64;

/// A host alone: its port has a key of its own.
fn host(value: &DeValue<'_>) -> Result<String, Wrong> {
    let host = nonempty(value)?;
    match is_host(&host) {
        true => Ok(host),
        false => wrong(
            "is not a host name or address",
            "write the host alone, such as \"127.0.0.1\", and its port as `port`",
        ),
    }
}

/// What `allow_myisam` may say: the word is the promise that is left.
const MYISAM: &[(&str, bool)] = &[("at_least_once", true)];

const COLUMN_USES: &[(&str, ColumnUse)] =
    &[("write", ColumnUse::Write), ("read", ColumnUse::Read), ("off", ColumnUse::Off)];
const DURABILITIES: &[(&str, Durability)] = &[("process", Durability::Process), ("power", Durability::Power)];

pub(super) fn mpos(section: Section<'_>) -> Option<Mpos> {
    let way = section.choose(&[&["socket"], &["host", "port"]]);
    let endpoint = if way == Some(0) {
        section
            .optional("socket", |value| nonempty(value).map(|path| section.home().source.resolve(&path)))
            .map(Endpoint::Socket)
    } else {
        let host = section.or("host", "\"127.0.0.1\"", host);
        let port = section.or("port", "3306", sized(1..=u64::from(u16::MAX)));
        host.zip(port).map(|(host, port)| Endpoint::Tcp(host, port))
    };
    let user = section.required("user", "user = \"mpos\"", nonempty);
    let password = password(&section);
    let database = section.required("database", "database = \"mpos\"", database);
    let accounts_database = section.optional("accounts_database", self::database);
    let workers_database = section.optional("workers_database", self::database);
    let failover = section.optional("failover", list(host_and_port)).unwrap_or_default();
    let named: Vec<&Endpoint> = endpoint.iter().chain(&failover).collect();
    if (1..named.len()).any(|index| named[..index].contains(&named[index])) {
        let remedy = "list every server once, and not the one of `host` and `port`";
        section.report().problem(&section.place("failover"), "names a server twice", remedy);
    }
    let ca_file = section.file("ca_file");
    if ca_file.is_some() && named.iter().all(|endpoint| matches!(endpoint, Endpoint::Socket(_))) && !named.is_empty() {
        let what = "is of no use: what goes through a socket of this machine is not encrypted";
        section.report().problem(&section.place("ca_file"), what, "remove it, or name the server by `host`");
    }
    let allow_myisam = section.optional("allow_myisam", one_of(MYISAM)).unwrap_or(false);
    if allow_myisam {
        let what = "lets rows be stored twice after a crash or a broken connection if `shares` is not an InnoDB table";
        section.report().warning(
            &section.place("allow_myisam"),
            what,
            "ALTER TABLE shares ENGINE=InnoDB, and take this line out",
        );
    }
    section.finish();
    let database = database?;
    Some(Mpos {
        endpoint: endpoint?,
        user: user?,
        password: password?,
        accounts_database: accounts_database.unwrap_or_else(|| database.clone()),
        workers_database: workers_database.unwrap_or_else(|| database.clone()),
        failover,
        ca_file,
        allow_myisam,
        database,
    })
}

/// A server as `host`, `host:port` or `[address]:port`.
fn host_and_port(value: &DeValue<'_>) -> Result<Endpoint, Wrong> {
    const REMEDY: &str =
        "write a host and a port, such as \"db2.example:3306\", \"192.0.2.7\" or \"[2001:db8::1]:3306\"";
    let written = nonempty(value)?;
    let (host, port) = match written.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':').or(port.is_empty().then_some("3306"))),
        None => match written.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (written.as_str(), Some("3306")),
        },
    };
    let port = port.and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0);
    match port {
        Some(port) if is_host(host) => Ok(Endpoint::Tcp(host.to_owned(), port)),
        _ => wrong("is not a host with a port", REMEDY),
    }
}

pub(super) fn workers(section: Section<'_>) -> Option<Workers> {
    let check_password = section.or("check_password", "true", boolean);
    let auto_create = section.or("auto_create", "false", boolean);
    let refuse_locked = section.or("refuse_locked", "true", boolean);
    let cache = section.or("cache_secs", "60", secs(1..=86_400));
    let negative_cache = section.or("negative_cache_secs", "10", secs(1..=3600));
    let remember = section.or("remember_hours", "168", hours(1..=8760));
    let recheck = section.or("recheck_secs", "600", secs(1..=86_400));
    let pool_worker_difficulty = section.or("pool_worker_difficulty", "\"write\"", one_of(COLUMN_USES));
    section.finish();
    Some(Workers {
        check_password: check_password?,
        auto_create: auto_create?,
        refuse_locked: refuse_locked?,
        cache: cache?,
        negative_cache: negative_cache?,
        remember: remember?,
        recheck: recheck?,
        pool_worker_difficulty: pool_worker_difficulty?,
    })
}

pub(super) fn ledger(report: &Report, section: Section<'_>) -> Option<Ledger> {
    let durability = section.or("durability", "\"process\"", one_of(DURABILITIES));
    let sync_interval = section.or("sync_interval_ms", "50", millis(1..=1000));
    let segment_bytes = section.or("segment_mib", "16", mebibytes(1..=1024));
    let spool_bytes_max = section.or("spool_mib_max", "2048", mebibytes(1..=1 << 24));
    let keep_drained = section.or("keep_drained_hours", "168", hours(1..=87_600));
    let drained_bytes_max = section.or("drained_mib_max", "1024", mebibytes(1..=1 << 24));
    let batch_rows_max = section.or("batch_rows_max", "2000", sized(1..=10_000));
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
            let file = section.optional("password_file", |value| {
                nonempty(value).map(|path| (path.starts_with(CREDENTIALS), source.resolve(&path)))
            });
            let (is_credential, path) = file?;
            section.report().note_file(&path);
            password_from(section.report(), &section.place("password_file"), &path, is_credential)
        }
        None => {
            section.missing("password", "password = \"...\"` or `password_file = \"/etc/mpos-stratum/password\"");
            None
        }
    }
}

fn password_from(report: &Report, place: &Place<'_>, path: &Path, is_credential: bool) -> Option<Secret> {
    let error = match std::fs::read_to_string(path) {
        Ok(text) => {
            warn_if_public(report, path, place);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            return Some(Secret::new(text.strip_suffix('\r').unwrap_or(text)));
        }
        Err(error) => error,
    };
    let what = format!("the password cannot be read from {}: {error}", path.display());
    if !is_credential {
        report.problem(place, what, "put the password into that file and let the daemon's user read it");
        return None;
    }
    let unread = Secret::unread(format!("{what}; {CREDENTIAL_REMEDY}"));
    report.credential(place, what, CREDENTIAL_REMEDY);
    // Reaches nobody who would send it: either it is a problem, or the configuration is only looked at.
    Some(unread)
}

/// The name of a database. Other characters would have to be quoted wherever the name is used.
fn database(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
    if name.is_empty() || name.len() > DATABASE_CHARS_MAX || !name.bytes().all(letter) {
        let remedy = format!("use up to {DATABASE_CHARS_MAX} letters, digits, _, - and $");
        return wrong("is not a name of a database", remedy);
    }
    Ok(name)
}
