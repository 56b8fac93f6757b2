//! What is known while the source is away, also in the next life.

use std::path::{Path, PathBuf};

use super::*;
use crate::clock::{Clock, ManualClock};

const DAY: Duration = Duration::from_secs(24 * 3600);
const TRY_AGAIN: Answer = Answer::Unavailable;

/// A file of remembered workers and a clock, which outlive directories.
struct Home {
    _dir: tempfile::TempDir,
    file: PathBuf,
    clock: Arc<ManualClock>,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("workers").join("pool.known");
        Self { _dir: dir, file, clock: Arc::new(ManualClock::at(1_700_000_000)) }
    }

    /// A life of the directory.
    fn start(&self, shelf: &Arc<Shelf>) -> Directory {
        self.start_with(shelf, "secret")
    }

    fn start_with(&self, shelf: &Arc<Shelf>, secret: &str) -> Directory {
        let memory = Memory::open(&self.file, secret, Arc::clone(&self.clock) as _);
        Directory::start(FakeSource(Arc::clone(shelf)), policy(), memory)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        tokio::time::advance(by).await;
    }
}

fn fail(shelf: &Shelf, failing: bool) {
    *open(&shelf.failing) = failing;
}

/// The source is there again, and no answer is fresh.
async fn recover(shelf: &Shelf) {
    fail(shelf, false);
    tokio::time::advance(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn letters_may_be_capital_or_small_as_in_the_database_but_not_in_the_password() {
    let shelf = shelf();
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("Alice.Rig", "x").await, granted("Alice.Rig"));
    assert_eq!(directory.authorize("ALICE.rig", "x").await, granted("Alice.Rig"));
    assert_eq!(shelf.finds(), 1, "one worker, one question");
    fail(&shelf, true);
    tokio::time::advance(Duration::from_secs(3600)).await;
    for name in ["Alice.Rig", "alice.rig", "aLICE.RIG", " alice.RIG  "] {
        assert_eq!(directory.authorize(name, "x").await, granted("Alice.Rig"), "{name}");
        assert_eq!(directory.authorize(name, "X").await, TRY_AGAIN, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_database_tells_capital_letters_apart_so_does_the_directory() {
    let shelf = shelf().with_worker("alice.rig", Some("y"));
    *open(&shelf.case_counts) = true;
    let directory = start(&shelf, policy());
    assert_eq!(directory.authorize("Alice.Rig", "x").await, granted("Alice.Rig"));
    assert_eq!(directory.authorize("ALICE.RIG", "x").await, Answer::Denied(Denial::UnknownWorker));
    assert_eq!(directory.authorize("Alice.Rig", "x").await, granted("Alice.Rig"));
    assert_eq!(shelf.finds(), 2, "the one that is there was not forgotten for the one that is not");
    assert_eq!(directory.authorize("alice.rig", "y").await, granted("alice.rig"));
    fail(&shelf, true);
    tokio::time::advance(DAY / 2).await;
    assert_eq!(directory.authorize("alice.rig", "y").await, granted("alice.rig"));
    assert_eq!(directory.authorize("ALICE.RIG", "y").await, TRY_AGAIN, "it may be somebody else");
}

#[tokio::test(start_paused = true)]
async fn the_next_life_knows_the_workers_without_the_source() {
    let (home, shelf) = (Home::new(), shelf().with_account("Eve", 2).with_worker("Alice.Null", None));
    shelf.set_worker("Eve.rig", Some("x"), 2);
    let directory = home.start(&shelf);
    for (name, password) in [("alice.rig", "x"), ("alice.null", "x"), ("eve.rig", "x"), ("bob.rig", "x")] {
        directory.authorize(name, password).await;
    }
    directory.save().await;
    drop(directory);
    fail(&shelf, true);
    home.advance(DAY / 2).await;
    let directory = home.start(&shelf);
    for (name, password, answer) in [
        ("ALICE.RIG", "x", granted("Alice.Rig")),
        ("alice.rig", "X", TRY_AGAIN),
        ("alice.null", "x", TRY_AGAIN),
        ("eve.rig", "x", Answer::Denied(Denial::Locked)),
        ("bob.rig", "x", TRY_AGAIN),
        ("alice.other", "x", TRY_AGAIN),
    ] {
        assert_eq!(directory.authorize(name, password).await, answer, "{name} {password}");
    }
    // With another password of the database the seals tell nothing: too little is better than too much.
    assert_eq!(home.start_with(&shelf, "other").authorize("alice.rig", "x").await, TRY_AGAIN);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_everybody_is_judged_anew() {
    let (home, shelf) =
        (Home::new(), shelf().with_worker("Alice.Gone", Some("x")).with_worker("Alice.Pass", Some("old")));
    shelf.set_worker("Alice.Locked", Some("x"), 0);
    let directory = home.start(&shelf);
    for (name, password) in [("alice.gone", "x"), ("alice.pass", "old"), ("alice.locked", "x")] {
        directory.authorize(name, password).await;
    }
    directory.save().await;
    fail(&shelf, true);
    // An administrator is at work meanwhile, on the machine of the database.
    open(&shelf.workers).remove("Alice.Gone");
    shelf.set_worker("Alice.Pass", Some("new"), 0);
    shelf.set_worker("Alice.Locked", Some("x"), 2);
    home.advance(DAY / 2).await;
    for directory in [directory, home.start(&shelf)] {
        fail(&shelf, true);
        for (name, password, answer) in [
            ("alice.gone", "x", granted("Alice.Gone")),
            ("alice.pass", "old", granted("Alice.Pass")),
            ("alice.pass", "new", TRY_AGAIN),
            ("alice.locked", "x", granted("Alice.Locked")),
        ] {
            assert_eq!(directory.authorize(name, password).await, answer, "{name} {password}");
        }
        recover(&shelf).await;
        for (name, password, answer) in [
            ("alice.gone", "x", Answer::Denied(Denial::UnknownWorker)),
            ("alice.pass", "old", Answer::Denied(Denial::WrongPassword)),
            ("alice.pass", "new", granted("Alice.Pass")),
            ("alice.locked", "x", Answer::Denied(Denial::Locked)),
        ] {
            assert_eq!(directory.authorize(name, password).await, answer, "{name} {password}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_known_for_longer_than_configured() {
    let (home, shelf) = (Home::new(), shelf().with_worker("Alice.Late", Some("x")));
    let directory = home.start(&shelf);
    directory.authorize("alice.rig", "x").await;
    home.advance(Duration::from_secs(600)).await;
    directory.authorize("alice.late", "x").await;
    directory.save().await;
    fail(&shelf, true);
    home.advance(DAY - Duration::from_secs(600)).await;
    for directory in [&directory, &home.start(&shelf)] {
        assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    }
    home.advance(Duration::from_secs(1)).await;
    for directory in [&directory, &home.start(&shelf)] {
        assert_eq!(directory.authorize("alice.rig", "x").await, TRY_AGAIN);
        assert_eq!(directory.authorize("alice.late", "x").await, granted("Alice.Late"));
    }
}

/// Waits until the file is there and as wanted.
async fn file_when(path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        match std::fs::read(path) {
            Ok(bytes) if wanted(&bytes) => return bytes,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn what_is_learnt_is_written_down_by_itself_and_passwords_are_not() {
    let (home, shelf) = (Home::new(), shelf().with_worker("Alice.Pass", Some("old-secret")));
    let directory = home.start(&shelf);
    directory.authorize("alice.pass", "old-secret").await;
    let bytes = file_when(&home.file, |bytes| holds(bytes, "Alice.Pass")).await;
    assert!(!holds(&bytes, "secret"));
    // A worker that was deleted does not come back with the next outage.
    open(&shelf.workers).remove("Alice.Pass");
    home.advance(Duration::from_secs(60)).await;
    assert_eq!(directory.authorize("alice.pass", "old-secret").await, Answer::Denied(Denial::UnknownWorker));
    file_when(&home.file, |bytes| !holds(bytes, "Alice.Pass")).await;
    // The last handle is gone: what was learnt a moment ago is written at once.
    directory.authorize("alice.rig", "x").await;
    drop(directory);
    let before = tokio::time::Instant::now();
    file_when(&home.file, |bytes| holds(bytes, "Alice.Rig")).await;
    assert!(before.elapsed() < crate::worker::memory::SAVE_DELAY);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stays_is_confirmed_in_the_file_too() {
    let (home, shelf) = (Home::new(), shelf());
    let directory = home.start(&shelf);
    for _ in 0..40 {
        directory.authorize("alice.rig", "x").await;
        for secs in [10, 3590] {
            home.advance(Duration::from_secs(secs)).await;
            settle().await;
        }
    }
    let last = (home.clock.unix_secs() - 3600).to_le_bytes();
    file_when(&home.file, |bytes| bytes.windows(8).any(|part| part == last)).await;
    drop(directory);
    fail(&shelf, true);
    assert_eq!(home.start(&shelf).authorize("alice.rig", "x").await, granted("Alice.Rig"));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_as_good_as_none_and_is_written_anew() {
    let (home, shelf) = (Home::new(), shelf());
    let directory = home.start(&shelf);
    directory.authorize("alice.rig", "x").await;
    directory.save().await;
    let mut bytes = std::fs::read(&home.file).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&home.file, &bytes).unwrap();
    fail(&shelf, true);
    let directory = home.start(&shelf);
    assert_eq!(directory.authorize("alice.rig", "x").await, TRY_AGAIN);
    recover(&shelf).await;
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    directory.save().await;
    fail(&shelf, true);
    assert_eq!(home.start(&shelf).authorize("alice.rig", "x").await, granted("Alice.Rig"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_hurts_nobody_and_is_tried_again() {
    let (home, shelf) = (Home::new(), shelf());
    let folder = home.file.parent().unwrap();
    std::fs::write(folder, b"in the way").unwrap();
    let directory = home.start(&shelf);
    assert_eq!(directory.authorize("alice.rig", "x").await, granted("Alice.Rig"));
    directory.save().await;
    std::fs::remove_file(folder).unwrap();
    file_when(&home.file, |bytes| holds(bytes, "Alice.Rig")).await;
}

#[tokio::test(start_paused = true)]
async fn a_recheck_stores_nobody() {
    let shelf = shelf();
    let directory = start(&shelf, Workers { auto_create: true, ..policy() });
    assert_eq!(directory.recheck("alice.new", "x").await, Answer::Denied(Denial::UnknownWorker));
    assert_eq!(shelf.creates.load(Ordering::SeqCst), 0);
    assert_eq!(directory.recheck("alice.rig", "x").await, granted("Alice.Rig"));
    shelf.set_worker("Alice.Rig", Some("x"), 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    fail(&shelf, true);
    assert_eq!(directory.recheck("alice.rig", "x").await, granted("Alice.Rig"));
    assert_eq!(directory.recheck("alice.other", "x").await, TRY_AGAIN);
    recover(&shelf).await;
    assert_eq!(directory.recheck("alice.rig", "x").await, Answer::Denied(Denial::Locked));
}
