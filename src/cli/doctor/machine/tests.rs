use super::*;
use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};

fn severity(words: &Words) -> Option<Severity> {
    assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()), "{words:?}");
    words.iter().map(|word| word.severity).max()
}

#[test]
fn clocks_beyond_both_ends_and_backwards_are_told() {
    let now = 1_800_000_000;
    for (now, last, expected) in [
        (now, 0, None),
        (now, now + 60, None),
        (now, now + 61, Some(Warning)),
        (1_000_000_000, 0, Some(Fault)),
        (TIMESTAMP_END - YEAR_SECS + 1, 0, Some(Warning)),
        (TIMESTAMP_END + 1, 0, Some(Fault)),
    ] {
        assert_eq!(severity(&clock(now, last)), expected, "{now} {last}");
    }
}

#[test]
fn limits_of_files_are_compared_with_what_is_wanted() {
    assert_eq!(open_files(None, 20_000, true), Words::new());
    assert_eq!(open_files(Some(20_256), 20_000, true), Words::new());
    assert!(open_files(Some(20_255), 20_000, true)[0].mend.starts_with("LimitNOFILE=20256"));
    assert_eq!(severity(&open_files(Some(1024), 20_000, false)), Some(Note));
    assert!(file_limit(None).is_ok() && file_limit(Some(u32::MAX)).is_err());
}

#[test]
fn listening_sockets_are_read_from_the_kernels_table() {
    let v4 =
        "   0: 0100007F:0D05 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 ffff 100";
    let v6 = "   1: 00000000000000000000000000000000:0D05 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 777 1 ffff";
    let busy = v4.replace(" 0A ", " 01 ");
    assert_eq!(listener(v4), Some(Listener { address: "127.0.0.1:3333".parse().unwrap(), inode: 12345 }));
    assert_eq!(listener(v6), Some(Listener { address: "[::]:3333".parse().unwrap(), inode: 777 }));
    assert_eq!((listener(&busy), listener("  sl  local_address rem_address   st")), (None, None));
}

#[test]
fn a_port_is_free_or_ours() {
    let text = include_str!("../../../../config.example.toml").to_owned();
    let config = crate::config::parse(Path::new("config.toml"), text).unwrap();
    let at = |address: &str| vec![Listener { address: address.parse().unwrap(), inode: 5 }];
    assert_eq!(ports(&config, &[], None), Words::new());
    assert_eq!(ports(&config, &at("127.0.0.1:3334"), None), Words::new());
    assert_eq!(severity(&ports(&config, &at("127.0.0.1:3333"), None)), Some(Fault));
    assert_eq!(severity(&ports(&config, &at("[::]:3333"), Some(&[4]))), Some(Fault));
    assert_eq!(ports(&config, &at("0.0.0.0:3333"), Some(&[5])), Words::new());
    assert_eq!(severity(&ports(&config, &[], Some(&[5]))), Some(Warning));
}

#[test]
fn the_daemon_and_its_socket_are_missed_only_when_they_should_be_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(severity(&daemon(&[])), Some(Note));
    assert_eq!(daemon(&[1]), Words::new());
    assert_eq!(notify(dir.path(), false), Words::new());
    assert_eq!(severity(&notify(dir.path(), true)), Some(Warning));
    std::fs::write(dir.path().join(crate::service::local::SOCKET_NAME), "").unwrap();
    assert_eq!(notify(dir.path(), true), Words::new());
}
