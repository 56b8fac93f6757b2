//! The new configuration while it is put together.

use super::history::Context;

/// What stands in a table, in its order.
pub(super) enum Line {
    /// A comment.
    Note(String),
    /// A key and its value as TOML.
    Set(&'static str, String),
    /// A key that waits for an answer given elsewhere, with what it would be.
    Open(&'static str, String),
    /// A key that waits for its own answer.
    Ask(Question),
}

/// Something that no old file says.
pub(super) struct Question {
    /// `COIN.KEY`, the left side of the answer.
    pub(super) id: String,
    pub(super) key: &'static str,
    pub(super) asks: String,
    /// An answer as it is typed; empty if it cannot be given on the command line, where others would see it.
    pub(super) example: String,
    /// The example as TOML.
    pub(super) value: String,
    /// True: the reader has a default, so that the key is written with a value it refuses.
    pub(super) forced: bool,
}

/// How an answer becomes TOML.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Texts,
    Numbers,
}

impl Kind {
    /// The answer as TOML; `None` if it is none of this kind.
    pub(super) fn toml(self, answer: &str) -> Option<String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let parts = || answer.split(',').map(str::trim).filter(|part| !part.is_empty());
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        match self {
            Kind::Text => Some(text(answer)),
            Kind::Number => number(answer).map(self::number),
            Kind::Texts => Some(list(parts().map(text).collect())),
            Kind::Numbers => {
                let numbers: Option<Vec<String>> = parts().map(|part| number(part).map(self::number)).collect();
                numbers.map(list)
            }
        }
    }
}

/// A table of the new configuration.
#[derive(Default)]
pub(super) struct Table {
    pub(super) lines: Vec<Line>,
}

impl Table {
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.lines.push(Line::Set(key, value.into()));
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Set(known, _) if *known == key))
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.set(key, text(value));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.lines.push(Line::Note(note.into()));
    }

    pub(super) fn open(&mut self, key: &'static str, value: impl Into<String>) {
        self.lines.push(Line::Open(key, value.into()));
    }

    /// Writes the answer to a question, or the question.
    pub(super) fn ask(&mut self, cx: &Context, coin: &str, about: Asked<'_>) {
        let Asked { id, key, kind, asks, example, forced } = about;
        if let Some(answer) = cx.answers.find(coin, id) {
            match kind.toml(answer) {
                Some(value) => return self.set(key, value),
                None => cx.answers.refuse(format!("the answer to {coin}.{id} is not a number")),
            }
        }
        let value = kind.toml(example).unwrap_or_default();
        let (id, example) = (format!("{coin}.{id}"), example.to_owned());
        self.lines.push(Line::Ask(Question { id, key, asks, example, value, forced }));
    }

    /// A secret that stands in no old file: it has to be written into the new one. `table` tells it from the same key
    /// of another table.
    pub(super) fn ask_by_hand(&mut self, coin: &str, table: &str, key: &'static str, asks: &str) {
        let (id, asks) = (format!("{coin}.{table}.{key}"), asks.to_owned());
        let value = text("...");
        self.lines.push(Line::Ask(Question { id, key, asks, example: String::new(), value, forced: false }));
    }
}

/// A question before it is known whether it is answered.
pub(super) struct Asked<'a> {
    pub(super) id: &'a str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) asks: String,
    pub(super) example: &'a str,
    pub(super) forced: bool,
}

/// A port with its table of vardiff.
#[derive(Default)]
pub(super) struct PortDraft {
    pub(super) own: Table,
    pub(super) vardiff: Option<Table>,
}

/// A coin.
#[derive(Default)]
pub(super) struct CoinDraft {
    pub(super) name: String,
    /// Why it cannot be served; then it is written as a comment.
    pub(super) blocked: Vec<String>,
    pub(super) own: Table,
    pub(super) addresses: Table,
    pub(super) recipients: Vec<Table>,
    pub(super) nodes: Vec<Table>,
    pub(super) templates: Table,
    pub(super) update_block: Table,
    pub(super) ports: Vec<PortDraft>,
    pub(super) mpos: Table,
    pub(super) workers: Table,
    pub(super) ledger: Table,
}

impl CoinDraft {
    /// Every table of it.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        let ports = self.ports.iter().flat_map(|port| std::iter::once(&port.own).chain(&port.vardiff));
        [&self.own, &self.addresses]
            .into_iter()
            .chain(&self.recipients)
            .chain(&self.nodes)
            .chain([&self.templates, &self.update_block])
            .chain(ports)
            .chain([&self.mpos, &self.workers, &self.ledger])
    }
}

/// The whole file.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) daemon: Table,
    pub(super) coins: Vec<CoinDraft>,
}

/// Text as TOML, on one line whatever is in it.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A number as TOML: whole ones without a fraction, as far as TOML's integers go.
pub(super) fn number(number: f64) -> String {
    if number.abs() >= 1e15 || number != 0.0 && number.abs() < 1e-9 {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}
