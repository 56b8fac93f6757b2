//! A coin goes on otherwise than it was started, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::coin::{CoinService, terms, update_block};
use super::ports;
use super::proof::{self, Refusal};
use super::serving::Next;
use crate::config::change::partners;
use crate::config::{Coin, Node, Port};
use crate::node::nodes::Nodes;
use crate::stratum::gate::House;
use crate::stratum::roster::{Entry, Order, Roster};

/// How long a new node may take to show whose chain it is on. One that is away is watched like all others.
const PROOF_MAX: Duration = Duration::from_secs(8);
/// Connections that are looked at in one go, under the roster's lock.
const PAGE: usize = 1000;
/// Time between two connections that are sent away: all at once would come back at once.
const TURN: Duration = Duration::from_millis(2);

/// What is ready for a coin to go on with.
pub struct NextCoin {
    coin: Arc<Coin>,
    ports: Vec<Next>,
}

impl CoinService {
    /// Makes everything ready that goes on as `coin` says, the coin's own new configuration: ports are bound,
    /// certificates loaded. Nothing is changed yet.
    ///
    /// # Errors
    /// A port cannot be bound, or its certificate not used.
    pub fn prepare(&self, coin: &Arc<Coin>, house: &House) -> Result<NextCoin, String> {
        let listens: Vec<_> = coin.ports.iter().map(|port| port.listen).collect();
        let places = partners(&self.serving.listens(), &listens);
        let next = |(port, place): (&Arc<Port>, Option<usize>)| {
            let before = place.and_then(|place| Some((place, self.serving.gate(place)?)));
            Ok(match before {
                Some((place, gate)) => Next::Stays(place, ports::gate_again(&coin.name, &gate, port, house)?),
                None => {
                    let (bound, gate) = ports::open(&coin.name, port, house)?;
                    Next::New(bound, gate)
                }
            })
        };
        let ports = coin.ports.iter().zip(places).map(next).collect::<Result<_, String>>()?;
        Ok(NextCoin { coin: Arc::clone(coin), ports })
    }

    /// Goes on with what was prepared, and has the connections take it over. Miners of a port that was taken out of the
    /// configuration stay until they leave, unless the port advertises another place: then they are sent there, in
    /// turns.
    pub async fn change(&mut self, next: NextCoin, roster: &Arc<Roster>) {
        let NextCoin { coin, ports } = next;
        let before = std::mem::replace(&mut self.coin, Arc::clone(&coin));
        if before.nodes != coin.nodes || before.templates != coin.templates {
            self.poller.change(&coin.nodes, &coin.templates).await;
        }
        self.memory.update_block = update_block(&coin, &self.poller);
        let of_port = |(port, next)| (Arc::new(terms(&coin, port, &self.memory)), next);
        let ports = coin.ports.iter().map(Arc::clone).zip(ports).map(of_port).collect();
        let closed = self.serving.change(ports);
        self.news.send_replace(coin);
        connections(roster, |entry| *entry.coin == *before.name).iter().for_each(|entry| entry.call());
        for port in closed.iter().filter(|port| port.rules.advertise.is_some()) {
            let leave = connections(roster, |entry| *entry.coin == *before.name && entry.listen == port.listen);
            tokio::spawn(send_away(leave, "This port is closed: connect again".into()));
        }
    }

    /// The coin was taken out of the configuration: nobody is accepted any more, its miners are told so and go, in
    /// turns. Blocks that are on their way are pursued until the nodes have decided about them; then
    /// [`CoinService::is_over`].
    pub fn retire(&mut self, roster: &Arc<Roster>) {
        self.serving.change(Vec::new());
        let leave = connections(roster, |entry| *entry.coin == *self.coin.name);
        if !leave.is_empty() {
            info!(coin = %self.coin.name, connections = leave.len(), "the coin is taken down: its miners are sent away");
        }
        tokio::spawn(send_away(leave, "This coin is not mined here any more".into()));
        self.pursuer.end_watch();
    }

    /// Whether nobody is connected any more and no block is on its way.
    pub fn is_over(&mut self) -> bool {
        self.serving.is_empty() && self.pursuer.is_idle()
    }
}

/// Looks whose chain the nodes are on that the coins have not had before. One that cannot be asked now, or has only old
/// blocks so far, is a warning: it is watched like all others and not mined on before its chain was proven.
///
/// # Errors
/// One is on the chain of another coin.
pub async fn prove_new_nodes(before: &[Arc<Coin>], after: &[Arc<Coin>]) -> Result<Vec<String>, String> {
    // A coin that is new proves its nodes itself, before its ports open.
    let known = |coin: &&Arc<Coin>| before.iter().any(|before| before.name == coin.name);
    let nodes = after.iter().filter(known).flat_map(|coin| coin.nodes.iter().map(move |node| (coin, node)));
    let had = |coin: &Coin, node: &Node| before.iter().any(|old| old.name == coin.name && old.nodes.contains(node));
    let mut asked = JoinSet::new();
    for (coin, node) in nodes.filter(|(coin, node)| !had(coin, node)) {
        let (coin, node) = (Arc::clone(coin), node.clone());
        asked.spawn(async move {
            let asked = Nodes::new(std::slice::from_ref(&node));
            let of = format!("coin {}: node {}", coin.name, node.name);
            // Only the node's time counts, not that of whoever judges its answer. A slow one is proven later.
            let proven = match timeout(PROOF_MAX, proof::samples(&coin, &asked)).await {
                Ok(Ok(samples)) => proof::judge_newcomer(&coin, &asked, samples).await,
                Ok(Err(refusal)) => Err(refusal),
                Err(_) => return Ok(Some(format!("{of} does not answer now"))),
            };
            match proven {
                Ok(()) => Ok(None),
                Err(waits @ Refusal::CatchingUp { .. }) => Ok(Some(format!("{of}: {waits}"))),
                Err(misfit @ (Refusal::Misfit { .. } | Refusal::Chains { .. })) => Err(format!("{of}: {misfit}")),
                Err(Refusal::Unasked(problem)) => Ok(Some(format!("{of} does not answer now: {problem}"))),
            }
        });
    }
    let answers: Result<Vec<Option<String>>, String> = asked.join_all().await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}

/// The connections of which something is true.
fn connections(roster: &Roster, meant: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = roster.page(after, PAGE);
        let Some(last) = page.last() else { return found };
        after = last.id;
        found.extend(page.into_iter().filter(|entry| meant(entry)));
    }
}

async fn send_away(connections: Vec<Arc<Entry>>, words: Arc<str>) {
    for entry in connections {
        // It is told, or has gone.
        let _ = entry.order(Order::Leave { words: Arc::clone(&words) });
        sleep(TURN).await;
    }
}
