//! A spool on disk, its drainer, the writer, and miners' shares coming in all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpos_stratum::clock::{Clock, SystemClock};
use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{self, Durability, Endpoint, Mpos};
use mpos_stratum::ledger::Ledger;
use mpos_stratum::ledger::pace::Pace;
use mpos_stratum::ledger::status::{DrainState, Status};
use mpos_stratum::ledger::tokens::Tokens;
use mpos_stratum::mpos::limits::Limits;
use mpos_stratum::mpos::share_sink::ShareSink;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::events::{Book, Kind};
use crate::support::mariadb::{MariaDb, ShareRow};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Password of the database user that the writer logs in as.
pub const PASSWORD: &str = "writer's";

/// A database with MPOS's tables, ours, and a user with the example's grants, auto_create's among them, and no more.
pub async fn prepare(db: &MariaDb, name: &str) {
    db.create_database(name).await;
    grant(db, name).await;
}

/// Makes the writer's user.
pub async fn grant(db: &MariaDb, name: &str) {
    let grants = include_str!("../../schema/grants.sql")
        .replace("'mpos_stratum'@'localhost'", "'writer'@'127.0.0.1'")
        .replace("'change-me'", &format!("'{}'", PASSWORD.replace('\'', "''")))
        // Some tests have workers stored.
        .replace("\n-- GRANT", "\nGRANT")
        .replace(" mpos.", &format!(" {name}."));
    db.run_sql(name, &grants).await;
}

/// The database `name` at a port of this machine, as [`prepare`] made it.
pub fn mpos_at(port: u16, name: &str) -> Mpos {
    Mpos {
        endpoint: Endpoint::Tcp("127.0.0.1".into(), port),
        user: "writer".into(),
        password: Secret::new(PASSWORD),
        database: name.into(),
        accounts_database: name.into(),
        workers_database: name.into(),
        failover: Vec::new(),
        ca_file: None,
        allow_myisam: false,
    }
}

/// What a rig is started with.
pub struct Setup {
    pub limits: Limits,
    pub pace: Pace,
    pub ledger: config::Ledger,
    pub clock: Arc<dyn Clock>,
}

impl Default for Setup {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            limits: Limits {
                connect: ms(3000),
                statement: ms(4000),
                attach: ms(8000),
                lock_wait_secs: 1,
                predecessor_wait_secs: 1,
                failover_after: ms(200),
                takeover_after: ms(2000),
                release: ms(2000),
            },
            pace: Pace {
                backoff_min: ms(1),
                backoff_max: ms(50),
                held_retry: ms(50),
                paused_retry: ms(50),
                stopped_retry: ms(50),
                keep_alive: Duration::from_secs(15),
                hold_max: Duration::from_secs(5),
                log_every: Duration::from_secs(10),
            },
            ledger: config::Ledger {
                durability: Durability::Process,
                sync_interval: ms(5),
                segment_bytes: 256 * 1024,
                spool_bytes_max: 1 << 30,
                keep_drained: Duration::from_secs(3600),
                drained_bytes_max: 1 << 30,
                batch_rows_max: 200,
            },
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// The ledger at work.
pub struct Rig {
    pub ledger: Arc<Ledger>,
    pub book: Arc<Book>,
    pub dir: tempfile::TempDir,
    stop: watch::Sender<bool>,
    drain: JoinHandle<ShareSink>,
    miners: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Rig {
    pub fn start(mpos: &Mpos) -> Self {
        Self::start_with(mpos, Setup::default())
    }

    pub fn start_with(mpos: &Mpos, setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(dir, mpos, setup)
    }

    /// On a spool that is already there.
    pub fn start_in(dir: tempfile::TempDir, mpos: &Mpos, setup: Setup) -> Self {
        let ledger = Ledger::open(dir.path(), &setup.ledger, Arc::clone(&setup.clock)).unwrap().ledger;
        let tokens = Tokens::open(dir.path(), ledger.spool()).unwrap();
        let sink = ShareSink::new(mpos, setup.clock, "test-host").with_limits(setup.limits).with_tokens(tokens);
        let (stop, stopped) = watch::channel(false);
        let drain = tokio::spawn(ledger.drainer(sink).with_pace(setup.pace).run(stopped));
        Self { ledger, book: Arc::default(), dir, stop, drain, miners: None }
    }

    pub fn append(&self, kinds: &[Kind]) -> u64 {
        self.book.append(&self.ledger, kinds)
    }

    /// Lets shares come in until [`Rig::settle`]: about a thousand a second, mostly good ones, with a
    /// candidate and its verdict now and then.
    pub fn mine(&mut self) {
        let running = Arc::new(AtomicBool::new(true));
        let (ledger, book, goes_on) = (Arc::clone(&self.ledger), Arc::clone(&self.book), Arc::clone(&running));
        let miners = tokio::spawn(async move {
            for round in 0u64.. {
                if !goes_on.load(Ordering::SeqCst) {
                    break;
                }
                let group = [Kind::Accepted, Kind::Refused, Kind::Accepted];
                book.append(&ledger, &group[..(1 + round % 3) as usize]);
                if round % 50 == 7 {
                    book.append(&ledger, &[Kind::Accepted, Kind::Candidate]);
                }
                if round % 50 == 20 {
                    book.append_verdict(&ledger, round % 100 == 20);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        self.miners = Some((running, miners));
    }

    /// Waits until `more` further events are acknowledged.
    pub async fn mined(&self, more: u64) {
        let from = self.ledger.status().written;
        self.until(|status| status.written >= from + more).await;
    }

    /// Waits until `more` further events are in the database.
    pub async fn drained(&self, more: u64) {
        let from = self.ledger.status().drained;
        self.until(|status| status.drained >= from + more).await;
    }

    /// Waits until the ledger's status is as wanted.
    pub async fn until(&self, wanted: impl Fn(&Status) -> bool) {
        let reached = async {
            while !wanted(&self.ledger.status()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("not reached: {:?}", self.ledger.status());
        }
    }

    /// Waits until the drain is in trouble whose text holds `text`.
    pub async fn trouble(&self, text: &str) {
        self.until(|status| match &status.drain {
            DrainState::Off | DrainState::Running => false,
            DrainState::Unavailable(reason)
            | DrainState::Held(reason)
            | DrainState::Paused(reason)
            | DrainState::Stopped(reason) => reason.contains(text),
        })
        .await;
    }

    /// Ends the mining and waits until everything is in the database.
    pub async fn settle(&mut self) {
        if let Some((running, miners)) = self.miners.take() {
            running.store(false, Ordering::SeqCst);
            miners.await.unwrap();
        }
        self.until(|status| status.drained == status.written).await;
    }

    /// Settles and compares the rows of `database` with everything acknowledged.
    pub async fn check(&mut self, db: &MariaDb, database: &str) {
        self.settle().await;
        same_rows(&db.rows(database).await, &self.book.expected());
    }

    /// Stops the drain in order; returns the spool's directory and what was acknowledged.
    pub async fn stop(mut self) -> (tempfile::TempDir, Arc<Book>) {
        if let Some((running, miners)) = self.miners.take() {
            running.store(false, Ordering::SeqCst);
            miners.await.unwrap();
        }
        self.ledger.close();
        self.stop.send_replace(true);
        self.drain.await.unwrap().close().await;
        (self.dir, self.book)
    }
}

/// The rows are those expected: in order, each once, with ascending ids.
#[track_caller]
pub fn same_rows(stored: &[ShareRow], expected: &[ShareRow]) {
    assert!(stored.windows(2).all(|pair| pair[0].id < pair[1].id));
    for (place, (is, should)) in stored.iter().zip(expected).enumerate() {
        let is = ShareRow { id: 0, ..is.clone() };
        assert_eq!(&is, should, "row {place} of {} stored and {} acknowledged", stored.len(), expected.len());
    }
    assert_eq!(stored.len(), expected.len(), "rows stored and acknowledged");
}
