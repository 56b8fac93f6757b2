//! One coin assembled: its nodes, its work, its desk and its ports.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info};

use super::blocks::{Pursuer, Settings};
use super::desk::Desk;
use super::jobs::JobMaker;
use super::meter::Meter;
use super::scene::CoinView;
use super::summary;
use crate::clock::Clock;
use crate::config::{Coin, Durability, Port};
use crate::ledger::handle::Ledger;
use crate::mpos::hosts::InUse;
use crate::mpos::pool_worker::PoolWorkerColumn;
use crate::node::bell::Bell;
use crate::node::chain::Chain;
use crate::node::nodes::Nodes;
use crate::node::poller::Poller;
use crate::node::tally::Count;
use crate::node::tip::Source;
use crate::pow::hashers::Hashers;
use crate::stratum::connection::PortContext;
use crate::stratum::counters::Counters;
use crate::stratum::gate::{Gate, House};
use crate::stratum::listener::BoundPort;
use crate::stratum::session::effects::{CoinMemory, Terms};
use crate::stratum::session::parked::Parked;
use crate::stratum::update_block::UpdateBlock;
use crate::stratum::waves::Waves;
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::worker::difficulties::Difficulties;
use crate::worker::directory::Directory;

/// How long candidates may hold up a stop.
const CANDIDATE_GRACE: Duration = Duration::from_secs(2);

/// A coin's ports, bound, each with its gate.
pub type Ports = Vec<(Arc<Port>, BoundPort, Arc<Gate>)>;

/// A running coin.
pub struct CoinService {
    coin: Arc<Coin>,
    nodes: Nodes,
    poller: Arc<Poller>,
    pursuer: Arc<Pursuer>,
    counters: Arc<Counters>,
    board: watch::Receiver<Arc<JobBoard>>,
    /// What the node says against our own blocks.
    alarm: watch::Receiver<Option<String>>,
    ports: JoinSet<()>,
    _jobs: JoinSet<()>,
    meter: Arc<Meter>,
}

/// What coins share.
#[derive(Clone)]
pub struct Shared {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The threads for memory-hard hashes.
    pub hashers: Hashers,
    /// True: the daemon stops.
    pub stop: watch::Receiver<bool>,
}

/// What belongs to the coin but may be shared with another: its ledger and its workers.
pub struct Accounts {
    /// The spool in front of the coin's `shares` table.
    pub ledger: Arc<Ledger>,
    /// The server that the ledger is drained into.
    pub in_use: InUse,
    /// Who may mine.
    pub directory: Directory,
}

impl CoinService {
    /// Starts the coin on its bound ports; `blocks` is the folder for what is kept about blocks, `random`
    /// separates this life of the daemon from earlier ones.
    pub fn start(
        coin: Arc<Coin>,
        ports: Ports,
        accounts: Accounts,
        shared: &Shared,
        blocks: &Path,
        random: [u8; 44],
    ) -> Self {
        let name: Arc<str> = coin.name.as_str().into();
        let nodes = Nodes::new(&coin.nodes);
        let clock = Arc::clone(&shared.clock);
        let chain = Arc::new(Chain {
            form: Arc::clone(&coin.profile.form),
            algorithm: coin.profile.algorithm,
            block_hash: coin.profile.block_hash,
        });
        let poller = Arc::new(Poller::start(&nodes, &coin.templates, &chain, Arc::clone(&clock)));
        let (first, rest) = random.split_at(8);
        let (rest, secret) = rest.split_at(4);
        let (maker, board) = JobMaker::new(Arc::clone(&coin), Arc::clone(&clock), copied(first));
        let alarm = maker.alarm();
        let mut jobs = JoinSet::new();
        jobs.spawn(maker.run(nodes.clone(), poller.work()));
        jobs.spawn(summary::run(Arc::clone(&coin), nodes.clone(), board.clone()));
        let waves = Waves::new();
        jobs.spawn(Arc::clone(&waves).run(board.clone()));

        let kicked = Arc::clone(&poller);
        let Accounts { ledger, in_use, directory } = accounts;
        let pursuer = Arc::new(Pursuer::new(Settings {
            coin: Arc::clone(&name),
            nodes: nodes.clone(),
            ledger: Arc::clone(&ledger),
            clock: Arc::clone(&clock),
            dir: blocks.to_owned(),
            confirmations: coin.confirmations,
            on_accepted: Box::new(move || kicked.kick()),
        }));
        let column = PoolWorkerColumn::new(&coin.mpos).following(in_use);
        let stored = Difficulties::start(column, coin.workers.pool_worker_difficulty);
        let update_block = coin.update_block.clone().map(|rules| {
            let bell = Arc::clone(poller.bell());
            UpdateBlock::new(rules, move || bell.ring(Source::UpdateBlock, None))
        });
        let update_block = update_block.unwrap_or_default();
        let memory = CoinMemory { stored, update_block, parked: Parked::new(copied(secret)), ..CoinMemory::default() };
        let counters = Arc::clone(&memory.counters);
        let meter = Meter::start(&clock, &counters, &ledger, &board, &mut jobs);
        let desk = Arc::new(Desk::new(&coin, ledger, Arc::clone(&pursuer)));
        let extranonces = Arc::new(Extranonces::starting_at(u32::from_be_bytes(copied(rest))));
        let mut running = JoinSet::new();
        for (port, bound, gate) in ports {
            let context = PortContext {
                coin: Arc::clone(&name),
                terms: Arc::new(terms(&coin, port, &memory)),
                board: board.clone(),
                waves: Arc::clone(&waves),
                extranonces: Arc::clone(&extranonces),
                directory: directory.clone(),
                hashers: shared.hashers.clone(),
                desk: desk.clone(),
                clock: Arc::clone(&clock),
                counters: Arc::clone(&counters),
                gate,
                stop: shared.stop.clone(),
            };
            running.spawn(serve(bound, context));
        }
        Self { coin, nodes, poller, pursuer, counters, board, alarm, ports: running, _jobs: jobs, meter }
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
        }
    }

    /// Candidates that the last run of the daemon left without a verdict are taken up again.
    pub fn resume(&self, ledger: &Ledger) {
        self.pursuer.resume(ledger.unsettled_candidates());
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

    /// Waits for the connections, which end by themselves once the stop is said, then for the
    /// candidates, as long as is reasonable.
    pub async fn finish(mut self) {
        while self.ports.join_next().await.is_some() {}
        info!(coin = %self.coin.name, counted = %self.counters, "ports closed");
        self.pursuer.finish(CANDIDATE_GRACE).await;
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

fn terms(coin: &Coin, port: Arc<Port>, memory: &CoinMemory) -> Terms {
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

async fn serve(bound: BoundPort, context: PortContext) {
    let (coin, listen) = (Arc::clone(&context.coin), context.terms.port.listen);
    if let Err(problem) = bound.serve(context).await {
        error!(%coin, %listen, %problem, "a stratum port is lost: restart the daemon");
    }
}

/// Binds the ports of a coin.
///
/// # Errors
/// The first port that cannot be bound, or whose certificate cannot be used.
pub fn bind(coin: &Coin, house: &House) -> Result<Ports, String> {
    let bind = |port: &Arc<Port>| {
        let of = format!("coin {}: port {}", coin.name, port.listen);
        let gate = Gate::new(port, house).map_err(|problem| format!("{of}: {problem}"))?;
        let bound = BoundPort::bind(port.listen).map_err(|problem| {
            format!("{of}: cannot listen there: {problem}; is another stratum server running there?")
        })?;
        Ok((Arc::clone(port), bound, gate))
    };
    coin.ports.iter().map(bind).collect()
}

/// The first bytes of a slice that is known to be long enough.
fn copied<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut copy = [0; N];
    copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    copy
}
