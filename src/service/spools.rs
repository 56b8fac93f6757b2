//! Which spool belongs to which database. A spool holds what its database has not got yet, so it must be
//! found again however the operator changes the list of servers, and none may be forgotten in silence.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Endpoint, Mpos};
use crate::ledger::files;
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::verify::{Meaning, survey};

/// Beside the segments: whose spool it is.
const OWNER_FILE: &str = "database.json";

/// The folder of all spools in the state directory.
pub(super) const FOLDER: &str = "spool";

/// The file that makes a directory a spool.
pub(super) const ID_FILE: &str = "spool.id";

/// Whose spool it is, as the last configuration that it was used with had it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// What it is called there.
    pub database: String,
    /// All its servers.
    pub servers: Vec<String>,
}

impl Owner {
    pub(super) fn of(mpos: &Mpos) -> Self {
        Self { database: mpos.database.clone(), servers: endpoints(mpos).map(server).collect() }
    }

    /// Whether both are one database, as far as any of its servers is known to both.
    pub(super) fn shares_a_server(&self, other: &Self) -> bool {
        self.database == other.database && self.servers.iter().any(|server| other.servers.contains(server))
    }
}

/// The spool of a `shares` table.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its directory.
    pub dir: PathBuf,
    /// Others that are the table's too and hold events that were never drained: which one goes first is
    /// for the operator to say.
    pub rivals: Vec<PathBuf>,
}

/// A spool with events that were never drained and whose servers the configuration does not name.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its directory.
    pub dir: PathBuf,
    /// The name of its database.
    pub database: String,
    /// The servers it was used with last, if it says so.
    pub servers: Vec<String>,
    /// Its events that no database has confirmed; `None`: it cannot be read.
    pub undrained: Option<u64>,
}

impl std::fmt::Display for Stray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events =
            self.undrained.map_or_else(|| "events that cannot be read".into(), |count| format!("{count} events"));
        write!(
            f,
            "spool {} of a database {} ({}) holds {events} that were never drained, and no coin uses it: name its server \
             again, first or in `failover`, or move the directory away if they are not wanted",
            self.dir.display(),
            self.database,
            if self.servers.is_empty() { "server unknown".to_owned() } else { self.servers.join(", ") }
        )
    }
}

/// Where the spool of a `shares` table lives, see [`choose`].
pub fn spool_dir(state_dir: &Path, mpos: &Mpos) -> PathBuf {
    choose(state_dir, mpos).dir
}

/// The spool of a `shares` table: a new one has the name of the database, for people, with a checksum of
/// the first server, for equal names on two servers. One that is there stays the table's spool as long as
/// any server that it was last used with is in the list. Of several that one goes on which a daemon
/// works with, else the only one with events that were never drained.
pub fn choose(state_dir: &Path, mpos: &Mpos) -> Choice {
    let named: Vec<PathBuf> = endpoints(mpos).map(|endpoint| dir_of(state_dir, endpoint, &mpos.database)).collect();
    let own = Owner::of(mpos);
    let is_own = |dir: &PathBuf| match owner(dir) {
        // Made before it was noted, or a crash came first.
        owner if owner.database.is_empty() => named.contains(dir),
        owner => owner.shares_a_server(&own),
    };
    let mut there: Vec<PathBuf> = named.iter().filter(|dir| dir.exists() && is_own(dir)).cloned().collect();
    there.extend(of_database(state_dir, &mpos.database).into_iter().filter(|dir| !named.contains(dir) && is_own(dir)));
    // What has the name of the first server may have moved on with a pool that is not on that any more.
    let new = || unused_name(&own.servers, |server| dir_at(state_dir, server, &mpos.database));
    let first = there.first().cloned().unwrap_or_else(new);
    if there.len() < 2 {
        return Choice { dir: first, rivals: Vec::new() };
    }
    let is_held = |dir: &&PathBuf| SpoolFiles::open(dir).is_ok_and(|files| files.holder().is_ok_and(|it| it.is_some()));
    if let Some(held) = there.iter().find(is_held) {
        return Choice { dir: held.clone(), rivals: Vec::new() };
    }
    let mut waiting = there.into_iter().filter(|dir| undrained(dir) != Some(0));
    Choice { dir: waiting.next().unwrap_or(first), rivals: waiting.collect() }
}

/// Notes in `dir` whose spool it is, so that it is found again by any of its servers.
///
/// # Errors
/// The file cannot be written.
pub fn remember(dir: &Path, mpos: &Mpos) -> std::io::Result<()> {
    let own = Owner::of(mpos);
    if owner(dir) == own { Ok(()) } else { files::put(dir, OWNER_FILE, &own) }
}

/// Spools of databases of the configured names that no coin uses, with events that were never drained.
/// They may be another pool's, so nothing is done with them but to say that they are there.
pub fn strays(state_dir: &Path, tables: &[&Mpos]) -> Vec<Stray> {
    let used: BTreeSet<PathBuf> = tables.iter().map(|mpos| spool_dir(state_dir, mpos)).collect();
    let names: BTreeSet<&str> = tables.iter().map(|mpos| mpos.database.as_str()).collect();
    let dirs = names.into_iter().flat_map(|name| of_database(state_dir, name).into_iter().map(move |dir| (name, dir)));
    let unused = dirs.filter(|(_, dir)| !used.contains(dir));
    let stray = |(name, dir): (&str, PathBuf)| {
        let undrained = undrained(&dir);
        let owner = owner(&dir);
        let is_other = !owner.database.is_empty() && owner.database != name;
        (undrained != Some(0) && !is_other).then(|| Stray {
            database: name.into(),
            servers: owner.servers,
            dir,
            undrained,
        })
    };
    unused.filter_map(stray).collect()
}

/// Events of the spool in `dir` that were never confirmed by a database; `None`: it cannot be read, or not all of it.
/// What can be read of a damaged spool says nothing about how much the rest holds.
pub(super) fn undrained(dir: &Path) -> Option<u64> {
    if !dir.join(ID_FILE).exists() {
        return Some(0);
    }
    let files = SpoolFiles::open(dir).ok()?;
    let (confirmed, is_readable) = files.confirmed().ok()?;
    let found = survey(&files, confirmed + 1, u64::MAX, confirmed).ok()?;
    let is_harmless = |meaning: &Meaning| matches!(meaning, Meaning::NoEvent | Meaning::Drained);
    let is_whole = is_readable && found.unlisted == 0 && !files.events_under_old_name();
    (is_whole && found.findings.iter().all(|finding| is_harmless(&finding.meaning))).then_some(found.events)
}

fn owner(dir: &Path) -> Owner {
    files::get(dir, OWNER_FILE).ok().flatten().unwrap_or_default()
}

fn endpoints(mpos: &Mpos) -> impl Iterator<Item = &Endpoint> {
    std::iter::once(&mpos.endpoint).chain(&mpos.failover)
}

/// The directories that are named after a database, in the order of their names.
fn of_database(state_dir: &Path, database: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state_dir.join(FOLDER)) else { return Vec::new() };
    let prefix = format!("{}-", plain(database));
    let is_of = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let tag = name.and_then(|name| name.strip_prefix(&prefix));
        tag.is_some_and(is_tag)
    };
    let mut dirs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_of).collect();
    dirs.sort();
    dirs
}

fn dir_of(state_dir: &Path, endpoint: &Endpoint, database: &str) -> PathBuf {
    dir_at(state_dir, &server(endpoint), database)
}

fn dir_at(state_dir: &Path, server: &str, database: &str) -> PathBuf {
    state_dir.join(FOLDER).join(tagged(database, &format!("{server}/{database}")))
}

/// A server's name in file names and notes.
fn server(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
        Endpoint::Socket(path) => path.display().to_string(),
    }
}

/// The first name of something new that does not exist: by one of the servers, or by what is none's name.
pub(super) fn unused_name(servers: &[String], named: impl Fn(&str) -> PathBuf) -> PathBuf {
    let first = servers.first().map(String::as_str).unwrap_or_default();
    let others = (1..).map(|times| format!("{first}{}", "+".repeat(times)));
    let mut names = servers.iter().cloned().chain(others).map(|server| named(&server));
    names.find(|path| !path.exists()).unwrap_or_default()
}

/// A file name of a database's name and a checksum of its whole place.
pub(super) fn tagged(database: &str, place: &str) -> String {
    format!("{}-{:08x}", plain(database), crc32c::crc32c(place.as_bytes()))
}

/// Whether it is the checksum of such a name.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The part of a database's name that may stand in the name of a file.
pub(super) fn plain(database: &str) -> String {
    database.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::left::{Holds, left_in};
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::config::secret::Secret;
    use crate::ledger::handle::Ledger;
    use crate::ledger::record::{Event, VerdictRecord};
    use crate::ledger::tests::config as ledger_config;

    fn mpos(first: &str, failover: &[&str]) -> Mpos {
        let server = |name: &str| Endpoint::Tcp(name.into(), 3306);
        Mpos {
            endpoint: server(first),
            user: "u".into(),
            password: Secret::new(""),
            database: "pool".into(),
            accounts_database: "pool".into(),
            workers_database: "pool".into(),
            failover: failover.iter().map(|name| server(name)).collect(),
            ca_file: None,
            allow_myisam: false,
        }
    }

    /// A start with this list of servers, in which `events` events come in and none is drained.
    fn start(state: &Path, mpos: &Mpos, events: usize) -> PathBuf {
        let dir = spool_dir(state, mpos);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ledger = Ledger::open(&dir, &ledger_config(), clock).unwrap().ledger;
        remember(&dir, mpos).unwrap();
        let verdict = VerdictRecord {
            candidate: 1,
            written_hash: [1; 32],
            accepted: true,
            node_hash: [1; 32],
            reason: String::new(),
        };
        for _ in 0..events {
            ledger.append(&[Event::Verdict(verdict.clone())]).unwrap();
        }
        ledger.close();
        dir
    }

    #[test]
    fn the_spool_stays_when_another_server_is_put_first() {
        let state = tempfile::tempdir().unwrap();
        let dir = |mpos: &Mpos| spool_dir(state.path(), mpos);
        let old = dir(&mpos("a", &["b"]));
        assert_eq!(old, dir(&mpos("a", &[])));
        assert_ne!(old, dir(&mpos("b", &["a"])), "there is none yet");
        std::fs::create_dir_all(&old).unwrap();
        assert_eq!(old, dir(&mpos("b", &["a"])));
        assert_ne!(old, dir(&mpos("b", &[])), "another server with a database of that name");
    }

    #[test]
    fn the_spool_stays_when_its_dead_server_is_taken_out_of_the_list() {
        let state = tempfile::tempdir().unwrap();
        let old = start(state.path(), &mpos("a", &["b"]), 2);
        assert_eq!(start(state.path(), &mpos("b", &[]), 1), old);
        assert_eq!(start(state.path(), &mpos("b", &["c"]), 1), old);
        assert_eq!(spool_dir(state.path(), &mpos("c", &[])), old);
        assert_ne!(spool_dir(state.path(), &mpos("d", &[])), old);
    }

    #[test]
    fn a_spool_that_went_with_its_pool_to_another_server_is_not_that_of_the_next_pool() {
        let state = tempfile::tempdir().unwrap();
        let old = start(state.path(), &mpos("a", &["b"]), 2);
        assert_eq!(start(state.path(), &mpos("b", &[]), 1), old);
        // Another pool's database of the same name on the server that the first one has left.
        let new = start(state.path(), &mpos("a", &[]), 1);
        assert_ne!(new, old);
        assert_eq!(choose(state.path(), &mpos("a", &[])), Choice { dir: new, rivals: Vec::new() });
        assert_eq!(choose(state.path(), &mpos("b", &[])), Choice { dir: old.clone(), rivals: Vec::new() });
        assert_eq!(strays(state.path(), &[&mpos("a", &[])])[0].dir, old);
    }

    #[test]
    fn of_two_spools_the_one_that_still_holds_events_goes_on() {
        let state = tempfile::tempdir().unwrap();
        // Two starts with another list each; then both servers are one table's.
        let (b, a) = (start(state.path(), &mpos("b", &[]), 0), start(state.path(), &mpos("a", &[]), 3));
        assert_ne!(a, b);
        assert_eq!(choose(state.path(), &mpos("b", &["a"])), Choice { dir: a.clone(), rivals: Vec::new() });
        start(state.path(), &mpos("b", &[]), 1);
        assert_eq!(choose(state.path(), &mpos("b", &["a"])), Choice { dir: b, rivals: vec![a] });
    }

    #[test]
    fn a_spool_that_nobody_names_any_more_is_told() {
        let state = tempfile::tempdir().unwrap();
        let (a, b) = (start(state.path(), &mpos("a", &[]), 2), start(state.path(), &mpos("b", &[]), 1));
        let told = |mpos: &Mpos| strays(state.path(), &[mpos]);
        assert_eq!(
            told(&mpos("b", &[])),
            [Stray { dir: a, database: "pool".into(), servers: vec!["a:3306".into()], undrained: Some(2) }]
        );
        assert!(told(&mpos("b", &[]))[0].to_string().contains("(a:3306) holds 2 events"));
        let left: BTreeSet<_> = left_in(state.path()).unwrap().into_iter().map(|left| left.holds).collect();
        assert_eq!(left, BTreeSet::from([Holds::Events(1), Holds::Events(2)]), "without a configuration both count");
        let other = Mpos { database: "poo".into(), ..mpos("c", &[]) };
        assert_eq!(told(&other), []);
        std::fs::write(b.join(ID_FILE), "damaged").unwrap();
        assert_eq!(told(&mpos("a", &[]))[0].undrained, None);
        let damaged = strays(state.path(), &[&mpos("a", &[]), &mpos("b", &[])]);
        assert_eq!(damaged, [], "its coin says so when it is opened");
    }

    #[test]
    fn a_spool_that_is_damaged_where_it_was_not_drained_is_not_called_empty() {
        let state = tempfile::tempdir().unwrap();
        let dir = start(state.path(), &mpos("a", &[]), 2);
        let holds = || left_in(state.path()).unwrap().first().map(|left| left.holds);
        assert_eq!(holds(), Some(Holds::Events(2)));
        let segments = SpoolFiles::open(&dir).unwrap().segments().unwrap();
        let segment = &segments.first().unwrap().path;
        let whole = std::fs::read(segment).unwrap();
        // The head of the segment, and all of it: nothing can be read any more, and nothing is known to be missing.
        let damages: [fn(&mut Vec<u8>); 3] =
            [|bytes| bytes[..16].fill(0xff), |bytes| bytes.fill(0), |bytes| bytes.truncate(10)];
        for damage in damages {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            std::fs::write(segment, bytes).unwrap();
            assert_eq!(holds(), Some(Holds::Unreadable));
            assert_eq!(choose(state.path(), &mpos("a", &[])).dir, dir);
        }
        std::fs::write(segment, whole).unwrap();
        assert_eq!(holds(), Some(Holds::Events(2)));
    }
}
