//! The directory: who may mine, asked of the database once per name and remembered.
//!
//! One task owns the memory and answers at once what it knows; a second one ([`lookup`]) asks the
//! source. Askers of the same name share one question. While the source cannot answer, workers that
//! are known keep mining, as long as the policy lets them be remembered; about others the answer is
//! "try again". A third task ([`memory`]) keeps a copy in a file, so that a daemon that starts while
//! the source is away knows its workers.

mod task;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use self::task::{Ask, Message, Task};
use super::lookup;
use super::memory::{self, Memory, Snapshot};
use super::name::{BadName, Name};
use super::source::WorkerSource;
use crate::config::Workers;

/// Most asks on their way to the directory; beyond it the answer is [`Answer::Unavailable`].
pub const INBOUND_ASKS_MAX: usize = 1024;

/// Most asks that wait for the source; beyond it the answer is [`Answer::Unavailable`].
pub const WAITING_ASKS_MAX: usize = 16_384;

/// Most workers remembered, in memory and in the file; at it the one learnt longest ago is forgotten.
pub const KNOWN_WORKERS_MAX: usize = 65_536;

/// Most names remembered as unknown; at it the one learnt longest ago is forgotten. Apart from the
/// known ones, so that a flood of invented names cannot push those out.
pub const UNKNOWN_NAMES_MAX: usize = 16_384;

/// Longest time an asker waits; then the answer is [`Answer::Unavailable`].
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Age from which a remembered worker is looked up again when a password does not match it: the
/// user may just have changed it. Also the least time between two such look-ups of one name.
pub const MISMATCH_REFRESH_AGE: Duration = Duration::from_secs(5);

/// How long the source is left alone after it failed.
pub const SOURCE_REST: Duration = Duration::from_secs(1);

/// Longest time [`Directory::save`] waits for the disk.
const SAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// May a worker mine?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes; shares are credited to this name, in the stored spelling.
    Granted(Arc<str>),
    /// No.
    Denied(Denial),
    /// Nobody can tell now; the miner should try again and is not to blame.
    Unavailable,
}

/// Why a worker may not mine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The name does not have the form `account.worker`.
    #[error("{0}")]
    BadName(BadName),
    /// The account exists, the worker does not.
    #[error("unknown worker")]
    UnknownWorker,
    /// There is no such account.
    #[error("unknown account")]
    UnknownAccount,
    /// The password is not the stored one.
    #[error("wrong password")]
    WrongPassword,
    /// An administrator has locked the account: its shares would earn nothing.
    #[error("account is locked")]
    Locked,
}

/// Handle of a directory; clones share it. The directory ends with its last handle.
#[derive(Debug, Clone)]
pub struct Directory {
    inbound: mpsc::Sender<Message>,
    /// Number of the last snapshot in the file.
    written: watch::Receiver<u64>,
}

impl Directory {
    /// Starts a directory in front of `source` that begins with what `memory` holds and keeps it up
    /// to date. Must be called within a runtime.
    pub fn start<S: WorkerSource>(source: S, policy: Workers, memory: Memory) -> Self {
        let (inbound, messages) = mpsc::channel(INBOUND_ASKS_MAX);
        // One question is asked at a time; the others wait in the task, where they can be merged.
        let (questions, asked) = mpsc::channel(1);
        let (answered, replies) = mpsc::channel(1);
        tokio::spawn(lookup::run(source, asked, answered));
        let (snapshots, taken) = watch::channel(Arc::new(Snapshot::default()));
        let (done, written) = watch::channel(0);
        if let Some(file) = memory.file.clone() {
            tokio::spawn(memory::keep(file, memory.sealer.salt(), taken, done));
        }
        tokio::spawn(Task::new(policy, memory, questions, snapshots).run(messages, replies));
        Self { inbound, written }
    }

    /// Decides whether `name`, as a miner sent it, may mine with `password`.
    pub async fn authorize(&self, name: &str, password: &str) -> Answer {
        self.ask(name, password, true).await
    }

    /// Decides whether `name`, which was authorised with `password` before, may go on mining. A worker
    /// that is gone is not created again.
    pub async fn recheck(&self, name: &str, password: &str) -> Answer {
        self.ask(name, password, false).await
    }

    async fn ask(&self, name: &str, password: &str, may_create: bool) -> Answer {
        let name = match Name::parse(name) {
            Ok(name) => name,
            Err(bad) => return Answer::Denied(Denial::BadName(bad)),
        };
        let (reply, answer) = oneshot::channel();
        let ask = Ask { name, password: password.into(), may_create, reply };
        if self.inbound.try_send(Message::Ask(ask)).is_err() {
            return Answer::Unavailable;
        }
        match timeout(ASK_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Answer::Unavailable,
        }
    }

    /// Returns when everything known now is in the file, or the disk takes too long. At once where
    /// there is no file.
    pub async fn save(&self) {
        let (reply, number) = oneshot::channel();
        let saved = async {
            self.inbound.send(Message::Save(reply)).await.ok()?;
            let number = number.await.ok()?;
            self.written.clone().wait_for(|written| *written >= number).await.ok().map(|_| ())
        };
        let _ = timeout(SAVE_TIMEOUT, saved).await;
    }
}

#[cfg(test)]
mod tests;
