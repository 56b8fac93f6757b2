//! The difficulty that is stored with a worker: shown there, or taken from there, never both.
//!
//! Written, the latest value of a worker wins, and each is written at most once a minute: it is for
//! people to look at. Read, it is asked for when a worker is authorised.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::source::SourceError;
use crate::config::ColumnUse;
use crate::difficulty::Difficulty;

/// Most workers whose difficulty waits to be written or is known; beyond it new ones are left out.
pub const WORKERS_MAX: usize = 65_536;
/// Least time between two writes for one worker.
pub const WRITE_GAP: Duration = Duration::from_secs(60);
/// How often what is due is written.
const WRITE_INTERVAL: Duration = Duration::from_secs(2);
/// Most writes at once; the rest follows with the next interval.
const WRITES_MAX: usize = 500;
/// Most questions on their way; beyond it the worker is taken to have no difficulty of its own.
const QUESTIONS_MAX: usize = 256;
/// Longest wait for an answer; then likewise.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Where difficulties are stored with their workers.
pub trait DifficultyStore: Send + 'static {
    /// Stores what a worker, named as stored, mines at. A worker that is gone is no error.
    fn write(&mut self, worker: &str, difficulty: f64) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// What a worker is to mine at; `None` if nothing is stored.
    fn read(&mut self, worker: &str) -> impl Future<Output = Result<Option<f64>, SourceError>> + Send;
}

/// Handle of the stored difficulties; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Difficulties(Use);

#[derive(Debug, Clone, Default)]
enum Use {
    #[default]
    Off,
    Write(Arc<Mutex<HashMap<Arc<str>, f64>>>),
    Read {
        questions: mpsc::Sender<Question>,
        known: Arc<Mutex<HashMap<Arc<str>, Difficulty>>>,
    },
}

#[derive(Debug)]
struct Question {
    worker: Arc<str>,
    answer: oneshot::Sender<Option<f64>>,
}

impl Difficulties {
    /// Starts what is needed to use `store` as configured. Must be called within a runtime; it ends with
    /// the last handle.
    pub fn start<S: DifficultyStore>(store: S, column: ColumnUse) -> Self {
        Self(match column {
            ColumnUse::Off => Use::Off,
            ColumnUse::Write => {
                let wanted = Arc::default();
                tokio::spawn(write_all(store, Arc::downgrade(&wanted)));
                Use::Write(wanted)
            }
            ColumnUse::Read => {
                let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
                tokio::spawn(answer_all(store, asked));
                Use::Read { questions, known: Arc::default() }
            }
        })
    }

    /// A worker mines at another difficulty now.
    pub fn note(&self, worker: &Arc<str>, difficulty: Difficulty) {
        let Use::Write(wanted) = &self.0 else { return };
        let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WORKERS_MAX || wanted.contains_key(worker) {
            wanted.insert(Arc::clone(worker), difficulty.get());
        }
    }

    /// Asks what a worker is to mine at, so that [`Difficulties::known`] can tell.
    pub async fn learn(&self, worker: &Arc<str>) {
        let Use::Read { questions, known } = &self.0 else { return };
        let (answer, answered) = oneshot::channel();
        if questions.try_send(Question { worker: Arc::clone(worker), answer }).is_err() {
            return;
        }
        // Without an answer the last one counts.
        let Ok(Ok(stored)) = timeout(READ_TIMEOUT, answered).await else { return };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match stored.and_then(Difficulty::new) {
            Some(stored) if known.len() < WORKERS_MAX || known.contains_key(worker) => {
                known.insert(Arc::clone(worker), stored);
            }
            _ => {
                known.remove(worker);
            }
        }
    }

    /// What a worker is to mine at, as learnt last.
    pub fn known(&self, worker: &str) -> Option<Difficulty> {
        let Use::Read { known, .. } = &self.0 else { return None };
        known.lock().unwrap_or_else(PoisonError::into_inner).get(worker).copied()
    }
}

async fn answer_all<S: DifficultyStore>(mut store: S, mut asked: mpsc::Receiver<Question>) {
    while let Some(Question { worker, answer }) = asked.recv().await {
        match store.read(&worker).await {
            // An asker that went away needs no answer.
            Ok(stored) => drop(answer.send(stored)),
            Err(error) => warn!(worker = ?worker, %error, "cannot read a worker's difficulty"),
        }
    }
}

/// Writes what is wanted until nobody can want anything any more.
async fn write_all<S: DifficultyStore>(mut store: S, wanted: std::sync::Weak<Mutex<HashMap<Arc<str>, f64>>>) {
    let mut tick = interval(WRITE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written: HashMap<Arc<str>, (f64, Instant)> = HashMap::new();
    let mut failing = false;
    loop {
        tick.tick().await;
        let Some(wanted) = wanted.upgrade() else { return };
        written.retain(|_, (_, at)| at.elapsed() < WRITE_GAP);
        let due = take_due(&wanted, &written);
        for (index, (worker, difficulty)) in due.iter().enumerate() {
            if let Err(error) = store.write(worker, *difficulty).await {
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot store the difficulty of workers; it is tried again");
                }
                put_back(&wanted, due.get(index..).unwrap_or_default());
                break;
            }
            failing = false;
            written.insert(Arc::clone(worker), (*difficulty, Instant::now()));
        }
    }
}

/// Takes what may be written now; what was written a moment ago with the same value is done.
fn take_due(
    wanted: &Mutex<HashMap<Arc<str>, f64>>,
    written: &HashMap<Arc<str>, (f64, Instant)>,
) -> Vec<(Arc<str>, f64)> {
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = Vec::new();
    wanted.retain(|worker, difficulty| match written.get(worker) {
        Some((last, _)) => last.to_bits() != difficulty.to_bits(),
        None if due.len() < WRITES_MAX => {
            due.push((Arc::clone(worker), *difficulty));
            false
        }
        None => true,
    });
    due
}

/// Gives back what could not be written, unless a newer value has come.
fn put_back(wanted: &Mutex<HashMap<Arc<str>, f64>>, unwritten: &[(Arc<str>, f64)]) {
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    for (worker, difficulty) in unwritten {
        wanted.entry(Arc::clone(worker)).or_insert(*difficulty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes go into a list; reads answer by the name's length; everything fails while it is told to.
    struct Paper {
        log: Arc<Mutex<Vec<(String, f64)>>>,
        broken: Arc<std::sync::atomic::AtomicBool>,
    }

    impl DifficultyStore for Paper {
        async fn write(&mut self, worker: &str, difficulty: f64) -> Result<(), SourceError> {
            if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(SourceError("broken".into()));
            }
            self.log.lock().unwrap().push((worker.to_owned(), difficulty));
            Ok(())
        }

        async fn read(&mut self, worker: &str) -> Result<Option<f64>, SourceError> {
            Ok(worker.contains('.').then_some(worker.len() as f64))
        }
    }

    fn worth(value: f64) -> Difficulty {
        Difficulty::new(value).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_value_is_written_and_no_worker_more_than_once_a_minute() {
        let (log, broken) = (Arc::<Mutex<Vec<(String, f64)>>>::default(), Arc::default());
        let paper = Paper { log: Arc::clone(&log), broken: Arc::clone(&broken) };
        let difficulties = Difficulties::start(paper, ColumnUse::Write);
        let (rig, other): (Arc<str>, Arc<str>) = ("a.rig".into(), "a.other".into());
        let seen = || log.lock().unwrap().clone();
        for value in [1.0, 2.0, 3.0] {
            difficulties.note(&rig, worth(value));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(seen(), [("a.rig".to_owned(), 3.0)]);
        difficulties.note(&rig, worth(4.0));
        difficulties.note(&other, worth(8.0));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(seen().len(), 2);
        difficulties.note(&rig, worth(5.0));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(seen()[2..], [("a.rig".to_owned(), 5.0)]);
        // What failed is tried again, and a newer value is not overwritten by it.
        broken.store(true, std::sync::atomic::Ordering::SeqCst);
        difficulties.note(&other, worth(9.0));
        tokio::time::sleep(Duration::from_secs(5)).await;
        difficulties.note(&other, worth(10.0));
        broken.store(false, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(seen()[3..], [("a.other".to_owned(), 10.0)]);
        assert_eq!(difficulties.known("a.rig"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_stored_is_known_once_it_was_asked_for() {
        let paper = Paper { log: Arc::default(), broken: Arc::default() };
        let log = Arc::clone(&paper.log);
        let difficulties = Difficulties::start(paper, ColumnUse::Read);
        for (worker, stored) in [("a.rig", Some(5.0)), ("nobody", None)] {
            assert_eq!(difficulties.known(worker), None);
            difficulties.learn(&worker.into()).await;
            assert_eq!(difficulties.known(worker).map(Difficulty::get), stored);
        }
        difficulties.note(&"a.rig".into(), worth(1.0));
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(log.lock().unwrap().is_empty(), "never both");
    }
}
