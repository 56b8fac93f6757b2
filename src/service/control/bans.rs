//! Bans by command.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fitting;
use super::miners::{kick_order, order};
use super::request::{Chosen, network};
use crate::service::scene::Scene;
use crate::stratum::guard::ordered::ORDERED_MAX;
use crate::stratum::guard::{BanOrder, InForce};

/// Longest ban: ten years.
const SECS_MAX: u64 = 10 * 365 * 86_400;

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The address, its /64 or the network.
    pub network: String,
    /// Whether an operator ordered it; otherwise it is for misbehaviour.
    pub ordered: bool,
    /// Unix second of its end.
    pub until: u64,
    /// Unix second of its beginning; not known of a ban of an earlier version.
    pub since: Option<u64>,
    /// Why.
    pub reason: String,
}

/// A page of bans.
pub(super) fn list(scene: &Scene, after: usize, limit: usize) -> Result<Value, String> {
    let all = scene.guard.bans(&*scene.clock);
    let ban = |InForce { who, ordered, until, since, reason }: &InForce| Ban {
        network: who.clone(),
        ordered: *ordered,
        until: *until,
        since: *since,
        reason: reason.clone(),
    };
    let (bans, shown) = fitting(all.iter().skip(after).take(limit).map(ban));
    let next = after.saturating_add(shown);
    Ok(json!({ "bans": bans, "next": (next < all.len()).then_some(next) }))
}

/// Bans a network and closes its connections.
pub(super) async fn add(
    scene: &Arc<Scene>,
    text: &str,
    secs: u64,
    reason: Option<String>,
    keep: bool,
) -> Result<Value, String> {
    let network = network(text)?;
    if !(1..=SECS_MAX).contains(&secs) {
        return Err(format!("a ban lasts 1 to {SECS_MAX} s"));
    }
    let reason = reason.unwrap_or_else(|| "by order".to_owned());
    let ban = BanOrder { network, lasts: Duration::from_secs(secs), reason: reason.clone() };
    if !scene.guard.ban(&ban, &*scene.clock) {
        return Err(format!(
            "there are {ORDERED_MAX} bans by order already: lift some, or ban a network that holds them"
        ));
    }
    save(scene).await;
    let ended = match keep {
        true => 0,
        false => order(scene, &Chosen::of_network(network), &kick_order(&format!("banned: {reason}"))).await.told(),
    };
    Ok(json!({ "ended": ended }))
}

/// Lifts a ban.
pub(super) async fn lift(scene: &Arc<Scene>, text: &str) -> Result<Value, String> {
    let network = network(text)?;
    if !scene.guard.lift(&network, &*scene.clock) {
        return Err(format!("{network} is not banned; a network is lifted as it was banned: see the list"));
    }
    save(scene).await;
    Ok(json!({}))
}

/// An operator's word is on the disk when it is answered.
async fn save(scene: &Arc<Scene>) {
    let scene = Arc::clone(scene);
    // A panic in it would have ended the process.
    let _ = tokio::task::spawn_blocking(move || scene.guard.save(&scene.bans, &*scene.clock)).await;
}
