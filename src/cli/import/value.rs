//! What the readers of old files hand on, and the cursor they share. Old files are outside data: they
//! are read with bounds, nothing in them is executed, and no message repeats their text.

/// Largest old file; a larger one is no configuration.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;
/// Deepest nesting of lists and tables; deeper files are refused.
pub(super) const DEPTH_MAX: usize = 32;
/// Most values in one file; files with more are refused.
pub(super) const VALUES_MAX: usize = 5000;
/// Longest text that a second name may stand for, so that names of names cannot multiply a file.
pub(super) const REFERRED_BYTES_MAX: usize = 4096;

/// A value and the line it begins in, from 1. No `Debug` outside tests: values may be passwords.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value of Python, JSON or PHP.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Value {
    /// `None`, `null`.
    Nothing,
    Bool(bool),
    /// A number and how it was written, since it may be meant as text.
    Number(f64, String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file. Of two entries with one name the later counts.
    Table(Vec<(String, Node)>),
    /// Not a literal; the reason completes "its value ...".
    Unread(&'static str),
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) what: String,
}

/// What a file of assignments says.
#[cfg_attr(test, derive(Debug))]
pub(super) struct Settings {
    /// A table.
    pub(super) root: Node,
    /// Statements that were passed over: their lines, and what they were.
    pub(super) skipped: Vec<(usize, &'static str)>,
}

impl Node {
    /// The entry of a table.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().rev().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A copy for a second name, if it is small enough.
    pub(super) fn referred(&self, line: usize) -> Node {
        let value = match &self.value {
            Value::Text(text) if text.len() > REFERRED_BYTES_MAX => Value::Unread("refers to a long text"),
            Value::List(_) | Value::Table(_) => Value::Unread("refers to a list"),
            value => value.clone(),
        };
        Node { line, value }
    }
}

/// Why a value could not be read.
pub(super) enum Stop {
    /// The file is broken.
    Broken(Broken),
    /// The value is well-formed, as far as can be seen, but no literal.
    NoLiteral(&'static str),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// A place in a text that knows its line.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    line: usize,
    values: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1, values: 0 }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The letter after the next.
    pub(super) fn second(&self) -> Option<char> {
        self.rest.chars().nth(1)
    }

    pub(super) fn starts(&self, with: &str) -> bool {
        self.rest.starts_with(with)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        if letter == '\n' {
            self.line += 1;
        }
        Some(letter)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            for _ in text.chars() {
                self.bump();
            }
        }
        found
    }

    /// Takes letters as long as they are of a kind.
    pub(super) fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !is(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Goes behind the next `end`; `false` if there is none.
    pub(super) fn pass(&mut self, end: &str) -> bool {
        let Some(at) = self.rest.find(end) else { return false };
        let (passed, rest) = self.rest.split_at(at + end.len());
        self.line += passed.matches('\n').count();
        self.rest = rest;
        true
    }

    /// Goes on where another cursor of the same text stands; the count of values is kept.
    pub(super) fn return_to(&mut self, other: &Cursor<'a>) {
        self.rest = other.rest;
        self.line = other.line;
    }

    /// What stands between here and a later cursor of the same text.
    pub(super) fn passed(&self, later: &Cursor<'a>) -> &'a str {
        let length = self.rest.len().saturating_sub(later.rest.len());
        self.rest.get(..length).unwrap_or_default()
    }

    pub(super) fn broken(&self, what: impl Into<String>) -> Broken {
        Broken { line: self.line, what: what.into() }
    }

    /// What was expected here, and what stands here instead: one letter at most, since more could be
    /// part of a password.
    pub(super) fn expected(&self, what: &str) -> Broken {
        let found = self.peek().map_or("the end of the file".to_owned(), |letter| format!("{letter:?}"));
        self.broken(format!("expected {what}, found {found}"))
    }

    /// Counts a value.
    pub(super) fn count(&mut self, depth: usize) -> Result<(), Broken> {
        self.values += 1;
        if depth > DEPTH_MAX {
            return Err(self.broken(format!("lists are nested deeper than {DEPTH_MAX}: this is not a configuration")));
        }
        if self.values > VALUES_MAX {
            return Err(self.broken(format!("more than {VALUES_MAX} values: this is not a configuration")));
        }
        Ok(())
    }
}

/// A number as Python, JSON and PHP write it, without its sign: decimal, `0x`, `0o`, `0b`, old octal, `_`
/// between digits, Python's `L` behind it.
pub(super) fn number(written: &str) -> Option<f64> {
    let digits: String = written.chars().filter(|letter| *letter != '_').collect();
    let lower = digits.to_ascii_lowercase();
    let radix = |digits: &str, radix: u32| {
        let digits = digits.strip_suffix('l').unwrap_or(digits);
        let add = |sum: f64, digit: char| digit.to_digit(radix).map(|digit| sum * f64::from(radix) + f64::from(digit));
        if digits.is_empty() { None } else { digits.chars().try_fold(0.0, add) }
    };
    if let Some(digits) = lower.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = lower.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = lower.strip_prefix("0b") {
        return radix(digits, 2);
    }
    let decimal = lower.strip_suffix('l').unwrap_or(&lower);
    if decimal.len() > 1 && decimal.starts_with('0') && decimal.bytes().all(|byte| byte.is_ascii_digit()) {
        return radix(decimal, 8);
    }
    let starts_well = decimal.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    decimal.parse().ok().filter(|number: &f64| starts_well && number.is_finite())
}
