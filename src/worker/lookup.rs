//! The one asker of a worker source: takes one question at a time, never longer than a bound.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::name::Name;
use super::source::{Found, SourceError, WorkerSource};

/// Longest time one question to the source may take, creation included; then it counts as failed.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Most workers created for one account within a minute, so that nobody fills `pool_worker`. At the
/// limit the worker stays unknown until the minute is over and the negative answer is forgotten.
pub const CREATED_PER_MINUTE_MAX: u32 = 100;

/// Widest password that `pool_worker.password` holds; a longer one is not stored.
pub const PASSWORD_CHARS_MAX: usize = 255;

/// A question for the source.
pub struct Question {
    /// The name.
    pub name: Name,
    /// Password to store the worker with if only its account exists; `None`: never create.
    pub create_with: Option<String>,
}

/// The source's answer to a [`Question`].
pub struct Reply {
    /// The name that was asked for.
    pub name: Name,
    /// What was found, after creation where that was asked for.
    pub found: Result<Found, Failure>,
}

/// Why there is no answer.
pub enum Failure {
    /// The source cannot answer now, whatever it is asked.
    Source(SourceError),
    /// Only storing this new worker failed, for example for want of the INSERT privilege.
    Create(SourceError),
}

/// Asks `source` until nobody has questions any more.
pub async fn run<S: WorkerSource>(
    mut source: S,
    mut questions: mpsc::Receiver<Question>,
    replies: mpsc::Sender<Reply>,
) {
    let mut creations = Creations::new();
    while let Some(Question { name, create_with }) = questions.recv().await {
        let ask = ask(&mut source, &mut creations, &name, create_with);
        let found = timeout(LOOKUP_TIMEOUT, ask).await.unwrap_or_else(|_| {
            Err(Failure::Source(SourceError(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()))))
        });
        if replies.send(Reply { name, found }).await.is_err() {
            return;
        }
    }
}

/// Looks a worker up and stores it if that is wanted and allowed.
async fn ask<S: WorkerSource>(
    source: &mut S,
    creations: &mut Creations,
    name: &Name,
    create_with: Option<String>,
) -> Result<Found, Failure> {
    let found = source.find(name.as_str()).await.map_err(Failure::Source)?;
    let (Found::OnlyAccount(account), Some(password)) = (&found, create_with) else { return Ok(found) };
    // Not even for an account that locked itself: it may be an unconfirmed sign-up.
    if account.locked != 0 || !is_storable(&password) {
        return Ok(found);
    }
    if !creations.allow(account.id) {
        warn!(account = ?account.name, "too many new workers within a minute, this one is not stored");
        return Ok(found);
    }
    // The account's stored spelling, so that MPOS's `account.%` finds the worker on any collation.
    let stored = format!("{}.{}", account.name, name.worker());
    let worker = source.create(account, &stored, &password).await.map_err(Failure::Create)?;
    info!(worker = ?worker.name, "stored a new worker");
    Ok(Found::Worker(worker))
}

/// True if `pool_worker.password` holds the text on every character set MPOS was ever installed with.
fn is_storable(password: &str) -> bool {
    password.len() <= PASSWORD_CHARS_MAX && password.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Counts creations per account and minute. Bounded by the questions one minute can hold.
struct Creations {
    since: Instant,
    counts: HashMap<i64, u32>,
}

impl Creations {
    fn new() -> Self {
        Self { since: Instant::now(), counts: HashMap::new() }
    }

    /// Counts one creation for the account, unless it has used up its minute.
    fn allow(&mut self, account: i64) -> bool {
        if self.since.elapsed() >= Duration::from_secs(60) {
            *self = Self::new();
        }
        let count = self.counts.entry(account).or_insert(0);
        let allowed = *count < CREATED_PER_MINUTE_MAX;
        *count += u32::from(allowed);
        allowed
    }
}
