//! Files that root, who looks, may read, but the daemon's user may not.
//!
//! Told by owner, group and mode alone. Of what has an access list besides nothing is said, nor of groups that only the
//! unit gives (`SupplementaryGroups=`).

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// The user of the unit and the package.
const DAEMON_USER: &str = "mpos-stratum";
const USERS_FILE: &str = "/etc/passwd";
const GROUPS_FILE: &str = "/etc/group";
/// The extended attribute of a file that has an access list.
const ACCESS_LIST: &str = "system.posix_acl_access";
/// Rights, as the last three bits of a mode have them.
const READ: u32 = 4;
const PASS: u32 = 1;

/// A user with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    name: String,
    id: u32,
    /// The group of its own first.
    groups: Vec<u32>,
}

/// The owner and mode of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    mode: u32,
    user: u32,
    group: u32,
}

/// Names of users or of groups, by their numbers.
struct Names(String);

impl Names {
    fn read(path: &str) -> Self {
        Self(std::fs::read_to_string(path).unwrap_or_default())
    }

    /// The fields of every line.
    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.0.lines().map(|line| line.split(':').collect())
    }

    fn of(&self, id: u32) -> String {
        let is_it = |row: &Vec<&str>| row.get(2).and_then(|field| field.parse().ok()) == Some(id);
        let row = self.rows().find(is_it);
        row.and_then(|row| row.first().map(|name| (*name).to_owned())).unwrap_or_else(|| id.to_string())
    }
}

/// What of the configuration's files the daemon's user may not read; nothing if it is not root who asks.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let (users, groups) = (Names::read(USERS_FILE), Names::read(GROUPS_FILE));
    let owner = config.daemon.state_dir.metadata().ok().map(|facts| facts.uid()).filter(|owner| *owner != 0);
    let Some(user) = user(&users, &groups, owner) else { return Vec::new() };
    let barred: BTreeSet<PathBuf> = config.files.iter().filter_map(|file| barrier(file, &user)).collect();
    let told = |path: &PathBuf| Some(words(path, facts(path)?, path.is_dir(), &user, &users, &groups));
    barred.iter().filter_map(told).collect()
}

/// The user that owns the state, else the one of the package.
fn user(users: &Names, groups: &Names, owner: Option<u32>) -> Option<User> {
    let row = users.rows().find(|row| match owner {
        Some(owner) => row.get(2).and_then(|id| id.parse().ok()) == Some(owner),
        None => row.first() == Some(&DAEMON_USER),
    })?;
    let (name, id, group) = (*row.first()?, row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?);
    let member = |row: &Vec<&str>| row.get(3).is_some_and(|members| members.split(',').any(|one| one == name));
    let more = groups.rows().filter(member).filter_map(|row| row.get(2)?.parse().ok());
    Some(User { name: name.to_owned(), id, groups: std::iter::once(group).chain(more).collect() })
}

/// What keeps a user from a file: a folder on the way to it, or the file itself.
fn barrier(file: &Path, user: &User) -> Option<PathBuf> {
    let file = std::path::absolute(file).ok()?;
    // Both ways count where a link leads to it.
    let meant = file.canonicalize().ok()?;
    let folders = |path: &Path| path.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>();
    let mut on_the_way: Vec<PathBuf> = folders(&file).into_iter().chain(folders(&meant)).collect();
    on_the_way.sort();
    let closed = |path: &PathBuf, right| facts(path).is_some_and(|facts| !may(facts, user, right));
    let folder = on_the_way.into_iter().find(|folder| closed(folder, PASS));
    folder.or_else(|| closed(&meant, READ).then_some(meant))
}

/// `None`: it is not there, or has an access list, which may say otherwise.
fn facts(path: &Path) -> Option<Facts> {
    let facts = path.metadata().ok()?;
    let has_list = rustix::fs::getxattr(path, ACCESS_LIST, &mut [0u8; 0]).is_ok_and(|bytes| bytes > 0);
    (!has_list).then_some(Facts { mode: facts.mode() & 0o7777, user: facts.uid(), group: facts.gid() })
}

/// Whether a user has a right: only the first class that it belongs to counts.
fn may(facts: Facts, user: &User, right: u32) -> bool {
    let class = if facts.user == user.id {
        6
    } else if user.groups.contains(&facts.group) {
        3
    } else {
        0
    };
    user.id == 0 || facts.mode >> class & right != 0
}

fn words(path: &Path, facts: Facts, is_folder: bool, user: &User, users: &Names, groups: &Names) -> String {
    let (name, path) = (&user.name, path.display());
    let Facts { mode, user: owner, group } = facts;
    let (done, bit, right) = if is_folder { ("passed", 'x', PASS) } else { ("read", 'r', READ) };
    let of_group = mode >> 3 & right == 0;
    let open = if of_group { format!(" && chmod g+{bit} {path}") } else { String::new() };
    let own = user.groups.first().map_or_else(|| name.clone(), |group| groups.of(*group));
    let mend = if owner == user.id {
        format!("chmod u+{bit} {path}")
    } else if user.groups.contains(&group) {
        format!("chmod g+{bit} {path}")
    } else if group == 0 {
        format!("chgrp {own} {path}{open}")
    } else {
        // It serves others as well: they keep it.
        format!("usermod -aG {} {name}{open}, and restart the daemon", groups.of(group))
    };
    format!(
        "{path} belongs to {}:{} with mode {mode:04o}: it cannot be {done} by {name}, the daemon's user; {mend}",
        users.of(owner),
        groups.of(group)
    )
}

#[cfg(test)]
#[path = "readable/tests.rs"]
mod tests;
