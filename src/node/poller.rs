//! Follows the nodes of a coin: one task per node asks for its tip and fetches its templates.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::longpoll;
use super::nodes::Nodes;
use super::publisher::Publisher;
use super::tip::{NodeState, Source, Work};
use super::watched::Watch;
use crate::bytes::{Hash, display_hash};
use crate::chain::form::ChainForm;
use crate::clock::Clock;
use crate::config::Templates;
use crate::work::template::Template;

/// First wait for the template of a tip that the node has just named; each further one is twice as
/// long.
const LAG_PAUSE: Duration = Duration::from_millis(50);
/// How long a template may lag behind the tip the node names. Then the poller takes what it gets and
/// asks again at the next poll.
const LAG_MAX: Duration = Duration::from_secs(5);
/// How long a node is left alone that refused us: somebody has to change something there, and a
/// wrong login fills its log.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// The running watchers of a coin's nodes. Dropping it stops them.
pub struct Poller {
    publisher: Arc<Publisher>,
    kick: Arc<watch::Sender<u64>>,
    _tasks: JoinSet<()>,
}

impl Poller {
    /// Starts watching; templates are asked for and read as `form` has it. Must be called within a runtime.
    pub fn start(nodes: &Nodes, templates: &Templates, form: &Arc<ChainForm>, clock: Arc<dyn Clock>) -> Self {
        let publisher = Arc::new(Publisher::new(nodes.clone(), clock, templates.refresh));
        let kick = Arc::new(watch::channel(0).0);
        let mut tasks = JoinSet::new();
        for (index, node) in nodes.all().iter().enumerate() {
            let watch = Arc::new(Watch {
                index,
                node: Arc::clone(node),
                form: Arc::clone(form),
                publisher: Arc::clone(&publisher),
                latest: watch::channel(None).0,
                kick: Arc::clone(&kick),
            });
            if templates.longpoll {
                tasks.spawn(longpoll::run(Arc::clone(&watch), watch.latest.subscribe()));
            }
            let poll = Poll { watch, refresh: templates.refresh, names_tip: true, fetched_at: None };
            tasks.spawn(poll.run(templates.poll, kick.subscribe()));
        }
        Self { publisher, kick, _tasks: tasks }
    }

    /// The work, now and as it changes.
    pub fn work(&self) -> watch::Receiver<Work> {
        self.publisher.subscribe()
    }

    /// Says that there is news: every node is asked for its tip at once. Kicks that come faster than
    /// the nodes answer become one.
    pub fn kick(&self) {
        self.kick.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The polling task of a node.
struct Poll {
    watch: Arc<Watch>,
    refresh: Duration,
    /// Whether the node knows `getbestblockhash`; without it every poll fetches a template.
    names_tip: bool,
    /// When polling last got a template.
    fetched_at: Option<Instant>,
}

impl Poll {
    async fn run(mut self, every: Duration, mut kick: watch::Receiver<u64>) {
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let kicked = tokio::select! {
                _ = ticks.tick() => false,
                told = kick.changed() => told.is_ok(),
            };
            if let Err(state) = self.look(kicked).await {
                if matches!(state, NodeState::Refused { .. }) {
                    ticks.reset_after(every.max(REFUSED_PAUSE));
                }
                self.watch.fail(state);
            }
        }
    }

    /// Asks for the tip, and for a template if there is reason to.
    async fn look(&mut self, kicked: bool) -> Result<(), NodeState> {
        let base = self.watch.latest.borrow().as_ref().map(|template| template.previous);
        let tip = self.tip().await?;
        let due = self.fetched_at.is_none_or(|at| at.elapsed() >= self.refresh);
        let moved = tip.is_some_and(|tip| base != Some(tip));
        if tip.is_some() && !moved && !due {
            self.watch.publisher.unchanged(self.watch.index);
            return Ok(());
        }
        let source = match (kicked, moved || base.is_none() || tip.is_none()) {
            (true, _) => Source::Kick,
            (false, true) => Source::Poll,
            (false, false) => Source::Refresh,
        };
        let template = self.template_on(tip.filter(|_| moved), base).await?;
        self.fetched_at = Some(Instant::now());
        self.watch.offer(base, template, source);
        Ok(())
    }

    /// The node's tip; `None` if it cannot name it.
    async fn tip(&mut self) -> Result<Option<Hash>, NodeState> {
        if !self.names_tip {
            return Ok(None);
        }
        match self.watch.node.rpc.best_block_hash().await {
            Ok(tip) => Ok(Some(tip)),
            Err(error) if error.is_method_missing() => {
                tracing::info!(node = self.watch.name(), "no getbestblockhash; every poll fetches a template");
                self.names_tip = false;
                Ok(None)
            }
            Err(error) => Err(self.watch.state_of(&error).await),
        }
    }

    /// A template; on a new tip not one that still builds on `base`. Nodes name a tip a moment before
    /// they build on it.
    async fn template_on(&self, new_tip: Option<Hash>, base: Option<Hash>) -> Result<Arc<Template>, NodeState> {
        let (mut pause, mut waited) = (LAG_PAUSE, Duration::ZERO);
        loop {
            let template = self.watch.fetch().await?;
            let lags = new_tip.is_some_and(|tip| template.previous != tip) && base == Some(template.previous);
            if !lags {
                return Ok(template);
            }
            if waited >= LAG_MAX {
                let tip = new_tip.map(|tip| display_hash(&tip));
                tracing::warn!(node = self.watch.name(), tip, "the node's template does not follow its tip");
                return Ok(template);
            }
            sleep(pause).await;
            waited += pause;
            pause *= 2;
        }
    }
}
