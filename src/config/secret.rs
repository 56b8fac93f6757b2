//! Secrets that cannot be printed by accident.

use std::fmt;

/// A password. `Debug` and `Display` show nothing of it, not even its length.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "String")]
pub struct Secret {
    text: String,
    /// Why it is not known.
    unread: Option<String>,
}

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { text: secret.into(), unread: None }
    }

    /// Stands for one that cannot be read here, in a configuration that is only looked at: whoever would send it has to
    /// say `why` instead.
    pub fn unread(why: impl Into<String>) -> Self {
        Self { text: String::new(), unread: Some(why.into()) }
    }

    /// Why it is not known, if it is not.
    pub fn why_unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
