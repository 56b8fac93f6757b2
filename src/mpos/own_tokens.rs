//! The tokens with which a spool becomes the writer: each is noted beside the spool before the database
//! gets it, so that a token which was never noted is that of a copy of the spool.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cursor::Token;
use super::trouble::Trouble;
use crate::ledger::tokens::{self, Tokens};

/// Where tokens come from.
#[derive(Debug, Default)]
pub struct OwnTokens {
    /// `None`: nobody notes them, and every token is taken for the spool's own.
    noted: Option<Mutex<Tokens>>,
}

impl OwnTokens {
    /// Those of a spool.
    pub fn of(tokens: Tokens) -> Self {
        Self { noted: Some(Mutex::new(tokens)) }
    }

    /// Whether the spool wrote this one, as far as it knows.
    pub fn knows(&self, token: &str) -> bool {
        self.lock().is_none_or(|mut noted| noted.knows(token))
    }

    /// One to attach with: new, or what was noted for an attempt that came to nothing.
    pub(super) fn for_next(&self) -> Result<Token, Trouble> {
        let bytes = match self.lock() {
            Some(mut noted) => noted.for_next(),
            None => tokens::random(),
        };
        bytes.map(Token::of).map_err(|error| {
            Trouble::NotNow(format!(
                "the token of the next connection cannot be made or noted beside the spool: {error}"
            ))
        })
    }

    /// The last one is in use: the next attempt needs another.
    pub(super) fn used(&self) {
        if let Some(mut noted) = self.lock() {
            noted.used();
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Tokens>> {
        self.noted.as_ref().map(|noted| noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
