//! The house rules that a compiler does not know, and for each a proof that it can fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod floors;
mod rules;
mod source;

use std::path::Path;

use rules::Finding;
use source::File;

/// Every Rust source below `folder`, sorted by path.
fn sources(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.push(File::new(name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

#[test]
fn the_house_is_tidy() {
    let files = sources("src");
    assert!(files.len() > 20, "the sources were not found");
    let mut findings: Vec<Finding> = files.iter().flat_map(rules::check).collect();
    findings.extend(files.iter().flat_map(floors::upward));
    for file in sources("tests") {
        // The rules' own folder holds every forbidden word.
        let found = if file.path.starts_with("tests/tidy/") { rules::file_length(&file) } else { rules::check(&file) };
        findings.extend(found);
    }
    let lines: Vec<String> =
        findings.iter().map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.rule)).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    assert_eq!(floors::circles(&files), Vec::<String>::new());
}

/// The lines at which a rule finds something in a made-up source.
fn lines(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&File::new(path, text)).into_iter().map(|finding| finding.line).collect()
}

const FILE: &str = "src/ledger/spool.rs";

#[test]
fn imports_that_point_up_or_sideways_are_found() {
    let upward = |path: &str, text: &str| lines(floors::upward, path, text);
    for (path, good) in [
        (FILE, "use crate::bytes::Hash;\nuse crate::config::Ledger;\nuse super::record::Record;"),
        (FILE, "use crate::{bytes::{hex, Hash}, ledger::record, worker};"),
        ("src/ledger/mod.rs", "use super::bytes;"),
        ("src/config/port.rs", "use crate::difficulty::Difficulty;\nuse super::super::coin;"),
        ("src/difficulty.rs", "use crate::bytes::Hash;"),
        ("src/lib.rs", "use crate::cli;"),
        (FILE, "#[cfg(test)]\nmod tests { use crate::mpos::Sink; }\n// crate::mpos\nconst A: &str = \"crate::cli\";"),
    ] {
        assert_eq!(upward(path, good), [0; 0], "{path}: {good}");
    }
    for (path, bad) in [
        (FILE, "\nuse crate::mpos::Sink;"),
        (FILE, "\nuse crate::node::Tip;"),
        (FILE, "\nuse crate::{bytes::{hex, Hash}, mpos};"),
        (FILE, "\nfn f() -> crate::service::Run { }"),
        (FILE, "\nuse super::super::mpos::Sink;"),
        ("src/ledger/mod.rs", "\nuse super::stratum;"),
        ("src/config/port.rs", "\nuse crate::stratum::Session;"),
        ("src/chain/block.rs", "\nuse crate::pow::Algorithm;"),
    ] {
        assert_eq!(upward(path, bad), [2], "{path}: {bad}");
    }
    assert_eq!(upward("src/attic/old.rs", "fn f() {}"), [1]);
}

#[test]
fn circles_are_found() {
    let one = File::new("src/coin/a.rs", "use crate::config::Coin;");
    let two = File::new("src/config/b.rs", "use crate::difficulty::Difficulty;\nuse crate::coin::Profile;");
    let three = File::new("src/work/c.rs", "use crate::config::Vardiff;");
    assert_eq!(floors::circles(&[one, two]), ["coin -> config -> coin", "config -> coin -> config"]);
    assert_eq!(floors::circles(&[three]), [""; 0]);
}

#[test]
fn long_files_and_functions_are_found() {
    assert_eq!(lines(rules::file_length, FILE, &"//\n".repeat(500)), [0; 0]);
    assert_eq!(lines(rules::file_length, FILE, &"//\n".repeat(501)), [1]);
    let function = |lines: usize| format!("\nfn f(a: [u8; 2]) -> u8 {{\n{}}}\n", "a;\n".repeat(lines - 2));
    assert_eq!(lines(rules::function_length, FILE, &function(70)), [0; 0]);
    assert_eq!(lines(rules::function_length, FILE, &function(71)), [2]);
    assert_eq!(lines(rules::function_length, FILE, &format!("#[cfg(test)]\nmod tests {{{}}}", function(71))), [0; 0]);
    assert_eq!(
        lines(rules::function_length, FILE, &format!("trait T {{\n fn f();\n fn g();\n{}}}", "\n".repeat(99))),
        [0; 0]
    );
}

#[test]
fn forbidden_words_are_found() {
    for bad in [
        "a.unwrap();",
        "a.expect(\"b\");",
        "panic!(\"\")",
        "todo!()",
        "unimplemented!()",
        "println!()",
        "eprintln!()",
        "print!()",
        "eprint!()",
        "dbg!(a)",
        "mpsc::unbounded_channel()",
        "channel::unbounded()",
        "a: UnboundedSender<u8>",
        "std::thread::sleep(a)",
        "std::process::Command::new(a)",
    ] {
        assert_eq!(lines(rules::forbidden, FILE, &format!("\n{bad}")), [2], "{bad}");
        assert_eq!(lines(rules::forbidden, FILE, &format!("#[cfg(test)]\nmod tests {{ {bad} }}")), [0; 0], "{bad}");
        assert_eq!(lines(rules::forbidden, FILE, &format!("// {bad}\n")), [0; 0], "{bad}");
    }
    assert_eq!(lines(rules::forbidden, FILE, "a.unwrap_or(b); a.expect_end(); writeln!(a)"), [0; 0]);
}

#[test]
fn clocks_are_found() {
    for bad in ["Instant::now()", "std::time::Instant::now()", "SystemTime::now()"] {
        assert_eq!(lines(rules::clocks, FILE, bad), [1], "{bad}");
        assert_eq!(lines(rules::clocks, "src/clock.rs", bad), [0; 0], "{bad}");
    }
    for good in ["tokio::time::Instant::now()", "use tokio::time::{Instant, sleep};\nInstant::now()"] {
        assert_eq!(lines(rules::clocks, FILE, good), [0; 0], "{good}");
    }
}

#[test]
fn unsafe_leftovers_and_silenced_checks_are_found() {
    assert_eq!(lines(rules::no_unsafe, FILE, "\nunsafe { a }"), [2]);
    assert_eq!(lines(rules::no_unsafe, FILE, "// unsafe\n#![deny(unsafe_code)]"), [0; 0]);
    for bad in ["// TODO: a", "/// FIXME", "// XXX"] {
        assert_eq!(lines(rules::leftovers, FILE, &format!("\n{bad}")), [2], "{bad}");
    }
    assert_eq!(lines(rules::leftovers, FILE, "const TODOS: u8 = 0;"), [0; 0]);
    assert_eq!(lines(rules::no_ignore, FILE, "#[test]\n#[ignore]\nfn a() {}"), [2]);
    assert_eq!(lines(rules::no_ignore, FILE, "#[ignore = \"slow\"]"), [1]);
    assert_eq!(lines(rules::reasons, FILE, "\n\n#[allow(dead_code)]"), [3]);
    assert_eq!(
        lines(rules::reasons, FILE, "#![allow(a, reason = \"b\")]\n// c\n#[allow(d)]\n#[allow(e)] // f"),
        [0; 0]
    );
}

#[test]
fn empty_names_are_found() {
    for bad in ["src/utils/a.rs", "src/work/helper.rs", "src/common/mod.rs", "tests/misc/a.rs"] {
        assert_eq!(lines(rules::names, bad, ""), [1], "{bad}");
    }
    assert_eq!(lines(rules::names, "src/work/utility.rs", ""), [0; 0]);
}
