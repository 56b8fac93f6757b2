//! The form of a worker's name.
//!
//! MPOS credits the text before the first dot as an account and shows workers by `account.%`, so a
//! name needs exactly one dot. Its web pages allow letters, digits, `_` and `-` in both parts, and
//! `pool_worker.username` is 50 wide.

use std::fmt;

/// Widest account name: `accounts.username`.
pub const ACCOUNT_CHARS_MAX: usize = 40;

/// Widest whole name: `pool_worker.username`.
pub const NAME_CHARS_MAX: usize = 50;

/// A worker's name that has the right form; the spelling is the miner's, not yet the stored one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    text: Box<str>,
    dot: usize,
}

/// What is wrong with the form of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing is there.
    #[error("worker name is empty")]
    Empty,
    /// No dot.
    #[error("worker name has no dot: use account.worker")]
    NoDot,
    /// More than one dot.
    #[error("worker name has more than one dot: use account.worker")]
    SeveralDots,
    /// Nothing before the dot.
    #[error("account before the dot is empty")]
    NoAccount,
    /// Nothing after the dot.
    #[error("worker after the dot is empty")]
    NoWorker,
    /// The account is longer than [`ACCOUNT_CHARS_MAX`].
    #[error("account is longer than {ACCOUNT_CHARS_MAX} characters")]
    LongAccount,
    /// The whole name is longer than [`NAME_CHARS_MAX`].
    #[error("worker name is longer than {NAME_CHARS_MAX} characters")]
    Long,
    /// A character outside letters, digits, `_`, `-` and the dot.
    #[error("worker name may hold only letters, digits, _ and -")]
    Character,
}

/// True for what MPOS allows in either part.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl Name {
    /// Checks the form of what a miner sent; blanks at either end are forgiven.
    pub fn parse(sent: &str) -> Result<Self, BadName> {
        let text = sent.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\r' | '\n'));
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.len() > NAME_CHARS_MAX {
            return Err(BadName::Long);
        }
        if !text.bytes().all(|byte| is_allowed(byte) || byte == b'.') {
            return Err(BadName::Character);
        }
        let (account, worker) = text.split_once('.').ok_or(BadName::NoDot)?;
        if worker.contains('.') {
            return Err(BadName::SeveralDots);
        }
        if account.is_empty() {
            return Err(BadName::NoAccount);
        }
        if account.len() > ACCOUNT_CHARS_MAX {
            return Err(BadName::LongAccount);
        }
        if worker.is_empty() {
            return Err(BadName::NoWorker);
        }
        Ok(Self { dot: account.len(), text: text.into() })
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for all spellings that differ only in capital and small letters. MPOS's character
    /// set compares names like that, unless somebody gave its tables another one.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }

    /// The part before the dot.
    pub fn account(&self) -> &str {
        self.text.get(..self.dot).unwrap_or_default()
    }

    /// The part after the dot.
    pub fn worker(&self) -> &str {
        self.text.get(self.dot + 1..).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_right_form() {
        let name = Name::parse(" \tAl-ice_9.Rig-1_\r\n").unwrap();
        assert_eq!((name.as_str(), name.account(), name.worker()), ("Al-ice_9.Rig-1_", "Al-ice_9", "Rig-1_"));
        assert_eq!(Name::parse("a.b").unwrap().to_string(), "a.b");
        assert_eq!(Name::parse("42.7").unwrap().worker(), "7");
        assert_eq!(name.key(), Name::parse("AL-ICE_9.rig-1_ ").unwrap().key());
        let widest = format!("{}.{}", "a".repeat(40), "b".repeat(9));
        assert_eq!(Name::parse(&widest).unwrap().account().len(), 40);
    }

    #[test]
    fn names_of_the_wrong_form() {
        for (sent, bad) in [
            ("", BadName::Empty),
            ("   ", BadName::Empty),
            ("alice", BadName::NoDot),
            ("alice.rig.1", BadName::SeveralDots),
            ("alice..rig", BadName::SeveralDots),
            (".rig", BadName::NoAccount),
            ("alice.", BadName::NoWorker),
            (".", BadName::NoAccount),
            ("alice .rig", BadName::Character),
            ("alice.rig\0", BadName::Character),
            ("alice.r%g", BadName::Character),
            ("alice.rig'--", BadName::Character),
            ("àlice.rig", BadName::Character),
            ("alice.rig\u{a0}", BadName::Character),
            ("alice.\u{1f600}", BadName::Character),
        ] {
            assert_eq!(Name::parse(sent), Err(bad), "{sent:?}");
        }
        assert_eq!(Name::parse(&format!("{}.b", "a".repeat(41))), Err(BadName::LongAccount));
        assert_eq!(Name::parse(&format!("a.{}", "b".repeat(49))), Err(BadName::Long));
        assert!(Name::parse(&format!("a.{}", "b".repeat(48))).is_ok());
        assert_eq!(Name::parse(&"x".repeat(300)), Err(BadName::Long));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_fits_the_tables(sent in "\\PC{0,60}|[a-z.]{1,12}") {
            if let Ok(name) = Name::parse(&sent) {
                prop_assert_eq!(format!("{}.{}", name.account(), name.worker()), name.as_str());
                prop_assert!(name.as_str().len() <= NAME_CHARS_MAX);
                prop_assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
            }
        }
    }
}
