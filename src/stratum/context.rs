//! What connections share.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::counters::Counters;
use super::desk::ShareDesk;
use super::gate::Gate;
use super::lanes::Lanes;
use super::leaving::Leaving;
use super::session::effects::Terms;
use super::standing::Standing;
use super::stop::{Departures, Stop};
use crate::clock::Clock;
use crate::pow::hashers::Hashers;
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::worker::directory::Directory;

/// What all connections of a coin share.
pub struct CoinContext {
    /// The coin's name, for logs.
    pub coin: Arc<str>,
    /// The coin's work.
    pub board: watch::Receiver<Arc<JobBoard>>,
    /// The same, as those hear of it who have not worked yet.
    pub news: watch::Receiver<Arc<JobBoard>>,
    /// The coin's extranonces.
    pub extranonces: Arc<Extranonces>,
    /// Who may mine.
    pub directory: Directory,
    /// The threads for costly hashes.
    pub hashers: Hashers,
    /// Where judged shares go.
    pub desk: Arc<dyn ShareDesk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The coin's counters.
    pub counters: Arc<Counters>,
    /// How far the stop of the daemon has come.
    pub stop: watch::Receiver<Stop>,
    /// Where connections live.
    pub lanes: Lanes,
    /// Who goes when.
    pub departures: Arc<Departures>,
    /// Where connections go that live on; `None`: nowhere, they end with the daemon.
    pub leaving: Option<mpsc::Sender<Leaving>>,
}

/// What all connections of a port share.
#[derive(Clone)]
pub struct PortContext {
    /// What those of the coin's other ports share too.
    pub of_coin: Arc<CoinContext>,
    /// What holds on the port now; `terms` and `gate` are what held when it was looked at last.
    pub standing: Arc<Standing>,
    /// The coin and port as sessions see them.
    pub terms: Arc<Terms>,
    /// The port's gate.
    pub gate: Arc<Gate>,
}

impl Deref for PortContext {
    type Target = CoinContext;

    fn deref(&self) -> &CoinContext {
        &self.of_coin
    }
}

impl PortContext {
    /// Looks at what holds on the port now.
    pub fn refresh(&mut self) {
        (self.terms, self.gate) = self.standing.now();
    }
}
