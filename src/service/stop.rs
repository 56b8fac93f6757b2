//! The end of this life, in order.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::accounts::Books;
use super::coin::CoinService;
use super::handover::{self, Left};
use crate::stratum::stop::Stop;

/// How long a stop may take before it is cut short. What was acknowledged is on the disk either way.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long those may take to go, in turns, who cannot go over to the next life; then the rest goes at once.
const PARTING_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether they are gone.
const PARTING_LOOK: Duration = Duration::from_millis(20);

/// Finishes everything that was read, brings it to the disk, and leaves the connections to the next life of the
/// daemon if there will be one.
pub async fn finish(coins: Vec<CoinService>, books: Books, stop: &watch::Sender<Stop>, hand_over: bool) {
    if hand_over {
        stop.send_replace(Stop::Parting);
        part(&coins).await;
    }
    stop.send_replace(Stop::Now);
    let finished = timeout(STOP_TIMEOUT, async {
        let left = coins.into_iter().map(CoinService::finish).collect::<JoinSet<Option<Left>>>().join_all().await;
        books.close().await;
        left.into_iter().flatten().collect()
    });
    match finished.await {
        Ok(left) if hand_over => handover::leave(left),
        Ok(_) => {}
        Err(_) => warn!("stopped before everything was finished; what was acknowledged is in the spool"),
    }
}

/// Waits until those are gone whose connection cannot go over. The others mine meanwhile.
async fn part(coins: &[CoinService]) {
    let open = || coins.iter().map(CoinService::encrypted).sum::<u64>();
    let first = open();
    if first == 0 {
        return;
    }
    info!(connections = first, "connections in TLS cannot be handed over: they are closed in turns");
    let gone = async {
        while open() > 0 {
            sleep(PARTING_LOOK).await;
        }
    };
    if timeout(PARTING_MAX, gone).await.is_err() {
        info!(connections = open(), "the rest of them goes at once");
    }
}
