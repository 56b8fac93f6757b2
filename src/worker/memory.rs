//! What a directory remembers beyond its own life.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::known_file::{self, Workers};
use super::seal::{SALT_BYTES, Salt, Sealer};
use crate::clock::{Clock, SystemClock};

/// How long after a change the file is written, so that many changes share a write. A daemon that is
/// killed within it forgets the workers it had just learnt.
pub const SAVE_DELAY: Duration = Duration::from_secs(2);

/// Knowledge that was only confirmed is written down when the last snapshot is so old.
pub const CONFIRMED_SAVE_AGE: Duration = Duration::from_secs(600);

/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(30);

/// Where and how a directory remembers workers, and those it begins with.
pub struct Memory {
    /// Seals passwords.
    pub sealer: Sealer,
    /// Tells how old knowledge is.
    pub clock: Arc<dyn Clock>,
    /// The workers that were remembered, oldest knowledge first.
    pub workers: Workers,
    /// Where they are kept; `None`: only in memory.
    pub file: Option<PathBuf>,
}

impl Memory {
    /// A memory that ends with the directory.
    pub fn of_this_run() -> Self {
        Self {
            sealer: Sealer::new(random_salt(), ""),
            clock: Arc::new(SystemClock::new()),
            workers: Workers::new(),
            file: None,
        }
    }

    /// Reads the file at `path`. `secret` is not kept in it, but belongs to its seals. A file that
    /// cannot be read is as good as none.
    pub fn open(path: &Path, secret: &str, clock: Arc<dyn Clock>) -> Self {
        let contents = known_file::read(path).unwrap_or_else(|error| {
            warn!(file = %path.display(), %error, "the file of remembered workers is not used: while the database is away nobody is known");
            None
        });
        let (salt, workers) =
            contents.map_or_else(|| (random_salt(), Workers::new()), |contents| (contents.salt, contents.workers));
        info!(file = %path.display(), workers = workers.len(), "remembered workers");
        Self { sealer: Sealer::new(salt, secret), clock, workers, file: Some(path.to_owned()) }
    }
}

/// Without random numbers the secret alone has to do.
fn random_salt() -> Salt {
    let mut salt = [0; SALT_BYTES];
    if let Err(error) = getrandom::fill(&mut salt) {
        warn!(%error, "the system gives no random numbers");
    }
    salt
}

/// All that is remembered at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts snapshots, from 1.
    pub number: u64,
    /// When it was taken, Unix seconds.
    pub taken_at: u64,
    /// The workers, oldest knowledge first.
    pub workers: Workers,
}

/// Writes the newest snapshot to the file whenever there is a new one; `written` has the number of
/// the last that is there. Ends with its sender.
pub async fn keep(
    file: PathBuf,
    salt: Salt,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    written: watch::Sender<u64>,
) {
    let mut failing = false;
    while snapshots.changed().await.is_ok() {
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let (path, number) = (file.clone(), snapshot.number);
            let write = move || known_file::write(&path, salt, &snapshot.workers);
            match tokio::task::spawn_blocking(write).await {
                Ok(Ok(())) => {
                    failing = false;
                    written.send_replace(number);
                    break;
                }
                Ok(Err(error)) if !std::mem::replace(&mut failing, true) => {
                    warn!(file = %file.display(), %error, "remembered workers cannot be written down; it is tried again");
                }
                Ok(Err(_)) => {}
                // The runtime ends.
                Err(_) => return,
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                changed = snapshots.changed() => if changed.is_err() { return },
            }
        }
    }
}
