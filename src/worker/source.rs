//! The seam to whatever stores workers and accounts.

use std::future::Future;

/// A worker as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredWorker {
    /// The name exactly as stored: this spelling is credited.
    pub name: String,
    /// The stored password; NULL is `None`.
    pub password: Option<String>,
    /// `accounts.is_locked` of the owning account: 0 active, 1 locked by the user, 2 by an admin.
    pub locked: u8,
    /// Whether the store takes the name for the same in capital and small letters, and knows only
    /// one worker by it.
    pub folds_case: bool,
}

/// An account as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// `accounts.id`.
    pub id: i64,
    /// The account's name exactly as stored.
    pub name: String,
    /// `accounts.is_locked`.
    pub locked: u8,
}

/// What was found under a worker's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The worker and its account exist.
    Worker(StoredWorker),
    /// No such worker, but the part before the dot is an account.
    OnlyAccount(StoredAccount),
    /// Neither worker nor account.
    Nothing,
}

/// The store could not answer now; nothing is known about the worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker look-up failed: {0}")]
pub struct SourceError(pub String);

/// Looks workers up, and creates them where the operator allows it.
pub trait WorkerSource: Send + 'static {
    /// Finds `name` (`account.worker`, already checked for form) by the store's own collation.
    fn find(&mut self, name: &str) -> impl Future<Output = Result<Found, SourceError>> + Send;

    /// Stores a new worker and returns it as stored. Another process may have been faster: then the
    /// existing row is returned.
    fn create(
        &mut self,
        account: &StoredAccount,
        name: &str,
        password: &str,
    ) -> impl Future<Output = Result<StoredWorker, SourceError>> + Send;
}

/// Passwords stay out of logs.
impl std::fmt::Debug for StoredWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredWorker").field("name", &self.name).field("locked", &self.locked).finish_non_exhaustive()
    }
}
