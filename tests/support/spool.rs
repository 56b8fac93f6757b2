//! A spool brought into its database without a daemon.

use std::sync::Arc;

use mpos_stratum::ledger::Ledger;
use mpos_stratum::mpos::share_sink::ShareSink;
use tokio::sync::watch;

use super::miner::PATIENCE;

/// Drains everything that is in the spool, and closes it.
pub async fn drain(ledger: Arc<Ledger>, sink: ShareSink) {
    let written = ledger.status().written;
    let (stop, stopped) = watch::channel(false);
    let drainer = tokio::spawn(ledger.drainer(sink).run(stopped));
    let drained = async { ledger.drained().wait_for(|&drained| drained >= written).await.is_ok() };
    let drained = tokio::time::timeout(PATIENCE, drained).await;
    assert!(drained.is_ok_and(|drained| drained), "{}", ledger.status().drain);
    stop.send_replace(true);
    drainer.await.unwrap().close().await;
    ledger.close();
}
