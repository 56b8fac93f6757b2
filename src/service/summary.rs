//! What the log says about a coin: how far its nodes are before there is work, one summary when there is,
//! and a warning whenever a port asks more of its miners than the network does.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::{Coin, Port};
use crate::difficulty::Difficulty;
use crate::node::nodes::Nodes;
use crate::node::overview::{Overview, overview};
use crate::work::board::JobBoard;
use crate::work::job::Job;

/// How long after the start the log first says how far the nodes are if there is no work, and how often from then on.
const PROGRESS_AFTER: Duration = Duration::from_secs(10);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// Runs until the coin is gone.
pub async fn run(news: watch::Receiver<Arc<Coin>>, nodes: Nodes, mut board: watch::Receiver<Arc<JobBoard>>) {
    let coin = Arc::clone(&news.borrow());
    let Some(job) = first_job(&coin, &nodes, &mut board).await else { return };
    tell(&coin, &nodes, &job, &Box::pin(overview(&nodes)).await);
    // Ports of which that was told: a reload may change their order.
    let mut above = HashSet::new();
    loop {
        let job = board.borrow_and_update().job.clone();
        if let Some(job) = job {
            let coin = Arc::clone(&news.borrow());
            above.retain(|told| coin.ports.iter().any(|port| name_of(port) == *told));
            compare(&coin, &job, &mut above);
        }
        if board.changed().await.is_err() {
            return;
        }
    }
}

/// Waits for the coin's first job and says meanwhile what it waits for.
async fn first_job(coin: &Coin, nodes: &Nodes, board: &mut watch::Receiver<Arc<JobBoard>>) -> Option<Arc<Job>> {
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset_after(PROGRESS_AFTER);
    loop {
        tokio::select! {
            found = board.wait_for(|board| board.job.is_some()) => return found.ok()?.job.clone(),
            _ = ticks.tick() => info!(coin = coin.name, nodes = describe(nodes), "no work yet: the ports are bound and open with the first job"),
        }
    }
}

/// The nodes and how they are.
pub fn describe(nodes: &Nodes) -> String {
    let nodes: Vec<String> = nodes.all().iter().map(|node| node.summary()).collect();
    nodes.join(", ")
}

fn tell(coin: &Coin, nodes: &Nodes, job: &Job, network: &Overview) {
    let unknown = || "not told by the node".to_owned();
    let ports: Vec<String> = coin.ports.iter().map(|port| described(port)).collect();
    info!(
        coin = coin.name,
        network = network.network.clone().unwrap_or_else(unknown),
        reward = if network.has_stake { "proof of work, beside proof of stake" } else { "proof of work" },
        height = job.template.height,
        peers = network.peers.map_or_else(unknown, |peers| peers.to_string()),
        network_difficulty = job.template.target.difficulty(coin.profile.stratum_bits),
        network_hashes_per_sec = network.hashes_per_sec.map_or_else(unknown, |rate| format!("{rate:.3e}")),
        ports = ports.join(", "),
        fee = fee(coin),
        nodes = describe(nodes),
        tip_sources = sources(coin, nodes).join(", "),
        "the coin can be mined"
    );
}

/// What of every reward goes elsewhere than to the pool's address. Fees that MPOS takes are MPOS's business.
fn fee(coin: &Coin) -> String {
    let ppm: u32 = coin.recipients.iter().map(|recipient| recipient.share_ppm).sum();
    let own = match coin.recipients.len() {
        0 => "none in the coinbase".to_owned(),
        count => format!("{} % in the coinbase, to {count}", f64::from(ppm) / 10_000.0),
    };
    match coin.fixed_outputs.len() {
        0 => own,
        count => format!("{own}, besides {count} fixed_output"),
    }
}

fn described(port: &Port) -> String {
    match &port.vardiff {
        None => format!("{} at {}", port.listen, port.difficulty),
        Some(vardiff) => format!("{} at {} ({} to {})", port.listen, port.difficulty, vardiff.min, vardiff.max),
    }
}

/// The ways in which the coin's nodes are watched, in words. Where a node publishes by ZMQ it may not have said yet.
pub fn sources(coin: &Coin, nodes: &Nodes) -> Vec<String> {
    let mut sources = vec![format!("polling every {} ms", coin.templates.poll.as_millis())];
    if coin.templates.longpoll {
        sources.push("longpoll".into());
    }
    for node in nodes.all().iter() {
        let zmq = node.zmq_place().map(|(host, port)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            format!("zmq of {} at {host}:{port}", node.name())
        });
        sources.extend(zmq);
        sources.extend(node.is_peer().then(|| format!("p2p of {}", node.name())));
    }
    sources.push("notify".into());
    sources.extend(coin.update_block.as_ref().map(|_| "mining.update_block".into()));
    sources
}

/// What a port is told from others by: of those on any free number several may have the same address.
fn name_of(port: &Port) -> (SocketAddr, u64) {
    (port.listen, port.difficulty.get().to_bits())
}

/// Warns of ports that have come to stand above the network.
fn compare(coin: &Coin, job: &Job, above: &mut HashSet<(SocketAddr, u64)>) {
    let network = job.template.target.difficulty(coin.profile.stratum_bits);
    for port in &coin.ports {
        let was_above = above.contains(&name_of(port));
        let least =
            port.vardiff.as_ref().map_or(port.difficulty, |vardiff| Difficulty::min(vardiff.min, port.difficulty));
        let is_above = least.get() > network;
        if is_above && !was_above {
            above.insert(name_of(port));
            warn!(
                coin = coin.name,
                listen = %port.listen,
                difficulty = least.get(),
                network,
                "this port's least difficulty is above the network's: its miners are asked for more than a block needs; lower it"
            );
        } else if was_above && !is_above {
            above.remove(&name_of(port));
            info!(coin = coin.name, listen = %port.listen, network, "this port's difficulty is below the network's again");
        }
    }
}
