//! From template to job board: makes a job of every template and takes the board down while no node
//! confirms the tip.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use crate::bytes::{display_hash, hex};
use crate::chain::address::{self, Forms};
use crate::clock::Clock;
use crate::config::Coin;
use crate::node::nodes::Nodes;
use crate::node::payout::check_payout;
use crate::node::tip::Work;
use crate::work::board::JobBoard;
use crate::work::job::{Job, JobRecipe};
use crate::work::template::Template;

/// How often the age of the template is looked at.
const AGE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause before the payout address is checked again after a node said no or nothing.
const PAYOUT_PAUSE: Duration = Duration::from_secs(5);

/// Makes a coin's jobs.
pub struct JobMaker {
    coin: Arc<Coin>,
    clock: Arc<dyn Clock>,
    board: watch::Sender<Arc<JobBoard>>,
    serial: u32,
    entropy: [u8; 6],
    /// The last job made, with the template it was made of.
    job: Option<Arc<Job>>,
}

impl JobMaker {
    /// A maker whose serials start at `random`, which should be: ids of an earlier process must be
    /// unknown rather than mistaken for ours.
    pub fn new(coin: Arc<Coin>, clock: Arc<dyn Clock>, random: [u8; 8]) -> (Self, watch::Receiver<Arc<JobBoard>>) {
        let (board, receiver) = watch::channel(Arc::default());
        let [a, b, c, d, e, f, g, h] = random;
        let [high, low] = coin.instance.to_be_bytes();
        let maker = Self {
            coin,
            clock,
            board,
            serial: u32::from_be_bytes([a, b, c, d]),
            entropy: [high, low, e, f, g, h],
            job: None,
        };
        (maker, receiver)
    }

    /// Runs until the poller is gone.
    pub async fn run(mut self, nodes: Nodes, mut work: watch::Receiver<Work>) {
        if work.wait_for(|work| work.template.is_some()).await.is_err() {
            return;
        }
        let payout_script = self.payout(&nodes).await;
        let recipe = Arc::new(JobRecipe {
            payout_script,
            text: self.coin.coinbase_text.clone(),
            entropy: self.entropy,
            transaction_hash: self.coin.profile.transaction_hash,
        });
        let mut age = interval(AGE_INTERVAL);
        age.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let snapshot = work.borrow_and_update().clone();
            self.publish(&snapshot, &recipe);
            tokio::select! {
                changed = work.changed() => if changed.is_err() { return },
                _ = age.tick() => {}
            }
        }
    }

    /// The script that earns the reward: what the node says the address stands for, provided that
    /// our own reading of it, where we have one, says the same. Goes on asking until both agree.
    async fn payout(&self, nodes: &Nodes) -> Vec<u8> {
        let address = &self.coin.payout_address;
        let coin = &self.coin.name;
        let forms = &self.coin.profile.addresses;
        let (pubkey_hash, script_hash, segwit) = (&forms.pubkey_hash[..], &forms.script_hash[..], &forms.segwit[..]);
        let own = address::decode(address, &Forms { pubkey_hash, script_hash, segwit });
        loop {
            match (check_payout(nodes, address).await, &own) {
                (Ok(checked), Ok(own)) if checked.script != *own => {
                    let (node, ours) = (hex::encode(&checked.script), hex::encode(own));
                    error!(
                        coin,
                        address,
                        node,
                        ours,
                        "the node and this daemon read the payout address differently: nothing is mined; check `preset` and the coin's `addresses`"
                    );
                }
                (Ok(checked), _) => {
                    if checked.owned == Some(false) {
                        warn!(
                            coin,
                            address,
                            "the payout address does not belong to the node's wallet: MPOS finds blocks only in the wallet it watches"
                        );
                    }
                    info!(coin, address, script = hex::encode(&checked.script), "payout address checked");
                    return checked.script;
                }
                (Err(problem), _) => {
                    error!(coin, address, %problem, "nothing is mined until the payout address is confirmed by a node")
                }
            }
            sleep(PAYOUT_PAUSE).await;
        }
    }

    fn publish(&mut self, work: &Work, recipe: &Arc<JobRecipe>) {
        let Some(template) = &work.template else { return };
        if self.job.as_ref().is_none_or(|job| !Arc::ptr_eq(&job.template, template)) {
            self.make(template, work.tip_seq, recipe);
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
                (Some(_), None) => warn!(
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

    fn make(&mut self, template: &Arc<Template>, tip_seq: u64, recipe: &Arc<JobRecipe>) {
        self.serial = self.serial.wrapping_add(1);
        // The largest is the one whose coinbase may not fit; where it does, the others do.
        let sizes = self.coin.ports.iter().map(|port| port.extranonce2_bytes);
        let size = sizes.max().unwrap_or(self.coin.profile.extranonce2_bytes);
        match Job::new(self.serial, tip_seq, Arc::clone(template), Arc::clone(recipe), self.clock.monotonic(), size) {
            Ok(job) => {
                if self.job.as_ref().is_none_or(|last| last.tip_seq != tip_seq) {
                    let previous = display_hash(&template.previous);
                    info!(coin = %self.coin.name, height = template.height, previous, transactions = template.transactions.len(), "new tip");
                }
                self.job = Some(Arc::new(job));
            }
            Err(problem) => {
                // The job before builds on another template: on a new tip it would be worth nothing.
                self.job = None;
                error!(coin = %self.coin.name, %problem, "no job can be made of the node's template: shorten `coinbase_text`");
            }
        }
    }
}
