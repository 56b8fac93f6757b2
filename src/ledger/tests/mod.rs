//! Tests of the ledger as a whole.

mod append;
mod bytes;
mod decide;
mod drain;
mod format;
mod hold;
mod overdue;
mod queue;
mod recover;
mod replay;
mod simulate;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::AppendError;
use super::handle::{Ledger, Receipt};
use super::memory_sink::MemorySink;
use super::open::Opened;
use super::pace::Pace;
use super::record::{CandidateFacts, Event, ShareRecord};
use crate::clock::{Clock, ManualClock};
use crate::config::{self, Durability};

/// The second at which the tests' clocks begin.
pub(super) const T0: u64 = 1_700_000_000;

/// A spool for tests, here and on the floors above.
pub(crate) fn config() -> config::Ledger {
    config::Ledger {
        durability: Durability::Process,
        sync_interval: Duration::from_millis(2),
        segment_bytes: 64 * 1024,
        spool_bytes_max: 1 << 30,
        keep_drained: Duration::from_secs(1 << 30),
        drained_bytes_max: 1 << 30,
        batch_rows_max: 100,
    }
}

/// No sync of its own accord within a test.
pub(super) fn lazy() -> config::Ledger {
    config::Ledger { sync_interval: Duration::from_secs(3600), ..config() }
}

pub(super) fn share(number: u64) -> ShareRecord {
    ShareRecord {
        worker: Arc::from(format!("alice.rig{number}")),
        remote: Ipv4Addr::new(192, 0, 2, 7).into(),
        accepted: true,
        reason: String::new(),
        row_difficulty: 16.0,
        assigned_difficulty: 0.5,
        share_difficulty: 1.25,
        network_difficulty: 1e9,
        height: 800_000,
        reward: 625_000_000,
        job: "4f".to_owned(),
        header: vec![0xab; 80],
        solution: Some([0x11; 32]),
        candidate: None,
    }
}

pub(super) fn accepted(number: u64) -> Event {
    Event::Share(share(number))
}

pub(super) fn refused(number: u64) -> Event {
    Event::Share(ShareRecord { accepted: false, reason: "stale".to_owned(), ..share(number) })
}

pub(super) fn candidate(number: u64, header_time: u64) -> Event {
    let header_time = u32::try_from(header_time).unwrap();
    let facts = CandidateFacts { hash: [3; 32], header_time, coinbase_txid: [4; 32] };
    Event::Share(ShareRecord { candidate: Some(facts), ..share(number) })
}

pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(T0))
}

pub(super) fn open_with(dir: &Path, config: &config::Ledger, clock: Arc<dyn Clock>) -> Opened {
    Ledger::open(dir, config, clock).unwrap()
}

pub(super) fn open(dir: &Path, config: &config::Ledger) -> Arc<Ledger> {
    open_with(dir, config, clock()).ledger
}

/// Appends; waits where the next small segment is not allocated yet.
pub(super) fn append(ledger: &Ledger, events: &[Event]) -> Receipt {
    loop {
        match ledger.append(events) {
            Ok(receipt) => return receipt,
            Err(AppendError::Full) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends `count` accepted shares, one by one.
pub(super) fn append_shares(ledger: &Ledger, count: u64) {
    for _ in 0..count {
        append(ledger, &[accepted(ledger.status().written + 1)]);
    }
}

pub(super) fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().and_then(|name| name.to_str()).and_then(super::segment::parse_name).is_some());
    files.sort();
    files
}

/// Everything the spool holds on disk at this moment: what a kill of the process leaves.
pub(super) fn copy_spool(from: &Path) -> tempfile::TempDir {
    copy_spool_to(from, tempfile::tempdir().unwrap())
}

/// The same, into memory where there is such a place: for spools that are opened by the thousand.
pub(super) fn copy_spool_to_memory(from: &Path) -> tempfile::TempDir {
    copy_spool_to(from, tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()))
}

fn copy_spool_to(from: &Path, to: tempfile::TempDir) -> tempfile::TempDir {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// Waits that a test need not sit through.
pub(super) fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace {
        backoff_min: ms(1),
        backoff_max: ms(5),
        held_retry: ms(2),
        paused_retry: ms(2),
        stopped_retry: ms(2),
        keep_alive: ms(5),
        hold_max: Duration::from_secs(5),
        log_every: Duration::from_secs(10),
    }
}

/// A drainer at work.
pub(super) struct Draining {
    stop: watch::Sender<bool>,
    task: JoinHandle<MemorySink>,
}

impl Draining {
    pub(super) fn start(ledger: &Arc<Ledger>, sink: &MemorySink) -> Self {
        let (stop, stopped) = watch::channel(false);
        let drainer = ledger.drainer(sink.clone()).with_pace(pace());
        Self { stop, task: tokio::spawn(drainer.run(stopped)) }
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// Waits until the ledger's status is as wanted; a hang of the test is its failure.
pub(super) async fn until(ledger: &Ledger, wanted: impl Fn(&super::status::Status) -> bool) {
    while !wanted(&ledger.status()) {
        tokio::task::yield_now().await;
    }
}
