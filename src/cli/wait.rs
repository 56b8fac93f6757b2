//! Commands that talk to a database, to nodes or to the daemon.

use std::future::Future;

use super::say::fail;
use crate::exit::Exit;

/// Runs something that waits for others, in a runtime of its own.
pub(super) fn wait<T>(work: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(fail(format_args!("the runtime cannot start: {error}"))),
    }
}
