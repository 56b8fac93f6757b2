//! How long anything to do with the database may take.

use std::time::Duration;

use super::cursor::LEASE_SECS;

/// The server ends a session that is silent for so long, so that one whose client is gone does not
/// live on with its locks. Our writer speaks more often than that.
pub const IDLE_SESSION_SECS: u32 = 60;

/// The server ends a transaction that is silent for so long (MariaDB only).
pub const IDLE_TRANSACTION_SECS: u32 = 10;

/// The server ends a session that takes or sends nothing in the middle of a packet for so long.
pub const NET_TIMEOUT_SECS: u32 = 10;

/// Longest time one statement may take, unless the writer is told otherwise.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// The writer's times; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest time to connect, log in and set the session up.
    pub connect: Duration,
    /// Longest time one statement may take; then the connection is given up. Longer than
    /// `lock_wait_secs`.
    pub statement: Duration,
    /// Longest time for everything a new connection does before it may write. The checks read small
    /// tables and indexes.
    pub attach: Duration,
    /// Longest wait for a row lock, whole seconds. MPOS's payout holds locks for seconds; a wait that
    /// fails is repeated.
    pub lock_wait_secs: u32,
    /// How long a new connection waits for the end of the one it replaces; beyond that it relies on
    /// the lock of the cursor's row.
    pub predecessor_wait_secs: u32,
    /// How long the server in use must have been away before another one is tried. Longer than
    /// [`IDLE_TRANSACTION_SECS`]: by then a transaction of ours that the old server still held open
    /// has been ended there.
    pub failover_after: Duration,
    /// For how long the row of another spool must have been watched without a sign of life before it is
    /// replaced; see [`super::others`].
    pub takeover_after: Duration,
    /// Longest time an orderly stop spends on giving the table free.
    pub release: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            statement: STATEMENT_TIMEOUT,
            attach: Duration::from_secs(30),
            lock_wait_secs: 8,
            predecessor_wait_secs: 2,
            failover_after: Duration::from_secs(15),
            takeover_after: Duration::from_secs(LEASE_SECS.unsigned_abs()),
            release: Duration::from_secs(2),
        }
    }
}
