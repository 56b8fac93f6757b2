//! What is in the package, as far as that can be told without installing it.

use std::fs;
use std::process::Command;

use crate::package;

/// Runs a program that has to succeed; returns what it printed.
fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    told
}

/// Everything that has to be there, with its mode.
const FILES: [(&str, &str); 26] = [
    ("-rwxr-xr-x", "./usr/sbin/mpos-stratum"),
    ("-rw-r-----", "./etc/mpos-stratum/config.toml"),
    ("-rw-r--r--", "./etc/logrotate.d/mpos-stratum"),
    ("-rw-r--r--", "./lib/systemd/system/mpos-stratum.service"),
    ("-rw-r--r--", "./usr/lib/sysusers.d/mpos-stratum.conf"),
    ("-rw-r--r--", "./usr/share/man/man8/mpos-stratum.8.gz"),
    ("-rw-r--r--", "./usr/share/man/man8/mpos-stratum-spool-rewind.8.gz"),
    ("-rw-r--r--", "./usr/share/man/man5/mpos-stratum.toml.5.gz"),
    ("-rw-r--r--", "./usr/share/bash-completion/completions/mpos-stratum.bash"),
    ("-rw-r--r--", "./usr/share/zsh/vendor-completions/_mpos-stratum"),
    ("-rw-r--r--", "./usr/share/fish/vendor_completions.d/mpos-stratum.fish"),
    ("-rw-r--r--", "./usr/share/mpos-stratum/schema/mpos-stratum.sql"),
    ("-rw-r--r--", "./usr/share/mpos-stratum/schema/grants.sql"),
    ("-rw-r--r--", "./usr/share/mpos-stratum/presets/litecoin.toml"),
    ("-rw-r--r--", "./usr/share/mpos-stratum/prometheus/mpos-stratum.rules.yml"),
    ("-rw-r--r--", "./usr/share/mpos-stratum/grafana/mpos-stratum.json"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/README.Debian.gz"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/README.md.gz"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/changelog.gz"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/changelog.Debian.gz"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/copyright"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/THIRD-PARTY.gz"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/examples/config.example.toml"),
    ("-rw-r--r--", "./usr/share/doc/mpos-stratum/examples/credentials.conf"),
    ("lrwxrwxrwx", "./usr/share/doc/mpos-stratum/schema -> ../../mpos-stratum/schema"),
    ("lrwxrwxrwx", "./usr/share/doc/mpos-stratum/presets -> ../../mpos-stratum/presets"),
];

#[test]
fn the_package_has_what_belongs_into_it_and_nothing_of_the_test_s() {
    let package = package("deb");
    let listing = must("dpkg-deb", &["--contents", package.to_str().unwrap()]);
    for (mode, file) in FILES {
        let line = listing.lines().find(|line| line.ends_with(&format!(" {file}")));
        assert!(line.is_some_and(|line| line.starts_with(mode)), "{mode} {file}: {line:?} in\n{listing}");
    }
    assert!(!listing.contains("mpos-tables"), "MPOS makes its own tables");
    for line in listing.lines() {
        assert!(line.contains(" root/root "), "{line}");
    }
    let field = |name: &str| must("dpkg-deb", &["--field", package.to_str().unwrap(), name]).trim().to_owned();
    assert_eq!(field("Version"), concat!(env!("CARGO_PKG_VERSION"), "-1"));
    assert!(field("Depends").contains("libc6") && field("Depends").contains("libsystemd0"), "{}", field("Depends"));
    let folder = package.parent().unwrap();
    let has_debug_package = fs::read_dir(folder)
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("mpos-stratum-dbgsym_"));
    assert!(has_debug_package);
}

#[test]
fn the_scripts_of_the_package_are_sound_and_mind_their_first_error() {
    let dir = tempfile::tempdir().unwrap();
    must("dpkg-deb", &["--control", package("deb").to_str().unwrap(), dir.path().to_str().unwrap()]);
    for script in ["postinst", "prerm", "postrm"] {
        let path = dir.path().join(script);
        must("sh", &["-n", path.to_str().unwrap()]);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("#!/bin/sh\nset -e\n") && !text.contains("#DEBHELPER#"), "{text}");
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("conffiles"), "/etc/logrotate.d/mpos-stratum\n/etc/mpos-stratum/config.toml\n");
    // A stop and a start would empty the service manager's store of sockets.
    assert!(read("prerm").contains("deb-systemd-invoke stop") && !read("prerm").contains("upgrade)"));
    let preinst = fs::read_to_string(dir.path().join("preinst")).unwrap_or_default();
    assert!(!preinst.contains("deb-systemd-invoke"), "nothing is stopped before an upgrade: {preinst}");
    // One restart, and that only if the new program can use the configuration.
    let postinst = read("postinst");
    let restarts: Vec<&str> =
        postinst.lines().filter(|line| line.contains("deb-systemd-invoke")).map(str::trim).collect();
    assert_eq!(restarts, ["deb-systemd-invoke try-restart mpos-stratum.service >/dev/null || true"], "{postinst}");
    assert!(postinst.find("is_refused \"$config\"") < postinst.find("deb-systemd-invoke"), "{postinst}");
}
