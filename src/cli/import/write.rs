//! The new configuration as text: every table with its comments, then what became of the old options.

use std::fmt::Write;

use super::draft::{CoinDraft, Draft, Line, Question, Table};
use super::history::{Became, Fate};

/// Width of comments.
const COLUMNS_MAX: usize = 110;

/// Writes the file.
pub(super) fn write(draft: &Draft, became: &[Became], remarks: &[String]) -> String {
    let mut page = Page { text: String::new(), muted: false };
    page.comment(
        "The configuration of mpos-stratum, imported from an older stratum server's. What became of every old",
    );
    page.comment("option stands at the end. It holds passwords: keep it readable by the daemon's user only.");
    page.comment("`mpos-stratum check --config FILE` shows how it is understood, or everything that is still missing.");
    let open = questions(draft);
    if !open.is_empty() {
        page.comment("");
        let asks = "Questions that no old file answers; answer them below, or import again with --answer:";
        page.comment(asks);
        for question in open {
            page.comment(&format!("  {}", question.id));
        }
    }
    page.table("[daemon]", &draft.daemon);
    for coin in &draft.coins {
        page.coin(coin);
    }
    page.line("");
    page.comment("What became of the old options.");
    let mut file = "";
    for line in became {
        if line.file != file {
            file = &line.file;
            page.comment("");
            page.comment(&printable(file));
        }
        page.comment(&format!("  {}", told(line)));
    }
    if !remarks.is_empty() {
        page.comment("");
        page.comment("To be looked at:");
        for remark in remarks {
            page.comment(&format!("  {}", printable(remark)));
        }
    }
    page.text
}

/// Every question that has no answer, each once.
pub(super) fn questions(draft: &Draft) -> Vec<&Question> {
    let mut found: Vec<&Question> = Vec::new();
    let coins = draft.coins.iter().filter(|coin| coin.blocked.is_empty());
    for table in std::iter::once(&draft.daemon).chain(coins.flat_map(CoinDraft::tables)) {
        for line in &table.lines {
            if let Line::Ask(question) = line
                && !found.iter().any(|known| known.id == question.id)
            {
                found.push(question);
            }
        }
    }
    found
}

/// A line of the list.
pub(super) fn told(became: &Became) -> String {
    let written = became.written.as_ref().map_or(String::new(), |written| format!(" = {written}"));
    let place = became.line.map_or("not set".to_owned(), |line| format!("line {line}"));
    let fate = match &became.fate {
        Fate::Taken(key) => format!("taken as {key}"),
        Fate::Adapted(key, why) => format!("adapted as {key}: {why}"),
        Fate::Dropped(why) => format!("dropped: {why}"),
        Fate::Asked(question) => format!("needs an answer: {question}"),
        Fate::Attention(why) => format!("LOOK AT THIS: {why}"),
    };
    printable(&format!("{place}: {}{written}: {fate}", became.option))
}

/// Text that cannot end a comment or move the cursor of a terminal.
pub(super) fn printable(text: &str) -> String {
    let hidden =
        |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
    text.chars().map(|letter| if hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

/// The file as far as it is written.
struct Page {
    text: String,
    /// Whether what is written is for reading only.
    muted: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        let mute = if self.muted && !line.is_empty() { "# " } else { "" };
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{mute}{line}");
    }

    /// A comment, broken into lines at blanks; following lines keep its indentation.
    fn comment(&mut self, comment: &str) {
        if comment.is_empty() {
            return self.line("#");
        }
        let indent = comment.len() - comment.trim_start().len();
        let mut line = String::new();
        for word in comment.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() + indent > COLUMNS_MAX {
                self.line(&format!("# {}{line}", " ".repeat(indent)));
                line = "  ".to_owned();
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("# {}{line}", " ".repeat(indent)));
    }

    fn table(&mut self, head: &str, table: &Table) {
        if !table.lines.is_empty() {
            self.line("");
            self.line(head);
            self.lines(table);
        }
    }

    fn lines(&mut self, table: &Table) {
        for line in &table.lines {
            match line {
                Line::Note(note) => self.comment(&printable(note)),
                Line::Set(key, value) => self.line(&format!("{key} = {value}")),
                Line::Open(key, value) => self.line(&format!("#{key} = {value}")),
                Line::Ask(question) => self.question(question),
            }
        }
    }

    fn question(&mut self, question: &Question) {
        self.comment(&format!("QUESTION {}: {}", question.id, printable(&question.asks)));
        if question.example.is_empty() {
            self.comment("Fill it in here: the command line would show it to others.");
        } else {
            self.comment(&format!("Such as --answer {}={}", question.id, printable(&question.example)));
        }
        if question.forced {
            self.line(&format!("{} = \"?\"", question.key));
        } else {
            self.line(&format!("#{} = {}", question.key, question.value));
        }
    }

    fn coin(&mut self, coin: &CoinDraft) {
        self.line("");
        if !coin.blocked.is_empty() {
            self.comment(&format!("{} cannot be served by this version, so it is only shown:", coin.name));
            for why in &coin.blocked {
                self.comment(&format!("  {}", printable(why)));
            }
            self.muted = true;
        }
        self.line("[[coin]]");
        self.lines(&coin.own);
        self.table("[coin.addresses]", &coin.addresses);
        for recipient in &coin.recipients {
            self.table("[[coin.recipient]]", recipient);
        }
        for node in &coin.nodes {
            self.table("[[coin.node]]", node);
        }
        self.table("[coin.templates]", &coin.templates);
        self.table("[coin.update_block]", &coin.update_block);
        for port in &coin.ports {
            self.table("[[coin.port]]", &port.own);
            if let Some(vardiff) = &port.vardiff {
                self.table("[coin.port.vardiff]", vardiff);
            }
        }
        self.table("[coin.mpos]", &coin.mpos);
        self.table("[coin.workers]", &coin.workers);
        self.table("[coin.ledger]", &coin.ledger);
        self.muted = false;
    }
}
