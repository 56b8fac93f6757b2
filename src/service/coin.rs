//! One coin assembled: its nodes, its work, its desk and its ports.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::info;

use super::blocks::{Estate, Pursuer, Settings};
use super::desk::Desk;
use super::handover::{CoinPast, Left, Restored};
use super::jobs::JobMaker;
use super::meter::Meter;
use super::ports::Ports;
use super::scene::CoinView;
use super::serving::Serving;
use super::summary;
use crate::clock::Clock;
use crate::config::{Coin, Durability, Port};
use crate::ledger::handle::Ledger;
use crate::mpos::hosts::InUse;
use crate::mpos::login::Login;
use crate::mpos::pool_worker::PoolWorkerColumn;
use crate::node::bell::Bell;
use crate::node::chain::Chain;
use crate::node::nodes::Nodes;
use crate::node::poller::Poller;
use crate::node::tally::Count;
use crate::node::tip::{Past, Source};
use crate::pow::hashers::Hashers;
use crate::pulse::Pulse;
use crate::stratum::context::CoinContext;
use crate::stratum::counters::Counters;
use crate::stratum::gate::Gate;
use crate::stratum::lanes::Lanes;
use crate::stratum::leaving::{Leaving, Returning};
use crate::stratum::listener::BoundPort;
use crate::stratum::session::effects::{CoinMemory, Terms};
use crate::stratum::session::parked::Parked;
use crate::stratum::stop::{Departures, Stop};
use crate::stratum::update_block::UpdateBlock;
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::worker::difficulties::Difficulties;
use crate::worker::directory::Directory;

/// How long candidates may hold up a stop.
const CANDIDATE_GRACE: Duration = Duration::from_secs(2);

/// Connections on their way into the next life that wait to be gathered; more wait in their tasks.
const LEAVING_MAX: usize = 256;

/// A running coin.
pub struct CoinService {
    pub(super) coin: Arc<Coin>,
    /// The coin for those who follow it.
    pub(super) news: watch::Sender<Arc<Coin>>,
    nodes: Nodes,
    pub(super) poller: Arc<Poller>,
    pub(super) pursuer: Arc<Pursuer>,
    counters: Arc<Counters>,
    board: watch::Receiver<Arc<JobBoard>>,
    /// What the node says against our own blocks.
    alarm: watch::Receiver<Option<String>>,
    pub(super) serving: Serving,
    jobs: JoinSet<()>,
    pulse: Arc<Pulse>,
    extranonces: Arc<Extranonces>,
    pub(super) memory: CoinMemory,
    /// Gathers the connections that go over to the next life of the daemon.
    leaving: Option<JoinHandle<Vec<Leaving>>>,
    meter: Arc<Meter>,
}

/// What coins share.
#[derive(Clone)]
pub struct Shared {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The threads for costly hashes.
    pub hashers: Hashers,
    /// How far the stop of the daemon has come.
    pub stop: watch::Receiver<Stop>,
    /// Who goes when.
    pub departures: Arc<Departures>,
    /// Where connections live.
    pub lanes: Lanes,
    /// Connections go over to the next life of the daemon.
    pub hand_over: bool,
}

/// What belongs to the coin but may be shared with another: its ledger and its workers.
pub struct Accounts {
    /// The spool in front of the coin's `shares` table.
    pub ledger: Arc<Ledger>,
    /// The server that the ledger is drained into.
    pub in_use: InUse,
    /// As whom it is connected to.
    pub login: Login,
    /// Who may mine.
    pub directory: Directory,
}

impl CoinService {
    /// Starts the coin on its bound ports; `blocks` is the folder for what is kept about blocks, `random`
    /// separates this life of the daemon from earlier ones, `past` is what the last one left.
    pub fn start(
        coin: Arc<Coin>,
        ports: Ports,
        accounts: Accounts,
        shared: &Shared,
        blocks: &Path,
        (random, past): ([u8; 44], Option<CoinPast>),
    ) -> Self {
        let mut restored = Restored::new(&coin, past);
        let name: Arc<str> = coin.name.as_str().into();
        let nodes = Nodes::new(&coin.nodes);
        let clock = Arc::clone(&shared.clock);
        let poller = follow(&coin, &nodes, &clock, std::mem::take(&mut restored.past));
        let (first, rest) = random.split_at(8);
        let (rest, secret) = rest.split_at(4);
        let news = watch::Sender::new(Arc::clone(&coin));
        let (maker, board) = JobMaker::new(news.subscribe(), Arc::clone(&clock), copied(first), &restored.work);
        let (alarm, pulse) = (maker.alarm(), maker.pulse());
        let mut jobs = JoinSet::new();
        jobs.spawn(maker.run(nodes.clone(), Arc::clone(&poller)));
        jobs.spawn(summary::run(news.subscribe(), nodes.clone(), board.clone()));
        let told = shared.lanes.tell_strangers(board.clone());
        let Accounts { ledger, in_use, login, directory } = accounts;
        let pursuer = pursuer(&coin, &nodes, &ledger, &clock, blocks, &poller);
        let memory = memory(&coin, (in_use, &login), &poller, secret);
        let counters = Arc::clone(&memory.counters);
        let meter = Meter::start(&clock, &counters, &ledger, &board, &mut jobs);
        let desk = Arc::new(Desk::new(&coin, ledger, Arc::clone(&pursuer)));
        let first = restored.next_extranonce.unwrap_or(u32::from_be_bytes(copied(rest)));
        let extranonces = Arc::new(Extranonces::starting_at(first));
        let ports = settle(&coin, ports, restored, &memory, &extranonces);
        let (leaving, gathered) = gather(shared.hand_over);
        let of_coin = CoinContext {
            coin: name,
            board: board.clone(),
            news: told,
            extranonces: Arc::clone(&extranonces),
            directory,
            hashers: shared.hashers.clone(),
            desk,
            clock,
            counters: Arc::clone(&counters),
            stop: shared.stop.clone(),
            lanes: shared.lanes.clone(),
            departures: Arc::clone(&shared.departures),
            leaving,
        };
        let mut serving = Serving::new(of_coin);
        for (terms, bound, gate, returning) in ports {
            serving.open(terms, bound, gate, returning);
        }
        Self {
            coin,
            news,
            nodes,
            poller,
            pursuer,
            counters,
            board,
            alarm,
            serving,
            jobs,
            pulse,
            extranonces,
            memory,
            leaving: gathered,
            meter,
        }
    }

    /// The coin as operators look at it.
    pub fn view(&self) -> CoinView {
        CoinView {
            coin: Arc::clone(&self.coin),
            nodes: self.nodes.clone(),
            work: self.poller.work(),
            board: self.board.clone(),
            bell: Arc::clone(self.poller.bell()),
            counters: Arc::clone(&self.counters),
            meter: Arc::clone(&self.meter),
            alarm: self.alarm.clone(),
            blocks: self.pursuer.dir().to_owned(),
            tally: Arc::clone(self.pursuer.tally()),
        }
    }

    /// Blocks that the last run of the daemon left open are taken up again, those of this estate.
    pub fn resume(&self, ledger: &Ledger, estate: Estate) {
        self.pursuer.resume(ledger.unsettled_candidates(), estate);
    }

    /// The coin's name and where news of its tips is told.
    pub fn bell(&self) -> (Arc<str>, Arc<Bell>) {
        (self.coin.name.as_str().into(), Arc::clone(self.poller.bell()))
    }

    /// One line for people: the coin, its tip, its nodes, its miners, who brings the tips.
    pub fn status(&self) -> String {
        let work = self.poller.work();
        let work = work.borrow();
        let height = work.template.as_ref().map_or_else(|| "none".to_owned(), |template| template.height.to_string());
        let mining = if self.board.borrow().job.is_some() { "mining" } else { "no work" };
        let alarm = self.alarm.borrow();
        let alarm =
            alarm.as_ref().map_or_else(String::new, |reason| format!(", NODE WOULD REFUSE OUR BLOCKS ({reason:?})"));
        format!(
            "{}: {mining}, height {height}, nodes {}, {} miners, {} shares, {} refused, {} candidates, tips by {}{alarm}",
            self.coin.name,
            summary::describe(&self.nodes),
            self.counters.connections.load(Ordering::Relaxed),
            self.counters.accepted.load(Ordering::Relaxed),
            self.counters.rejected.load(Ordering::Relaxed),
            self.counters.candidates.load(Ordering::Relaxed),
            tips(&self.poller.bell().counts()),
        )
    }

    /// The coin as it is in force.
    pub fn coin(&self) -> &Arc<Coin> {
        &self.coin
    }

    /// Signs of life of the coin's work.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Sessions in TLS that are open: they end with this life.
    pub fn encrypted(&self) -> u64 {
        self.counters.wire.encrypted.load(Ordering::Relaxed)
    }

    /// Waits for the connections, which end by themselves once the stop is said, then for the
    /// candidates, as long as is reasonable. Returns what goes over to the next life of the daemon.
    pub async fn finish(mut self) -> Option<Left> {
        self.serving.finish().await;
        info!(coin = %self.coin.name, counted = %self.counters, "ports closed");
        self.pursuer.finish(CANDIDATE_GRACE).await;
        self.jobs.shutdown().await;
        let connections = self.leaving.take()?.await.ok()?;
        let (board, work) = (Arc::clone(&self.board.borrow()), self.poller.work().borrow().clone());
        Some(Left::new(&self.coin, &board, &work, &self.extranonces, &self.memory.parked, connections))
    }
}

/// Who was first how often, and by how much on average over the next.
fn tips(counts: &[(Source, Count)]) -> String {
    let one = |(source, count): &(Source, Count)| {
        let lead = match u32::try_from(count.led) {
            Ok(led @ 1..) => format!(" (by {} ms)", (count.lead / led).as_millis()),
            _ => String::new(),
        };
        format!("{} {}{lead}", source.name(), count.first)
    };
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(super) fn terms(coin: &Coin, port: Arc<Port>, memory: &CoinMemory) -> Terms {
    Terms {
        port,
        algorithm: coin.profile.algorithm,
        block_hash: coin.profile.block_hash,
        stratum_bits: coin.profile.stratum_bits,
        version_mask: coin.profile.version_mask,
        time_rolling: coin.profile.time_rolling,
        answers_wait_for_sync: coin.ledger.durability == Durability::Power,
        emit_invalid_block_hashes: coin.emit_invalid_block_hashes,
        recheck: coin.workers.recheck,
        memory: memory.clone(),
    }
}

/// Follows the coin's nodes, from what the daemon's last life was mining on.
fn follow(coin: &Coin, nodes: &Nodes, clock: &Arc<dyn Clock>, past: Past) -> Arc<Poller> {
    let chain = Arc::new(Chain::of(&coin.profile));
    Arc::new(Poller::go_on(nodes, &coin.templates, &chain, Arc::clone(clock), past))
}

/// Who pursues the coin's blocks.
fn pursuer(
    coin: &Coin,
    nodes: &Nodes,
    ledger: &Arc<Ledger>,
    clock: &Arc<dyn Clock>,
    blocks: &Path,
    poller: &Arc<Poller>,
) -> Arc<Pursuer> {
    let kicked = Arc::clone(poller);
    Arc::new(Pursuer::new(Settings {
        coin: coin.name.as_str().into(),
        nodes: nodes.clone(),
        ledger: Arc::clone(ledger),
        clock: Arc::clone(clock),
        dir: blocks.to_owned(),
        confirmations: coin.confirmations,
        on_accepted: Box::new(move || kicked.kick()),
    }))
}

/// What the sessions of the coin share; `secret` marks those that wait to be taken up again.
fn memory(coin: &Coin, (in_use, login): (InUse, &Login), poller: &Poller, secret: &[u8]) -> CoinMemory {
    let column = PoolWorkerColumn::new(&coin.mpos).following(in_use).logging_in_by(login);
    let stored = Difficulties::start(column, coin.workers.pool_worker_difficulty);
    let update_block = update_block(coin, poller);
    CoinMemory { stored, update_block, parked: Parked::new(copied(secret)), ..CoinMemory::default() }
}

pub(super) fn update_block(coin: &Coin, poller: &Poller) -> UpdateBlock {
    let with_bell = |rules| {
        let bell = Arc::clone(poller.bell());
        UpdateBlock::new(rules, move || bell.ring(Source::UpdateBlock, None))
    };
    coin.update_block.clone().map(with_bell).unwrap_or_default()
}

/// A port with what its sessions know of it and the connections that come from the daemon's last life.
type Settled = (Arc<Terms>, BoundPort, Arc<Gate>, Vec<Returning>);

/// Gives the ports their connections of the daemon's last life, before anybody new gets an extranonce.
fn settle(
    coin: &Coin,
    ports: Ports,
    mut restored: Restored,
    memory: &CoinMemory,
    extranonces: &Arc<Extranonces>,
) -> Vec<Settled> {
    let mut settled: Vec<Settled> = Vec::new();
    for (port, bound, gate) in ports {
        let terms = Arc::new(terms(coin, port, memory));
        let returning = restored.connections(terms.port.listen, &terms, extranonces);
        settled.push((terms, bound, gate, returning));
    }
    let all: Vec<Arc<Terms>> = settled.iter().map(|(terms, ..)| Arc::clone(terms)).collect();
    restored.park(&memory.parked, &all, extranonces);
    restored.finish(coin, settled.iter().map(|(.., returning)| returning.len()).sum());
    settled
}

/// Where connections are handed in, and the task that gathers them, if they go over at all.
fn gather(hand_over: bool) -> (Option<mpsc::Sender<Leaving>>, Option<JoinHandle<Vec<Leaving>>>) {
    if !hand_over {
        return (None, None);
    }
    let (sender, mut receiver) = mpsc::channel(LEAVING_MAX);
    let gathered = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(one) = receiver.recv().await {
            all.push(one);
        }
        all
    });
    (Some(sender), Some(gathered))
}

/// The first bytes of a slice that is known to be long enough.
fn copied<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut copy = [0; N];
    copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    copy
}
