//! Looks at the running daemon.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{CoinStatus, Hashrate, NodeStatus, PortStatus, ShareCounts, SpoolStatus, Status, TipStatus};
use crate::bytes::display_hash;
use crate::ledger::status::DrainState;
use crate::node::nodes::Node;
use crate::node::tip::NodeState;
use crate::pow::names::name_of;
use crate::service::scene::{CoinView, LedgerView, Scene};
use crate::service::summary::sources;
use crate::stratum::roster::Roster;
use crate::work::reject::Reject;

/// Connections that are looked at in one go, under the roster's lock.
const PAGE: usize = 1000;

/// Who is connected, counted.
#[derive(Debug, Default)]
pub struct Crowd {
    ports: HashMap<(Arc<str>, SocketAddr), u64>,
    workers: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Crowd {
    /// Connections of a port.
    pub fn of_port(&self, coin: &str, listen: SocketAddr) -> u64 {
        let same = |(name, port): &(Arc<str>, SocketAddr)| **name == *coin && *port == listen;
        self.ports.iter().find(|(key, _)| same(key)).map_or(0, |(_, count)| *count)
    }

    /// Different workers of a coin.
    pub fn workers(&self, coin: &str) -> usize {
        self.workers.get(coin).map_or(0, HashSet::len)
    }
}

/// Counts who is connected.
pub fn crowd(roster: &Roster) -> Crowd {
    let mut crowd = Crowd::default();
    let mut after = 0;
    loop {
        let page = roster.page(after, PAGE);
        let Some(last) = page.last() else { return crowd };
        after = last.id;
        for entry in &page {
            *crowd.ports.entry((Arc::clone(&entry.coin), entry.listen)).or_default() += 1;
            let names = entry.names();
            if !names.workers.is_empty() {
                crowd.workers.entry(Arc::clone(&entry.coin)).or_default().extend(names.workers);
            }
        }
    }
}

/// The daemon as it is now, without the found blocks, which are files: see [`super::newest`].
pub fn look(scene: &Scene) -> Status {
    let crowd = crowd(&scene.roster);
    let (bans_ordered, bans_automatic) = scene.guard.ban_counts(scene.clock.monotonic());
    let coins: Vec<CoinStatus> = scene.coins.iter().map(|coin| coin_status(scene, coin, &crowd)).collect();
    let spools: Vec<SpoolStatus> = scene.ledgers.iter().map(spool_status).collect();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        now: scene.clock.unix_secs(),
        started: scene.started,
        connections: scene.guard.connections(),
        bans_ordered,
        bans_automatic,
        log_level: scene.log.levels().to_string(),
        alarms: alarms(scene),
        coins,
        spools,
    }
}

fn coin_status(scene: &Scene, view: &CoinView, crowd: &Crowd) -> CoinStatus {
    let (coin, counters) = (&view.coin, &view.counters);
    let hashes = |difficulty: f64| difficulty * 2f64.powi(i32::from(coin.profile.stratum_bits));
    let ([minute, five_minutes, quarter_hour], shown) = (view.meter.rates().map(hashes), view.meter.shown());
    let refused = (0..counters.refusals.len()).filter_map(|nth| {
        let count = counters.refusals.get(nth)?.load(Ordering::Relaxed);
        (count > 0).then(|| Some((Reject::from_index(nth)?.name().to_owned(), count)))?
    });
    let port =
        |listen: SocketAddr| PortStatus { listen: listen.to_string(), connections: crowd.of_port(&coin.name, listen) };
    CoinStatus {
        name: coin.name.clone(),
        algorithm: name_of(coin.profile.algorithm).to_owned(),
        mining: view.board.borrow().job.is_some(),
        tip: tip_status(scene, view),
        nodes: view.nodes.all().iter().map(|node| node_status(node)).collect(),
        tip_sources: sources(coin, &view.nodes),
        ports: coin.ports.iter().map(|one| port(one.listen)).collect(),
        connections: counters.connections.load(Ordering::Relaxed),
        workers: crowd.workers(&coin.name),
        hashrate: Hashrate {
            minute,
            five_minutes,
            quarter_hour,
            mpos: hashes(shown.in_the_end),
            mpos_now: hashes(shown.now),
            target_bits: coin.profile.mpos_bits,
        },
        shares: ShareCounts {
            accepted: counters.accepted.load(Ordering::Relaxed),
            candidates: counters.candidates.load(Ordering::Relaxed),
            refused: refused.collect::<BTreeMap<_, _>>(),
        },
        blocks: Vec::new(),
    }
}

fn tip_status(scene: &Scene, view: &CoinView) -> Option<TipStatus> {
    let work = view.work.borrow();
    let template = work.template.as_ref()?;
    Some(TipStatus {
        height: template.height,
        previous: display_hash(&template.previous),
        age_secs: view.meter.tip_age().as_secs(),
        template_age_secs: scene.clock.monotonic().saturating_sub(work.fetched_at).as_secs(),
        source: work.source.name().to_owned(),
        node: work.node.clone(),
        network_difficulty: template.target.difficulty(view.coin.profile.stratum_bits),
    })
}

fn node_status(node: &Node) -> NodeStatus {
    let state = match (node.aside(), node.state()) {
        (Some(_), NodeState::Ready) => "aside",
        (_, NodeState::Ready) => "ready",
        (_, NodeState::Syncing { .. }) => "syncing",
        (_, NodeState::Unreachable { .. }) => "unreachable",
        (_, NodeState::Refused { .. }) => "refused",
    };
    NodeStatus { name: node.name().to_owned(), state: state.to_owned(), summary: node.summary(), height: node.height() }
}

/// A spool and its drain.
pub fn spool_status(view: &LedgerView) -> SpoolStatus {
    let status = view.ledger.status();
    let (drain, reason) = match status.drain {
        DrainState::Off => ("off", String::new()),
        DrainState::Running => ("running", String::new()),
        DrainState::Unavailable(reason) => ("unavailable", reason),
        DrainState::Held(reason) => ("held", reason),
        DrainState::Paused(reason) => ("paused", reason),
        DrainState::Stopped(reason) => ("stopped", reason),
    };
    SpoolStatus {
        name: view.name.clone(),
        database: view.database.clone(),
        written: status.written,
        synced: status.synced,
        drained: status.drained,
        lag: status.written.saturating_sub(status.drained),
        undrained_bytes: status.undrained_bytes,
        drain: drain.to_owned(),
        reason,
        quarantined: status.quarantined,
        unrecorded: status.unrecorded,
        refused_at_bound: status.refused_at_bound,
        refused_by_disk: status.refused_by_disk,
        held: status.held,
    }
}

/// What somebody should look at.
pub fn alarms(scene: &Scene) -> Vec<String> {
    let mut alarms = scene.reloads.notes();
    alarms.extend(scene.troubles.iter().cloned());
    alarms.extend(scene.log.file().trouble());
    for view in &scene.coins {
        if let Some(reason) = &*view.alarm.borrow() {
            alarms.push(format!("{}: the node would refuse our blocks: {reason}", view.coin.name));
        }
        alarms.extend(no_work(view));
    }
    for view in &scene.ledgers {
        let spool = spool_status(view);
        if !matches!(&*spool.drain, "running" | "off") {
            alarms.push(format!("{}: the drain is {}: {}", spool.database, spool.drain, spool.reason));
        }
        alarms.extend(no_disk(view));
        alarms.extend(view.ledger.overdue().map(|overdue| format!("{}: {overdue}", spool.database)));
        alarms.extend(view.skew.borrow().map(|skew| format!("{}: {skew}", spool.database)));
    }
    alarms
}

/// Why miners of a coin or of all are not served as they should be now. Shares that wait for the database are no
/// reason, nor is anything else that only an operator would notice.
pub fn unserved(scene: &Scene) -> Vec<String> {
    let coins = scene.coins.iter().filter_map(no_work);
    let down = scene.down.iter().map(|coin| format!("{coin}: it is down, its spool cannot be used"));
    coins.chain(down).chain(scene.ledgers.iter().filter_map(no_disk)).collect()
}

fn no_work(view: &CoinView) -> Option<String> {
    let is_mining = view.board.borrow().job.is_some();
    (!is_mining).then(|| format!("{}: there is no work for miners", view.coin.name))
}

fn no_disk(view: &LedgerView) -> Option<String> {
    let problem = view.ledger.status().sync_failed?;
    Some(format!("{}: the disk does not take the spool: {problem}", view.database))
}
