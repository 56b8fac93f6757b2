//! The daemon's two runtimes: one for miners and everything else, one for strangers, whose threads come last.

use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Once;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use rustix::process::getpriority_process;
use tokio::runtime::{Builder, Runtime};
use tracing::warn;

use super::scheduling;
use crate::config::Daemon;
use crate::stratum::lanes::Lanes;

/// Niceness of a kind of thread: so far behind that of the daemon, which is that of miners' threads, but not nicer than
/// `last`.
#[derive(Debug, Clone, Copy)]
struct Behind {
    by: i32,
    last: i32,
}

/// Strangers come in slowly while others need the processor, but they do. From the unit's niceness for the daemon this
/// is far: a miners' thread that has just spread new work to all has had more than its part of the processor, and
/// would wait for the strangers to have theirs if it counted for only some times as much.
const STRANGERS: Behind = Behind { by: 20, last: 10 };
/// Hashes are much work: the database and the nodes, which have the usual niceness, must not wait for all of it.
const HASHERS: Behind = Behind { by: 10, last: 0 };
/// What threads of miners do in one go while others wait. They have little to do, and whoever has the shorter slice
/// need not wait for the end of another's: the kernel's own is 0.7 ms or more. Still shorter ones would be over at
/// every tick of the clock, and the others' turn.
const MINERS_SLICE: Duration = Duration::from_micros(500);
/// The same of strangers and hashers.
const LONG_SLICE: Duration = Duration::from_millis(3);
/// Blocking calls that hang on a dead disk or name server must not keep the process alive longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Both of them.
#[derive(Debug)]
pub struct Runtimes {
    miners: Runtime,
    strangers: Runtime,
}

impl Runtimes {
    /// Starts their threads.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn build(daemon: &Daemon) -> io::Result<Self> {
        let threads = daemon.worker_threads.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
        let usual = getpriority_process(None)?;
        let miners = builder("mpos-stratum", threads).on_thread_start(move || share(usual, MINERS_SLICE)).build()?;
        // One processor is left to miners also while the crowd has all it can get: the system may let a thread finish
        // what it is at before it gives way.
        let strangers = builder("strangers", threads.saturating_sub(1).max(1))
            .on_thread_start(move || share(STRANGERS.of(usual), LONG_SLICE))
            .build()?;
        // Threads that are started from this one take after it: those that make the spools' records durable are
        // waited for by miners too.
        share(usual, MINERS_SLICE);
        Ok(Self { miners, strangers })
    }

    /// Runs the daemon to its end.
    pub fn block_on<F: Future>(&self, daemon: impl FnOnce(Lanes) -> F) -> F::Output {
        let lanes = Lanes { miners: self.miners.handle().clone(), strangers: self.strangers.handle().clone() };
        self.miners.block_on(daemon(lanes))
    }

    /// Ends their threads.
    pub fn shut_down(self) {
        self.strangers.shutdown_timeout(PATIENCE);
        self.miners.shutdown_timeout(PATIENCE);
    }
}

impl Behind {
    /// What it is if the daemon's is `usual`.
    fn of(self, usual: i32) -> i32 {
        (usual + self.by).min(self.last).max(usual)
    }
}

/// Starts what starts hasher threads: they take after the thread that starts them.
///
/// # Errors
/// The system gives no thread.
pub fn as_hashers<T: Send>(start: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let usual = getpriority_process(None)?;
    let started = || {
        share(HASHERS.of(usual), LONG_SLICE);
        start()
    };
    thread::scope(|scope| {
        let starter = thread::Builder::new().spawn_scoped(scope, started)?;
        starter.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn builder(name: &str, threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name(name).worker_threads(threads);
    builder
}

/// Says how the calling thread is to share the processors.
fn share(niceness: i32, slice: Duration) {
    static TOLD: Once = Once::new();
    if let Err(problem) = scheduling::of_this_thread(niceness, slice) {
        TOLD.call_once(
            || warn!(%problem, "strangers and hashers have the same priority as miners: allow sched_setattr"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_and_hashers_come_behind_miners_but_get_their_part() {
        let both = |usual| [STRANGERS.of(usual), HASHERS.of(usual)];
        assert_eq!(both(-15), [5, -5], "the unit's");
        assert_eq!(both(0), [10, 0]);
        assert_eq!(both(-20), [0, -10]);
        assert_eq!(both(15), [15, 15], "nobody comes before miners");
    }
}
