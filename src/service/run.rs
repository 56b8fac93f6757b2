//! The daemon from start to stop.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::interval;
use tracing::{error, info};

use super::accounts::Books;
use super::coin::Shared;
use super::inherited::{self, Inherited};
use super::logging::Log;
use super::ports::{self, Listening};
use super::reloading::{ReloadBell, ReloadRings};
use super::running::{Running, Setup, bans_file};
use super::runtimes::{Runtimes, as_hashers};
use super::{descriptors, fd_store, handover, supervisor};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::exit::Exit;
use crate::ledger::error::OpenError;
use crate::pow::hashers::Hashers;
use crate::stratum::gate::House;
use crate::stratum::lanes::Lanes;
use crate::stratum::stop::{Departures, Stop};

/// How often the status line is brought up to date.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Shares that wait for one hasher thread; at the bound their connections stop reading.
const HASHER_QUEUE_MAX: usize = 256;

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
    let ended = runtimes.block_on(|lanes| serve(config, path.to_owned(), passed, log, lanes));
    runtimes.shut_down();
    match ended {
        Ok(()) => Exit::Ok,
        Err(Failure { exit, problem }) => {
            error!("{problem}");
            exit
        }
    }
}

/// Why the daemon did not come up.
struct Failure {
    exit: Exit,
    problem: String,
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self { exit: Exit::Unavailable, problem }
    }
}

impl From<OpenError> for Failure {
    fn from(problem: OpenError) -> Self {
        let exit = match &problem {
            OpenError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => Exit::NoPermission,
            OpenError::Io { .. } => Exit::CannotCreate,
            _ => Exit::Unavailable,
        };
        Self { exit, problem: problem.to_string() }
    }
}

async fn serve(config: Config, path: PathBuf, passed: Vec<Inherited>, log: Log, lanes: Lanes) -> Result<(), Failure> {
    // Signals first: a stop that comes while we start is not lost.
    let mut signals = Signals::new().map_err(|problem| format!("signals cannot be caught: {problem}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (stop, stopping) = watch::channel(Stop::No);
    let house = House::new(&config.daemon, descriptors::connections_max(config.daemon.connections_max));
    house.guard.restore(&bans_file(&config), &*clock);
    let (waiting, passed) = handover::arrive(passed);
    let bound = ports::bind_all(&config.coins, &house, Listening::new(passed))?;
    let books = Books::open(&config, &clock).await?;
    let hashers = as_hashers(|| Hashers::start(hasher_threads(&config), HASHER_QUEUE_MAX))
        .map_err(|problem| format!("hasher threads cannot be started: {problem}"))?;
    let hand_over = fd_store::may_be_there();
    let departures = Arc::<Departures>::default();
    let shared = Shared { clock: Arc::clone(&clock), hashers, stop: stopping, departures, lanes, hand_over };
    let past = waiting.take();
    let (bell, mut rings) = ReloadBell::new();
    let setup = Setup { config, path, log, house, shared, books, bell };
    let mut running = Running::start(setup, bound, past).await?;
    supervisor::ready(&running.status());
    info!("ready");
    until_stopped(&mut signals, &mut rings, &mut running).await;
    supervisor::stopping();
    running.finish(&stop).await;
    info!("stopped");
    Ok(())
}

/// Keeps status line and bans file up to date, and reloads when asked to, until a signal says stop.
async fn until_stopped(signals: &mut Signals, rings: &mut ReloadRings, running: &mut Running) {
    let mut tick = interval(STATUS_INTERVAL);
    let Signals { stops, hangup, rotated } = signals;
    loop {
        let answer = tokio::select! {
            () = stops.one() => break,
            _ = hangup.recv() => {
                info!("SIGHUP: reading the configuration again");
                // Who sent the signal reads the log.
                None
            }
            _ = rotated.recv() => {
                running.reopen_log();
                info!("SIGUSR1: opened the log's file again");
                continue;
            }
            Some(answer) = rings.recv() => Some(answer),
            _ = tick.tick() => {
                supervisor::status(&running.status());
                running.save_bans();
                running.tidy().await;
                continue;
            }
        };
        // Nodes and databases that do not answer may make this long; it is not a stop that waits for them.
        let examined = tokio::select! {
            () = stops.one() => break,
            examined = running.examine() => examined,
        };
        let outcome = running.take_over(examined).await;
        // Who asked may have gone.
        let _ = answer.map(|answer| answer.send(outcome));
    }
    info!("stopping");
}

fn hasher_threads(config: &Config) -> usize {
    config.daemon.hasher_threads.unwrap_or_else(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores.saturating_sub(1).max(1)
    })
}

/// The signals that matter to a daemon.
struct Signals {
    stops: Stops,
    hangup: Signal,
    /// The log's file was moved away.
    rotated: Signal,
}

/// The signals that mean a stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let stops = Stops { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        let (hangup, rotated) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
        Ok(Self { stops, hangup, rotated })
    }
}

impl Stops {
    /// Waits for one of them.
    async fn one(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn the_exit_code_says_whether_starting_again_can_help() {
        let refused = |kind| OpenError::Io { action: "open", path: "spool".into(), source: Error::from(kind) };
        let code = |problem: OpenError| Failure::from(problem).exit.code();
        assert_eq!(code(refused(ErrorKind::PermissionDenied)), 77);
        assert_eq!(code(refused(ErrorKind::ReadOnlyFilesystem)), 73);
        assert_eq!(code(refused(ErrorKind::StorageFull)), 73);
        assert_eq!(code(OpenError::InUse { dir: "spool".into(), holder: String::new() }), 69);
        assert_eq!(Failure::from(String::from("a port")).exit.code(), 69);
    }
}
