//! The open ports of a coin: they are added, changed and closed while the coin runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info};

use super::fd_store;
use crate::clock::Clock;
use crate::config::Port;
use crate::pow::hashers::Hashers;
use crate::stratum::connection::PortContext;
use crate::stratum::counters::Counters;
use crate::stratum::desk::ShareDesk;
use crate::stratum::gate::Gate;
use crate::stratum::lanes::Lanes;
use crate::stratum::leaving::{Leaving, Returning};
use crate::stratum::listener::BoundPort;
use crate::stratum::session::effects::Terms;
use crate::stratum::standing::Standing;
use crate::stratum::stop::{Departures, Stop};
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::worker::directory::Directory;

/// What all ports of a coin have in common; see [`PortContext`].
pub struct Common {
    pub coin: Arc<str>,
    pub board: watch::Receiver<Arc<JobBoard>>,
    pub news: watch::Receiver<Arc<JobBoard>>,
    pub extranonces: Arc<Extranonces>,
    pub directory: Directory,
    pub hashers: Hashers,
    pub desk: Arc<dyn ShareDesk>,
    pub clock: Arc<dyn Clock>,
    pub counters: Arc<Counters>,
    pub stop: watch::Receiver<Stop>,
    pub lanes: Lanes,
    pub departures: Arc<Departures>,
    pub leaving: Option<mpsc::Sender<Leaving>>,
}

/// The open ports.
pub struct Serving {
    common: Common,
    /// In the order of the configuration.
    open: Vec<(Arc<Port>, Arc<Standing>)>,
    tasks: JoinSet<()>,
}

/// What becomes of a port.
pub enum Next {
    /// The one at this place stays, behind this gate.
    Stays(usize, Arc<Gate>),
    /// It is new.
    New(BoundPort, Arc<Gate>),
}

impl Serving {
    /// None is open yet.
    pub fn new(common: Common) -> Self {
        Self { common, open: Vec::new(), tasks: JoinSet::new() }
    }

    /// Where the ports listen, in the order of the configuration.
    pub fn listens(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|(port, _)| port.listen).collect()
    }

    /// The gate of the port at a place.
    pub fn gate(&self, place: usize) -> Option<Arc<Gate>> {
        self.open.get(place).map(|(_, standing)| standing.now().1)
    }

    /// Opens a port, with connections of the daemon's last life.
    pub fn open(&mut self, terms: Arc<Terms>, bound: BoundPort, gate: Arc<Gate>, returning: Vec<Returning>) {
        let (port, standing) = (Arc::clone(&terms.port), Standing::new(Arc::clone(&terms), Arc::clone(&gate)));
        let common = &self.common;
        let context = PortContext {
            coin: Arc::clone(&common.coin),
            standing: Arc::clone(&standing),
            terms,
            board: common.board.clone(),
            news: common.news.clone(),
            extranonces: Arc::clone(&common.extranonces),
            directory: common.directory.clone(),
            hashers: common.hashers.clone(),
            desk: Arc::clone(&common.desk),
            clock: Arc::clone(&common.clock),
            counters: Arc::clone(&common.counters),
            gate,
            stop: common.stop.clone(),
            lanes: common.lanes.clone(),
            departures: Arc::clone(&common.departures),
            leaving: common.leaving.clone(),
        };
        self.tasks.spawn_on(serve(bound, context, returning), &common.lanes.strangers);
        self.open.push((port, standing));
    }

    /// Goes on with these ports, each under its terms. The others take nobody in any more; who is connected there
    /// stays. Returns those.
    pub fn change(&mut self, next: Vec<(Arc<Terms>, Next)>) -> Vec<Arc<Port>> {
        let mut before: Vec<Option<(Arc<Port>, Arc<Standing>)>> = self.open.drain(..).map(Some).collect();
        for (terms, next) in next {
            match next {
                Next::New(bound, gate) => self.open(terms, bound, gate, Vec::new()),
                Next::Stays(place, gate) => {
                    let Some((_, standing)) = before.get_mut(place).and_then(Option::take) else { continue };
                    gate.change_limits(&terms.port);
                    self.open.push((Arc::clone(&terms.port), Arc::clone(&standing)));
                    standing.change(terms, gate);
                }
            }
        }
        let closed = before.into_iter().flatten().map(|(port, standing)| {
            info!(coin = %self.common.coin, listen = %port.listen, "stratum port closed: who is connected there may stay");
            standing.close();
            fd_store::remove(&fd_store::port_name(port.listen));
            port
        });
        closed.collect()
    }

    /// Whether nobody is connected any more. Only once all ports are closed.
    pub fn is_empty(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.open.is_empty() && self.tasks.is_empty()
    }

    /// Waits for the end of all connections.
    pub async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve(bound: BoundPort, context: PortContext, returning: Vec<Returning>) {
    let (coin, listen) = (Arc::clone(&context.coin), context.terms.port.listen);
    if let Err(problem) = bound.serve(context, fd_store::keep_port, returning).await {
        error!(%coin, %listen, %problem, "a stratum port is lost: restart the daemon");
    }
}
