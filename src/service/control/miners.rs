//! Connections: who they are, and what is ordered of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::fitting;
use super::request::{Chosen, Who};
use crate::difficulty::Difficulty;
use crate::service::scene::Scene;
use crate::stratum::roster::{Entry, Order, Told};

/// Connections that are compared in one go; then others have their turn.
const STRIDE: usize = 500;
/// Connections that one command reaches.
const REACHED_MAX: usize = 1000;
/// How long a command waits for the connections to carry it out.
const CARRY_OUT_MAX: Duration = Duration::from_secs(2);
/// Workers of a connection that are named.
const WORKERS_SHOWN: usize = 8;
/// Characters of a reason that a miner is told.
const REASON_CHARS_MAX: usize = 120;

/// A connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Miner {
    /// Its number, in this life of the daemon.
    pub id: u64,
    /// Its coin.
    pub coin: String,
    /// The port, as it is configured.
    pub port: String,
    /// Where it comes from.
    pub address: IpAddr,
    /// Its workers, the first few.
    pub workers: Vec<String>,
    /// All of them, counted.
    pub workers_count: usize,
    /// Its program, as it calls itself: escape it.
    pub agent: String,
    /// The difficulty of its next job.
    pub difficulty: f64,
    /// Shares that counted.
    pub accepted: u64,
    /// Submits that did not.
    pub refused: u64,
    /// How long it has been connected.
    pub connected_secs: u64,
    /// How long ago its last share counted.
    pub idle_secs: Option<u64>,
    /// Hashes per second, over the last minutes.
    pub hashrate: f64,
}

fn miner(scene: &Scene, entry: &Entry) -> Miner {
    let now = scene.clock.monotonic();
    let (names, figures) = (entry.names(), entry.figures(now));
    let coin = scene.coins.iter().find(|view| *view.coin.name == *entry.coin);
    let bits = coin.map_or(0, |view| view.coin.profile.stratum_bits);
    Miner {
        id: entry.id,
        coin: entry.coin.to_string(),
        port: entry.listen.to_string(),
        address: entry.address,
        workers: names.workers.iter().take(WORKERS_SHOWN).map(|name| name.to_string()).collect(),
        workers_count: names.workers.len(),
        agent: names.agent.into_string(),
        difficulty: figures.difficulty,
        accepted: figures.accepted,
        refused: figures.refused,
        connected_secs: now.saturating_sub(entry.opened_at).as_secs(),
        idle_secs: figures.idle.map(|idle| idle.as_secs()),
        hashrate: figures.work_per_sec * 2f64.powi(i32::from(bits)),
    }
}

/// Up to `most` of the chosen connections with a number above `after`.
async fn choose(scene: &Scene, chosen: &Chosen, mut after: u64, most: usize) -> Vec<Arc<Entry>> {
    let mut found = Vec::new();
    loop {
        let stride = scene.roster.page(after, STRIDE);
        let Some(last) = stride.last() else { return found };
        after = last.id;
        for entry in stride.into_iter().filter(|entry| chosen.holds(entry)) {
            if found.len() == most {
                return found;
            }
            found.push(entry);
        }
        yield_now().await;
    }
}

/// A page of connections.
pub(super) async fn list(scene: &Scene, who: &Who, after: u64, limit: usize) -> Result<Value, String> {
    // One more shows whether there is another page.
    let found = choose(scene, &who.chosen()?, after, limit + 1).await;
    let (miners, shown) = fitting(found.iter().take(limit).map(|entry| miner(scene, entry)));
    let next = (shown < found.len()).then(|| shown.checked_sub(1).and_then(|last| found.get(last)).map(|last| last.id));
    Ok(json!({ "miners": miners, "next": next.flatten() }))
}

/// What came of an order to many.
pub(super) struct Outcome {
    matched: usize,
    more: bool,
    told: Vec<Told>,
}

impl Outcome {
    /// How many heard it.
    pub(super) fn told(&self) -> usize {
        self.told.len()
    }
}

/// Orders the same of all chosen connections and waits for them.
pub(super) async fn order(scene: &Scene, chosen: &Chosen, order: &Order) -> Outcome {
    let mut found = choose(scene, chosen, 0, REACHED_MAX + 1).await;
    let more = found.len() > REACHED_MAX;
    found.truncate(REACHED_MAX);
    let waiting: Vec<_> = found.iter().filter_map(|entry| entry.order(order.clone())).collect();
    let (matched, end) = (found.len(), Instant::now() + CARRY_OUT_MAX);
    // An entry that is kept would keep the answer of a connection that has ended from breaking.
    drop(found);
    let mut told = Vec::new();
    for answer in waiting {
        if let Ok(Ok(one)) = timeout_at(end, answer).await {
            told.push(one);
        }
    }
    Outcome { matched, more, told }
}

fn somebody(who: &Who) -> Result<Chosen, String> {
    match who.is_everybody() {
        true => Err("say who is meant: worker, address, id or coin".to_owned()),
        false => who.chosen(),
    }
}

/// Ends connections.
pub(super) async fn kick(scene: &Scene, who: &Who, reason: Option<String>) -> Result<Value, String> {
    let words = reason.unwrap_or_else(|| "closed by the pool's operator".to_owned());
    let Outcome { matched, more, told } = order(scene, &somebody(who)?, &kick_order(&words)).await;
    Ok(json!({ "matched": matched, "told": told.len(), "more": more }))
}

/// The order to end a connection.
pub(super) fn kick_order(words: &str) -> Order {
    let words: String = words.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
    Order::Kick { words: words.into() }
}

/// Changes the difficulty of connections.
pub(super) async fn set_difficulty(scene: &Scene, who: &Who, difficulty: f64) -> Result<Value, String> {
    let wanted = Difficulty::new(difficulty).ok_or_else(|| {
        format!("{difficulty:e} is not a valid difficulty: {:e} to {:e}", Difficulty::MIN.get(), Difficulty::MAX.get())
    })?;
    let Outcome { matched, more, told } = order(scene, &somebody(who)?, &Order::Difficulty(wanted)).await;
    let least = told.iter().map(|one| one.difficulty).reduce(f64::min);
    let most = told.iter().map(|one| one.difficulty).reduce(f64::max);
    let adjusted = told.iter().filter(|one| one.adjusted).count();
    Ok(json!({
        "matched": matched, "told": told.len(), "more": more, "least": least, "most": most, "adjusted": adjusted
    }))
}
