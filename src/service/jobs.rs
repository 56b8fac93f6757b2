//! From template to job board: makes a job of every template and takes the board down while no node
//! confirms the tip.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use super::payout::{self, Payout};
use super::proof::{self, Proven, Refusal};
use super::proposals::{self, Proposal};
use crate::bytes::{Hash, display_hash};
use crate::clock::Clock;
use crate::config::Coin;
use crate::node::nodes::Nodes;
use crate::node::poller::Poller;
use crate::node::tip::Work;
use crate::pulse::Pulse;
use crate::work::board::JobBoard;
use crate::work::job::{Job, JobRecipe};
use crate::work::template::Template;

/// How often the age of the template is looked at.
const AGE_INTERVAL: Duration = Duration::from_secs(1);
/// Longest that a turn may take: it looks at the template's age every second.
const TURN_MAX: Duration = Duration::from_secs(20);
/// Pause before profile and payout are held against the nodes again after they said no or nothing.
const CONFIRM_PAUSE: Duration = Duration::from_secs(5);

/// The same after the profile was not that of the nodes' chain.
const MISFIT_PAUSE: Duration = Duration::from_secs(30);

/// What the daemon's last life left of its work.
#[derive(Debug, Clone, Default)]
pub struct PastJobs {
    /// What miners work on.
    pub board: Arc<JobBoard>,
    /// The number of the last job.
    pub serial: Option<u32>,
}

/// Makes a coin's jobs.
pub struct JobMaker {
    /// The coin as it is in force, now and later.
    news: watch::Receiver<Arc<Coin>>,
    coin: Arc<Coin>,
    clock: Arc<dyn Clock>,
    board: watch::Sender<Arc<JobBoard>>,
    serial: u32,
    entropy: [u8; 6],
    /// The last job made of a template on the present tip; `None`: there is none.
    job: Option<Arc<Job>>,
    /// The last template that a job was tried to be made of.
    tried: Option<Arc<Template>>,
    /// When a node of the last life answered last; `None`: one of this life has. Before that no job is made: not
    /// everything that one is made of comes over.
    unconfirmed: Option<Duration>,
    /// A template that pays the pool twice was told of.
    told_double: bool,
    /// A template that is too full for the coinbase was told of.
    told_full: bool,
    /// The first job of the newest tip, to be judged by its node.
    tips: watch::Sender<Option<Proposal>>,
    /// What the node said against it.
    alarm: watch::Sender<Option<String>>,
    pulse: Arc<Pulse>,
}

impl JobMaker {
    /// A maker whose serials start at `random`, which should be: ids of an earlier process must be
    /// unknown rather than mistaken for ours. If that process handed its work over, they go on from there.
    pub fn new(
        news: watch::Receiver<Arc<Coin>>,
        clock: Arc<dyn Clock>,
        random: [u8; 8],
        past: &PastJobs,
    ) -> (Self, watch::Receiver<Arc<JobBoard>>) {
        let coin = Arc::clone(&news.borrow());
        let (board, receiver) = watch::channel(Arc::clone(&past.board));
        let [a, b, c, d, e, f, g, h] = random;
        let [high, low] = coin.instance.to_be_bytes();
        let maker = Self {
            news,
            coin,
            clock,
            board,
            serial: past.serial.unwrap_or(u32::from_be_bytes([a, b, c, d])),
            entropy: [high, low, e, f, g, h],
            job: past.board.job.clone(),
            tried: past.board.job.as_ref().map(|job| Arc::clone(&job.template)),
            unconfirmed: None,
            told_double: false,
            told_full: false,
            tips: watch::Sender::new(None),
            alarm: watch::Sender::new(None),
            pulse: Arc::new(Pulse::new("the job maker", TURN_MAX)),
        };
        (maker, receiver)
    }

    /// What the node says against the coin's own blocks; `None`: nothing.
    pub fn alarm(&self) -> watch::Receiver<Option<String>> {
        self.alarm.subscribe()
    }

    /// Its signs of life, from the first job on.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Runs until the poller is gone.
    pub async fn run(mut self, nodes: Nodes, poller: Arc<Poller>) {
        let mut work = poller.work();
        self.unconfirmed = self.job.is_some().then(|| work.borrow().fetched_at);
        if work.wait_for(|work| work.template.is_some()).await.is_err() {
            return;
        }
        let fetched = work.clone();
        let (first_block, payout) = tokio::select! {
            confirmed = self.confirmed(&nodes) => confirmed,
            never = self.withdraw_old(fetched) => match never {},
        };
        poller.keep_to_proven();
        let recipe = Arc::new(JobRecipe {
            payout_script: payout.script,
            fixed: payout.fixed,
            recipients: payout.recipients,
            form: Arc::clone(&self.coin.profile.form),
            text: self.coin.coinbase_text.clone(),
            entropy: self.entropy,
            transaction_hash: self.coin.profile.transaction_hash,
        });
        let mut beside = JoinSet::new();
        let proposals =
            proposals::run(Arc::clone(&self.coin), nodes.clone(), self.tips.subscribe(), self.alarm.clone());
        beside.spawn(proposals);
        let later = proof::prove_later(self.news.clone(), nodes.clone(), first_block);
        beside.spawn(async { match later.await {} });
        let wallet = payout::watch_wallet(Arc::clone(&self.coin), nodes.clone());
        beside.spawn(async { match wallet.await {} });
        let mut age = interval(AGE_INTERVAL);
        age.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.pulse.beat();
            self.coin = Arc::clone(&self.news.borrow());
            let snapshot = work.borrow_and_update().clone();
            self.publish(&snapshot, &recipe);
            tokio::select! {
                changed = work.changed() => if changed.is_err() { return },
                _ = age.tick() => {}
            }
        }
    }

    /// The first block of the nodes' chain and the payout, once they agree with it and with the coin's profile. Goes on asking until they do:
    /// before that no port listens.
    async fn confirmed(&self, nodes: &Nodes) -> (Option<Hash>, Payout) {
        let coin = &self.coin;
        loop {
            let mut pause = CONFIRM_PAUSE;
            let problem = match proof::prove_every(coin, nodes).await {
                Ok(Proven { proof, first_block }) => {
                    info!(coin = coin.name, "{}", proof::described(coin, &proof));
                    match payout::confirm(coin, nodes).await {
                        Ok(payout) => {
                            payout.log(coin);
                            return (first_block, payout);
                        }
                        Err(problem) => problem,
                    }
                }
                Err(refusal) => {
                    if matches!(refusal, Refusal::Misfit { .. }) {
                        // To look for a better profile takes seconds of a processor, each time.
                        pause = MISFIT_PAUSE;
                    }
                    refusal.to_string()
                }
            };
            error!(
                coin = coin.name,
                address = coin.payout_address,
                problem,
                "nothing is mined until this is put right"
            );
            sleep(pause).await;
        }
    }

    /// Takes the work of the daemon's last life down when no node has confirmed it for too long. Does not return.
    async fn withdraw_old(&self, work: watch::Receiver<Work>) -> Infallible {
        let mut age = interval(AGE_INTERVAL);
        loop {
            age.tick().await;
            let (fetched_at, stale_after) = (work.borrow().fetched_at, self.news.borrow().templates.stale_after);
            if self.clock.monotonic().saturating_sub(fetched_at) > stale_after {
                self.board.send_if_modified(|board| {
                    let had = board.job.is_some();
                    if had {
                        warn!(
                            coin = self.coin.name,
                            "no node confirms the tip of the last run: its work is taken down"
                        );
                        *board = Arc::new(JobBoard { tip_seq: board.tip_seq, job: None });
                    }
                    had
                });
            }
        }
    }

    fn publish(&mut self, work: &Work, recipe: &Arc<JobRecipe>) {
        let Some(template) = &work.template else {
            // The tip has moved on, and there is no template for the new one.
            (self.job, self.tried) = (None, None);
            self.board.send_if_modified(|board| {
                let had = board.job.is_some();
                if had {
                    *board = Arc::new(JobBoard { tip_seq: work.tip_seq, job: None });
                }
                had
            });
            return;
        };
        if self.unconfirmed.take_if(|last| work.fetched_at > *last).is_some() {
            // It gave the same template: a job of this life's own can be made of it.
            self.tried = None;
        }
        if self.tried.as_ref().is_none_or(|tried| !Arc::ptr_eq(tried, template)) {
            self.make(work, template, recipe);
            self.tried = Some(Arc::clone(template));
        }
        let age = self.clock.monotonic().saturating_sub(work.fetched_at);
        let usable = age <= self.coin.templates.stale_after;
        let job = self.job.clone().filter(|_| usable);
        let coin = &self.coin.name;
        self.board.send_if_modified(|board| {
            let same = match (&board.job, &job) {
                (Some(shown), Some(job)) => Arc::ptr_eq(shown, job),
                (None, None) => true,
                _ => false,
            };
            if same && board.tip_seq == work.tip_seq {
                return false;
            }
            match (&board.job, &job) {
                (Some(_), None) if !usable => warn!(
                    coin,
                    age_secs = age.as_secs(),
                    "no node confirms the tip: submits are refused until one does"
                ),
                (None, Some(_)) => info!(coin, "work is available"),
                _ => {}
            }
            *board = Arc::new(JobBoard { tip_seq: work.tip_seq, job });
            true
        });
    }

    fn make(&mut self, work: &Work, template: &Arc<Template>, recipe: &Arc<JobRecipe>) {
        self.serial = self.serial.wrapping_add(1);
        let tip_seq = work.tip_seq;
        // The largest is the one whose coinbase may not fit; where it does, the others do.
        let sizes = self.coin.ports.iter().map(|port| port.extranonce2_bytes);
        let size = sizes.max().unwrap_or(self.coin.profile.extranonce2_bytes);
        match Job::new(self.serial, tip_seq, Arc::clone(template), Arc::clone(recipe), self.clock.monotonic(), size) {
            Ok(job) => {
                let job = Arc::new(job);
                let is_new = self.job.as_ref().is_none_or(|last| last.tip_seq != tip_seq);
                if is_new {
                    let previous = display_hash(&template.previous);
                    info!(coin = %self.coin.name, height = template.height, previous, transactions = template.transactions.len(), "new tip");
                }
                if is_new || self.job.as_ref().is_some_and(|last| last.template.particulars.is_provisional) {
                    let (job, node) = (Arc::clone(&job), work.node.clone());
                    self.tips.send_replace(Some(Proposal { job, node, extranonce2_bytes: size }));
                }
                self.tell_rules(template);
                self.tell_double_payment(template, recipe);
                self.tell_left_out(template, &job);
                self.job = Some(job);
            }
            Err(problem) => {
                if self.job.as_ref().is_some_and(|job| job.tip_seq == tip_seq) {
                    error!(coin = %self.coin.name, %problem, "no job can be made of the node's template: the one before, on the same tip, is mined on");
                    return;
                }
                // The job before builds on another tip: it would be worth nothing.
                self.job = None;
                error!(coin = %self.coin.name, %problem, "no job can be made of the node's template: nothing is mined until it gives another");
            }
        }
    }

    /// Says once if a template has the pool's own script paid besides: MPOS's findblock stops at a coinbase with two
    /// outputs in the wallet that it watches.
    fn tell_double_payment(&mut self, template: &Template, recipe: &JobRecipe) {
        let pays_twice = template.particulars.payees.iter().any(|payee| payee.script == recipe.payout_script);
        if pays_twice && !std::mem::replace(&mut self.told_double, pays_twice) {
            let coin = &self.coin.name;
            error!(
                coin,
                height = template.height,
                "the node's template has `payout_address` paid as a mandatory payee too: a block would have two outputs \
                 in the wallet, at which MPOS's findblock stops; give payee and pool addresses of different wallets"
            );
        }
        self.told_double = pays_twice;
    }

    /// Says once if transactions were left out of the job for want of room.
    fn tell_left_out(&mut self, template: &Template, job: &Job) {
        let left_out = template.transactions.len().saturating_sub(job.template.transactions.len());
        if left_out > 0 && !self.told_full {
            warn!(
                coin = %self.coin.name,
                height = template.height,
                left_out,
                "the node's templates are too full for our coinbase, so their last transactions are left out and their \
                 fees lost: have the node leave more room (its `blockmaxweight` or `blockmaxsize`), or pay fewer outputs"
            );
        }
        self.told_full = left_out > 0;
    }

    /// Reports the rules in force, at first and when they change.
    fn tell_rules(&self, template: &Template) {
        let rules = &template.particulars.rules;
        if self.job.as_ref().is_some_and(|last| last.template.particulars.rules == *rules) || rules.is_empty() {
            return;
        }
        info!(coin = %self.coin.name, height = template.height, ?rules, "rules in force");
    }
}
