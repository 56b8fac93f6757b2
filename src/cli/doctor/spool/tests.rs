use super::*;
use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};
use crate::ledger::decision::Position;
use crate::mpos::cursor::Standing;

fn severity(words: &Words) -> Option<Severity> {
    assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()), "{words:?}");
    words.iter().map(|word| word.severity).max()
}

fn settings() -> Ledger {
    let text = include_str!("../../../../config.example.toml").to_owned();
    let config = crate::config::parse(Path::new("config.toml"), text).unwrap();
    Ledger { segment_bytes: 1 << 20, spool_bytes_max: 100 << 20, ..config.coins[0].ledger.clone() }
}

fn readings() -> Readings {
    Readings {
        spool: "s".into(),
        holder: Some(1),
        confirmed: 10,
        explained_max: 10,
        waits_since: None,
        undrained_bytes: 0,
        last_time: 1000,
        quarantined: 2,
        replayed: 2,
        damaged: 0,
        note: None,
    }
}

#[test]
fn disks_are_weighed_by_what_the_spool_may_need() {
    let disk =
        |free_mib: u64| Disk { free_bytes: free_mib << 20, inodes: 1_000_000, inodes_free: 900_000, is_network: false };
    for (free_mib, used, expected) in
        [(101, 0, None), (99, 0, Some(Warning)), (99, 50 << 20, None), (3, 99 << 20, Some(Fault))]
    {
        assert_eq!(severity(&room(&disk(free_mib), &settings(), used)), expected, "{free_mib}");
    }
    for (inodes, inodes_free, expected) in
        [(0, 0, None), (9, 9, Some(Fault)), (9000, 1999, Some(Warning)), (9000, 2000, None)]
    {
        assert_eq!(severity(&super::inodes(&Disk { inodes, inodes_free, ..disk(1) })), expected, "{inodes_free}");
    }
    assert_eq!(place(&disk(1)), Words::new());
    assert_eq!(severity(&place(&Disk { is_network: true, ..disk(1) })), Some(Fault));
}

#[test]
fn the_nearest_mount_decides() {
    let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / /srv rw shared:1 - nfs4 host:/x rw\n31 30 8:2 / /srv/disk rw - xfs /dev/sdb rw\n";
    assert!(!is_network(mounts, Path::new("/var/lib")));
    assert!(is_network(mounts, Path::new("/srv/state")));
    assert!(!is_network(mounts, Path::new("/srv/disk/state")));
}

#[test]
fn owners_and_modes_are_told() {
    let good = Modes { mode: 0o40750, owner: 5, daemon: Some(5), of_others: Vec::new() };
    let words = |modes: &Modes| modes_words(Path::new("/s"), modes);
    assert_eq!(words(&good), Words::new());
    assert_eq!(words(&Modes { daemon: Some(0), ..good.clone() }), Words::new());
    for (modes, told) in [
        (Modes { mode: 0o40770, ..good.clone() }, "chmod go-w /s"),
        (Modes { daemon: Some(6), ..good.clone() }, "chown -R 6 /s"),
        (Modes { of_others: vec!["lock".into()], ..good }, "chown -R 5 /s"),
    ] {
        assert_eq!(words(&modes)[0].mend, told);
    }
}

#[test]
fn what_waits_is_weighed_by_age_and_size() {
    let good = readings();
    for words in [drain(&good), undrained(&good, 2000), bound(&good, &settings()), quarantine(&good), damage(&good)] {
        assert_eq!(words, Words::new());
    }
    for (age, expected) in [(59, None), (60, Some(Warning)), (600, Some(Fault))] {
        let waiting = Readings { waits_since: Some(1000), ..good.clone() };
        assert_eq!(severity(&undrained(&waiting, 1000 + age)), expected, "{age}");
    }
    for (mib, expected) in [(49, None), (50, Some(Warning)), (90, Some(Fault))] {
        assert_eq!(severity(&bound(&Readings { undrained_bytes: mib << 20, ..good.clone() }, &settings())), expected);
    }
    assert_eq!(severity(&quarantine(&Readings { quarantined: 3, ..good.clone() })), Some(Warning));
    assert_eq!(severity(&damage(&Readings { damaged: 1, ..good.clone() })), Some(Fault));
    for (state, expected) in [("stopped", Fault), ("paused", Fault), ("unavailable", Warning), ("held", Warning)] {
        let note = DrainNote { state: state.into(), reason: "r".into(), since: 1, process: 1 };
        let noted = Readings { note: Some(note), ..good.clone() };
        assert_eq!(severity(&drain(&noted)), Some(expected));
        assert_eq!(drain(&Readings { holder: None, ..noted }), Words::new(), "it was left by a daemon that ended");
    }
}

#[test]
fn positions_and_other_writers_are_different_things() {
    let standing = || {
        Box::new(Standing {
            position: Position { spool: "x".into(), seq: 1 },
            host: "h".into(),
            version: "1".into(),
            age_secs: 1,
            token: String::new(),
            lease_at: String::new(),
        })
    };
    for (trouble, is_position) in [
        (Trouble::Behind(1), true),
        (Trouble::Ahead(1), true),
        (Trouble::RowMissing, true),
        (Trouble::Diverged(standing()), true),
        (Trouble::Foreign(standing()), false),
        (Trouble::Copy(standing()), false),
    ] {
        assert_eq!(severity(&position(Some(&trouble))), is_position.then_some(Fault));
        assert_eq!(severity(&other_writer(Some(&trouble))), (!is_position).then_some(Fault));
    }
    assert_eq!([position(None), other_writer(None)].concat(), Words::new());
}

#[test]
fn rows_that_were_never_told_are_strangers() {
    let row = |id, username: &str, time| Row {
        id,
        username: username.into(),
        time,
        reason: Some(String::new()),
        solution: String::new(),
        difficulty: 1.0,
    };
    let shares = [((11, "a.b".to_owned()), 2), ((12, "a.c".to_owned()), 1)].into();
    let told = Told { shares, since: 10 };
    let ours = [row(3, "a.c", 12), row(2, "a.b", 11), row(1, "a.b", 11)];
    assert_eq!(strangers(&ours, &told), Words::new());
    assert_eq!(strangers(&[row(1, "e.e", 10)], &told), Words::new(), "before all is known");
    let more = [row(4, "a.b", 11), row(3, "a.c", 12), row(2, "a.b", 11), row(1, "a.b", 11)];
    let words = strangers(&more, &told);
    assert!(words[0].saw.starts_with("1 of the newest rows are not ours") && words[0].severity == Fault, "{words:?}");
    let nomp = Row { reason: None, ..row(9, "x.y", 13) };
    assert!(strangers(&[nomp], &told)[0].saw.contains("as NOMP"));
    let python = Row { solution: "0".into(), ..row(9, "x.y", 13) };
    assert!(strangers(&[python], &told)[0].saw.contains("as stratum-mining"));
    let nothing = Told { shares: HashMap::new(), since: u64::MAX };
    assert_eq!(strangers(&ours, &nothing), Words::new());
    assert_eq!(severity(&predecessor(&ours, 600)), Some(Note));
    assert_eq!(predecessor(&ours, 613), Words::new());
}

#[test]
fn forgotten_spools_are_told() {
    let choice = |rivals: &[&str]| Choice { dir: "/a".into(), rivals: rivals.iter().map(PathBuf::from).collect() };
    assert_eq!(strays(&[], &choice(&[])), Words::new());
    assert_eq!(severity(&strays(&[], &choice(&["/b"]))), Some(Fault));
    let stray = Stray { dir: "/c".into(), database: "pool".into(), servers: Vec::new(), undrained: Some(3) };
    assert_eq!(severity(&strays(&[stray], &choice(&[]))), Some(Warning));
}

#[test]
fn only_a_spool_that_nobody_can_open_is_a_fault() {
    let path = PathBuf::from("/srv/spool/spool.id");
    let word = files(Path::new("/srv/spool"), &OpenError::Unusable { path: path.clone(), reason: "is damaged".into() });
    let word = word.unwrap();
    assert!(
        word.severity == Fault && word.saw.contains("is damaged") && word.mend.contains("/srv/spool/spool.id back")
    );
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    assert_eq!(files(Path::new("/srv/spool"), &OpenError::Io { action: "read", path, source }), None);
}
