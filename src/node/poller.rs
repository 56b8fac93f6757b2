//! Follows the nodes of a coin: one task per node asks for its tip and fetches its templates.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::agreement::{self, Docket};
use super::bell::{Bell, Ring};
use super::chain::Chain;
use super::doubts::Doubts;
use super::early::{self, Early};
use super::longpoll;
use super::nodes::Nodes;
use super::peer;
use super::publisher::Publisher;
use super::tip::{NodeState, Past, Source, Work};
use super::watched::Watch;
use super::zmq;
use crate::bytes::{Hash, display_hash};
use crate::clock::Clock;
use crate::config::{self, Templates};
use crate::work::template::Template;

/// First wait for the template of a tip that the node has just named, or for a tip that was announced; each
/// further one is twice as long, up to [`LAG_PAUSE_MAX`]: what is waited for may never come, and another tip may.
const LAG_PAUSE: Duration = Duration::from_millis(50);
/// Longest of these waits.
const LAG_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How long a template may lag behind the tip the node names. Then the poller takes what it gets and
/// asks again at the next poll.
const LAG_MAX: Duration = Duration::from_secs(5);
/// How long a node is left alone that refused us: somebody has to change something there, and a
/// wrong login fills its log.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// The running watchers of a coin's nodes. Dropping it stops them.
pub struct Poller {
    nodes: Nodes,
    chain: Arc<Chain>,
    publisher: Arc<Publisher>,
    bell: Arc<Bell>,
    docket: Arc<Docket>,
    tasks: Mutex<JoinSet<()>>,
}

impl Poller {
    /// Starts watching. Must be called within a runtime.
    pub fn start(nodes: &Nodes, templates: &Templates, chain: &Arc<Chain>, clock: Arc<dyn Clock>) -> Self {
        Self::go_on(nodes, templates, chain, clock, Past::default())
    }

    /// The same, where the daemon's last life was mining on something already.
    pub fn go_on(nodes: &Nodes, templates: &Templates, chain: &Arc<Chain>, clock: Arc<dyn Clock>, past: Past) -> Self {
        let bell = Arc::new(Bell::new(Arc::clone(&clock)));
        let publisher = Publisher::new(nodes.clone(), clock, templates.refresh, Arc::clone(&bell));
        let publisher = Arc::new(publisher.going_on_from(past));
        let (nodes, chain) = (nodes.clone(), Arc::clone(chain));
        let docket = Arc::default();
        let tasks = Mutex::new(watchers(&nodes, templates, &chain, (&publisher, &bell, &docket)));
        Self { nodes, chain, publisher, bell, docket, tasks }
    }

    /// Goes on with these nodes, watched like that. What was published stays until one of them gives something better.
    pub async fn change(&self, nodes: &[config::Node], templates: &Templates) {
        let mut tasks = self.tasks.lock().await;
        // They know their nodes by their places.
        tasks.shutdown().await;
        self.publisher.change(nodes, templates.refresh);
        self.bell.tally().none_in_use();
        *tasks = watchers(&self.nodes, templates, &self.chain, (&self.publisher, &self.bell, &self.docket));
    }

    /// The work, now and as it changes.
    pub fn work(&self) -> watch::Receiver<Work> {
        self.publisher.subscribe()
    }

    /// From now on a node counts only once its chain was proven to be that of the coin's profile.
    pub fn keep_to_proven(&self) {
        self.publisher.keep_to_proven();
    }

    /// Where news of a tip from elsewhere is told.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Says that there is news: every node is asked for its tip at once. Kicks that come faster than
    /// the nodes answer become one.
    pub fn kick(&self) {
        self.bell.ring(Source::Kick, None);
    }
}

/// Starts to watch the nodes.
fn watchers(
    nodes: &Nodes,
    templates: &Templates,
    chain: &Arc<Chain>,
    (publisher, bell, docket): (&Arc<Publisher>, &Arc<Bell>, &Arc<Docket>),
) -> JoinSet<()> {
    let (nodes, mut tasks) = (nodes.as_now(), JoinSet::new());
    bell.tally().in_use(Source::Poll, templates.poll);
    for (index, node) in nodes.all().iter().enumerate() {
        let watch = Arc::new(Watch {
            index,
            node: Arc::clone(node),
            form: Arc::clone(&chain.form),
            publisher: Arc::clone(publisher),
            latest: watch::channel(None).0,
            bell: Arc::clone(bell),
            is_ahead: AtomicBool::default(),
        });
        if templates.longpoll {
            tasks.spawn(longpoll::run(Arc::clone(&watch), watch.latest.subscribe()));
        }
        tasks.spawn(zmq::run(Arc::clone(node), Arc::clone(chain), Arc::clone(bell)));
        if let Some(way) = &node.ways.peer {
            bell.tally().in_use(Source::Peer, Duration::ZERO);
            let work = publisher.subscribe();
            tasks.spawn(peer::run(Arc::clone(node), way.clone(), Arc::clone(chain), Arc::clone(bell), work));
        }
        let early = Early::new(templates.empty_after);
        let (refresh, doubts) = (templates.refresh, Doubts::default());
        let poll = Poll { watch, refresh, early, doubts, names_tip: true, named: None, fetched_at: None };
        tasks.spawn(poll.run(templates.poll, bell.listen()));
    }
    if nodes.all().len() > 1 {
        tasks.spawn(agreement::run(nodes, Arc::clone(publisher), Arc::clone(chain), Arc::clone(docket)));
    } else {
        docket.clear();
    }
    tasks
}

/// The polling task of a node.
struct Poll {
    watch: Arc<Watch>,
    refresh: Duration,
    early: Early,
    doubts: Doubts,
    /// Whether the node knows `getbestblockhash`; without it every poll fetches a template.
    names_tip: bool,
    /// The tip that the node named when it was looked at last.
    named: Option<Hash>,
    /// When polling last got a template.
    fetched_at: Option<Instant>,
}

impl Poll {
    async fn run(mut self, every: Duration, mut rings: watch::Receiver<Ring>) {
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ring = tokio::select! {
                _ = ticks.tick() => None,
                rung = rings.changed() => rung.is_ok().then(|| *rings.borrow_and_update()),
            };
            if let Err(state) = self.look(ring).await {
                if matches!(state, NodeState::Refused { .. }) {
                    ticks.reset_after(every.max(REFUSED_PAUSE));
                }
                if matches!(state, NodeState::Unreachable { .. }) {
                    self.doubts.was_away();
                }
                self.watch.fail(state, self.named.take());
            }
        }
    }

    /// Asks for the tip, and for a template if there is reason to.
    async fn look(&mut self, ring: Option<Ring>) -> Result<(), NodeState> {
        self.named = None;
        let base = self.watch.latest.borrow().as_ref().map(|template| template.previous);
        let named = ring.and_then(|ring| ring.tip);
        if named.is_some() && named == base {
            return Ok(());
        }
        let mut tip = self.tip().await?;
        self.doubts.is_the_same(&self.watch.node).await?;
        if let Some(state) = self.watch.node.held_back() {
            return Err(state);
        }
        if named.is_some() && tip.is_some() && tip == base {
            // Announced, but the node has not taken it over yet.
            tip = self.next_tip(base).await?;
        }
        self.named = tip;
        self.doubts.is_back_at(tip, base);
        let due = self.fetched_at.is_none_or(|at| at.elapsed() >= self.refresh);
        let moved = tip.is_some_and(|tip| base != Some(tip));
        if let Some(tip) = tip {
            self.note(base, tip, ring);
            if !moved && !due {
                self.watch.publisher.unchanged(self.watch.index);
                return Ok(());
            }
        }
        let source = match (ring, moved || base.is_none() || tip.is_none()) {
            (Some(ring), _) => ring.source,
            (None, true) => Source::Poll,
            (None, false) => Source::Refresh,
        };
        let template = match (tip, base) {
            (Some(tip), Some(base)) if moved => self.template_soon(tip, base, source).await?,
            _ => self.template_on(tip.filter(|_| moved), base).await?,
        };
        self.fetched_at = Some(Instant::now());
        self.doubts.is_up_to_date(&self.watch.node, &template).await?;
        let held = self.watch.latest.borrow().clone();
        if self.doubts.may_follow(&self.watch.node, held.as_deref(), &template).await {
            self.watch.offer(base, template, source);
        } else {
            self.watch.publisher.unchanged(self.watch.index);
        }
        Ok(())
    }

    /// The node's template on a new tip; while it is slow, miners have work without transactions.
    async fn template_soon(&mut self, tip: Hash, base: Hash, source: Source) -> Result<Arc<Template>, NodeState> {
        let watch = Arc::clone(&self.watch);
        let Some(after) = self.early.after(&watch.node.rpc).await else {
            return self.template_on(Some(tip), Some(base)).await;
        };
        let mut provisional = None;
        let full = {
            let full = self.template_on(Some(tip), Some(base));
            tokio::pin!(full);
            let early = async {
                sleep(after).await;
                early::template(&watch, tip).await
            };
            tokio::select! {
                biased;
                full = &mut full => full,
                early = early => {
                    if let Some(template) = early {
                        watch.offer(Some(base), Arc::clone(&template), source);
                        provisional = Some(template);
                    }
                    full.await
                }
            }
        }?;
        if let Some(provisional) = provisional {
            self.early.judge(watch.name(), &provisional, &full);
        }
        Ok(full)
    }

    /// Credits who brought the tip.
    fn note(&self, base: Option<Hash>, tip: Hash, ring: Option<Ring>) {
        let bell = &self.watch.bell;
        match ring {
            // The first question brings no news.
            None if base.is_some() => bell.note(Source::Poll, tip, bell.now()),
            Some(ring) if ring.tip.is_none() && base.is_some() && base != Some(tip) => {
                bell.note(ring.source, tip, ring.at);
            }
            _ => (),
        }
    }

    /// The node's tip once it is no longer `base`; after [`LAG_MAX`] whatever it is.
    async fn next_tip(&mut self, base: Option<Hash>) -> Result<Option<Hash>, NodeState> {
        let (mut pause, mut waited) = (LAG_PAUSE, Duration::ZERO);
        loop {
            sleep(pause).await;
            let tip = self.tip().await?;
            waited += pause;
            pause = (pause * 2).min(LAG_PAUSE_MAX);
            if tip != base || waited >= LAG_MAX {
                return Ok(tip);
            }
        }
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
            pause = (pause * 2).min(LAG_PAUSE_MAX);
        }
    }
}
