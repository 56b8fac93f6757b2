//! What an audit found, for people and programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::say::say;
use crate::mpos::audit::block::{Remark, Weight};

/// Most examples that are shown of one kind of difference; all are counted.
const EXAMPLES_MAX: usize = 20;

/// Differences of one kind.
struct Kind {
    weight: Weight,
    explanation: &'static str,
    count: u64,
    examples: Vec<String>,
}

/// A block and what is said about it.
struct Block {
    title: String,
    remarks: Vec<Remark>,
}

/// The findings about one spool and its database.
pub(super) struct Report {
    names: String,
    dir: PathBuf,
    facts: Vec<(&'static str, u64)>,
    kinds: BTreeMap<&'static str, Kind>,
    remarks: Vec<Remark>,
    blocks: Vec<Block>,
    /// Whether blocks without a problem are shown too.
    all_blocks: bool,
}

impl Report {
    pub(super) fn new(names: String, dir: PathBuf) -> Self {
        Self {
            names,
            dir,
            facts: Vec::new(),
            kinds: BTreeMap::new(),
            remarks: Vec::new(),
            blocks: Vec::new(),
            all_blocks: false,
        }
    }

    /// A number that was looked at.
    pub(super) fn count(&mut self, what: &'static str, number: u64) {
        self.facts.push((what, number));
    }

    /// One difference of a kind.
    pub(super) fn differ(
        &mut self,
        weight: Weight,
        kind: &'static str,
        explanation: &'static str,
        example: impl FnOnce() -> String,
    ) {
        let known = self.kinds.entry(kind).or_insert(Kind { weight, explanation, count: 0, examples: Vec::new() });
        known.count += 1;
        if known.examples.len() < EXAMPLES_MAX {
            known.examples.push(example());
        }
    }

    /// A remark on the whole.
    pub(super) fn say(&mut self, remark: Remark) {
        self.remarks.push(remark);
    }

    /// What is said about a block.
    pub(super) fn block(&mut self, title: String, remarks: Vec<Remark>) {
        self.blocks.push(Block { title, remarks });
    }

    /// Blocks are shown whatever is said about them.
    pub(super) fn show_all_blocks(&mut self) {
        self.all_blocks = true;
    }

    pub(super) fn is_silent(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn has_problem(&self) -> bool {
        let remarks = self.remarks.iter().chain(self.blocks.iter().flat_map(|block| &block.remarks));
        remarks
            .map(|remark| remark.weight)
            .chain(self.kinds.values().map(|kind| kind.weight))
            .any(|weight| weight == Weight::Problem)
    }

    pub(super) fn print(&self, as_json: bool) {
        let mut out = std::io::stdout().lock();
        if as_json {
            say(&mut out, self.json());
            return;
        }
        for line in self.lines() {
            say(&mut out, line);
        }
    }

    fn json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, found)| {
            json!({ "kind": kind, "weight": found.weight, "count": found.count, "text": found.explanation, "examples": found.examples })
        });
        json!({
            "coins": self.names,
            "dir": self.dir,
            "good": !self.has_problem(),
            "looked_at": self.facts.iter().copied().collect::<BTreeMap<_, _>>(),
            "differences": kinds.collect::<Vec<_>>(),
            "remarks": self.remarks,
            "blocks": self.blocks.iter().map(|block| json!({ "block": block.title, "remarks": block.remarks })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let facts: Vec<String> = self.facts.iter().map(|(what, number)| format!("{number} {what}")).collect();
        let mut lines = vec![format!("{}: {}", self.names, facts.join(", "))];
        for found in self.kinds.values() {
            lines.push(format!("  {} {} x {}", mark(found.weight), found.count, found.explanation));
            lines.extend(found.examples.iter().map(|example| format!("          {example}")));
            if found.count > found.examples.len() as u64 {
                lines.push("          ...".to_owned());
            }
        }
        lines.extend(self.remarks.iter().map(|remark| format!("  {} {}", mark(remark.weight), remark.text)));
        for block in &self.blocks {
            if self.all_blocks || !block.remarks.is_empty() {
                lines.push(format!("  {}", block.title));
            }
            lines.extend(block.remarks.iter().map(|remark| format!("    {} {}", mark(remark.weight), remark.text)));
            if self.all_blocks && block.remarks.is_empty() {
                lines.push("    credited as it should be".to_owned());
            }
        }
        lines.push(if self.has_problem() { "  NOT GOOD: see above".to_owned() } else { "  good".to_owned() });
        lines
    }
}

fn mark(weight: Weight) -> &'static str {
    match weight {
        Weight::Problem => "PROBLEM",
        Weight::Note => "note   ",
    }
}
