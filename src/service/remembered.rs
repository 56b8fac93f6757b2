//! Which file of remembered workers belongs to which place where workers are stored. Like a spool it must
//! be found again however the operator changes the list of servers: it is what lets miners in while the
//! database is away. And one of another place must not be taken for it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::spools::{self, Owner};
use crate::config::Mpos;
use crate::ledger::files;

/// The folder, in the state directory.
pub(super) const FOLDER: &str = "workers";
const EXTENSION: &str = "known";
/// Behind the name of a file that says whose the file of that name is.
const OWNER_SUFFIX: &str = "owner.json";

/// A file of remembered workers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The file; it need not be there.
    pub file: PathBuf,
    /// Others that are left alone: of the same workers, but older, or of a database of the same name on
    /// servers that are not named any more.
    pub unused: Vec<PathBuf>,
}

/// The file for the workers of `mpos`, the `earlier`th directory after the first of the same workers. It
/// has the name of the first server, but one that is there stays as long as any server that it was last
/// used with is in the list. Of several that one goes on which was written last.
pub(super) fn choose(state_dir: &Path, mpos: &Mpos, earlier: usize) -> Choice {
    let own = owner_of(mpos);
    let named = |servers: &str| {
        let name = spools::tagged(&mpos.workers_database, &format!("{servers}/{}", own.database));
        state_dir.join(FOLDER).join(format!("{name}{}", ending(earlier)))
    };
    let ours: Vec<PathBuf> = own.servers.iter().map(|server| named(server)).collect();
    let is_ours = |file: &PathBuf| match owner(file) {
        Some(owner) => owner.shares_a_server(&own),
        // Written before it was noted.
        None => ours.contains(file),
    };
    let all = of_database(state_dir, &mpos.workers_database, earlier);
    let (mut there, mut unused): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(is_ours);
    unused.retain(|file| owner(file).is_none_or(|owner| owner.database == own.database));
    there.sort_by_key(|file| std::cmp::Reverse(written_at(file)));
    let mut there = there.into_iter();
    // What has the name of the first server may be others' by now.
    let new = || spools::unused_name(&own.servers, |server| named(server));
    let file = there.next().unwrap_or_else(new);
    unused.extend(there);
    Choice { file, unused }
}

/// Notes whose file it is, so that it is found again by any of its servers.
pub(super) fn remember(file: &Path, mpos: &Mpos) -> std::io::Result<()> {
    let own = owner_of(mpos);
    let (Some(dir), Some(name)) = (file.parent(), owner_name(file)) else { return Ok(()) };
    if owner(file).as_ref() == Some(&own) {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    files::put(dir, &name, &own)
}

fn owner_of(mpos: &Mpos) -> Owner {
    let database = format!("{}/{}", mpos.accounts_database, mpos.workers_database);
    Owner { database, ..Owner::of(mpos) }
}

fn owner(file: &Path) -> Option<Owner> {
    files::get(file.parent()?, &owner_name(file)?).ok().flatten()
}

fn owner_name(file: &Path) -> Option<String> {
    Some(format!("{}.{OWNER_SUFFIX}", file.file_stem()?.to_str()?))
}

/// The end of the name of the `earlier`th file after the first.
fn ending(earlier: usize) -> String {
    let number = if earlier > 0 { format!("-{}", earlier + 1) } else { String::new() };
    format!("{number}.{EXTENSION}")
}

/// The files that are named after a database of workers, each the `earlier`th of its place.
fn of_database(state_dir: &Path, database: &str, earlier: usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state_dir.join(FOLDER)) else { return Vec::new() };
    let (start, end) = (format!("{}-", spools::plain(database)), ending(earlier));
    let is_of = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let tag = name.and_then(|name| name.strip_prefix(&start)).and_then(|rest| rest.strip_suffix(&end));
        tag.is_some_and(spools::is_tag)
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_of).collect();
    files.sort();
    files
}

fn written_at(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|facts| facts.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Endpoint;
    use crate::config::secret::Secret;

    fn mpos(servers: &[&str], accounts: &str) -> Mpos {
        let mut servers = servers.iter().map(|name| Endpoint::Tcp((*name).into(), 3306));
        Mpos {
            endpoint: servers.next().unwrap(),
            user: "u".into(),
            password: Secret::new(""),
            database: "pool".into(),
            accounts_database: accounts.into(),
            workers_database: "pool".into(),
            failover: servers.collect(),
            ca_file: None,
            allow_myisam: false,
        }
    }

    /// A run with this list of servers, which writes the file.
    fn run(state: &Path, servers: &[&str]) -> PathBuf {
        let mpos = mpos(servers, "pool");
        let file = choose(state, &mpos, 0).file;
        remember(&file, &mpos).unwrap();
        std::fs::write(&file, servers.join(",")).unwrap();
        file
    }

    #[test]
    fn the_workers_are_remembered_however_the_list_of_servers_changes() {
        let state = tempfile::tempdir().unwrap();
        let old = run(state.path(), &["a", "b"]);
        for servers in [["b", "a"].as_slice(), &["b"], &["b", "c"], &["c"]] {
            assert_eq!(run(state.path(), servers), old, "{servers:?}");
        }
        let file = |servers: &[&str], accounts, earlier| choose(state.path(), &mpos(servers, accounts), earlier).file;
        assert_ne!(file(&["c"], "pool", 1), old, "another directory of the same workers");
        assert_ne!(file(&["c"], "accounts", 0), old, "other accounts");
    }

    #[test]
    fn the_file_of_another_place_is_not_used_and_not_forgotten_in_silence() {
        let state = tempfile::tempdir().unwrap();
        let old = run(state.path(), &["a"]);
        let other = choose(state.path(), &mpos(&["b"], "pool"), 0);
        assert_eq!(other.unused, std::slice::from_ref(&old));
        assert_ne!(other.file, old);
        // The file of `a` moves on with its pool; then there is another pool on `a`.
        assert_eq!((run(state.path(), &["a", "z"]), run(state.path(), &["z"])), (old.clone(), old.clone()));
        let new = run(state.path(), &["a"]);
        assert_ne!(new, old);
        assert_eq!(run(state.path(), &["a"]), new);
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "z");
    }

    #[test]
    fn of_two_files_the_newer_one_goes_on() {
        let state = tempfile::tempdir().unwrap();
        let (a, b) = (run(state.path(), &["a"]), run(state.path(), &["b"]));
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let set = |file: &Path, secs| {
            let time = now + std::time::Duration::from_secs(secs);
            std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        };
        for (of_a, newer, older) in [(1, &b, &a), (3, &a, &b)] {
            set(&a, of_a);
            set(&b, 2);
            let both = choose(state.path(), &mpos(&["b", "a"], "pool"), 0);
            assert_eq!(both, Choice { file: newer.clone(), unused: vec![older.clone()] });
        }
    }

    #[test]
    fn a_file_without_a_note_is_known_by_its_name() {
        let state = tempfile::tempdir().unwrap();
        let old = run(state.path(), &["a"]);
        std::fs::remove_file(old.with_file_name(owner_name(&old).unwrap())).unwrap();
        assert_eq!(choose(state.path(), &mpos(&["b", "a"], "pool"), 0).file, old);
        assert_eq!(choose(state.path(), &mpos(&["b"], "pool"), 0).unused, [old]);
    }
}
