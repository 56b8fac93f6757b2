//! The rules that look at one file.

use crate::source::{File, closing, find, is_name};

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub rule: String,
}

impl Finding {
    pub fn at(file: &File, offset: usize, rule: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line: file.line(offset), rule: rule.into() }
    }
}

/// Longest file.
const FILE_LINES_MAX: usize = 500;
/// Longest function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Files that may hold `unsafe`, each with the reason.
const UNSAFE_FILES: [(&str, &str); 4] = [
    ("src/pow/scrypt/avx2.rs", "vector instructions, three times as fast as without"),
    ("src/pow/scrypt/avx512.rs", "vector instructions, twice as fast as AVX2"),
    ("src/service/scheduling.rs", "a thread's niceness and slice are set by a system call without a safe interface"),
    ("src/service/inherited.rs", "descriptors that the service manager passed have only numbers"),
];
/// The file that reads the machine's clocks.
const CLOCK_FILE: &str = "src/clock.rs";
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "helper", "helpers", "manager", "common", "misc"];

/// What production code may not contain, and what to do instead.
const FORBIDDEN: [(&str, &str); 15] = [
    (".unwrap()", "return the error, or name the value for the missing case"),
    (".expect(", "return the error, or name the value for the missing case"),
    ("panic!", "return an error: outside data must not end the process"),
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("println!", "use tracing, or write to a handle in cli/"),
    ("eprintln!", "use tracing, or write to a handle in cli/"),
    ("print!", "use tracing, or write to a handle in cli/"),
    ("eprint!", "use tracing, or write to a handle in cli/"),
    ("dbg!", "use tracing"),
    ("unbounded_channel", "use a bounded channel or `watch`"),
    ("unbounded(", "use a bounded channel or `watch`"),
    ("UnboundedSender", "use a bounded channel or `watch`"),
    ("process::Command", "start no other program: what a miner sends must never come near a command line"),
    ("thread::sleep", "wait for an event, or use tokio's timers"),
];

/// Applies every rule to a file.
pub fn check(file: &File) -> Vec<Finding> {
    let rules = [file_length, function_length, forbidden, clocks, no_unsafe, leftovers, no_ignore, reasons, names];
    rules.iter().flat_map(|rule| rule(file)).collect()
}

pub fn file_length(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let long = lines > FILE_LINES_MAX;
    long.then(|| Finding::at(file, 0, format!("{lines} lines; a file has {FILE_LINES_MAX} at most")))
        .into_iter()
        .collect()
}

pub fn function_length(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for start in find(&file.production, "fn") {
        let is_named = file.production[start + 2..].trim_start().bytes().next().is_some_and(is_name);
        let Some(open) = body(&file.production, start).filter(|_| is_named) else { continue };
        let Some(end) = closing(&file.production, open) else { continue };
        let lines = file.line(end) - file.line(start) + 1;
        if lines > FUNCTION_LINES_MAX {
            let rule = format!("a function of {lines} lines; {FUNCTION_LINES_MAX} at most");
            found.push(Finding::at(file, start, rule));
        }
    }
    found
}

/// The brace that opens the body of the function at `start`; `None` if it has none.
fn body(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

pub fn forbidden(file: &File) -> Vec<Finding> {
    let of = |&(needle, instead): &(&str, &str)| {
        let rule = format!("`{needle}`: {instead}");
        find(&file.production, needle).into_iter().map(move |at| (at, rule.clone())).collect::<Vec<_>>()
    };
    FORBIDDEN.iter().flat_map(of).map(|(at, rule)| Finding::at(file, at, rule)).collect()
}

pub fn clocks(file: &File) -> Vec<Finding> {
    if file.path == CLOCK_FILE {
        return Vec::new();
    }
    // tokio's `Instant` is a timer that tests can hold still; it has to be recognisable as tokio's.
    let uses_tokios =
        file.production.lines().any(|line| line.contains("use tokio::time") && !find(line, "Instant").is_empty());
    let is_tokios = |at: usize| uses_tokios || file.production[..at].ends_with("tokio::time::");
    let instants = find(&file.production, "Instant::now").into_iter().filter(|&at| !is_tokios(at));
    let times = find(&file.production, "SystemTime::now").into_iter();
    let rule = format!("reads the machine's clock: only {CLOCK_FILE} does; take a `Clock`");
    instants.chain(times).map(|at| Finding::at(file, at, rule.as_str())).collect()
}

pub fn no_unsafe(file: &File) -> Vec<Finding> {
    if UNSAFE_FILES.iter().any(|(path, _)| *path == file.path) {
        return Vec::new();
    }
    find(&file.code, "unsafe")
        .into_iter()
        .map(|at| Finding::at(file, at, "`unsafe` outside the files listed for it"))
        .collect()
}

pub fn leftovers(file: &File) -> Vec<Finding> {
    let words = ["TODO", "FIXME", "XXX"];
    let of = |word: &&str| find(&file.text, word);
    words
        .iter()
        .flat_map(of)
        .map(|at| Finding::at(file, at, "a note about unfinished work: finish it or open an issue"))
        .collect()
}

pub fn no_ignore(file: &File) -> Vec<Finding> {
    find(&file.code, "#[ignore")
        .into_iter()
        .map(|at| Finding::at(file, at, "an ignored test: mend or delete it"))
        .collect()
}

pub fn reasons(file: &File) -> Vec<Finding> {
    let unexplained = |&at: &usize| {
        let end = file.code[at..].find(")]").map_or(file.code.len(), |end| at + end);
        let line = file.line(at);
        let has_comment = |line: usize| file.text.lines().nth(line).is_some_and(|line| line.contains("//"));
        let beside = has_comment(line - 1) || line > 1 && has_comment(line - 2);
        !beside && !file.code[at..end].contains("reason =")
    };
    let attributes = ["#[allow(", "#![allow("].into_iter().flat_map(|attribute| find(&file.code, attribute));
    attributes.filter(unexplained).map(|at| Finding::at(file, at, "a lint switched off without a reason")).collect()
}

pub fn names(file: &File) -> Vec<Finding> {
    let stem = file.path.trim_end_matches(".rs");
    let empty = stem.split('/').find(|name| EMPTY_NAMES.contains(name));
    empty.map(|name| Finding::at(file, 0, format!("`{name}` says nothing about what is inside"))).into_iter().collect()
}
