//! A spool that a test writes, or brings into its database, without a daemon.

use std::sync::Arc;

use mpos_stratum::ledger::Ledger;
use mpos_stratum::ledger::record::{Event, ShareRecord};
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

/// An accepted share of a worker.
pub fn share(worker: &str) -> ShareRecord {
    ShareRecord {
        worker: worker.into(),
        remote: "192.0.2.7".parse().unwrap(),
        accepted: true,
        reason: String::new(),
        row_difficulty: 512.0,
        assigned_difficulty: 512.0,
        share_difficulty: 700.0,
        network_difficulty: 1e6,
        height: 100,
        reward: 5_000_000_000,
        job: "1f".into(),
        header: vec![7; 80],
        solution: None,
        candidate: None,
    }
}

/// Writes shares of a worker until they are more than so many bytes, whatever a record takes beside its header.
pub async fn fill(ledger: &Ledger, worker: &str, bytes: usize) {
    let events = vec![Event::Share(share(worker)); 500];
    let header_bytes = share(worker).header.len();
    for _ in 0..bytes.div_ceil(header_bytes * events.len()) {
        ledger.append(&events).unwrap();
        // The next segment is laid out behind what is on the disk.
        let written = ledger.status().written;
        ledger.synced().wait_for(|&synced| synced >= written).await.unwrap();
    }
}
