//! The daemon's inner half: directory, desk, pursuer, ledger, drainer. A life of it ends by a kill or
//! by a stop; what outlives it is the home.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::{Clock, ManualClock};
use mpos_stratum::config::{self, Coin, ColumnUse, Durability, Workers};
use mpos_stratum::ledger::Ledger;
use mpos_stratum::ledger::error::OpenError;
use mpos_stratum::ledger::memory_sink::MemorySink;
use mpos_stratum::ledger::pace::Pace;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::service::blocks::{Estate, Pursuer, Settings};
use mpos_stratum::service::desk::Desk;
use mpos_stratum::stratum::desk::{JudgedShare, NotRecorded, ShareDesk};
use mpos_stratum::worker::directory::{Answer, Directory, SOURCE_REST};
use mpos_stratum::worker::memory::Memory;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::node::Node;
use crate::store::{Source, Store};

/// The second at which a simulation begins.
pub const T0: u64 = 1_700_000_000;

/// What outlives the daemon.
pub struct Home {
    dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub sink: MemorySink,
    pub store: Arc<Store>,
    pub node: Node,
    pub ledger: config::Ledger,
    coin: Arc<Coin>,
    /// Of the drainer and of the blocks' tasks.
    pub runtime: Runtime,
}

impl Home {
    pub fn new(dice: &mut Dice) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let node = runtime.block_on(Node::start());
        Self {
            dir: folder(),
            clock: Arc::new(ManualClock::at(T0)),
            sink: MemorySink::new(),
            store: Arc::default(),
            node,
            ledger: config::Ledger {
                durability: *dice.pick(&[Durability::Process, Durability::Process, Durability::Power]),
                sync_interval: Duration::from_millis(2),
                segment_bytes: 64 << 10,
                spool_bytes_max: *dice.pick(&[128 << 10, 256 << 10, 2 << 20]),
                keep_drained: Duration::from_secs(600),
                drained_bytes_max: 192 << 10,
                batch_rows_max: 1 + dice.index(60),
            },
            coin: coin(),
            runtime,
        }
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    /// The folder for blocks in flight.
    pub fn blocks(&self) -> PathBuf {
        self.dir.path().join("blocks")
    }

    /// Lets the allocation of segments fail, or work again: what is in the way is a folder.
    pub fn set_disk_full(&self, full: bool) {
        let in_the_way = self.spool().join("next.tmp");
        let _ = if full { std::fs::create_dir(in_the_way) } else { std::fs::remove_dir(in_the_way) };
    }

    /// Bytes of all segments.
    pub fn spool_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.spool()).unwrap().flatten();
        let segments = files.filter(|file| file.file_name().to_string_lossy().ends_with(".seg"));
        segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }
}

/// In memory where there is such a place: what is asked here is what was written, and when, not how
/// long a disk takes.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn coin() -> Arc<Coin> {
    let text = "[[coin]]\nname = \"simulated\"\npreset = \"bitcoin\"\n\
                payout_address = \"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\"\nfallback_worker = \"Pool.Fallback\"\n\
                [[coin.node]]\nurl = \"http://127.0.0.1:1\"\nuser = \"u\"\npassword = \"p\"\n\
                [[coin.port]]\nlisten = \"127.0.0.1:0\"\ndifficulty = 1\n\
                [coin.mpos]\nuser = \"u\"\npassword = \"p\"\ndatabase = \"mpos\"\n";
    let config = config::parse(std::path::Path::new("simulation.toml"), text.to_owned()).unwrap();
    Arc::clone(&config.coins[0])
}

fn policy() -> Workers {
    Workers {
        check_password: true,
        auto_create: false,
        refuse_locked: true,
        cache: Duration::from_secs(60),
        negative_cache: Duration::from_secs(10),
        remember: Duration::from_secs(168 * 3600),
        recheck: Duration::from_secs(600),
        pool_worker_difficulty: ColumnUse::Off,
    }
}

/// Waits that a simulation need not sit through.
fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace { backoff_min: ms(1), backoff_max: ms(2), held_retry: ms(2), stopped_retry: ms(2), ..Pace::default() }
}

/// One life.
pub struct Pool {
    pub ledger: Arc<Ledger>,
    desk: Arc<Desk>,
    pursuer: Arc<Pursuer>,
    directory: Directory,
    /// The directory's tasks live here, where time moves by hand and only while somebody asks.
    stillness: Runtime,
    drainer: Option<(watch::Sender<bool>, JoinHandle<MemorySink>)>,
}

impl Pool {
    pub fn open(home: &Home) -> Self {
        std::fs::create_dir_all(home.blocks()).unwrap();
        let clock = Arc::clone(&home.clock) as Arc<dyn Clock>;
        let opened = loop {
            match Ledger::open(&home.spool(), &home.ledger, Arc::clone(&clock)) {
                // The last life is letting go of it.
                Err(OpenError::InUse { .. }) => std::thread::yield_now(),
                opened => break opened.unwrap(),
            }
        };
        assert!(opened.recovered.damage.is_empty() && opened.recovered.gaps.is_empty(), "{:?}", opened.recovered);
        let ledger = opened.ledger;
        let stillness = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let memory = Memory::open(&home.dir.path().join("workers/known"), "secret", Arc::clone(&clock));
        let source = Source(Arc::clone(&home.store));
        let directory = stillness.block_on(async { Directory::start(source, policy(), memory) });
        let _runtime = home.runtime.enter();
        let nodes = Nodes::new(&[home.node.scripted.rpc_config()]);
        nodes.note_proven();
        let pursuer = Arc::new(Pursuer::new(Settings {
            coin: home.coin.name.as_str().into(),
            nodes,
            ledger: Arc::clone(&ledger),
            clock,
            dir: home.blocks(),
            confirmations: home.coin.confirmations,
            on_accepted: Box::new(|| ()),
        }));
        pursuer.resume(ledger.unsettled_candidates(), Estate::Heir { others: Vec::new() });
        let desk = Arc::new(Desk::new(&home.coin, Arc::clone(&ledger), Arc::clone(&pursuer)));
        Self { ledger, desk, pursuer, directory, stillness, drainer: None }
    }

    /// Begins to drain, if it does not yet.
    pub fn drain(&mut self, home: &Home) {
        if self.drainer.is_none() {
            let (stop, stopped) = watch::channel(false);
            let drainer = self.ledger.drainer(home.sink.clone()).with_pace(pace());
            self.drainer = Some((stop, home.runtime.spawn(drainer.run(stopped))));
        }
    }

    /// Writes shares down.
    pub fn record(&self, home: &Home, shares: Vec<JudgedShare>) -> Vec<Result<u64, NotRecorded>> {
        let _runtime = home.runtime.enter();
        self.desk.record(shares).shares
    }

    /// Asks the directory; it has had its rest from an earlier failure if `rested`.
    pub fn authorize(&self, name: &str, password: &str, rested: bool) -> Answer {
        self.stillness.block_on(async {
            if rested {
                tokio::time::advance(SOURCE_REST).await;
            }
            self.directory.authorize(name, password).await
        })
    }

    /// What the directory knows is in its file.
    pub fn save_workers(&self) {
        self.stillness.block_on(self.directory.save());
    }

    /// The process is killed: nothing is flushed, nothing finished.
    pub fn kill(self, home: &Home) {
        let Self { ledger, desk, pursuer, directory, stillness, drainer } = self;
        if let Some((_, task)) = drainer {
            task.abort();
            let _ = home.runtime.block_on(task);
        }
        home.runtime.block_on(pursuer.finish(Duration::ZERO));
        drop((directory, stillness));
        drop((desk, pursuer));
        gone(ledger);
    }

    /// The process is told to stop; what cannot be finished soon is left to the next life.
    pub fn stop(self, home: &Home) {
        home.runtime.block_on(self.pursuer.finish(Duration::from_millis(200)));
        self.save_workers();
        let Self { ledger, desk, pursuer, drainer, .. } = self;
        if let Some((stop, task)) = drainer {
            stop.send_replace(true);
            home.runtime.block_on(task).unwrap();
        }
        ledger.close();
        drop((desk, pursuer));
        gone(ledger);
    }
}

/// Waits until nobody holds the ledger any more: tasks that were ended let go of it a moment later.
fn gone(ledger: Arc<Ledger>) {
    let ledger = {
        let held = ledger;
        Arc::downgrade(&held)
    };
    while ledger.strong_count() > 0 {
        std::thread::yield_now();
    }
}
