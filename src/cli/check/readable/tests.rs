use std::os::unix::fs::PermissionsExt;

use super::*;

const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbitcoin:x:106:113::/:/bin/false\n\
                     mpos-stratum:x:107:114::/var/lib/mpos-stratum:/usr/sbin/nologin\npool:x:2000:2000::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nssl-cert:x:110:postgres,mpos-stratum\nbitcoin:x:113:\nmpos-stratum:x:114:\n";

fn names() -> (Names, Names) {
    (Names(USERS.to_owned()), Names(GROUPS.to_owned()))
}

fn daemon() -> User {
    let (users, groups) = names();
    user(&users, &groups, None).unwrap()
}

#[test]
fn the_daemon_s_user_is_the_owner_of_its_state_or_the_package_s() {
    let (users, groups) = names();
    assert_eq!(daemon(), User { name: "mpos-stratum".into(), id: 107, groups: vec![114, 110] });
    assert_eq!(user(&users, &groups, Some(2000)).unwrap().name, "pool");
    assert_eq!(user(&users, &groups, Some(4711)), None);
    assert_eq!(user(&Names(String::new()), &groups, None), None);
}

#[test]
fn the_first_class_that_fits_decides() {
    let facts = |mode, user, group| Facts { mode, user, group };
    for (facts, right, expected) in [
        (facts(0o640, 0, 114), READ, true),
        (facts(0o640, 0, 110), READ, true),
        (facts(0o640, 0, 0), READ, false),
        (facts(0o644, 0, 0), READ, true),
        (facts(0o604, 0, 114), READ, false),
        (facts(0o040, 107, 114), READ, false),
        (facts(0o750, 0, 114), PASS, true),
        (facts(0o700, 0, 0), PASS, false),
        (facts(0o744, 0, 0), PASS, false),
    ] {
        assert_eq!(may(facts, &daemon(), right), expected, "{facts:?}");
    }
    assert!(may(facts(0, 1, 1), &User { name: "root".into(), id: 0, groups: vec![0] }, READ));
}

#[test]
fn what_is_told_has_owner_mode_and_the_command() {
    let (users, groups) = names();
    let told = |mode, user, group, is_folder| {
        words(Path::new("/x/key"), Facts { mode, user, group }, is_folder, &daemon(), &users, &groups)
    };
    for (mode, user, group, is_folder, expected) in [
        (0o600, 0, 0, false, "chgrp mpos-stratum /x/key && chmod g+r /x/key"),
        (0o640, 0, 0, false, "chgrp mpos-stratum /x/key"),
        (0o700, 0, 0, true, "chgrp mpos-stratum /x/key && chmod g+x /x/key"),
        (0o600, 0, 114, false, "chmod g+r /x/key"),
        (0o200, 107, 0, false, "chmod u+r /x/key"),
        (0o640, 106, 113, false, "usermod -aG bitcoin mpos-stratum, and restart the daemon"),
        (0o600, 106, 113, false, "usermod -aG bitcoin mpos-stratum && chmod g+r /x/key, and restart the daemon"),
    ] {
        let told = told(mode, user, group, is_folder);
        assert!(told.ends_with(&format!("; {expected}")), "{told}");
    }
    let whole = told(0o600, 106, 113, false);
    let start =
        "/x/key belongs to bitcoin:bitcoin with mode 0600: it cannot be read by mpos-stratum, the daemon's user; ";
    assert!(whole.starts_with(start), "{whole}");
    assert!(told(0o700, 0, 0, true).contains("cannot be passed by"));
}

#[test]
fn the_first_barrier_on_the_way_is_found() {
    // As a stranger sees one's own files.
    let stranger = User { name: "stranger".into(), id: 65_533, groups: vec![65_533] };
    // Everybody may go there, wherever else temporary files are.
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (live, archive) = (dir.join("live"), dir.join("archive"));
    for folder in [&live, &archive] {
        std::fs::create_dir(folder).unwrap();
        mode(folder, 0o755);
    }
    mode(&dir, 0o755);
    let key = archive.join("key1.pem");
    std::fs::write(&key, "").unwrap();
    mode(&key, 0o600);
    let link = live.join("key.pem");
    std::os::unix::fs::symlink("../archive/key1.pem", &link).unwrap();
    assert_eq!(barrier(&link, &stranger), Some(key.clone()));
    mode(&key, 0o644);
    assert_eq!(barrier(&link, &stranger), None);
    mode(&archive, 0o700);
    assert_eq!(barrier(&link, &stranger), Some(archive.clone()));
    mode(&live, 0o700);
    assert_eq!(barrier(&link, &stranger), Some(archive));
    assert_eq!(barrier(&dir.join("missing"), &stranger), None);
}
