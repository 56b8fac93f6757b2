//! A sink in memory that keeps to the rules strictly and fails by script: for tests and simulations.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::decision::Position;
use super::record::Entry;
use super::sink::{Settled, Sink, SinkError, SpoolId};

/// A failure of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is stored.
    Before(SinkError),
    /// Everything is stored, and the answer is lost on the way.
    After(SinkError),
}

/// Decides which entries can never be stored.
type Refusal = Box<dyn Fn(&Entry) -> bool + Send>;

/// The store; clones share it.
#[derive(Clone)]
pub struct MemorySink {
    store: Arc<Mutex<Store>>,
    cursor: watch::Sender<u64>,
}

struct Store {
    spool: Option<SpoolId>,
    rows: Vec<Entry>,
    cursor: u64,
    commits: Vec<Vec<u64>>,
    commit_script: VecDeque<Option<Failure>>,
    attach_script: VecDeque<SinkError>,
    attached: bool,
    attaches: usize,
    keep_alives: usize,
    refusal: Refusal,
}

impl MemorySink {
    /// An empty store.
    pub fn new() -> Self {
        let store = Store {
            spool: None,
            rows: Vec::new(),
            cursor: 0,
            commits: Vec::new(),
            commit_script: VecDeque::new(),
            attach_script: VecDeque::new(),
            attached: false,
            attaches: 0,
            keep_alives: 0,
            refusal: Box::new(|_| false),
        };
        Self { store: Arc::new(Mutex::new(store)), cursor: watch::Sender::new(0) }
    }

    /// Adds the fate of one more commit to the script; `None`: it works. Past the script all work.
    pub fn script_commit(&self, failure: Option<Failure>) {
        self.lock().commit_script.push_back(failure);
    }

    /// Adds a failing attach to the script. Past the script all work.
    pub fn script_attach(&self, error: SinkError) {
        self.lock().attach_script.push_back(error);
    }

    /// Commits with an entry for which `refusal` is true are refused from now on.
    pub fn refuse(&self, refusal: impl Fn(&Entry) -> bool + Send + 'static) {
        self.lock().refusal = Box::new(refusal);
    }

    /// What is stored, in the order of storing.
    pub fn rows(&self) -> Vec<Entry> {
        self.lock().rows.clone()
    }

    /// The sequence numbers of each commit that was stored.
    pub fn commits(&self) -> Vec<Vec<u64>> {
        self.lock().commits.clone()
    }

    /// The stored position.
    pub fn position(&self) -> u64 {
        self.lock().cursor
    }

    /// Moves the stored position, as an operator or a restored backup does.
    pub fn set_position(&self, seq: u64) {
        self.lock().cursor = seq;
        self.cursor.send_replace(seq);
    }

    /// How often somebody attached.
    pub fn attaches(&self) -> usize {
        self.lock().attaches
    }

    /// How often the writer showed that it is alive.
    pub fn keep_alives(&self) -> usize {
        self.lock().keep_alives
    }

    /// Returns when the stored position is at least `seq`.
    pub async fn wait_position(&self, seq: u64) {
        // The sender lives as long as `self`.
        let _ = self.cursor.subscribe().wait_for(|&cursor| cursor >= seq).await;
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for MemorySink {
    async fn attach(
        &mut self,
        spool: SpoolId,
        _confirmed: u64,
        explained: &[RangeInclusive<u64>],
    ) -> Result<u64, SinkError> {
        let mut store = self.lock();
        store.attaches += 1;
        if let Some(error) = store.attach_script.pop_front() {
            return Err(error);
        }
        if *store.spool.get_or_insert(spool) != spool {
            return Err(SinkError::Stop(format!("the store belongs to another spool than {spool}")));
        }
        store.attached = explained.iter().any(|range| range.contains(&store.cursor));
        Ok(store.cursor)
    }

    async fn commit(&mut self, entries: &[Entry], old: u64, new: u64) -> Result<(), SinkError> {
        let mut store = self.lock();
        let ascending = entries.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        let inside = entries.iter().all(|entry| entry.seq > old && entry.seq <= new);
        if !store.attached || old != store.cursor || new <= old || !ascending || !inside {
            return Err(SinkError::Stop(format!("a commit from {old} to {new} at {} breaks the rules", store.cursor)));
        }
        let failure = store.commit_script.pop_front().flatten();
        if let Some(Failure::Before(error)) = failure {
            store.attached = matches!(error, SinkError::Refused(_));
            return Err(error);
        }
        if let Some(refused) = entries.iter().find(|entry| (store.refusal)(entry)) {
            return Err(SinkError::Refused(format!("row {} is refused", refused.seq)));
        }
        store.rows.extend_from_slice(entries);
        store.commits.push(entries.iter().map(|entry| entry.seq).collect());
        store.cursor = new;
        self.cursor.send_replace(new);
        match failure {
            Some(Failure::After(error)) => {
                store.attached = false;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    async fn settle(&mut self, spool: SpoolId, found: Option<&Position>, seq: u64) -> Result<Settled, SinkError> {
        let mut store = self.lock();
        if let Some(error) = store.attach_script.pop_front() {
            return Err(error);
        }
        let stands = store.spool.map(|spool| Position { spool: spool.to_string(), seq: store.cursor });
        let wanted = Position { spool: spool.to_string(), seq };
        if stands.as_ref() != found && stands.as_ref() != Some(&wanted) {
            return Ok(Settled::Stale(format!("the store stands at {stands:?}")));
        }
        store.spool = Some(spool);
        store.cursor = seq;
        self.cursor.send_replace(seq);
        Ok(Settled::Moved)
    }

    async fn keep_alive(&mut self) -> Result<(), SinkError> {
        self.lock().keep_alives += 1;
        Ok(())
    }
}
