//! The daemon's two runtimes: one for miners and everything else, one for strangers, whose threads come last.

use std::io;
use std::num::NonZero;
use std::sync::Once;
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::process::getpriority_process;
use tokio::runtime::{Builder, Runtime};
use tracing::warn;

use super::scheduling;
use crate::config::Daemon;
use crate::stratum::lanes::Lanes;

/// How much nicer the threads of strangers are than all others: while miners need the processor, strangers have about
/// a tenth of it, so they come in slowly, but they do.
const NICENESS: i32 = 10;
/// The nicest there is.
const NICENESS_MAX: i32 = 19;
/// What threads of miners do in one go while others wait. It is the shortest there is: they have little to do, and
/// whoever has the shorter slice need not wait for the end of another's.
const MINERS_SLICE: Duration = Duration::from_micros(100);
/// The same of strangers.
const STRANGERS_SLICE: Duration = Duration::from_millis(3);
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
        let last = (usual + NICENESS).min(NICENESS_MAX);
        let strangers = builder("strangers", threads.saturating_sub(1).max(1))
            .on_thread_start(move || share(last, STRANGERS_SLICE))
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

fn builder(name: &str, threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name(name).worker_threads(threads);
    builder
}

/// Says how the calling thread is to share the processors.
fn share(niceness: i32, slice: Duration) {
    static TOLD: Once = Once::new();
    if let Err(problem) = scheduling::of_this_thread(niceness, slice) {
        TOLD.call_once(|| warn!(%problem, "strangers have the same priority as miners: allow sched_setattr"));
    }
}
