//! A worker as it is remembered.

use std::sync::Arc;

use super::seal::Seal;

/// What the store last said about a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The name exactly as stored: this spelling is credited.
    pub name: Arc<str>,
    /// The stored password; NULL is `None`.
    pub password: Option<Seal>,
    /// `accounts.is_locked` of the owning account.
    pub locked: u8,
    /// Whether the store takes the name for the same in capital and small letters.
    pub folds_case: bool,
    /// When the store said so, Unix seconds.
    pub confirmed_at: u64,
}

impl Known {
    /// Whether the store would find this worker under the name that a miner sent, which differs at
    /// most in the case of its letters.
    pub fn is_meant_by(&self, sent: &str) -> bool {
        self.folds_case || *self.name == *sent
    }

    /// Whether the two differ in more than the time.
    pub fn differs_from(&self, other: &Self) -> bool {
        *self != Self { confirmed_at: self.confirmed_at, ..other.clone() }
    }
}
