//! The rule that imports point down.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::Finding;
use crate::source::{File, closing, find, is_name};

/// The floors of the house: a folder or file of `src/` and the floor it stands on.
const FLOORS: [(&str, u8); 17] = [
    ("clock", 0),
    ("exit", 0),
    ("histogram", 0),
    ("pulse", 0),
    ("bytes", 0),
    ("difficulty", 0),
    ("pow", 1),
    ("chain", 1),
    ("coin", 2),
    ("work", 2),
    ("worker", 2),
    ("stratum", 3),
    ("ledger", 3),
    ("node", 3),
    ("mpos", 4),
    ("service", 5),
    ("cli", 6),
];
/// Stands beside the house: every floor may use it, and it may use the floors up to this one.
const CONFIG: &str = "config";
const CONFIG_FLOOR_MAX: u8 = 2;

fn floor(folder: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == folder).map(|(_, floor)| *floor)
}

/// The folders that a file's production code names, each with an offset.
fn imports(file: &File) -> Vec<(usize, String)> {
    let code = &file.production;
    let mut found = Vec::new();
    for at in find(code, "crate::") {
        found.extend(heads(code, at + "crate::".len()).into_iter().map(|head| (at, head)));
    }
    let depth = file.module().len();
    for at in find(code, "super::") {
        // Only the first `super` of a chain counts the chain.
        if code[..at].ends_with("super::") {
            continue;
        }
        let chain = code[at..].split("super::").skip(1).take_while(|between| between.is_empty()).count() + 1;
        if chain >= depth && depth > 0 {
            found.extend(heads(code, at + chain * "super::".len()).into_iter().map(|head| (at, head)));
        }
    }
    found
}

/// The first names of a path or of each path in a `{...}` group.
fn heads(code: &str, at: usize) -> Vec<String> {
    let name =
        |text: &str| text.trim_start().bytes().take_while(|&byte| is_name(byte)).map(char::from).collect::<String>();
    if !code[at..].starts_with('{') {
        return vec![name(&code[at..])];
    }
    let end = closing(code, at).unwrap_or(code.len());
    let mut depth = 0usize;
    let mut parts = vec![String::new()];
    for letter in code[at + 1..end].chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        if let (Some(part), true) = (parts.last_mut(), letter != ',') {
            part.push(letter);
        }
    }
    parts.iter().map(|part| name(part)).filter(|part| !part.is_empty()).collect()
}

/// Imports that point up or sideways.
pub fn upward(file: &File) -> Vec<Finding> {
    let module = file.module();
    let Some(own) = module.first().filter(|_| file.path.starts_with("src/")) else { return Vec::new() };
    let own_floor = floor(own);
    if own_floor.is_none() && *own != CONFIG {
        return vec![Finding::at(file, 0, format!("`{own}` has no floor: give it one in tests/tidy/floors.rs"))];
    }
    let allowed = |head: &str| match (head, own_floor, floor(head)) {
        (head, _, _) if head == *own || head == CONFIG => true,
        (_, Some(own), Some(other)) => other < own || own == 0 && other == 0,
        (_, None, Some(other)) => other <= CONFIG_FLOOR_MAX,
        (_, _, None) => false,
    };
    let wrong = imports(file).into_iter().filter(|(_, head)| !allowed(head));
    wrong.map(|(at, head)| Finding::at(file, at, format!("`{own}` may not use `{head}`: imports point down"))).collect()
}

/// Folders that use each other in a circle, as `a -> b -> a`.
pub fn circles(files: &[File]) -> Vec<String> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        if let Some(own) = file.module().first() {
            let heads = imports(file).into_iter().map(|(_, head)| head).filter(|head| head != own);
            uses.entry((*own).to_owned()).or_default().extend(heads);
        }
    }
    uses.keys().filter_map(|start| circle(&uses, std::slice::from_ref(start))).collect()
}

fn circle(uses: &BTreeMap<String, BTreeSet<String>>, way: &[String]) -> Option<String> {
    for next in uses.get(way.last()?)? {
        let longer: Vec<String> = way.iter().cloned().chain([next.clone()]).collect();
        if way.first() == Some(next) {
            return Some(longer.join(" -> "));
        }
        if !way.contains(next)
            && let Some(found) = circle(uses, &longer)
        {
            return Some(found);
        }
    }
    None
}
