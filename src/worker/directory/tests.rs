//! The directory in front of a source that counts, hangs and fails on command.

mod outage;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::*;
use crate::config::ColumnUse;
use crate::worker::source::{Found, SourceError, StoredAccount, StoredWorker};

/// What a [`FakeSource`] holds and how it behaves; shared with the test.
#[derive(Default)]
struct Shelf {
    workers: Mutex<HashMap<String, StoredWorker>>,
    accounts: Mutex<HashMap<String, StoredAccount>>,
    finds: AtomicUsize,
    creates: AtomicUsize,
    failing: Mutex<bool>,
    create_failing: Mutex<bool>,
    /// Names differ in the case of their letters, as in a table with a binary collation.
    case_counts: Mutex<bool>,
    /// While held, every look-up hangs.
    gate: tokio::sync::Mutex<()>,
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Shelf {
    fn with_account(self: Arc<Self>, name: &str, locked: u8) -> Arc<Self> {
        let id = i64::try_from(open(&self.accounts).len()).unwrap() + 1;
        let account = StoredAccount { id, name: name.into(), locked };
        open(&self.accounts).insert(name.to_ascii_lowercase(), account);
        self
    }

    fn with_worker(self: Arc<Self>, name: &str, password: Option<&str>) -> Arc<Self> {
        self.set_worker(name, password, 0);
        self
    }

    fn set_worker(&self, name: &str, password: Option<&str>, locked: u8) {
        let worker = StoredWorker { name: name.into(), password: password.map(Into::into), locked, folds_case: true };
        open(&self.workers).insert(name.to_owned(), worker);
    }

    fn finds(&self) -> usize {
        self.finds.load(Ordering::SeqCst)
    }
}

struct FakeSource(Arc<Shelf>);

impl WorkerSource for FakeSource {
    async fn find(&mut self, name: &str) -> Result<Found, SourceError> {
        self.0.finds.fetch_add(1, Ordering::SeqCst);
        drop(self.0.gate.lock().await);
        if *open(&self.0.failing) {
            return Err(SourceError("gone".into()));
        }
        let folds_case = !*open(&self.0.case_counts);
        let workers = open(&self.0.workers);
        let found = workers
            .values()
            .find(|worker| if folds_case { worker.name.eq_ignore_ascii_case(name) } else { worker.name == name });
        if let Some(worker) = found {
            return Ok(Found::Worker(StoredWorker { folds_case, ..worker.clone() }));
        }
        let name = name.to_ascii_lowercase();
        let account = name.split('.').next().unwrap_or_default();
        Ok(open(&self.0.accounts).get(account).cloned().map_or(Found::Nothing, Found::OnlyAccount))
    }

    async fn create(
        &mut self,
        account: &StoredAccount,
        name: &str,
        password: &str,
    ) -> Result<StoredWorker, SourceError> {
        if *open(&self.0.create_failing) {
            return Err(SourceError("INSERT command denied".into()));
        }
        assert_eq!(open(&self.0.accounts).get(&name.split('.').next().unwrap().to_ascii_lowercase()), Some(account));
        self.0.creates.fetch_add(1, Ordering::SeqCst);
        self.0.set_worker(name, Some(password), account.locked);
        Ok(StoredWorker {
            name: name.into(),
            password: Some(password.into()),
            locked: account.locked,
            folds_case: true,
        })
    }
}

fn policy() -> Workers {
    Workers {
        check_password: true,
        auto_create: false,
        refuse_locked: true,
        cache: Duration::from_secs(60),
        negative_cache: Duration::from_secs(10),
        remember: Duration::from_secs(24 * 3600),
        recheck: Duration::from_secs(600),
        pool_worker_difficulty: ColumnUse::Off,
    }
}

fn shelf() -> Arc<Shelf> {
    Arc::new(Shelf::default()).with_account("Alice", 0).with_worker("Alice.Rig", Some("x"))
}

fn start(shelf: &Arc<Shelf>, policy: Workers) -> Directory {
    Directory::start(FakeSource(Arc::clone(shelf)), policy, Memory::of_this_run())
}

fn granted(name: &str) -> Answer {
    Answer::Granted(name.into())
}

/// Lets the directory's tasks do everything they can do now.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_stored_spelling_is_granted_and_asked_for_once() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    for _ in 0..3 {
        assert_eq!(directory.authorize(" alice.RIG ", "x").await, granted("Alice.Rig"));
    }
    assert_eq!(shelf.finds(), 1);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(directory.authorize("alice.RIG", "x").await, granted("Alice.Rig"));
    assert_eq!(shelf.finds(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_reason() {
    let shelf = shelf().with_account("Eve", 2).with_worker("Alice.Null", None);
    shelf.set_worker("Eve.rig", Some("x"), 2);
    shelf.set_worker("Self.rig", Some("x"), 1);
    let directory = start(&shelf, policy());
    for (name, password, answer) in [
        ("alice", "x", Answer::Denied(Denial::BadName(BadName::NoDot))),
        ("bob.rig", "x", Answer::Denied(Denial::UnknownAccount)),
        ("alice.other", "x", Answer::Denied(Denial::UnknownWorker)),
        ("alice.rig", "X", Answer::Denied(Denial::WrongPassword)),
        ("alice.rig", "", Answer::Denied(Denial::WrongPassword)),
        ("alice.rig", "xx", Answer::Denied(Denial::WrongPassword)),
        ("alice.rig", "x  ", granted("Alice.Rig")),
        ("alice.null", "", Answer::Denied(Denial::WrongPassword)),
        ("eve.rig", "x", Answer::Denied(Denial::Locked)),
        ("eve.rig", "y", Answer::Denied(Denial::WrongPassword)),
        ("eve.other", "x", Answer::Denied(Denial::Locked)),
        ("self.rig", "x", granted("Self.rig")),
    ] {
        assert_eq!(directory.authorize(name, password).await, answer, "{name} {password}");
    }
    let lenient = start(&shelf, Workers { check_password: false, refuse_locked: false, ..policy() });
    assert_eq!(lenient.authorize("alice.null", "whatever").await, granted("Alice.Null"));
    assert_eq!(lenient.authorize("eve.rig", "").await, granted("Eve.rig"));
}

#[tokio::test(start_paused = true)]
async fn concurrent_askers_share_one_question() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    let gate = shelf.gate.lock().await;
    let asks: Vec<_> = (0..100)
        .map(|n| {
            let directory = directory.clone();
            let password = if n % 2 == 0 { "x" } else { "y" };
            tokio::spawn(async move { directory.authorize("alice.rig", password).await })
        })
        .collect();
    settle().await;
    drop(gate);
    for (n, ask) in asks.into_iter().enumerate() {
        let answer = if n % 2 == 0 { granted("Alice.Rig") } else { Answer::Denied(Denial::WrongPassword) };
        assert_eq!(ask.await.unwrap(), answer);
    }
    assert_eq!(shelf.finds(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_is_noticed_and_guessing_asks_the_database_rarely() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    shelf.set_worker("Alice.Rig", Some("new"), 0);
    let wrong = Answer::Denied(Denial::WrongPassword);
    assert_eq!(directory.authorize("alice.rig", "new").await, wrong, "learnt a moment ago");
    tokio::time::advance(MISMATCH_REFRESH_AGE).await;
    assert_eq!(directory.authorize("alice.rig", "new").await, granted("Alice.Rig"));
    for guess in 0..100 {
        assert_eq!(directory.authorize("alice.rig", &guess.to_string()).await, wrong);
    }
    assert_eq!(shelf.finds(), 2);
}

#[tokio::test(start_paused = true)]
async fn negative_answers_are_remembered_shortly() {
    let shelf = shelf().with_account("Eve", 2);
    shelf.set_worker("Eve.rig", Some("x"), 2);
    let directory = start(&shelf, policy());
    let unknown = Answer::Denied(Denial::UnknownWorker);
    assert_eq!(directory.authorize("alice.new", "x").await, unknown);
    assert_eq!(directory.authorize("eve.rig", "x").await, Answer::Denied(Denial::Locked));
    shelf.set_worker("Alice.New", Some("x"), 0);
    shelf.set_worker("Eve.rig", Some("x"), 0);
    assert_eq!(directory.authorize("alice.new", "x").await, unknown);
    assert_eq!(shelf.finds(), 2);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(directory.authorize("alice.new", "x").await, granted("Alice.New"));
    assert_eq!(directory.authorize("eve.rig", "x").await, granted("Eve.rig"));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_deleted_is_forgotten() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    open(&shelf.workers).clear();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(directory.authorize("alice.rig", "x").await, Answer::Denied(Denial::UnknownWorker));
    *open(&shelf.failing) = true;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(directory.authorize("alice.rig", "x").await, Answer::Unavailable, "not from the old answer");
}

#[tokio::test(start_paused = true)]
async fn known_workers_keep_mining_while_the_source_is_away() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    *open(&shelf.failing) = true;
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    assert_eq!(directory.authorize("alice.rig", "changed?").await, Answer::Unavailable);
    assert_eq!(directory.authorize("bob.rig", "x").await, Answer::Unavailable);
    assert_eq!(shelf.finds(), 2, "the source rests after a failure");
    *open(&shelf.failing) = false;
    tokio::time::advance(SOURCE_REST).await;
    assert_eq!(directory.authorize("bob.rig", "x").await, Answer::Denied(Denial::UnknownAccount));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_source_is_given_up() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    let gate = shelf.gate.lock().await;
    tokio::time::advance(Duration::from_secs(60)).await;
    // Time is paused: it moves on to the time-out by itself.
    let (known, unknown) = tokio::join!(directory.authorize("alice.rig", "x"), directory.authorize("bob.rig", "x"));
    assert_eq!((known, unknown), (granted("Alice.Rig"), Answer::Unavailable));
    drop(gate);
    tokio::time::advance(SOURCE_REST).await;
    assert_eq!(directory.authorize("bob.rig", "x").await, Answer::Denied(Denial::UnknownAccount));
}

#[tokio::test(start_paused = true)]
async fn names_whose_miners_have_hung_up_are_not_looked_up() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    let gate = shelf.gate.lock().await;
    let guesses: Vec<_> = (0..50)
        .map(|guess| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.authorize(&format!("bob.{guess}"), "x").await })
        })
        .collect();
    settle().await;
    guesses.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    drop(gate);
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    assert!(shelf.finds() <= 2, "the one that was under way, and hers: {}", shelf.finds());
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_is_no_answer_rather_than_a_wait() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    // Nothing else runs on this runtime until the first of these waits for its answer.
    let asks: Vec<_> = (0..=INBOUND_ASKS_MAX).map(|_| directory.authorize("alice.rig", "x")).collect();
    let mut asks: VecDeque<_> = asks.into_iter().map(Box::pin).collect();
    let mut last = asks.pop_back().unwrap();
    for ask in &mut asks {
        assert!(futures_poll(ask).await.is_none());
    }
    assert_eq!(futures_poll(&mut last).await, Some(Answer::Unavailable));
    for ask in asks {
        assert_eq!(ask.await, granted("Alice.Rig"));
    }
}

/// Polls once, without letting other tasks run.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn unknown_workers_of_known_accounts_are_stored() {
    let shelf = shelf().with_account("Eve", 2).with_account("Self", 1);
    let directory = start(&shelf, Workers { auto_create: true, ..policy() });
    assert_eq!(directory.authorize("alice.New", "pw").await, granted("Alice.New"));
    assert_eq!(directory.authorize("alice.new", "other").await, Answer::Denied(Denial::WrongPassword));
    assert_eq!(directory.authorize("bob.rig", "x").await, Answer::Denied(Denial::UnknownAccount));
    assert_eq!(directory.authorize("eve.rig", "x").await, Answer::Denied(Denial::Locked));
    assert_eq!(directory.authorize("self.rig", "x").await, Answer::Denied(Denial::UnknownWorker));
    assert_eq!(directory.authorize("alice.wide", &"p".repeat(256)).await, Answer::Denied(Denial::UnknownWorker));
    assert_eq!(shelf.creates.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn one_account_cannot_fill_the_worker_table() {
    let shelf = shelf().with_account("Bob", 0);
    let directory = start(&shelf, Workers { auto_create: true, ..policy() });
    let most = CREATED;
    for n in 0..most {
        assert_eq!(directory.authorize(&format!("alice.r{n}"), "x").await, granted(&format!("Alice.r{n}")));
    }
    assert_eq!(directory.authorize("alice.more", "x").await, Answer::Denied(Denial::UnknownWorker));
    assert_eq!(directory.authorize("bob.rig", "x").await, granted("Bob.rig"));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(directory.authorize("alice.more", "x").await, granted("Alice.more"));
}

const CREATED: u32 = lookup::CREATED_PER_MINUTE_MAX;

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_be_stored_stops_nobody_else() {
    let shelf = shelf();
    *open(&shelf.create_failing) = true;
    let directory = start(&shelf, Workers { auto_create: true, ..policy() });
    assert_eq!(directory.authorize("alice.new", "x").await, Answer::Unavailable);
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
}
