//! BIP22 long polling of one node, beside the poller: the node answers the moment its tip changes.
//!
//! A connection that has silently died is harmless until the tip moves. So there is no short
//! timeout, which would leave the node with one occupied RPC thread after another; instead the call
//! is given up when polling has seen another tip and the long poll still has not answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::tip::Source;
use super::watched::Watch;
use crate::work::template::Template;

/// How long one call may wait. Nodes answer with the next block or new transactions; an hour
/// without either is followed by another call.
const CALL_MAX: Duration = Duration::from_secs(3600);
/// How long an answer may come later than polling saw the new tip before the connection counts as
/// dead and is opened anew.
const LATE_MAX: Duration = Duration::from_secs(5);
/// Least time between two calls on the same tip, and the first wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait after failures in a row.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// So many answers in a row that came at once and brought no new tip: the node does not know long
/// polling, and it is not used with this node any more.
const HASTY_MAX: u32 = 10;

/// What became of one call.
enum Outcome {
    /// A template on another tip.
    NewTip,
    /// A template on the same tip.
    SameTip,
    /// The call failed.
    Failed,
    /// Polling was faster; the connection is given up.
    Overtaken,
}

/// Runs until the node turns out not to know long polling; `latest` is the node's last template.
pub(super) async fn run(watch: Arc<Watch>, mut latest: watch::Receiver<Option<Arc<Template>>>) {
    let mut pause = PAUSE;
    let mut hasty = 0;
    loop {
        let Ok(base) = latest.wait_for(has_handle).await.map(|latest| latest.clone()) else { return };
        let Some((base, id)) = base.as_ref().and_then(|base| Some((base, base.longpoll_id.as_deref()?))) else {
            continue;
        };
        // Only nodes that have shown that they know it can miss a tip.
        watch.bell.tally().in_use(Source::Longpoll, Duration::ZERO);
        let asked_at = Instant::now();
        let outcome = tokio::select! {
            outcome = ask(&watch, id, base) => outcome,
            () = overtaken(&mut latest, base) => Outcome::Overtaken,
        };
        match outcome {
            Outcome::NewTip => (pause, hasty) = (PAUSE, 0),
            Outcome::SameTip => {
                pause = PAUSE;
                hasty = if asked_at.elapsed() < PAUSE { hasty + 1 } else { 0 };
                if hasty == HASTY_MAX {
                    tracing::warn!(node = watch.name(), "long polling is answered at once; using polling alone");
                    return;
                }
                sleep(PAUSE).await;
            }
            Outcome::Failed => {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Outcome::Overtaken => tracing::debug!(node = watch.name(), "long poll was overtaken; opening it anew"),
        }
    }
}

fn has_handle(latest: &Option<Arc<Template>>) -> bool {
    latest.as_ref().is_some_and(|template| template.longpoll_id.is_some())
}

async fn ask(watch: &Watch, id: &str, base: &Template) -> Outcome {
    match watch.longpoll(id, CALL_MAX).await {
        Ok(template) if template.height < base.height => {
            // Whether to go back is for who polls.
            watch.bell.ring(Source::Longpoll, None);
            Outcome::Failed
        }
        Ok(template) => {
            let new_tip = template.previous != base.previous;
            if new_tip {
                watch.bell.note(Source::Longpoll, template.previous, watch.bell.now());
            }
            watch.offer(Some(base.previous), template, Source::Longpoll);
            if new_tip { Outcome::NewTip } else { Outcome::SameTip }
        }
        Err(problem) => {
            tracing::debug!(node = watch.name(), problem, "long poll failed");
            Outcome::Failed
        }
    }
}

/// Returns when polling has had another tip, or none, for [`LATE_MAX`].
async fn overtaken(latest: &mut watch::Receiver<Option<Arc<Template>>>, base: &Template) {
    let moved = |template: &Option<Arc<Template>>| template.as_ref().is_none_or(|new| new.previous != base.previous);
    if latest.wait_for(moved).await.is_ok() {
        sleep(LATE_MAX).await;
    } else {
        std::future::pending().await
    }
}
