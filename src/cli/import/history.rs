//! What became of every old option: the list that is written behind the new configuration.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::answers::Answers;
use super::draft::Table;
use super::value::{Node, Value};

/// Most lines of the list; a file with more options is none that a predecessor reads.
const LINES_MAX: usize = 2000;
/// Longest old value that the list repeats, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// What became of an old option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands under the new key, unchanged.
    Taken(String),
    /// It stands under the new key, changed for this reason.
    Adapted(String, String),
    /// Nothing in the new file follows from it, for this reason.
    Dropped(String),
    /// It cannot be carried over without an answer to this question.
    Asked(String),
    /// Nothing follows from it, but the operator must know this.
    Attention(String),
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Became {
    pub(super) file: String,
    /// `None`: not in the file, the predecessor's default counted.
    pub(super) line: Option<usize>,
    pub(super) option: String,
    /// How it was written; `None` for secrets, lists and options nobody knows.
    pub(super) written: Option<String>,
    pub(super) fate: Fate,
}

/// What one import works with: the answers it has, and the list it writes.
pub(super) struct Context {
    pub(super) answers: Answers,
    became: RefCell<Vec<Became>>,
    /// Remarks about whole files and coins, for the operator's eyes.
    remarks: RefCell<Vec<String>>,
}

impl Context {
    pub(super) fn new(answers: Answers) -> Self {
        Self { answers, became: RefCell::default(), remarks: RefCell::default() }
    }

    fn note(&self, became: Became) {
        let mut list = self.became.borrow_mut();
        let same = |other: &&mut Became| {
            (other.line, &other.option, &other.file) == (became.line, &became.option, &became.file)
        };
        // What is known last of an option counts; several pools take the same defaults.
        if let Some(known) = list.iter_mut().find(same) {
            *known = became;
            return;
        }
        match list.len() {
            length if length < LINES_MAX => list.push(became),
            LINES_MAX => list.push(Became {
                option: format!("and more than {LINES_MAX} others"),
                written: None,
                fate: Fate::Dropped("no predecessor has so many options".to_owned()),
                ..became
            }),
            _ => {}
        }
    }

    /// Tells the operator something that belongs to no option.
    pub(super) fn remark(&self, remark: impl Into<String>) {
        let mut remarks = self.remarks.borrow_mut();
        if remarks.len() < LINES_MAX {
            remarks.push(remark.into());
        }
    }

    /// The list, each file in the order of its lines, and the remarks.
    pub(super) fn into_parts(self) -> (Answers, Vec<Became>, Vec<String>) {
        let mut list = self.became.into_inner();
        list.sort_by(|one, other| {
            (&one.file, one.line.is_none(), one.line).cmp(&(&other.file, other.line.is_none(), other.line))
        });
        (self.answers, list, self.remarks.into_inner())
    }
}

/// A table of an old file. Every option that is looked at gets its line in the list; [`Old::finish`]
/// gives the others theirs.
pub(super) struct Old<'a> {
    pub(super) cx: &'a Context,
    file: String,
    prefix: String,
    node: &'a Node,
    told: RefCell<BTreeSet<String>>,
    /// What counts of options that this table lacks.
    beneath: Option<&'a Old<'a>>,
}

impl<'a> Old<'a> {
    pub(super) fn new(cx: &'a Context, file: &str, node: &'a Node) -> Self {
        Self { cx, file: file.to_owned(), prefix: String::new(), node, told: RefCell::default(), beneath: None }
    }

    /// The same table over another one, whose options count where this has none of the name. Each is told of where it
    /// stands.
    pub(super) fn over(self, beneath: &'a Old<'a>) -> Old<'a> {
        Old { beneath: Some(beneath), ..self }
    }

    /// The table that has an option; this one, if none has.
    fn home(&self, name: &str) -> &Old<'a> {
        match self.beneath {
            Some(beneath) if self.node.get(name).is_none() && beneath.node.get(name).is_some() => beneath,
            _ => self,
        }
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        self.home(name).node.get(name)
    }

    /// Marks an option as told of.
    fn note_told(&self, name: &str) {
        self.home(name).told.borrow_mut().insert(name.to_owned());
    }

    /// A table inside, under its own name.
    pub(super) fn within(&self, name: &str) -> Option<Old<'a>> {
        let node = self.find(name)?;
        match node.value {
            Value::Table(_) => {
                self.note_told(name);
                return Some(self.home(name).part(name, node));
            }
            Value::Nothing => self.dropped(name, "is empty"),
            _ => self.attention(name, "is not a table, so nothing in it was read"),
        }
        None
    }

    /// The items of a list inside, each as a table.
    pub(super) fn items(&self, name: &str) -> Vec<Old<'a>> {
        let Some(node) = self.find(name) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.attention(name, "is not a list, so nothing in it was read");
            return Vec::new();
        };
        self.note_told(name);
        let home = self.home(name);
        items.iter().enumerate().map(|(index, item)| home.part(&format!("{name}[{index}]"), item)).collect()
    }

    /// The tables inside a table, with their names.
    pub(super) fn tables(&self, name: &str) -> Vec<(&'a str, Old<'a>)> {
        let Some(table) = self.within(name) else { return Vec::new() };
        let inside = |key| Some((key, table.within(key)?));
        table.names().into_iter().filter_map(inside).collect()
    }

    /// The names of what is in it, each once: of two entries with one name the later counts.
    pub(super) fn names(&self) -> Vec<&'a str> {
        let Value::Table(entries) = &self.node.value else { return Vec::new() };
        let mut seen = BTreeSet::new();
        entries.iter().map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    fn part(&self, name: &str, node: &'a Node) -> Old<'a> {
        let prefix = format!("{}{}.", short(&self.prefix), short(name));
        Old { cx: self.cx, file: self.file.clone(), prefix, node, told: RefCell::default(), beneath: None }
    }

    /// Where it stands, for messages.
    pub(super) fn place(&self, name: &str) -> String {
        let home = self.home(name);
        match home.node.get(name) {
            Some(node) => format!("{}:{}: {}{}", home.file, node.line, home.prefix, short(name)),
            None => format!("{}: {}{}", home.file, home.prefix, short(name)),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some_and(|node| node.value != Value::Nothing)
    }

    /// Text, or a number as it was written. Text that is empty counts as missing.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match &self.find(name)?.value {
            Value::Text(text) | Value::Number(_, text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// A number, also in quotes.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match &self.find(name)?.value {
            Value::Number(number, _) => Some(*number),
            Value::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// Yes or no, in the spellings that predecessors took for it.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match &self.find(name)?.value {
            Value::Bool(flag) => Some(*flag),
            Value::Nothing => Some(false),
            Value::Number(number, _) => Some(number.abs() > 0.0),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" | "1" => Some(true),
                "no" | "false" | "off" | "0" | "" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether Python takes a literal for true: any text but the empty one is. `None`: it is missing or no literal.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        match &self.find(name)?.value {
            Value::Nothing => Some(false),
            Value::Bool(flag) => Some(*flag),
            Value::Number(number, _) => Some(number.abs() > 0.0),
            Value::Text(text) => Some(!text.is_empty()),
            Value::List(items) => Some(!items.is_empty()),
            Value::Table(entries) => Some(!entries.is_empty()),
            Value::Unread(_) => None,
        }
    }

    /// Whether the value of an option is computed; then its line says so, and what counts in its stead.
    pub(super) fn computed(&self, name: &str, instead: &str) -> bool {
        let Some(Value::Unread(why)) = self.find(name).map(|node| &node.value) else { return false };
        self.note_told(name);
        self.put(name, Fate::Attention(format!("its value {why}; {instead}")));
        true
    }

    /// Gives an option its line. Options that are not in the file get none, except where their default
    /// was changed on the way.
    pub(super) fn tell(&self, name: &str, fate: Fate) {
        self.note_told(name);
        let node = self.find(name);
        if node.is_none() && !matches!(fate, Fate::Adapted(..)) {
            return;
        }
        let unread = node.and_then(|node| if let Value::Unread(why) = node.value { Some(why) } else { None });
        self.put(
            name,
            match (unread, fate) {
                (None, fate) => fate,
                (Some(why), Fate::Asked(question)) => Fate::Asked(format!("{question}; its value {why}")),
                (Some(why), _) => Fate::Attention(format!("its value {why}; set it by hand if it matters")),
            },
        );
    }

    fn put(&self, name: &str, fate: Fate) {
        let home = self.home(name);
        let node = home.node.get(name);
        let option = format!("{}{}", home.prefix, short(name));
        let written = node.and_then(|node| shown(&option, &node.value));
        self.cx.note(Became { file: home.file.clone(), line: node.map(|node| node.line), option, written, fate });
    }

    pub(super) fn taken(&self, name: &str, key: &str) {
        self.tell(name, Fate::Taken(key.to_owned()));
    }

    pub(super) fn adapted(&self, name: &str, key: &str, why: impl Into<String>) {
        self.tell(name, Fate::Adapted(key.to_owned(), why.into()));
    }

    pub(super) fn dropped(&self, name: &str, why: impl Into<String>) {
        self.tell(name, Fate::Dropped(why.into()));
    }

    pub(super) fn attention(&self, name: &str, why: impl Into<String>) {
        self.tell(name, Fate::Attention(why.into()));
    }

    pub(super) fn asked(&self, name: &str, question: &str) {
        self.tell(name, Fate::Asked(question.to_owned()));
    }

    /// Takes a whole number over, times `factor`, within the bounds of the new key.
    pub(super) fn whole(
        &self,
        name: &str,
        into: &mut Table,
        key: &'static str,
        bounds: RangeInclusive<f64>,
        factor: f64,
    ) {
        if !self.has(name) {
            return self.tell(name, Fate::Dropped(format!("not set; the default of {key} counts")));
        }
        let Some(old) = self.number(name) else {
            return self.attention(name, format!("is not a number; the default of {key} counts"));
        };
        let new = (old * factor).round().clamp(*bounds.start(), *bounds.end());
        into.set(key, new.to_string());
        if (new - old * factor).abs() < 1e-9 {
            self.taken(name, key);
        } else {
            let why = format!("made a whole number from {} to {}", bounds.start(), bounds.end());
            self.adapted(name, key, why);
        }
    }

    /// Gives every option that has none its line: those of `idle` with their reason, the others as unknown.
    pub(super) fn finish(self, idle: &[(&str, &str)]) {
        let Value::Table(entries) = &self.node.value else { return };
        for (name, _) in entries {
            if self.told.borrow().contains(name) {
                continue;
            }
            let why = idle.iter().find(|(known, _)| matches(known, name)).map(|(_, why)| *why);
            match why {
                Some(why) => self.put(name, Fate::Dropped(why.to_owned())),
                None => self.unknown(name),
            }
        }
    }

    fn unknown(&self, name: &str) {
        self.told.borrow_mut().insert(name.to_owned());
        let why = "no option that is known here: misspelt, of another program, or of a changed copy".to_owned();
        let line = self.node.get(name).map(|node| node.line);
        let option = format!("{}{}", self.prefix, short(name));
        self.cx.note(Became { file: self.file.clone(), line, option, written: None, fate: Fate::Dropped(why) });
    }
}

/// The beginning of an old text, as much as a message may repeat.
pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(VALUE_CHARS_MAX).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

/// Whether a name is meant: `IRC_*` means every name that begins so.
pub(super) fn matches(known: &str, name: &str) -> bool {
    known.strip_suffix('*').map_or(known == name, |begin| name.starts_with(begin))
}

/// An old value for the list; nothing of what may be a secret.
fn shown(option: &str, value: &Value) -> Option<String> {
    let name = option.to_ascii_lowercase();
    if ["pass", "secret", "salt", "key", "token", "sha256"].iter().any(|word| name.contains(word)) {
        return None;
    }
    match value {
        Value::Nothing => Some("none".to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(_, written) if written.len() <= VALUE_CHARS_MAX => Some(written.clone()),
        Value::Text(text) if text.chars().count() <= VALUE_CHARS_MAX && !text.contains('@') => {
            Some(format!("{text:?}"))
        }
        _ => None,
    }
}
