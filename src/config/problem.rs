//! A mistake in the configuration and its place, and the list that gathers them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longest excerpt of the file that a message repeats, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// The beginning of paths in the folder where the service manager puts credentials (`LoadCredential=`).
pub(super) const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";

/// Whether a path that was [resolved](Source::resolve) is a credential that the service manager has not given.
pub(super) fn is_missing_credential(path: &Path) -> bool {
    is_credential(path) && !path.exists()
}

/// Whether a path that was [resolved](Source::resolve) is a credential.
fn is_credential(path: &Path) -> bool {
    let given = CREDENTIALS.strip_prefix('$').and_then(std::env::var_os).filter(|dir| !dir.is_empty());
    path.starts_with(CREDENTIALS) || given.is_some_and(|dir| path.starts_with(dir))
}

/// Longest misspelling, in edits, for which a key is suggested.
const SUGGESTION_EDITS_MAX: usize = 2;

/// Something wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1; `None` if the problem is the file itself.
    pub position: Option<(usize, usize)>,
    /// The key with its tables, `coin[litecoin].port[0].difficulty`; empty if there is none.
    pub key: String,
    /// The value as written; `None` for secrets and for keys that are missing.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

/// Everything that is wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the files; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A text that is being read.
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(super) fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// `path` as seen from the folder of the file it is written in, or from the service manager's folder of
    /// credentials if it begins with [`CREDENTIALS`]. Without such a folder that stays as it is written: no file has
    /// that name, and the message about it shows what was meant.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let credential = path.strip_prefix(CREDENTIALS).and_then(|rest| rest.strip_prefix('/'));
        if let (Some(name), Some(variable)) = (credential, CREDENTIALS.strip_prefix('$')) {
            return std::env::var_os(variable).map_or_else(|| PathBuf::from(path), |dir| PathBuf::from(dir).join(name));
        }
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Line and column of a byte offset, both from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    }

    /// A value as it is written, on one line and cut to a length that fits a message.
    fn written(&self, span: Range<usize>) -> Option<String> {
        let text = self.text.get(span)?;
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if one_line.chars().count() <= VALUE_CHARS_MAX {
            return Some(one_line);
        }
        Some(one_line.chars().take(VALUE_CHARS_MAX).chain("...".chars()).collect())
    }
}

/// Where something is written, or where it should have been.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    pub(super) span: Range<usize>,
    /// The key with its tables.
    pub(super) key: String,
    /// Whether messages may repeat the value.
    pub(super) shown: bool,
}

impl Place<'_> {
    fn problem(&self, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            file: self.source.path.clone(),
            position: Some(self.source.position(self.span.start)),
            key: self.key.clone(),
            value: if self.shown { self.source.written(self.span.clone()) } else { None },
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// A key that nobody asked for.
struct Unknown {
    problem: Problem,
    key: String,
    /// The table it stands in, without indices.
    table: String,
}

/// Gathers what is found while reading. A problem in a value that several coins inherit is kept once.
#[derive(Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    unknown: RefCell<Vec<Unknown>>,
    keys: RefCell<BTreeMap<String, Option<&'static str>>>,
    holds_secret: Cell<bool>,
    files: RefCell<Vec<PathBuf>>,
    /// Whether credentials that cannot be read are warnings only.
    without_credentials: bool,
}

impl Report {
    /// One for which credentials that cannot be read are warnings only.
    pub(super) fn without_credentials() -> Self {
        Self { without_credentials: true, ..Self::default() }
    }

    /// A credential of the service manager cannot be read.
    pub(super) fn credential(&self, place: &Place<'_>, what: impl Into<String>, remedy: impl Into<String>) {
        let to = if self.without_credentials { &self.warnings } else { &self.problems };
        push_new(to, place.problem(what, remedy));
    }

    pub(super) fn problem(&self, place: &Place<'_>, what: impl Into<String>, remedy: impl Into<String>) {
        push_new(&self.problems, place.problem(what, remedy));
    }

    pub(super) fn warning(&self, place: &Place<'_>, what: impl Into<String>, remedy: impl Into<String>) {
        push_new(&self.warnings, place.problem(what, remedy));
    }

    /// A mistake in the syntax; further ones in the same line are mostly its echoes and left out. The
    /// parser's own rendering is not used: it repeats whole lines, which may hold passwords.
    pub(super) fn syntax(&self, source: &Source, error: &toml::de::Error) {
        let remedy = match error.message() {
            "duplicate key" => "keep one of the two; tables that may stand several times have double brackets",
            _ => "mend the line; text values stand in double quotes",
        };
        let problem = Problem {
            file: source.path.clone(),
            position: error.span().map(|span| source.position(span.start)),
            key: String::new(),
            value: None,
            what: format!("this is not TOML: {}", error.message()),
            remedy: remedy.to_owned(),
        };
        let line = |problem: &Problem| (problem.file.clone(), problem.position.map(|(line, _)| line));
        if !self.problems.borrow().iter().any(|earlier| line(earlier) == line(&problem)) {
            push_new(&self.problems, problem);
        }
    }

    /// A key that nobody asked for; what it was meant to be is found out at the end, when all keys are known.
    pub(super) fn unknown(&self, place: &Place<'_>, key: &str, table: &str) {
        let problem = place.problem("there is no such key here", "");
        let known = self.unknown.borrow().iter().any(|unknown| unknown.problem == problem);
        if !known {
            self.unknown.borrow_mut().push(Unknown { problem, key: key.to_owned(), table: table.to_owned() });
        }
    }

    /// Notes that a key exists.
    pub(super) fn asked(&self, path: String, default: Option<&'static str>) {
        let mut keys = self.keys.borrow_mut();
        let known = keys.entry(path).or_default();
        *known = known.or(default);
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Notes that the file itself holds a password.
    pub(super) fn note_secret(&self) {
        self.holds_secret.set(true);
    }

    pub(super) fn holds_secret(&self) -> bool {
        self.holds_secret.get()
    }

    /// Notes a file that the daemon's user has to read. Credentials are the service manager's to read.
    pub(super) fn note_file(&self, path: &Path) {
        let mut files = self.files.borrow_mut();
        if !is_credential(path) && !files.iter().any(|known| known == path) {
            files.push(path.to_owned());
        }
    }

    pub(super) fn into_keys(self) -> BTreeMap<String, Option<&'static str>> {
        self.keys.into_inner()
    }

    /// Problems and warnings, each in the order of the files, and the files that were noted.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>, Vec<PathBuf>) {
        let keys = self.keys.into_inner();
        let mut problems = self.problems.into_inner();
        problems.extend(self.unknown.into_inner().into_iter().map(|unknown| {
            let remedy = remedy_for_unknown(&unknown.key, &unknown.table, keys.keys());
            Problem { remedy, ..unknown.problem }
        }));
        let mut warnings = self.warnings.into_inner();
        problems.sort_by(|one, other| (&one.file, one.position).cmp(&(&other.file, other.position)));
        warnings.sort_by(|one, other| (&one.file, one.position).cmp(&(&other.file, other.position)));
        (problems, warnings, self.files.into_inner())
    }
}

fn push_new(list: &RefCell<Vec<Problem>>, problem: Problem) {
    let mut list = list.borrow_mut();
    if !list.contains(&problem) {
        list.push(problem);
    }
}

/// What an unknown key was probably meant to be: a near key of the same table, or the same key of another table.
fn remedy_for_unknown<'k>(key: &str, table: &str, known: impl Iterator<Item = &'k String>) -> String {
    let (mut here, mut elsewhere) = (Vec::new(), None);
    for path in known {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        if parent == table {
            here.push(name);
        } else if name == key {
            elsewhere = Some(parent);
        }
    }
    match (nearest(key, here), elsewhere) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, Some("")) => "it is a table of its own, outside this one".to_owned(),
        (None, Some(parent)) => format!("it belongs in [{parent}]"),
        (None, None) => "remove it, or look it up in config.example.toml".to_owned(),
    }
}

/// The known word that a misspelt one was probably meant to be.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near = known.into_iter().map(|name| (edit_distance(word, name), name));
    let near = near.filter(|(edits, name)| *edits <= SUGGESTION_EDITS_MAX.min(name.len() / 2));
    near.min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Levenshtein's distance: insertions, deletions and replacements of characters from one to the other.
fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = std::mem::replace(&mut row[0], left);
        for (cell, b) in row.iter_mut().skip(1).zip(&other) {
            left = (diagonal + usize::from(a != *b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (one, other, edits) in
            [("", "", 0), ("", "abc", 3), ("poll_ms", "poll_ms", 0), ("pol_ms", "poll_ms", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(edit_distance(one, other), edits, "{one} {other}");
            assert_eq!(edit_distance(other, one), edits, "{other} {one}");
        }
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new(Path::new("f"), "a = 1\nä = \"x\"\n".to_owned());
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(6), (2, 1));
        assert_eq!(source.position(8), (2, 2));
        assert_eq!(source.position(999), (3, 1));
    }
}
