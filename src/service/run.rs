//! The daemon from start to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;
use tracing::{error, info, warn};

use super::accounts::Books;
use super::coin::{CoinService, Shared};
use super::doors::operators_doors;
use super::inherited::{self, Inherited};
use super::local::socket::{self, Listener};
use super::local::{Notify, SOCKET_NAME};
use super::logging::Log;
use super::ports::{self, Listening};
use super::runtimes::Runtimes;
use super::scene::Scene;
use super::{descriptors, fd_store, handover, stop, supervisor, watchdog};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Daemon};
use crate::exit::Exit;
use crate::pow::hashers::Hashers;
use crate::stratum::gate::House;
use crate::stratum::lanes::Lanes;
use crate::stratum::stop::{Departures, Stop};

/// How often the status line is brought up to date.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Shares that wait for one hasher thread; at the bound their connections stop reading.
const HASHER_QUEUE_MAX: usize = 256;
/// Where bans are kept, in the state directory.
const BANS_FILE: &str = "bans";

/// Serves every coin of `config`, which was read from `path`, until the process is told to stop.
pub fn run(config: Config, path: &Path, log: Log) -> Exit {
    let passed = inherited::take();
    info!(config = %path.display(), version = env!("CARGO_PKG_VERSION"), coins = config.coins.len(), "starting");
    let runtimes = match Runtimes::build(&config.daemon) {
        Ok(runtimes) => runtimes,
        Err(problem) => {
            error!(%problem, "the runtime cannot start");
            return Exit::Unavailable;
        }
    };
    let exit = runtimes.block_on(|lanes| serve(config, passed, log, lanes)).unwrap_or_else(|failure| {
        error!("{failure}");
        Exit::Unavailable
    });
    runtimes.shut_down();
    exit
}

async fn serve(config: Config, passed: Vec<Inherited>, log: Log, lanes: Lanes) -> Result<Exit, String> {
    // Signals first: a stop that comes while we start is not lost.
    let mut signals = Signals::new().map_err(|problem| format!("signals cannot be caught: {problem}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (stop, stopping) = watch::channel(Stop::No);
    let (drain_stop, drain_stopping) = watch::channel(false);
    let house = House::new(&config.daemon, descriptors::connections_max(config.daemon.connections_max));
    let bans = config.daemon.state_dir.join(BANS_FILE);
    house.guard.restore(&bans, &*clock);
    let (mut past, passed) = handover::arrive(passed);
    let bound = ports::bind_all(&config.coins, &house, Listening::new(passed))?;
    let books = Books::open(&config, &clock, &drain_stopping).await.map_err(|problem| problem.to_string())?;
    let hashers = Hashers::start(hasher_threads(&config), HASHER_QUEUE_MAX)
        .map_err(|problem| format!("hasher threads cannot be started: {problem}"))?;
    let hand_over = fd_store::may_be_there();
    let departures = Arc::<Departures>::default();
    let shared = Shared { clock: Arc::clone(&clock), hashers, stop: stopping, departures, lanes, hand_over };
    let mut coins = Vec::new();
    let mut resumed: Vec<PathBuf> = Vec::new();
    for (coin, ports) in bound {
        // Without a spool the coin stays down: its ports are closed.
        let (Some(accounts), Some(blocks)) = (books.of(&coin), books.blocks_of(&coin)) else { continue };
        let past = past.remove(&coin.name);
        let ledger = Arc::clone(&accounts.ledger);
        let service = CoinService::start(coin, ports, accounts, &shared, blocks, (random()?, past));
        // Coins of one chain share a ledger; its old candidates are pursued once.
        if !resumed.iter().any(|dir| dir == blocks) {
            service.resume(&ledger);
            resumed.push(blocks.to_owned());
        }
        coins.push(service);
    }
    let _doors = local_doors(&config.daemon, &coins, &clock).await;
    let scene = Arc::new(Scene {
        started: clock.unix_secs(),
        clock: Arc::clone(&clock),
        guard: Arc::clone(&house.guard),
        bans: bans.clone(),
        roster: Arc::clone(&house.roster),
        log,
        coins: coins.iter().map(CoinService::view).collect(),
        ledgers: books.views(),
        troubles: books.troubles(),
    });
    let (_scene, seen) = watch::channel(scene);
    let _operators = operators_doors(&config.daemon, &clock, &seen).await;
    supervisor::ready(&status(&coins, &books));
    info!("ready");
    let pulses = coins.iter().map(CoinService::pulse).chain(books.pulses()).collect();
    let mut watchdog = JoinSet::new();
    watchdog.spawn(watchdog::run(pulses, Arc::clone(&clock)));
    let save_bans = || house.guard.save(&bans, &*clock);
    let reload = || {
        supervisor::reloading(clock.monotonic());
        house.certificates.reload();
        supervisor::ready(&status(&coins, &books));
    };
    until_stopped(&mut signals, || status(&coins, &books), reload, save_bans).await;
    supervisor::stopping();
    stop::finish(coins, books, &stop, &drain_stop, hand_over).await;
    save_bans();
    info!("stopped");
    Ok(Exit::Ok)
}

/// Opens the doors for programs on this machine. One that cannot be opened is a pity and no reason not to
/// serve miners: the nodes are asked for their tips all the same.
async fn local_doors(daemon: &Daemon, coins: &[CoinService], clock: &Arc<dyn Clock>) -> JoinSet<()> {
    let mut notify = Notify::default();
    for coin in coins {
        let (name, bell) = coin.bell();
        notify.add(name, bell);
    }
    let mut doors = JoinSet::new();
    let path = daemon.runtime_dir.join(SOCKET_NAME);
    match Listener::unix(&path).await {
        Ok(listener) => {
            let notify = notify.clone();
            doors.spawn(socket::serve(listener, Arc::clone(clock), move |line| notify.answer(line)));
        }
        Err(problem) => {
            warn!(socket = %path.display(), %problem, "`mpos-stratum notify` finds no socket: set runtime_dir")
        }
    }
    let Some(address) = daemon.nomp_listen else { return doors };
    match Listener::tcp(address).await {
        Ok(listener) => {
            info!(listen = ?listener.address(), "lines of NOMP's blocknotify are taken");
            doors.spawn(socket::serve(listener, Arc::clone(clock), move |line| notify.answer_nomp(line)));
        }
        Err(problem) => warn!(%address, %problem, "cannot listen for NOMP's blocknotify: is NOMP still running?"),
    }
    doors
}

/// Keeps status line and bans file up to date, and reloads when asked to, until a signal says stop.
async fn until_stopped(signals: &mut Signals, status: impl Fn() -> String, reload: impl Fn(), save_bans: impl Fn()) {
    let mut tick = interval(STATUS_INTERVAL);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => {
                info!("SIGHUP: reading the certificates again; a changed configuration needs a restart");
                reload();
            }
            _ = tick.tick() => {
                supervisor::status(&status());
                save_bans();
            }
        }
    }
    info!("stopping");
}

fn status(coins: &[CoinService], books: &Books) -> String {
    let coins: Vec<String> = coins.iter().map(CoinService::status).collect();
    format!("{}; {}", coins.join("; "), books.status())
}

fn hasher_threads(config: &Config) -> usize {
    config.daemon.hasher_threads.unwrap_or_else(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores.saturating_sub(1).max(1)
    })
}

fn random() -> Result<[u8; 44], String> {
    let mut bytes = [0; 44];
    getrandom::fill(&mut bytes).map_err(|problem| format!("the system gives no random numbers: {problem}"))?;
    Ok(bytes)
}

/// The signals that matter to a daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}
