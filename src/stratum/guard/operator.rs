//! The bans as operators see and change them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bans::{Ban, Cause};
use super::ordered::Ordered;
use super::source::Source;
use super::{Guard, lock};
use crate::clock::Clock;
use crate::config::Network;

/// Why the daemon bans by itself: nothing else is misbehaviour.
fn misbehaviour(cause: Option<&Cause>) -> String {
    match cause {
        Some(Cause { closes: 1, .. }) => "invalid shares: a connection was closed for them".to_owned(),
        Some(Cause { closes, window_secs, .. }) => {
            format!("invalid shares: {closes} connections were closed for them within {window_secs} s")
        }
        None => "invalid shares".to_owned(),
    }
}

/// A ban to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanOrder {
    /// Who.
    pub network: Network,
    /// For how long.
    pub lasts: Duration,
    /// Why.
    pub reason: String,
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The network or the address.
    pub who: String,
    /// Whether an operator ordered it; otherwise it is for misbehaviour.
    pub ordered: bool,
    /// Unix second of its end.
    pub until: u64,
    /// Unix second of its beginning; of bans that a version before noted only the end of it is not known.
    pub since: Option<u64>,
    /// Why.
    pub reason: String,
}

impl Guard {
    /// Bans a network. False: there are too many bans by order. Open connections stay.
    pub fn ban(&self, order: &BanOrder, clock: &dyn Clock) -> bool {
        let (now, since) = (clock.monotonic(), clock.unix_secs());
        let ban = Ordered {
            network: order.network,
            reason: order.reason.clone(),
            since,
            ends: since.saturating_add(order.lasts.as_secs()),
            until: now.saturating_add(order.lasts),
        };
        let done = lock(&self.ordered).add(ban, now);
        self.unsaved.fetch_or(done, Ordering::Relaxed);
        done
    }

    /// Lifts the ban by order of exactly this network, and that for misbehaviour if it is one address. False:
    /// there was none.
    pub fn lift(&self, network: &Network, clock: &dyn Clock) -> bool {
        let now = clock.monotonic();
        let by_order = lock(&self.ordered).lift(network, now);
        let for_misbehaviour =
            network.single_source().is_some_and(|address| lock(&self.bans).lift(Source::of(address), now));
        let done = by_order || for_misbehaviour;
        self.unsaved.fetch_or(done, Ordering::Relaxed);
        done
    }

    /// The bans in force: those by order first.
    pub fn bans(&self, clock: &dyn Clock) -> Vec<InForce> {
        let (now, unix_secs) = (clock.monotonic(), clock.unix_secs());
        let ordered = |ban: &Ordered| InForce {
            who: ban.network.to_string(),
            ordered: true,
            until: ban.ends,
            since: Some(ban.since),
            reason: ban.reason.clone(),
        };
        let mut bans: Vec<InForce> = lock(&self.ordered).in_force(now).map(ordered).collect();
        let for_misbehaviour = lock(&self.bans).in_force(now);
        bans.extend(for_misbehaviour.into_iter().map(|Ban { source, left, cause }| InForce {
            who: source.to_string(),
            ordered: false,
            until: unix_secs + left.as_secs(),
            since: cause.map(|cause| cause.since),
            reason: misbehaviour(cause.as_ref()),
        }));
        bans
    }

    /// How many bans are in force: by order, and for misbehaviour.
    pub fn ban_counts(&self, now: Duration) -> (usize, usize) {
        let ordered = lock(&self.ordered).in_force(now).count();
        (ordered, lock(&self.bans).in_force(now).len())
    }
}
