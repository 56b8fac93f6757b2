//! Whether what others have written may be given away with ours, and whether the package says whose it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{must, read, tree};

/// The crates behind these edges, each with its licence.
fn crates(edges: &str) -> BTreeMap<String, String> {
    let manifest = tree("Cargo.toml");
    let format = "{p}|{l}";
    let listed = must(
        env!("CARGO"),
        &[
            "tree",
            "--quiet",
            "--locked",
            "--manifest-path",
            manifest.to_str().unwrap(),
            "--prefix",
            "none",
            "--edges",
            edges,
            "--format",
            format,
        ],
    );
    let of_line = |line: &str| {
        let (name, licence) = line.trim_end_matches(" (*)").split_once('|')?;
        let mut words = name.split(' ');
        let (name, version) = (words.next()?, words.next()?.trim_start_matches('v'));
        (name != "mpos-stratum").then(|| (format!("{name} {version}"), licence.to_owned()))
    };
    listed.lines().filter_map(of_line).collect()
}

/// Whether an expression is met by these licences.
fn is_met(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let plain = expression.replace('/', " OR ").replace(['(', ')'], "");
    // What must hold together binds what stands in brackets here: no expression mixes the two otherwise.
    let split = if expression.contains(") AND ") { [" AND ", " OR "] } else { [" OR ", " AND "] };
    let of_part = |part: &str, every: bool| {
        let mut of = part.split(split[1]).map(|name| allowed.contains(name.trim()));
        if every { of.all(|met| met) } else { of.any(|met| met) }
    };
    match split[0] {
        " AND " => plain.split(" AND ").all(|part| of_part(part, false)),
        _ => plain.split(" OR ").any(|part| of_part(part, true)),
    }
}

#[test]
fn every_dependency_has_a_licence_that_the_policy_allows() {
    let policy: toml::Table = read(".cargo/deny.toml").parse().unwrap();
    let names = |table: &toml::Value| -> Vec<String> {
        let names = table["allow"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let (everywhere, exceptions) = (names(&policy["licenses"]), policy["licenses"]["exceptions"].as_array().unwrap());
    let mut unused: BTreeSet<&str> = everywhere
        .iter()
        .map(String::as_str)
        .chain(exceptions.iter().map(|of| of["crate"].as_str().unwrap()))
        .collect();
    let all = crates("normal,build,dev");
    assert!(all.len() > 150, "{all:?}");
    for (name, licence) in &all {
        let bare = name.split(' ').next().unwrap();
        let own = exceptions.iter().find(|of| of["crate"].as_str() == Some(bare));
        let of_its_own = own.map(names).unwrap_or_default();
        let allowed: BTreeSet<&str> = everywhere.iter().chain(&of_its_own).map(String::as_str).collect();
        assert!(is_met(licence, &allowed), "{name} is under {licence}");
        unused.remove(bare);
        unused.retain(|one| !licence.contains(one));
    }
    assert_eq!(unused, BTreeSet::new(), "the policy allows what nothing needs");
}

#[test]
fn the_package_says_whose_libraries_are_in_the_program_and_under_which_licence() {
    let told = must("sh", &[tree("packaging/third-party.sh").to_str().unwrap()]);
    let linked = crates("normal,no-proc-macro");
    assert!(linked.len() > 100, "{linked:?}");
    for (name, licence) in &linked {
        let line = told.lines().find(|line| line.split_once("  ").is_some_and(|(of, _)| of == name));
        assert!(line.is_some_and(|line| line.ends_with(licence)), "{name}: {line:?}");
    }
    let (list, texts) = told.split_once("\n------").unwrap();
    assert!(list.lines().count() > linked.len());
    for words in [
        // Of ring, whose C is BoringSSL's, and of what asks for its notice to be repeated.
        "Permission to use, copy, modify, and/or distribute this software for any",
        "Redistributions in binary form must reproduce the above copyright",
        "Permission is hereby granted, free of charge, to any",
        "Apache License",
    ] {
        assert!(texts.contains(words), "{words}");
    }
    for name in ["ring", "rustls-webpki", "untrusted", "subtle", "webpki-roots"] {
        let heads = texts.lines().filter(|line| line.split(", ").any(|of| of.starts_with(&format!("{name} "))));
        assert!(heads.count() > 0, "no text of {name}");
    }
    assert!(read("packaging/debian/copyright").contains("/usr/share/doc/mpos-stratum/THIRD-PARTY.gz"));
}
