//! The open ports of a coin: they are added, changed and closed while the coin runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::{error, info};

use super::fd_store;
use crate::config::Port;
use crate::stratum::context::{CoinContext, PortContext};
use crate::stratum::gate::Gate;
use crate::stratum::leaving::Returning;
use crate::stratum::listener::BoundPort;
use crate::stratum::session::effects::Terms;
use crate::stratum::standing::Standing;

/// The open ports.
pub struct Serving {
    of_coin: Arc<CoinContext>,
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
    pub fn new(of_coin: CoinContext) -> Self {
        Self { of_coin: Arc::new(of_coin), open: Vec::new(), tasks: JoinSet::new() }
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
        let (of_coin, strangers) = (Arc::clone(&self.of_coin), &self.of_coin.lanes.strangers);
        let context = PortContext { of_coin, standing: Arc::clone(&standing), terms, gate };
        self.tasks.spawn_on(serve(bound, context, returning), strangers);
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
            info!(coin = %self.of_coin.coin, listen = %port.listen, "stratum port closed: who is connected there may stay");
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
