//! What the doctor found, for people and programs.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::mpos::doctor::Seen;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Severity {
    /// It was looked at and is good.
    Fine,
    /// Good to know; nothing has to be done.
    Note,
    /// It could not be looked at.
    CouldNotLook,
    /// It will or may cost something.
    Warning,
    /// It costs shares, blocks or payouts.
    Fault,
}

/// Something that is looked at. Its `id` never changes its meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) id: &'static str,
    /// What it means if it is not as it should be.
    pub(super) means: &'static str,
}

/// One thing that a check has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) severity: Severity,
    /// What was seen.
    pub(super) saw: String,
    /// The command or SQL that mends it, or what to do.
    pub(super) mend: String,
}

/// What a check has to say; nothing: all is well.
pub(super) type Words = Vec<Word>;

pub(super) fn fault(saw: impl Into<String>, mend: impl Into<String>) -> Word {
    Word { severity: Severity::Fault, saw: saw.into(), mend: mend.into() }
}

pub(super) fn warning(saw: impl Into<String>, mend: impl Into<String>) -> Word {
    Word { severity: Severity::Warning, saw: saw.into(), mend: mend.into() }
}

pub(super) fn note(saw: impl Into<String>, mend: impl Into<String>) -> Word {
    Word { severity: Severity::Note, saw: saw.into(), mend: mend.into() }
}

/// One line of the sheet.
struct Finding {
    check: &'static Check,
    about: String,
    word: Word,
}

/// Everything that was found.
#[derive(Default)]
pub(super) struct Sheet {
    about: String,
    findings: Vec<Finding>,
}

impl Sheet {
    /// What is looked at from now on: a coin, a spool, the machine.
    pub(super) fn turn_to(&mut self, about: impl Into<String>) {
        self.about = about.into();
    }

    /// Judges what was seen, if it could be.
    pub(super) fn judge<T>(&mut self, check: &'static Check, seen: &Seen<T>, judge: impl FnOnce(&T) -> Words) {
        match seen {
            Ok(seen) => self.say(check, judge(seen)),
            Err(why) => self.could_not(check, why),
        }
    }

    /// Notes what a check has to say.
    pub(super) fn say(&mut self, check: &'static Check, words: Words) {
        let fine = || vec![Word { severity: Severity::Fine, saw: String::new(), mend: String::new() }];
        let words = if words.is_empty() { fine() } else { words };
        let about = &self.about;
        self.findings.extend(words.into_iter().map(|word| Finding { check, about: about.clone(), word }));
    }

    /// Notes that something could not be looked at.
    pub(super) fn could_not(&mut self, check: &'static Check, why: &str) {
        let word = Word { severity: Severity::CouldNotLook, saw: why.to_owned(), mend: String::new() };
        self.say(check, vec![word]);
    }

    /// Whether everything was looked at and nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.word.severity <= Severity::Note)
    }

    /// What is a fault or could not be looked at, with what to do.
    pub(super) fn wrong(&self) -> Vec<String> {
        let words = self.findings.iter().map(|finding| &finding.word);
        let told = |word: &Word| match word.severity {
            Severity::Fault => Some(format!("{}: {}", word.saw, word.mend)),
            Severity::CouldNotLook => Some(word.saw.clone()),
            Severity::Fine | Severity::Note | Severity::Warning => None,
        };
        words.filter_map(told).collect()
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.word.severity == severity).count()
    }

    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let Word { severity, saw, mend } = &finding.word;
            json!({
                "id": finding.check.id, "about": finding.about, "severity": severity, "saw": saw,
                "means": finding.check.means, "mend": mend,
            })
        };
        json!({
            "good": self.is_good(),
            "faults": self.count(Severity::Fault),
            "warnings": self.count(Severity::Warning),
            "could_not_look": self.count(Severity::CouldNotLook),
            "notes": self.count(Severity::Note),
            "fine": self.count(Severity::Fine),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    /// For people: the worst first of each subject; what is fine only with `all`.
    pub(super) fn text(&self, all: bool) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut out, all);
        out
    }

    fn write(&self, out: &mut String, all: bool) -> std::fmt::Result {
        let mut subjects: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !subjects.contains(&finding.about.as_str()) {
                subjects.push(&finding.about);
            }
        }
        for about in subjects {
            let of = |finding: &&Finding| finding.about == about && (all || finding.word.severity > Severity::Fine);
            let mut findings: Vec<&Finding> = self.findings.iter().filter(of).collect();
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.word.severity));
            if !findings.is_empty() {
                writeln!(out, "{about}")?;
            }
            for Finding { check, word, .. } in findings {
                match word.severity {
                    Severity::Fine => writeln!(out, "  fine      {}", check.id)?,
                    severity => writeln!(out, "  {}  {}: {}", label(severity), check.id, word.saw)?,
                }
                if matches!(word.severity, Severity::Warning | Severity::Fault) {
                    writeln!(out, "            {}", check.means)?;
                }
                if !word.mend.is_empty() {
                    writeln!(out, "            -> {}", word.mend)?;
                }
            }
        }
        let [faults, warnings, unseen, notes, fine] =
            [Severity::Fault, Severity::Warning, Severity::CouldNotLook, Severity::Note, Severity::Fine]
                .map(|severity| self.count(severity));
        let end = if self.is_good() { "nothing is wrong" } else { "NOT GOOD" };
        writeln!(
            out,
            "{end}: {faults} faults, {warnings} warnings, {unseen} could not be looked at, {notes} notes, {fine} fine"
        )
    }
}

fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Fine => "fine    ",
        Severity::Note => "note    ",
        Severity::CouldNotLook => "UNSEEN  ",
        Severity::Warning => "WARNING ",
        Severity::Fault => "FAULT   ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: Check = Check { id: "room.one", means: "it hurts" };
    static TWO: Check = Check { id: "room.two", means: "it hurts more" };

    #[test]
    fn what_cannot_be_looked_at_is_told_and_is_not_good() {
        let mut sheet = Sheet::default();
        sheet.turn_to("coin");
        sheet.judge(&ONE, &Ok(1), |_| Words::new());
        sheet.judge(&TWO, &Ok(1), |number| vec![note(format!("saw {number}"), "")]);
        assert!(sheet.is_good());
        assert_eq!(
            sheet.text(false),
            "coin\n  note      room.two: saw 1\nnothing is wrong: 0 faults, 0 warnings, 0 could not be looked at, 1 notes, 1 fine\n"
        );
        sheet.judge::<u8>(&TWO, &Err("no answer".into()), |_| unreachable!("there is nothing to judge"));
        assert!(!sheet.is_good());
        assert!(
            sheet.text(true).contains("  UNSEEN    room.two: no answer\n")
                && sheet.text(true).contains("fine      room.one")
        );
        sheet.say(&ONE, vec![fault("bad", "DO SOMETHING;"), warning("odd", "")]);
        assert!(
            sheet
                .text(false)
                .contains("  FAULT     room.one: bad\n            it hurts\n            -> DO SOMETHING;\n")
        );
        let json = sheet.json();
        assert_eq!(
            (json["good"].as_bool(), json["faults"].as_u64(), json["warnings"].as_u64()),
            (Some(false), Some(1), Some(1))
        );
        assert_eq!(json["findings"][2]["severity"], "could-not-look");
    }
}
